//! `/metrics`: text or OpenMetrics, as asked for.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use axum::{
    extract::State as Extract,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};

use super::{Shared, State, render};
use crate::{
    board::Readings,
    collect,
    export::prometheus::{self, Block, Format},
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

/// What was written of the collectors' snapshots: there may be a hundred thousand series, they change twice a
/// minute, and any number of scrapers ask.
#[derive(Default)]
pub(super) struct Written(Mutex<BTreeMap<(usize, Format), WrittenOf>>);

/// A snapshot, and what was written of it.
type WrittenOf = (Arc<collect::Snapshot>, Arc<[Block]>);

impl Written {
    fn of(
        &self,
        board: usize,
        readings: &Readings,
        alone: bool,
        state: &State,
        format: Format,
    ) -> Arc<[Block]> {
        let Some(snapshot) = readings.collect.fresh() else { return Arc::new([]) };
        let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, blocks)) = written.get(&(board, format))
            && Arc::ptr_eq(of, snapshot)
        {
            return blocks.clone();
        }
        let mut blocks = prometheus::Blocks::new(&state.labels, format);
        series::collected(readings, alone, &mut blocks);
        let blocks: Arc<[Block]> = blocks.done().into();
        written.insert((board, format), (snapshot.clone(), blocks.clone()));
        blocks
    }
}

/// Everything, of one moment.
pub(super) fn scrape(state: &State, format: Format) -> String {
    let readings: Vec<_> = state.boards.iter().map(|board| board.read()).collect();
    let (process, alone) = ((state.process)(), readings.len() == 1);
    let collected: Vec<_> = readings
        .iter()
        .enumerate()
        .map(|(board, readings)| state.written.of(board, readings, alone, state, format))
        .collect();
    let mut all = Vec::with_capacity(1024);
    for readings in &readings {
        series::cluster(readings, &mut all);
    }
    if state.cc_heartbeat {
        compat::cc_heartbeat(&readings, Instant::now(), &mut all);
    }
    let parts: Vec<&[Block]> = collected.iter().map(AsRef::as_ref).collect();
    series::process(&process, prometheus::count(&parts), &mut all);
    let own = prometheus::blocks(&all, &state.labels, format);
    let parts: Vec<&[Block]> = parts.into_iter().chain([own.as_slice()]).collect();
    prometheus::assemble(&parts, format)
}
