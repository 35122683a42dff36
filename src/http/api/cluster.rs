//! `/api/v1/cluster`: the state of all partitions, and what has changed.

use axum::response::Response;
use serde_json::{Map, Value, json};

use super::{answer::each, query::ClusterQuery};
use crate::{
    collect::topology::{Change, Health},
    http::state::State,
};

/// Numbers of partitions in each state, for all topics and for each topic with a problem; and the number of changes of each
/// kind since the start.
pub(in crate::http) fn cluster(state: &State, query: &ClusterQuery) -> Response {
    each(state, query, |readings| {
        let Some(snapshot) = readings.collect.fresh() else {
            return json!({ "health": null, "topics": null, "changes": null });
        };
        let topology = &snapshot.topology;
        let sick = topology.health.iter().filter(|(_, health)| health.is_sick());
        let sick = sick.map(|(name, health)| {
            let mut row = health_json(*health);
            row["topic"] = (&**name).into();
            row
        });
        let changes = Change::ALL.into_iter().map(|change| {
            (change.as_str().to_owned(), topology.changes.get(&change).copied().unwrap_or(0).into())
        });
        json!({
            "health": health_json(Health::sum(topology.health.values())),
            "topics": sick.collect::<Vec<_>>(),
            "changes": changes.collect::<Map<_, _>>(),
        })
    })
}

fn health_json(health: Health) -> Value {
    json!({
        "partitions": health.partitions,
        "offline": health.offline,
        "under_replicated": health.under_replicated,
        "reassigning": health.reassigning,
        "under_min_isr": health.under_min_isr,
        "imbalanced": health.imbalanced,
    })
}
