//! The shape of an answer.

use std::time::{Duration, SystemTime};

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::{Value, json};

use super::query::ClusterQuery;
use crate::{board::Readings, http::state::State};

/// Answers with one object for each cluster that the query asks for, and the name of the cluster in each; 400 if there is
/// no such cluster.
pub(super) fn each(state: &State, query: &ClusterQuery, view: impl Fn(&Readings) -> Value) -> Response {
    let wanted = |name: &str| query.cluster.as_deref().is_none_or(|wanted| wanted == name);
    let boards = state.boards.list();
    let clusters: Vec<Value> = boards
        .iter()
        .filter(|board| wanted(&board.name))
        .map(|board| {
            let mut object = view(&board.read());
            object["cluster"] = board.name.as_ref().into();
            object
        })
        .collect();
    if clusters.is_empty() {
        return bad_request("cluster: no cluster of this name is configured");
    }
    #[derive(Serialize)]
    struct Answer {
        generated_at: String,
        clusters: Vec<Value>,
    }
    Json(Answer { generated_at: time(SystemTime::now()), clusters }).into_response()
}

/// The answer 400 with its reason.
pub(super) fn bad_request(text: &'static str) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({ "error": text }))).into_response()
}

/// A duration in seconds; null if it is absent.
pub(super) fn seconds(time: Option<Duration>) -> Option<f64> {
    time.map(|time| time.as_secs_f64())
}

/// An instant as RFC 3339 in UTC.
pub(super) fn time(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}
