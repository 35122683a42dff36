//! `/api/v1/report`: the report on consumer groups.

use std::time::SystemTime;

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::query::EventsQuery;
use crate::{export::report::report, http::state::State};

/// The report as it is written to the file of `[report]`; 503 while no cluster has been collected from lately.
pub(in crate::http) fn last_report(state: &State, _: &EventsQuery) -> Response {
    let readings: Vec<_> = state.boards.list().iter().map(|board| board.read()).collect();
    match report(&readings, SystemTime::now()) {
        Some(report) => Json(report).into_response(),
        None => {
            let text = "no collection cycle has succeeded lately: the consumer groups are not known";
            (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "error": text }))).into_response()
        }
    }
}
