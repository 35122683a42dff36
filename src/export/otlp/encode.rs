//! Series as OTLP: requests of bounded size, and what a stream needs that a scrape does not.
//!
//! Who receives a stream is not told what is missing from it. So a series that has vanished is sent once more, without
//! a value; a counter that began anew says since when; and with delta temporality only what came since the last
//! request that got through is sent. Nothing counts as sent before [`Sent::arrived`].

use std::{collections::BTreeMap, hash::BuildHasher, time::SystemTime};

use super::{
    points::{self, Shape, Span},
    requests::{Family, LONGEST},
    sent::{State, Telling, Told},
};
pub use super::{requests::Request, sent::Sent};
use crate::{
    catalog::{Description, Kind},
    clock::unix_nanos,
    metrics::{Series, Sink},
};

/// What counters and histograms tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Temporality {
    /// Everything since the start, as Prometheus wants it.
    Cumulative = 2,
    /// What came since the last request.
    Delta = 1,
}

/// How to encode.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Of counters and histograms.
    pub temporality: Temporality,
    /// Histograms have exponential buckets, else the classic ones.
    pub exponential: bool,
    /// Who we are.
    pub resource: Vec<(String, String)>,
    /// On every point.
    pub constant: BTreeMap<String, String>,
}

/// Takes series, and makes requests of them.
pub struct Encoder<'s> {
    settings: &'s Settings,
    sent: &'s mut Sent,
    /// Counters count from here.
    begun: u64,
    now: u64,
    constant: [Vec<u8>; 3],
    /// By the place of their description: there are many series, and names are long and alike.
    families: BTreeMap<usize, Family>,
    scratch: (Vec<u8>, Vec<u8>),
    /// Where the next series was, if all is as it was.
    next: usize,
}

impl<'s> Encoder<'s> {
    /// Begins a round. `begun` is when counters began, `now` the time of every point.
    pub fn new(settings: &'s Settings, sent: &'s mut Sent, begun: SystemTime, now: SystemTime) -> Self {
        sent.begin(settings.temporality == Temporality::Delta);
        let constant = Shape::ALL.map(|shape| {
            let mut written = Vec::new();
            for (name, value) in &settings.constant {
                points::attribute(&mut written, shape, name, value);
            }
            written
        });
        let scratch = (Vec::with_capacity(256), Vec::with_capacity(1024));
        let (begun, now) = (unix_nanos(begun), unix_nanos(now));
        Self { settings, sent, begun, now, constant, families: BTreeMap::new(), scratch, next: 0 }
    }

    fn write(&mut self, one: &Series<'_>) {
        let is_new = || Family::new(one.family, self.settings.exponential);
        let family = self.families.entry(place(one.family)).or_insert_with(is_new);
        let (attributes, point) = &mut self.scratch;
        attributes.clear();
        point.clear();
        attributes.extend_from_slice(&self.constant[family.shape as usize]);
        for (name, value) in one.named() {
            let is_number = family.name.receiver && name == "partition";
            match is_number.then(|| value.parse().ok()).flatten() {
                Some(number) => points::whole_attribute(attributes, family.shape, name, number),
                None => points::attribute(attributes, family.shape, name, value),
            }
        }
        let hash = self.sent.hasher.hash_one((place(one.family), &*attributes));
        let begun = self.begun;
        let new = || State {
            hash,
            family: one.family,
            attributes: attributes.as_slice().into(),
            since: begun,
            told: None,
            telling: Told::Nothing,
            round: 0,
            gone: false,
        };
        let number = self.sent.place(hash, self.next, new);
        self.next = number + 1;
        let round = self.sent.round;
        let state = &mut self.sent.series[number];
        (state.round, state.gone) = (round, false);
        let is_delta = self.settings.temporality == Temporality::Delta;
        let counts = state.counts();
        let value = if counts { state.tell(one.value, is_delta) } else { Telling::of(one.value) };
        let span = Span { start: counts.then_some(state.since), end: self.now };
        match &value {
            Telling::Number(number) => points::number(point, attributes, span, *number),
            Telling::Buckets(buckets) => {
                points::histogram(point, family.shape, attributes, span, buckets);
            }
            Telling::Since(buckets) => {
                points::histogram(point, family.shape, attributes, span, buckets);
            }
        }
        family.add(number, point);
    }

    /// The requests of this round, in order. A series that vanished is in them without a value.
    pub fn requests(mut self) -> Vec<Request> {
        let round = self.sent.round;
        let vanished = |state: &State| state.round != round && !state.gone;
        for (number, state) in self.sent.series.iter().enumerate().filter(|(_, state)| vanished(state)) {
            let is_new = || Family::new(state.family, self.settings.exponential);
            let family = self.families.entry(place(state.family)).or_insert_with(is_new);
            let point = &mut self.scratch.1;
            point.clear();
            let span = Span { start: None, end: self.now };
            points::nothing(point, family.shape, &state.attributes, span);
            family.add(number, point);
        }
        Request::whole(self.settings, round, self.families.into_values()).cut(LONGEST)
    }
}

impl<'a> Sink<'a> for Encoder<'_> {
    fn push(&mut self, series: Series<'a>) {
        // The older programs' names are for their own dashboards.
        if series.family.kind != Kind::LegacyCounter {
            self.write(&series);
        }
    }
}

fn place(family: &'static Description) -> usize {
    std::ptr::from_ref(family).addr()
}
