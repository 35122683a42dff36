//! What has happened, as annotations for dashboards; and the report.

use std::time::SystemTime;

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::State;
use crate::{clock::unix_ms, evaluate::events::Event, export::report::report};

/// `?cluster=NAME&kind=KIND&from=MS&to=MS`
#[derive(Debug, Default, Deserialize)]
pub(in crate::http) struct Wanted {
    cluster: Option<String>,
    kind: Option<String>,
    /// Milliseconds since 1970, as Grafana's `$__from` and `$__to` have them.
    from: Option<u64>,
    to: Option<u64>,
}

/// One flat list, the oldest first, with the fields of Grafana's annotations.
pub(in crate::http) fn events(state: &State, wanted: &Wanted) -> Response {
    let is_wanted = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
    let within = |at: u64| wanted.from.is_none_or(|from| at >= from) && wanted.to.is_none_or(|to| at <= to);
    let mut found: Vec<(u64, Value)> = Vec::new();
    for board in state.boards.iter().filter(|board| is_wanted(&wanted.cluster, &board.name)) {
        let readings = board.read();
        // What happened has happened, whether the last look succeeded or not.
        let Some((snapshot, _)) = &readings.collect.snapshot else { continue };
        let events = snapshot.events.iter().filter(|event| is_wanted(&wanted.kind, &event.kind));
        let events =
            events.map(|event| (unix_ms(event.at).unsigned_abs(), event)).filter(|(at, _)| within(*at));
        found.extend(events.map(|(at, event)| (at, annotation(&board.name, at, event))));
    }
    found.sort_by_key(|(at, _)| *at);
    Json(found.into_iter().map(|(_, event)| event).collect::<Vec<_>>()).into_response()
}

fn annotation(cluster: &str, at: u64, event: &Event) -> Value {
    json!({
        "time": at,
        "title": event.kind,
        "text": format!("{}: {}", event.subject, event.words),
        "tags": ["kafka-heartbeat", cluster, event.kind],
        "cluster": cluster,
        "kind": event.kind,
        "subject": event.subject,
    })
}

/// As it is written to the file of `[report]`.
pub(in crate::http) fn written(state: &State, _: &Wanted) -> Response {
    let readings: Vec<_> = state.boards.iter().map(|board| board.read()).collect();
    match report(&readings, SystemTime::now()) {
        Some(report) => Json(report).into_response(),
        None => {
            let words = "no cluster's groups have been looked at lately";
            (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "error": words }))).into_response()
        }
    }
}
