//! What the receiver of a stream knows of each series, and so what it is to be told next.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher, RandomState},
    time::SystemTime,
};

use super::points::{Number, nanos};
use crate::{
    latency::Buckets,
    metrics::{Description, Kind, Value},
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
    /// Of that one: whose points each request holds.
    pub(super) requests: Vec<Vec<usize>>,
    /// Some are not needed any more.
    pub(super) gone: bool,
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
    /// A request of the last round got through.
    pub fn arrived(&mut self, request: usize, at: SystemTime) {
        let (round, at) = (self.round, nanos(at));
        let places = self.requests.get_mut(request).map(std::mem::take).unwrap_or_default();
        for place in places {
            let state = &mut self.series[place];
            let telling = std::mem::replace(&mut state.telling, Told::Nothing);
            // What has vanished was told so.
            state.gone = state.round != round;
            if state.gone {
                self.gone = true;
            } else {
                state.told = Some((telling, at));
            }
        }
    }

    /// Begins a round. Where only differences are told, who comes back is to go on from what was told of it: so much
    /// is kept of those who are gone, though of no more than there are others.
    pub(super) fn begin(&mut self, is_delta: bool) {
        self.round += 1;
        self.requests.clear();
        if std::mem::take(&mut self.gone) {
            let mut room = if is_delta { self.series.iter().filter(|state| !state.gone).count() } else { 0 };
            self.series.retain(|state| {
                let kept = !state.gone || (room > 0 && state.counts());
                room -= usize::from(kept && state.gone);
                kept
            });
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
