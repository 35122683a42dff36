//! What the receiver of a stream knows of each series, and so what it is to be told next.

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

/// What the receiver knows of each series.
///
/// Series come in about the same order each time, so they are kept in that order: the next one is looked for where it
/// was, before it is looked up. Of tens of thousands, most of an export would else be waiting for memory.
#[derive(Debug, Default)]
pub struct Sent {
    pub(super) series: Vec<State>,
    /// Where each is, by its hash.
    places: HashMap<u64, usize, BuildHasherDefault<AsItIs>>,
    pub(super) hasher: RandomState,
    /// Of the last look.
    pub(super) round: u64,
    /// The largest number of series that one round ever had.
    most: usize,
}

/// For keys that are hashes.
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

#[derive(Debug)]
pub(super) struct State {
    pub(super) hash: u64,
    pub(super) family: &'static Description,
    pub(super) attributes: Box<[u8]>,
    /// What is told counts from here.
    pub(super) since: u64,
    /// What the receiver knows, and when it was told.
    pub(super) told: Option<(Told, u64)>,
    /// What it will know when a request of this round arrives.
    pub(super) telling: Told,
    pub(super) round: u64,
    /// That it has vanished is known.
    pub(super) gone: bool,
}

/// As much as is needed to see that a series began anew, or what came since.
#[derive(Debug, Clone)]
pub(super) enum Told {
    /// Not a count.
    Nothing,
    Count(u64),
    Number(f64),
    Buckets(Box<Buckets>),
}

impl Sent {
    /// A request got through. One of an earlier round says nothing of the series as they are numbered now.
    pub fn arrived(&mut self, request: &Request, at: SystemTime) {
        let (round, series) = request.series();
        if round != self.round {
            return;
        }
        let at = unix_nanos(at);
        for place in series {
            let state = &mut self.series[place];
            let telling = std::mem::replace(&mut state.telling, Told::Nothing);
            // The point of a series that vanished said so.
            state.gone = state.round != round;
            if !state.gone {
                state.told = Some((telling, at));
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
    /// - A series that vanished before the receiver ever took a point of it needs no farewell.
    /// - A series whose farewell arrived is needed where only differences are sent, because it must continue from what
    ///   was sent before if it comes back.
    /// - Of those that remain, the ones that vanished last are kept, as many as one round ever had series.
    pub(super) fn begin(&mut self, is_delta: bool) {
        let last = self.round;
        self.round += 1;
        let needed = |state: &State| {
            state.round == last || (state.told.is_some() && (!state.gone || (is_delta && state.counts())))
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

    /// Where a series is that has this hash, at best here.
    pub(super) fn place(&mut self, hash: u64, here: usize, new: impl FnOnce() -> State) -> usize {
        if self.series.get(here).is_some_and(|state| state.hash == hash) {
            return here;
        }
        *self.places.entry(hash).or_insert_with(|| {
            self.series.push(new());
            self.series.len() - 1
        })
    }
}

/// What is sent of a value.
pub(super) enum Telling<'a> {
    Number(Number),
    Buckets(&'a Buckets),
    Since(Box<Buckets>),
}

impl<'a> Telling<'a> {
    pub(super) fn of(value: Value<'a>) -> Self {
        match value {
            Value::Count(count) => Telling::Number(Number::Whole(i64::try_from(count).unwrap_or(i64::MAX))),
            Value::Number(number) => Telling::Number(Number::Float(number)),
            Value::Buckets(buckets) => Telling::Buckets(buckets),
        }
    }
}

impl State {
    pub(super) fn counts(&self) -> bool {
        matches!(self.family.kind, Kind::Counter | Kind::Histogram)
    }

    /// What to send of a counter or histogram; notes what the receiver will know then.
    pub(super) fn tell<'a>(&mut self, value: Value<'a>, is_delta: bool) -> Telling<'a> {
        let told = self.told.as_ref().map(|(told, _)| told);
        // `None` where what is there is less than what was told: it began anew.
        let since = match (value, told) {
            (Value::Count(now), Some(Told::Count(told))) => {
                now.checked_sub(*told).map(|more| Telling::of(Value::Count(more)))
            }
            (Value::Number(now), Some(Told::Number(told))) => {
                (now >= *told).then(|| Telling::of(Value::Number(now - told)))
            }
            (Value::Buckets(now), Some(Told::Buckets(told))) => {
                now.since(told).map(|more| Telling::Since(Box::new(more)))
            }
            (Value::Buckets(now), Some(Told::Count(told))) => {
                (now.count() >= *told).then_some(Telling::Buckets(now))
            }
            _ => Some(Telling::of(value)),
        };
        if let Some((_, at)) = &self.told
            && (is_delta || since.is_none())
        {
            self.since = *at;
        }
        self.telling = match value {
            Value::Count(count) => Told::Count(count),
            Value::Number(number) => Told::Number(number),
            Value::Buckets(buckets) if is_delta => Told::Buckets(Box::new(buckets.clone())),
            Value::Buckets(buckets) => Told::Count(buckets.count()),
        };
        match since {
            Some(since) if is_delta => since,
            _ => Telling::of(value),
        }
    }
}
