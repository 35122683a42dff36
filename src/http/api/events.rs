//! `/api/v1/events`: what happened, as annotations for dashboards.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::query::EventsQuery;
use crate::{clock::unix_ms, evaluate::events::Event, http::state::State};

/// One list of the events of all clusters, the oldest first, with the fields of Grafana's annotations.
pub(in crate::http) fn events(state: &State, query: &EventsQuery) -> Response {
    let is_wanted = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
    let within = |at: u64| query.from.is_none_or(|from| at >= from) && query.to.is_none_or(|to| at <= to);
    let mut found: Vec<(u64, Value)> = Vec::new();
    for board in state.boards.list().iter().filter(|board| is_wanted(&query.cluster, &board.name)) {
        let readings = board.read();
        let events = readings.events();
        for event in events.iter().filter(|event| is_wanted(&query.kind, &event.kind)) {
            let at = unix_ms(event.at).unsigned_abs();
            if within(at) {
                found.push((at, annotation(&board.name, at, event)));
            }
        }
    }
    found.sort_by_key(|(at, _)| *at);
    Json(found.into_iter().map(|(_, event)| event).collect::<Vec<_>>()).into_response()
}

/// An event, and its time in milliseconds since 1970, as an annotation of Grafana.
fn annotation(cluster: &str, at: u64, event: &Event) -> Value {
    json!({
        "time": at,
        "title": event.kind,
        "text": event.text(),
        "tags": ["kafka-heartbeat", cluster, event.kind],
        "cluster": cluster,
        "kind": event.kind,
        "subject": event.subject,
    })
}
