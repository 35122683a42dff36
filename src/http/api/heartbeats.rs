//! `/api/v1/heartbeats`: single heartbeats.

use axum::response::Response;
use serde_json::{Value, json};

use super::{
    answer::{bad_request, each, seconds, time},
    query::ClusterQuery,
};
use crate::{
    http::state::State,
    probe::heartbeat::{EndedHeartbeat, Outcome},
};

/// The last heartbeats of each partition, or the last bad ones.
pub(in crate::http) fn heartbeats(state: &State, query: &ClusterQuery) -> Response {
    let limit = query.most();
    match query.outcome.as_deref() {
        Some("bad") => each(state, query, |readings| {
            let bad = readings.heartbeat.bad.iter().rev().take(limit).map(|bad| bad_json(bad));
            json!({ "bad": bad.collect::<Vec<_>>() })
        }),
        None => each(state, query, |readings| {
            let leaders_are_known = readings.metadata.fresh().is_some();
            let partitions = readings.heartbeat.partitions.iter().map(|(number, partition)| {
                let beats = partition.beats.iter().rev().take(limit).map(|beat| {
                    json!({
                        "sequence": beat.sequence,
                        "intended": time(beat.intended),
                        "outcome": beat.outcome.map(Outcome::as_str),
                        "bad": beat.bad,
                        "end_to_end_seconds": seconds(beat.end_to_end),
                    })
                });
                let known = leaders_are_known.then_some(partition);
                json!({
                    "partition": number,
                    "leader": known.and_then(|partition| partition.leader).map(|leader| leader.0),
                    "rack": known.and_then(|partition| partition.rack.as_deref()),
                    "scheduled": partition.scheduled,
                    "in_flight": partition.in_flight,
                    "last_success": partition.last_success.map(time),
                    "beats": beats.collect::<Vec<_>>(),
                })
            });
            json!({ "partitions": partitions.collect::<Vec<_>>() })
        }),
        Some(_) => {
            bad_request("outcome: the only value is bad; without it the answer has every recent heartbeat")
        }
    }
}

fn bad_json(bad: &EndedHeartbeat) -> Value {
    json!({
        "id": bad.id,
        "partition": bad.partition,
        "sequence": bad.sequence,
        "broker": bad.broker.map(|broker| broker.0),
        "intended": time(bad.intended),
        "outcome": bad.outcome.as_str(),
        "fault": bad.fault.map(|fault| fault.as_str()),
        "schedule_delay_seconds": seconds(bad.schedule_delay),
        "produce_seconds": seconds(bad.produce),
        "end_to_end_seconds": seconds(bad.end_to_end),
        "trace_id": bad.trace.map(|ids| ids.trace_id()),
    })
}
