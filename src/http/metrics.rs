//! `/metrics`: Prometheus text, OpenMetrics or protobuf, with or without gzip, as the request asks for.

use std::{convert::Infallible, time::Instant};

use axum::{
    body::Body,
    extract::State as Extract,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::{future::join_all, stream};

use super::{
    form::Form,
    offload::render,
    state::{Shared, State},
};
use crate::{
    export::prometheus::{self, Block, Parts},
    metrics::{
        Sink,
        render::{self as series, Exposed},
    },
};

/// Answers a scrape in the form that it asks for.
pub(super) async fn metrics(state: Extract<Shared>, headers: HeaderMap) -> Response {
    let form = Form::of(&headers);
    let parts = match render(move || scrape(&state, form)).await {
        Ok(parts) => parts,
        Err(response) => return response,
    };
    let length = parts.iter().map(Bytes::len).sum::<usize>().to_string();
    let body = Body::from_stream(stream::iter(parts.into_iter().map(Ok::<_, Infallible>)));
    let kind =
        [(header::CONTENT_TYPE, form.format.content_type()), (header::VARY, "accept, accept-encoding")];
    let encoding = form.gzip.then_some([(header::CONTENT_ENCODING, "gzip")]);
    (kind, encoding, [(header::CONTENT_LENGTH, length)], body).into_response()
}

/// Writes the series of each snapshot of the collection as soon as it is published, until the service stops.
pub async fn write_ahead(state: Shared) {
    let boards = (0..state.boards.len()).map(|number| {
        let state = state.clone();
        let mut collect = state.boards[number].tasks.collect.clone();
        async move {
            while collect.changed().await.is_ok() {
                let state = state.clone();
                let write = move || {
                    let readings = state.boards[number].read();
                    state.written.write_ahead(state.writer(), number, &readings);
                };
                _ = render(write).await;
            }
        }
    });
    tokio::select! {
        _ = join_all(boards) => {}
        () = state.stop.cancelled() => {}
    }
}

/// Every series, as it is at one moment.
fn scrape(state: &State, form: Form) -> Vec<Bytes> {
    let begun = Instant::now();
    state.written.note(form);
    let readings: Vec<_> = state.boards.iter().map(|board| board.read()).collect();
    let process = (state.process)();
    let collected: Vec<_> = readings
        .iter()
        .enumerate()
        .map(|(board, readings)| state.written.get(state.writer(), board, readings, form))
        .collect();
    let exposed = Exposed::to_scrape(&readings, &process, state.compat);
    let parts: Vec<&[Block]> = collected.iter().map(AsRef::as_ref).collect();
    let mut own = prometheus::Blocks::new(&state.labels, form.format).created(state.created);
    own.take(series::changing(&exposed, prometheus::count(&parts)));
    let own = own.done();
    let parts: Vec<&[Block]> = parts.into_iter().chain([own.as_slice()]).collect();
    let parts = Parts::of(&parts, form.format);
    let answer = if form.gzip { parts.packed() } else { parts.plain() };
    state.scrapes.record(begun.elapsed());
    answer
}
