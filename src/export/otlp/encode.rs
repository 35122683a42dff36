//! Series as OTLP: requests of bounded size, and what a stream needs that a scrape does not.
//!
//! The receiver of a stream cannot see what is missing from it. So a series that has vanished is sent once more, without
//! a value. A counter that started again carries the time of its new start. With delta temporality only the increase since
//! the last accepted request is sent. Nothing counts as sent before [`Sent::arrived`].

use std::{collections::BTreeMap, hash::BuildHasher, time::SystemTime};

use super::{
    points::{self, Shape, Span},
    requests::{LONGEST, Metric, Request},
    sent::{Sent, SentSeries, SentValue, ValueToSend},
    settings::{Settings, Temporality},
};
use crate::{
    catalog::{Description, Kind},
    clock::unix_nanos,
    metrics::{Series, Sink},
};

/// Takes the series of one round, and makes requests of them.
pub struct Encoder<'s> {
    settings: &'s Settings,
    sent: &'s mut Sent,
    /// When the counters began, in nanoseconds since 1970.
    begun: u64,
    /// The time of every point, in nanoseconds since 1970.
    now: u64,
    /// The constant labels, encoded for each shape of point.
    constant: [Vec<u8>; 3],
    /// The metrics of this round, by the address of their description: comparing addresses is faster than comparing
    /// names, which are long and alike.
    metrics: BTreeMap<usize, Metric>,
    /// Memory for the attributes and the point of one series.
    scratch: (Vec<u8>, Vec<u8>),
    /// Where the next series was in the last round, if no series came or vanished.
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
        Self { settings, sent, begun, now, constant, metrics: BTreeMap::new(), scratch, next: 0 }
    }

    fn write(&mut self, one: &Series<'_>) {
        let is_new = || Metric::new(one.family, self.settings.exponential);
        let metric = self.metrics.entry(address(one.family)).or_insert_with(is_new);
        let (attributes, point) = &mut self.scratch;
        attributes.clear();
        point.clear();
        attributes.extend_from_slice(&self.constant[metric.shape as usize]);
        for (name, value) in one.named() {
            let is_number = metric.name.receiver && name == "partition";
            match is_number.then(|| value.parse().ok()).flatten() {
                Some(number) => points::whole_attribute(attributes, metric.shape, name, number),
                None => points::attribute(attributes, metric.shape, name, value),
            }
        }
        let hash = self.sent.hasher.hash_one((address(one.family), &*attributes));
        let begun = self.begun;
        let new = || SentSeries {
            hash,
            family: one.family,
            attributes: attributes.as_slice().into(),
            since: begun,
            arrived: None,
            pending: SentValue::Nothing,
            round: 0,
            vanished: false,
        };
        let number = self.sent.place(hash, self.next, new);
        self.next = number + 1;
        let round = self.sent.round;
        let state = &mut self.sent.series[number];
        state.round = round;
        state.vanished = false;
        let is_delta = self.settings.temporality == Temporality::Delta;
        let counts = state.counts();
        let value = if counts { state.next(one.value, is_delta) } else { ValueToSend::of(one.value) };
        let span = Span { start: counts.then_some(state.since), end: self.now };
        match &value {
            ValueToSend::Number(number) => points::number(point, attributes, span, *number),
            ValueToSend::Buckets(buckets) => {
                points::histogram(point, metric.shape, attributes, span, buckets);
            }
            ValueToSend::Since(buckets) => {
                points::histogram(point, metric.shape, attributes, span, buckets);
            }
        }
        metric.add(number, point);
    }

    /// The requests of this round, in order. They contain the series that vanished, without a value.
    pub fn requests(mut self) -> Vec<Request> {
        let round = self.sent.round;
        let vanished = |state: &SentSeries| state.round != round && !state.vanished;
        for (number, state) in self.sent.series.iter().enumerate().filter(|(_, state)| vanished(state)) {
            let is_new = || Metric::new(state.family, self.settings.exponential);
            let metric = self.metrics.entry(address(state.family)).or_insert_with(is_new);
            let point = &mut self.scratch.1;
            point.clear();
            let span = Span { start: None, end: self.now };
            points::nothing(point, metric.shape, &state.attributes, span);
            metric.add(number, point);
        }
        Request::whole(self.settings, round, self.metrics.into_values()).cut(LONGEST)
    }
}

impl<'a> Sink<'a> for Encoder<'_> {
    fn push(&mut self, series: Series<'a>) {
        // The names of older programs are for the dashboards of these programs.
        if series.family.kind != Kind::LegacyCounter {
            self.write(&series);
        }
    }
}

/// The address of a description, which is unique.
fn address(family: &'static Description) -> usize {
    std::ptr::from_ref(family).addr()
}
