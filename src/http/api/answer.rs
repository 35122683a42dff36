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
use crate::{
    board::{Board, Readings},
    http::state::State,
};

/// Answers with one object for each cluster that the query asks for, and the name of the cluster in each; 400 if there is
/// no such cluster.
pub(super) fn each(state: &State, query: &ClusterQuery, view: impl Fn(&Readings) -> Value) -> Response {
    match readings(state, query.cluster.as_deref()) {
        Ok(readings) => listed(readings.iter().map(|readings| (&*readings.name, view(readings)))),
        Err(refused) => *refused,
    }
}

/// The readings of the clusters that are asked for: all of them without a name.
///
/// # Errors
/// The answer 400 if there is no such cluster.
pub(super) fn readings(state: &State, cluster: Option<&str>) -> Result<Vec<Readings>, Box<Response>> {
    let boards = state.boards.list();
    let wanted = boards.iter().filter(|board| cluster.is_none_or(|wanted| wanted == &*board.name));
    let readings: Vec<_> = wanted.map(Board::read).collect();
    let refused = || Box::new(bad_request("cluster: no cluster of this name is configured"));
    if readings.is_empty() { Err(refused()) } else { Ok(readings) }
}

/// One object for each cluster, with the name of the cluster in it.
pub(super) fn listed<'a>(clusters: impl Iterator<Item = (&'a str, Value)>) -> Response {
    #[derive(Serialize)]
    struct Answer {
        generated_at: String,
        clusters: Vec<Value>,
    }
    let named = |(name, mut object): (&str, Value)| {
        object["cluster"] = name.into();
        object
    };
    let clusters = clusters.map(named).collect();
    Json(Answer { generated_at: time(SystemTime::now()), clusters }).into_response()
}

/// The answer 503 with its reason: the history file cannot be read.
pub(super) fn unavailable(text: &str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "error": text }))).into_response()
}

/// The answer 400 with its reason.
pub(super) fn bad_request(text: &str) -> Response {
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
