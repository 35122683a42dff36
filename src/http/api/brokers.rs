//! `/api/v1/brokers`: the sessions with each broker.

use axum::response::Response;
use serde_json::{Map, Value, json};

use super::{
    answer::{each, seconds, time},
    query::ClusterQuery,
};
use crate::http::state::State;

/// Sessions with each broker.
pub(in crate::http) fn brokers(state: &State, query: &ClusterQuery) -> Response {
    each(state, query, |readings| {
        let snapshot = readings.connectivity.fresh();
        let brokers = snapshot.map(|snapshot| {
            let brokers = snapshot.brokers.iter().map(|(id, check)| {
                let stages: Map<String, Value> = check
                    .stages
                    .iter()
                    .map(|(stage, took)| (stage.as_str().to_owned(), took.as_secs_f64().into()))
                    .collect();
                json!({
                    "id": id.0,
                    "host": check.host,
                    "port": check.port,
                    "rack": check.rack,
                    "up": check.up(),
                    "since": time(check.since),
                    "checks": check.checks,
                    "stages_seconds": stages,
                    "total_seconds": seconds(check.total),
                    "certificate_expiry": check.certificate_expiry.map(time),
                    "failure": check.failure.as_ref().map(|failure| json!({
                        "stage": failure.stage.as_str(),
                        "fault": failure.fault.as_str(),
                        "message": failure.message,
                        "hint": failure.fault.hint(),
                    })),
                })
            });
            brokers.collect::<Vec<_>>()
        });
        json!({ "brokers": brokers })
    })
}
