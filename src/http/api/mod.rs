//! The JSON twins of the page. Times are seconds; instants are RFC 3339 in UTC; what is not known is null.

mod collect;
mod events;

use std::time::{Duration, Instant, SystemTime};

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub(super) use collect::{cluster, consumer_groups, groups, topics as all_topics};
pub(super) use events::{events as all_events, written};

use super::State;
use crate::{
    board::Readings,
    latency::{Recent, Summary},
    probe::heartbeat::{Ended, Outcome},
};

/// `?cluster=NAME&outcome=bad&limit=N&search=PART&group=NAME`
#[derive(Debug, Default, Deserialize)]
pub(super) struct Filter {
    cluster: Option<String>,
    outcome: Option<String>,
    limit: Option<usize>,
    search: Option<String>,
    group: Option<String>,
}

impl Filter {
    /// Whether a name holds what is searched for.
    fn finds(&self, name: &str) -> bool {
        self.search.as_deref().is_none_or(|part| name.contains(part))
    }
}

pub(super) async fn leader() -> Response {
    Json(json!({ "is_leader": true })).into_response()
}

/// Verdict, counts and latencies of each cluster.
pub(super) fn status(state: &State, filter: &Filter) -> Response {
    each(state, filter, |readings| {
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
            "cluster_id": metadata.and_then(|metadata| metadata.cluster_id.clone()),
            "brokers": metadata.map(|metadata| metadata.brokers.len()),
            "quorum_leader": metadata.and_then(|metadata| metadata.quorum).map(|quorum| quorum.leader.0),
            "metadata_seconds": metadata.map(|metadata| metadata.duration.as_secs_f64()),
            "prober_healthy": heartbeat.prober_healthy,
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

/// The last heartbeats of each partition, or the last bad ones.
pub(super) fn heartbeats(state: &State, filter: &Filter) -> Response {
    let limit = filter.limit.unwrap_or(usize::MAX);
    match filter.outcome.as_deref() {
        Some("bad") => each(state, filter, |readings| {
            let bad = readings.heartbeat.bad.iter().rev().take(limit).map(|bad| bad_json(bad));
            json!({ "bad": bad.collect::<Vec<_>>() })
        }),
        None => each(state, filter, |readings| {
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
        Some(_) => bad_request("outcome: only bad is known; leave it out for all heartbeats"),
    }
}

/// Sessions with each broker.
pub(super) fn brokers(state: &State, filter: &Filter) -> Response {
    each(state, filter, |readings| {
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

/// The heartbeat topic's partitions and leaders, under the names of the cc-heartbeat program.
pub(super) fn topics(state: &State, filter: &Filter) -> Response {
    each(state, filter, |readings| {
        let metadata = readings.metadata.fresh();
        let topic = metadata.and_then(|metadata| metadata.heartbeat_topic.as_ref().ok());
        let leaders = topic.map(|topic| {
            let leaders = topic.partitions.iter().map(|(number, partition)| {
                (number.to_string(), partition.leader.map_or(Value::Null, |leader| leader.0.into()))
            });
            leaders.collect::<Map<String, Value>>()
        });
        json!({
            "cluster_id": metadata.and_then(|metadata| metadata.cluster_id.clone()),
            "topic_count": metadata.map(|metadata| metadata.topics.len()),
            "partition_count": metadata.map(|metadata| metadata.partitions()),
            "topics": [{
                "topic": readings.settings.heartbeat.topic,
                "partition_count": topic.map(|topic| topic.partitions.len()),
                "leaders": leaders,
            }],
        })
    })
}

/// One object for each cluster that was asked for.
fn each(state: &State, filter: &Filter, view: impl Fn(&Readings) -> Value) -> Response {
    let wanted = |name: &str| filter.cluster.as_deref().is_none_or(|wanted| wanted == name);
    let boards = state.boards.iter().filter(|board| wanted(&board.name));
    let clusters: Vec<Value> = boards
        .map(|board| {
            let mut object = view(&board.read());
            object["cluster"] = board.name.as_ref().into();
            object
        })
        .collect();
    if clusters.is_empty() {
        return bad_request("cluster: none of this name is configured");
    }
    #[derive(Serialize)]
    struct Answer {
        generated_at: String,
        clusters: Vec<Value>,
    }
    Json(Answer { generated_at: time(SystemTime::now()), clusters }).into_response()
}

fn bad_request(words: &'static str) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({ "error": words }))).into_response()
}

fn bad_json(bad: &Ended) -> Value {
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

fn seconds(time: Option<Duration>) -> Option<f64> {
    time.map(|time| time.as_secs_f64())
}

fn time(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}
