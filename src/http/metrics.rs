//! `/metrics`: text or OpenMetrics, as asked for.

use std::time::Instant;

use axum::{
    extract::State as Extract,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};

use super::{Shared, State, render};
use crate::{
    export::prometheus::{self, Format},
    metrics::{compat, render as series},
};

pub(super) async fn metrics(state: Extract<Shared>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let format = Format::negotiate(accept);
    match render(move || scrape(&state, format)).await {
        Ok(body) => ([(header::CONTENT_TYPE, format.content_type())], body).into_response(),
        Err(response) => response,
    }
}

/// Everything, of one moment.
pub(super) fn scrape(state: &State, format: Format) -> String {
    let readings: Vec<_> = state.boards.iter().map(|board| board.read()).collect();
    let process = (state.process)();
    let mut all = Vec::with_capacity(1024);
    for readings in &readings {
        series::cluster(readings, &mut all);
    }
    if state.cc_heartbeat {
        compat::cc_heartbeat(&readings, Instant::now(), &mut all);
    }
    series::process(&process, &mut all);
    prometheus::encode(&all, &state.labels, format)
}
