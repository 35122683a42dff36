//! `/metrics`: text, OpenMetrics or protobuf, plain or packed, as asked for.
//!
//! What the collectors know may be a hundred thousand series. It changes twice a minute and any number of scrapers
//! ask, so it is written once for each snapshot, as soon as that is there and in the forms that somebody asked for
//! lately: no scrape waits for it but the first.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex, Weak},
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    extract::State as Extract,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::{future::join_all, stream};

use super::{
    offload::render,
    state::{Shared, State},
};
use crate::{
    board::Readings,
    export::prometheus::{self, Block, Format, Parts},
    metrics::{
        ClusterLabel, Sink,
        render::{self as series, Exposed},
    },
    monitor,
    sync::lock,
};

/// A form that nobody has asked for so long is not written ahead any more …
const WANTED_FOR: Duration = Duration::from_secs(300);

/// … nor one that was asked for in fewer looks than that, as by somebody who is curious.
const REGULAR: u32 = 2;

/// While a snapshot is younger, it may be being written; meanwhile what was written before is served.
const WRITING: Duration = Duration::from_secs(2);

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Form {
    format: Format,
    gzip: bool,
}

impl Form {
    fn of(headers: &HeaderMap) -> Self {
        let value = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        Self {
            format: Format::negotiate(value(header::ACCEPT)),
            gzip: accepts_gzip(value(header::ACCEPT_ENCODING)),
        }
    }
}

/// Whether an `Accept-Encoding` header allows gzip by name.
fn accepts_gzip(accept: &str) -> bool {
    accept.split(',').any(|entry| {
        let mut parts = entry.split(';').map(str::trim);
        let quality = |part: &str| part.strip_prefix("q=").map(|q| q.parse().unwrap_or(0.0));
        parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"))
            && parts.find_map(quality).is_none_or(|quality: f64| quality > 0.0)
    })
}

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

/// What was written of the collectors' snapshots, by board and format, and what forms are wanted.
#[derive(Default)]
pub(super) struct Written {
    blocks: Mutex<BTreeMap<(usize, Format), WrittenOf>>,
    wanted: Mutex<BTreeMap<Form, Wanted>>,
}

/// How a form was asked for.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    last: Instant,
    /// Since the last look.
    lately: bool,
    /// Looks after which it was asked for.
    looks: u32,
}

impl Wanted {
    fn is_regular(self) -> bool {
        self.looks >= REGULAR
    }
}

/// What was written of a snapshot, and when.
#[derive(Clone)]
struct WrittenOf {
    /// Which: not held, so that it goes as soon as there is another one.
    snapshot: Weak<monitor::Snapshot>,
    since: Instant,
    blocks: Arc<[Block]>,
    /// It can be sent as it is, too.
    plain: bool,
}

impl WrittenOf {
    fn suits(&self, form: Form) -> bool {
        self.plain || form.gzip
    }

    fn is_of(&self, snapshot: &Arc<monitor::Snapshot>) -> bool {
        self.snapshot.as_ptr() == Arc::as_ptr(snapshot)
    }
}

impl Written {
    fn ask(&self, form: Form) {
        let last = Instant::now();
        let mut wanted = lock(&self.wanted);
        let looks = wanted.get(&form).map_or(0, |before| before.looks);
        wanted.insert(form, Wanted { last, lately: true, looks });
    }

    fn of(&self, state: &State, board: usize, readings: &Readings, form: Form) -> Arc<[Block]> {
        let Some((snapshot, taken)) = readings.collect.snapshot.as_ref() else { return Arc::new([]) };
        if readings.collect.fresh().is_none() {
            return Arc::new([]);
        }
        let kept = 3 * readings.collect.interval;
        if let Some(written) = lock(&self.blocks).get(&(board, form.format))
            && written.suits(form)
            && (written.is_of(snapshot) || (taken.elapsed() < WRITING && written.since.elapsed() <= kept))
        {
            return written.blocks.clone();
        }
        self.write(state, board, readings, form)
    }

    /// Writes a snapshot, unless that was done.
    fn write(&self, state: &State, board: usize, readings: &Readings, form: Form) -> Arc<[Block]> {
        let Some(snapshot) = readings.collect.fresh() else { return Arc::new([]) };
        if let Some(written) = lock(&self.blocks).get(&(board, form.format))
            && written.is_of(snapshot)
            && written.suits(form)
        {
            return written.blocks.clone();
        }
        let plain = Form { gzip: false, ..form };
        let plain = !form.gzip || lock(&self.wanted).get(&plain).is_some_and(|wanted| wanted.is_regular());
        let mut blocks =
            prometheus::Blocks::new(&state.labels, form.format).created(state.created).only_packed(!plain);
        let label = ClusterLabel::of(state.boards.len());
        series::topics_and_groups(readings, label, state.compat, &mut blocks);
        let blocks = blocks.done();
        if form.gzip {
            prometheus::pack(&blocks);
        }
        let blocks: Arc<[Block]> = blocks.into();
        let written = WrittenOf {
            snapshot: Arc::downgrade(snapshot),
            since: Instant::now(),
            blocks: blocks.clone(),
            plain,
        };
        lock(&self.blocks).insert((board, form.format), written);
        blocks
    }

    /// Writes a board's snapshot in every form that is wanted, and forgets the others.
    fn ahead(&self, state: &State, board: usize) {
        let wanted: Vec<Form> = {
            let mut wanted = lock(&self.wanted);
            wanted.retain(|_, asked| asked.last.elapsed() < WANTED_FOR);
            for asked in wanted.values_mut() {
                asked.looks += u32::from(std::mem::take(&mut asked.lately));
            }
            // Packed first: who takes it as it is takes what was written for that.
            let regular = wanted.iter().rev().filter(|(_, asked)| asked.is_regular());
            regular.map(|(form, _)| *form).collect()
        };
        lock(&self.blocks).retain(|(_, format), _| wanted.iter().any(|form| form.format == *format));
        let readings = state.boards[board].read();
        for form in wanted {
            self.write(state, board, &readings, form);
        }
    }
}

/// Writes what the collectors see as soon as they see it, until the service stops.
pub async fn write_ahead(state: Shared) {
    let boards = (0..state.boards.len()).map(|board| {
        let (state, mut collect) = (state.clone(), state.boards[board].collect.clone());
        async move {
            while collect.changed().await.is_ok() {
                let state = state.clone();
                _ = render(move || state.written.ahead(&state, board)).await;
            }
        }
    });
    tokio::select! {
        _ = join_all(boards) => {}
        () = state.stop.cancelled() => {}
    }
}

/// Everything, of one moment.
fn scrape(state: &State, form: Form) -> Vec<Bytes> {
    let begun = Instant::now();
    state.written.ask(form);
    let readings: Vec<_> = state.boards.iter().map(|board| board.read()).collect();
    let process = (state.process)();
    let collected: Vec<_> = readings
        .iter()
        .enumerate()
        .map(|(board, readings)| state.written.of(state, board, readings, form))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_packed_for_who_names_it_and_does_not_forbid_it() {
        for accept in ["gzip", "deflate, gzip;q=0.5", "GZIP", "gzip;q=1.0, *;q=0"] {
            assert!(accepts_gzip(accept), "{accept}");
        }
        for accept in ["", "identity", "gzip;q=0", "gzip; q=0.0", "br, deflate", "gzipped", "gzip;q=x"] {
            assert!(!accepts_gzip(accept), "{accept}");
        }
    }
}
