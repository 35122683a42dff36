//! `/metrics`: Prometheus text, OpenMetrics or protobuf, with or without gzip, as the request asks for.

use std::{convert::Infallible, future::pending, time::Instant};

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
    board::Board,
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
    let mut boards = state.boards.clone();
    loop {
        let list = boards.list_and_update();
        state.written.keep_only(&list);
        let count = list.len();
        let writers = list.iter().map(|board| write_board(state.clone(), board.clone(), count));
        let ended = async {
            join_all(writers).await;
            // The tasks of every cluster have ended: the service stops, or the list of boards is about to be replaced.
            pending::<()>().await;
        };
        tokio::select! {
            () = ended => {}
            () = boards.changed() => {}
            () = state.stop.cancelled() => return,
        }
    }
}

/// Writes the series of each snapshot of one cluster, one of so many, until its collection ends.
async fn write_board(state: Shared, board: Board, count: usize) {
    let mut collect = board.tasks.collect.clone();
    while collect.changed().await.is_ok() {
        let (state, board) = (state.clone(), board.clone());
        let write = move || state.written.write_ahead(state.writer(count), &board.read());
        _ = render(write).await;
    }
}

/// Every series, as it is at one moment.
fn scrape(state: &State, form: Form) -> Vec<Bytes> {
    let begun = Instant::now();
    state.written.note(form);
    let readings: Vec<_> = state.boards.list().iter().map(Board::read).collect();
    let process = (state.process)();
    let writer = state.writer(readings.len());
    let collected: Vec<_> =
        readings.iter().map(|readings| state.written.get(writer, readings, form)).collect();
    let exposed = Exposed::to_scrape(&readings, &process, state.compat);
    let parts: Vec<&[Block]> = collected.iter().map(AsRef::as_ref).collect();
    let started = readings.iter().map(|readings| (readings.name.clone(), readings.started));
    let mut own =
        prometheus::Blocks::new(&state.labels, form.format).created(state.created).created_of(started);
    own.take(series::changing(&exposed, prometheus::count(&parts)));
    let own = own.done();
    let parts: Vec<&[Block]> = parts.into_iter().chain([own.as_slice()]).collect();
    let parts = Parts::of(&parts, form.format);
    let answer = if form.gzip { parts.packed() } else { parts.plain() };
    state.scrapes.record(begun.elapsed());
    answer
}
