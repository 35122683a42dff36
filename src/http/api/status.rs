//! `/api/v1/status`: the verdict, the counts, the latencies and the tasks of each cluster.

use std::time::{Duration, Instant};

use axum::response::Response;
use serde_json::{Map, Value, json};

use super::{
    answer::{each, time},
    diagnosis::diagnosis_json,
    query::ClusterQuery,
};
use crate::{
    board::Task,
    http::state::State,
    kafka::Credential,
    latency::{Recent, Summary},
    probe::heartbeat::Outcome,
    task::{Ending, Record},
};

/// Verdict, counts, latencies and tasks of each cluster.
pub(in crate::http) fn status(state: &State, query: &ClusterQuery) -> Response {
    each(state, query, |readings| {
        let heartbeat = &readings.heartbeat;
        let totals = heartbeat.totals;
        let outcomes: Map<String, Value> = Outcome::ALL
            .iter()
            .map(|outcome| (outcome.as_str().to_owned(), totals.of(*outcome).into()))
            .collect();
        let metadata = readings.metadata.fresh();
        let topic = readings.topic.fresh();
        json!({
            "verdict": readings.verdict.state.as_str(),
            "reasons": readings.verdict.reasons,
            "since": time(readings.verdict.since),
            "diagnosis": diagnosis_json(readings.verdict.diagnosis.as_ref()),
            "cluster_id": metadata.and_then(|metadata| metadata.cluster_id.clone()),
            "brokers": metadata.map(|metadata| metadata.brokers.len()),
            "quorum_leader": metadata.and_then(|metadata| metadata.quorum).map(|quorum| quorum.leader.0),
            "metadata_seconds": metadata.map(|metadata| metadata.duration.as_secs_f64()),
            "prober_healthy": heartbeat.prober_healthy,
            "collects": readings.collects,
            "role": readings.role.as_str(),
            "heartbeats": {
                "scheduled": totals.scheduled,
                "in_flight": totals.in_flight,
                "outcomes": outcomes,
                "slo_events": heartbeat.events,
                "slo_bad_events": heartbeat.bad_events,
            },
            "end_to_end": windows(&heartbeat.end_to_end),
            "produce": windows(&heartbeat.produce),
            "capabilities": readings.capabilities().into_iter().map(|(request, state)| json!({
                "request": request.as_str(),
                "state": state.as_str(),
                "permission": request.permission(),
            })).collect::<Vec<_>>(),
            "credential": readings.credential.as_ref().map(credential_json),
            "file_credentials": readings.file_credentials.iter().map(credential_json).collect::<Vec<_>>(),
            "tasks": readings.tasks().map(|(task, record)| task_json(task, record)).collect::<Vec<_>>(),
            "topic": {
                "name": readings.settings.heartbeat.topic,
                "ready": topic.map(|topic| topic.ready),
                "pending": topic.map(|topic| topic.pending.iter().map(ToString::to_string).collect::<Vec<_>>()),
                "blocked": topic.map(|topic| topic.blocked.iter().map(|reason| reason.as_str()).collect::<Vec<_>>()),
                "uncovered_brokers": topic.map(|topic| topic.uncovered.iter().map(|id| id.0).collect::<Vec<_>>()),
            },
        })
    })
}

/// A credential that is renewed, without the secret itself.
fn credential_json(credential: &Credential) -> Value {
    json!({
        "kind": credential.kind.as_str(),
        "expires": credential.expires.map(time),
        "renewals": credential.renewals,
        "failures": credential.failures.values().sum::<u64>(),
        "clock_difference_seconds": credential.clock_difference,
        "failure": credential.failure.as_ref().map(|failure| json!({
            "fault": failure.fault.as_str(),
            "message": failure.message,
            "since": time(failure.since),
        })),
    })
}

/// How often a task runs, and how its cycles end.
fn task_json(task: Task, record: Record<'_>) -> Value {
    let cycles = Ending::ALL.into_iter().zip(record.cycles);
    let cycles = cycles.map(|(ending, count)| (ending.as_str().to_owned(), count.into()));
    json!({
        "task": task.as_str(),
        "interval_seconds": record.interval.as_secs_f64(),
        "succeeded": record.succeeded.map(time),
        "last_cycle_seconds": record.last_duration.map(|took| took.as_secs_f64()),
        "cycles": cycles.collect::<Map<_, _>>(),
        "failure": record.failure.map(|failure| json!({
            "fault": failure.fault.as_str(),
            "message": failure.message,
            "since": time(failure.since),
        })),
    })
}

/// The percentiles of the last minute and of the last five minutes; null for a window without heartbeats.
fn windows(recent: &Recent) -> Value {
    let window = |minutes: u64| {
        recent.summary(Instant::now(), Duration::from_secs(60 * minutes)).map(|summary: Summary| {
            json!({
                "count": summary.count,
                "p50_seconds": summary.p50.as_secs_f64(),
                "p90_seconds": summary.p90.as_secs_f64(),
                "p99_seconds": summary.p99.as_secs_f64(),
                "max_seconds": summary.max.as_secs_f64(),
                "mean_seconds": summary.mean.as_secs_f64(),
            })
        })
    };
    json!({ "1m": window(1), "5m": window(5) })
}
