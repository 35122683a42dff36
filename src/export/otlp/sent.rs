//! What the receiver of a stream has of each series, and so what to send next.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher, RandomState},
    time::SystemTime,
};

use super::{points::Number, requests::Request};
use crate::{
    catalog::{Description, Kind},
    clock::unix_nanos,
    latency::Buckets,
    metrics::Value,
};

/// What the receiver has of each series.
///
/// Series come in about the same order in each round, so they are kept in that order. The next series is first looked for
/// at its place in the last round, and only then by its hash: with tens of thousands of series, most of an export would
/// otherwise be waiting for memory.
#[derive(Debug, Default)]
pub struct Sent {
    pub(super) series: Vec<SentSeries>,
    /// The place of each series in `series`, by its hash.
    places: HashMap<u64, usize, BuildHasherDefault<AsItIs>>,
    pub(super) hasher: RandomState,
    /// The number of the round under way.
    pub(super) round: u64,
    /// The largest number of series that one round ever had.
    most: usize,
}

/// A hasher for keys that are hashes already.
#[derive(Debug, Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// One series of the stream.
#[derive(Debug)]
pub(super) struct SentSeries {
    pub(super) hash: u64,
    pub(super) family: &'static Description,
    pub(super) attributes: Box<[u8]>,
    /// The time from which the value counts, in nanoseconds since 1970.
    pub(super) since: u64,
    /// The last value that arrived, and the time of its point in nanoseconds since 1970. Absent before the first arrival.
    pub(super) arrived: Option<(SentValue, u64)>,
    /// The value of this round, which arrives with its request.
    pub(super) pending: SentValue,
    /// The last round that had this series.
    pub(super) round: u64,
    /// The series has vanished, and the receiver has the point without a value.
    pub(super) vanished: bool,
}

/// A value that was sent: as much of it as is needed to see that a series started again, and to compute the increase.
#[derive(Debug, Clone)]
pub(super) enum SentValue {
    /// The value is no count.
    Nothing,
    Count(u64),
    Number(f64),
    Buckets(Box<Buckets>),
}

impl Sent {
    /// The receiver accepted a request. A request of an earlier round is ignored, because series have other numbers now.
    pub fn arrived(&mut self, request: &Request, at: SystemTime) {
        let (round, series) = request.series();
        if round != self.round {
            return;
        }
        let at = unix_nanos(at);
        for place in series {
            let state = &mut self.series[place];
            let pending = std::mem::replace(&mut state.pending, SentValue::Nothing);
            // A series of an earlier round is in the request because it vanished.
            state.vanished = state.round != round;
            if !state.vanished {
                state.arrived = Some((pending, at));
            }
        }
    }

    /// The number of series that are remembered, which is at most three times the largest number that one round ever
    /// had: those of the last round, those that vanished with it, and as many that vanished before.
    pub fn remembered(&self) -> usize {
        self.series.len()
    }

    /// Begins a round, and forgets what is not needed any more, so that a receiver that is away or refuses everything
    /// costs no memory:
    ///
    /// - A series that vanished before the receiver ever accepted a point of it needs no point without a value.
    /// - A series whose point without a value arrived is needed with delta temporality: if the series comes back, it must
    ///   continue from the value that was sent before.
    /// - Of the vanished series that remain, those that vanished last are kept, as many as one round ever had series.
    pub(super) fn begin(&mut self, is_delta: bool) {
        let last = self.round;
        self.round += 1;
        let needed = |state: &SentSeries| {
            state.round == last
                || (state.arrived.is_some() && (!state.vanished || (is_delta && state.counts())))
        };
        let before = self.series.len();
        self.series.retain(needed);
        let mut vanished: Vec<u64> =
            self.series.iter().map(|state| state.round).filter(|round| *round != last).collect();
        self.most = self.most.max(self.series.len() - vanished.len());
        if let Some(surplus) = vanished.len().checked_sub(self.most).filter(|surplus| *surplus > 0) {
            vanished.sort_unstable();
            let (newest, mut surplus) = (vanished[surplus - 1], surplus);
            self.series.retain(|state| {
                let forgotten = surplus > 0 && state.round != last && state.round <= newest;
                surplus -= usize::from(forgotten);
                !forgotten
            });
        }
        if self.series.len() < before {
            self.places = self.series.iter().enumerate().map(|(place, state)| (state.hash, place)).collect();
        }
    }

    /// The place of the series with this hash: `here` if it is there, else where it is found by its hash, else a new place.
    pub(super) fn place(&mut self, hash: u64, here: usize, new: impl FnOnce() -> SentSeries) -> usize {
        if self.series.get(here).is_some_and(|state| state.hash == hash) {
            return here;
        }
        *self.places.entry(hash).or_insert_with(|| {
            self.series.push(new());
            self.series.len() - 1
        })
    }
}

/// A value to send: all of it, or the increase.
pub(super) enum ValueToSend<'a> {
    Number(Number),
    Buckets(&'a Buckets),
    Since(Box<Buckets>),
}

impl<'a> ValueToSend<'a> {
    pub(super) fn of(value: Value<'a>) -> Self {
        match value {
            Value::Count(count) => {
                ValueToSend::Number(Number::Whole(i64::try_from(count).unwrap_or(i64::MAX)))
            }
            Value::Number(number) => ValueToSend::Number(Number::Float(number)),
            Value::Buckets(buckets) => ValueToSend::Buckets(buckets),
        }
    }
}

impl SentSeries {
    pub(super) fn counts(&self) -> bool {
        matches!(self.family.kind, Kind::Counter | Kind::Histogram)
    }

    /// The value to send of a counter or histogram. It becomes the pending value.
    pub(super) fn next<'a>(&mut self, value: Value<'a>, is_delta: bool) -> ValueToSend<'a> {
        let arrived = self.arrived.as_ref().map(|(arrived, _)| arrived);
        // The increase; absent where the value is less than the value that arrived: the series started again.
        let increase = match (value, arrived) {
            (Value::Count(now), Some(SentValue::Count(before))) => {
                now.checked_sub(*before).map(|more| ValueToSend::of(Value::Count(more)))
            }
            (Value::Number(now), Some(SentValue::Number(before))) => {
                (now >= *before).then(|| ValueToSend::of(Value::Number(now - before)))
            }
            (Value::Buckets(now), Some(SentValue::Buckets(before))) => {
                now.since(before).map(|more| ValueToSend::Since(Box::new(more)))
            }
            (Value::Buckets(now), Some(SentValue::Count(before))) => {
                (now.count() >= *before).then_some(ValueToSend::Buckets(now))
            }
            _ => Some(ValueToSend::of(value)),
        };
        if let Some((_, at)) = &self.arrived
            && (is_delta || increase.is_none())
        {
            self.since = *at;
        }
        self.pending = match value {
            Value::Count(count) => SentValue::Count(count),
            Value::Number(number) => SentValue::Number(number),
            Value::Buckets(buckets) if is_delta => SentValue::Buckets(Box::new(buckets.clone())),
            Value::Buckets(buckets) => SentValue::Count(buckets.count()),
        };
        match increase {
            Some(increase) if is_delta => increase,
            _ => ValueToSend::of(value),
        }
    }
}
