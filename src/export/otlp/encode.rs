//! Series as OTLP: requests of bounded size, and what a stream needs that a scrape does not.
//!
//! Who receives a stream is not told what is missing from it. So a series that has vanished is sent once more, without
//! a value; a counter that began anew says since when; and with delta temporality only what came since the last
//! request that got through is sent. Nothing counts as sent before [`Sent::arrived`].

use std::{
    collections::{BTreeMap, HashMap},
    hash::{BuildHasher, RandomState},
    time::SystemTime,
};

use bytes::Bytes;
use prost::encoding::{bool, int32};

use super::{
    names::Name,
    points::{self, Number, Shape, Span, nanos},
};
use crate::{
    export::proto::{message, text},
    latency::Buckets,
    metrics::{Description, Kind, Series, Sink, Value},
};

/// A request is cut before it is longer, in bytes: receivers refuse what is above 4 MiB.
const LONGEST: usize = 3 << 20;

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

/// What the receiver knows of each series.
#[derive(Debug, Default)]
pub struct Sent {
    series: HashMap<u64, State>,
    hasher: RandomState,
    /// Of the last look.
    round: u64,
}

#[derive(Debug)]
struct State {
    family: &'static Description,
    attributes: Box<[u8]>,
    /// What is told counts from here.
    since: u64,
    /// What the receiver knows, and when it was told.
    told: Option<(Told, u64)>,
    /// What it will know when a request of this round arrives.
    telling: Told,
    round: u64,
    request: usize,
}

/// As much as is needed to see that a series began anew, or what came since.
#[derive(Debug, Clone)]
enum Told {
    /// Not a count.
    Nothing,
    Count(u64),
    Number(f64),
    Buckets(Box<Buckets>),
}

/// Takes series, and makes requests of them.
pub struct Encoder<'s> {
    settings: &'s Settings,
    sent: &'s mut Sent,
    /// Counters count from here.
    begun: u64,
    now: u64,
    constant: [Vec<u8>; 3],
    families: BTreeMap<&'static str, Family>,
    scratch: (Vec<u8>, Vec<u8>),
}

struct Family {
    description: &'static Description,
    name: Name,
    shape: Shape,
    points: Vec<u8>,
    /// Where each point ends, and whose it is.
    ends: Vec<(usize, u64)>,
}

impl Sent {
    /// A request of the last round got through.
    pub fn arrived(&mut self, request: usize, at: SystemTime) {
        let (round, at) = (self.round, nanos(at));
        self.series.retain(|_, state| {
            if state.request != request {
                return true;
            }
            state.request = usize::MAX;
            let telling = std::mem::replace(&mut state.telling, Told::Nothing);
            state.told = Some((telling, at));
            // What has vanished was told so.
            state.round == round
        });
    }

    /// How many series are known to the receiver, or soon will be.
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// Whether nothing was ever sent.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }
}

impl<'s> Encoder<'s> {
    /// Begins a round. `begun` is when counters began, `now` the time of every point.
    pub fn new(settings: &'s Settings, sent: &'s mut Sent, begun: SystemTime, now: SystemTime) -> Self {
        sent.round += 1;
        let constant = Shape::ALL.map(|shape| {
            let mut written = Vec::new();
            for (name, value) in &settings.constant {
                points::attribute(&mut written, shape, name, value);
            }
            written
        });
        let scratch = (Vec::with_capacity(256), Vec::with_capacity(1024));
        let (begun, now) = (nanos(begun), nanos(now));
        Self { settings, sent, begun, now, constant, families: BTreeMap::new(), scratch }
    }

    fn write(&mut self, one: &Series<'_>) {
        let is_new = || Family::new(one.family, self.settings.exponential);
        let family = self.families.entry(one.family.name).or_insert_with(is_new);
        let (attributes, point) = &mut self.scratch;
        attributes.clear();
        point.clear();
        attributes.extend_from_slice(&self.constant[family.shape as usize]);
        for (name, value) in one.named() {
            match value.parse() {
                Ok(number) if family.name.receiver && name == "partition" => {
                    points::whole_attribute(attributes, family.shape, name, number);
                }
                _ => points::attribute(attributes, family.shape, name, value),
            }
        }
        let key = self.sent.hasher.hash_one((one.family.name, &*attributes));
        let state = self.sent.series.entry(key).or_insert_with(|| State {
            family: one.family,
            attributes: attributes.as_slice().into(),
            since: self.begun,
            told: None,
            telling: Told::Nothing,
            round: 0,
            request: usize::MAX,
        });
        (state.round, state.request) = (self.sent.round, usize::MAX);
        let is_delta = self.settings.temporality == Temporality::Delta;
        let value = match one.family.kind {
            Kind::Counter | Kind::Histogram => state.tell(one.value, is_delta),
            _ => Telling::of(one.value),
        };
        let counts = matches!(one.family.kind, Kind::Counter | Kind::Histogram);
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
        family.add(key, point);
    }

    /// The requests of this round, in order. What is not among the series any more is in them without a value.
    pub fn requests(mut self) -> Vec<Bytes> {
        let round = self.sent.round;
        for (key, state) in self.sent.series.iter_mut().filter(|(_, state)| state.round != round) {
            let is_new = || Family::new(state.family, self.settings.exponential);
            let family = self.families.entry(state.family.name).or_insert_with(is_new);
            let point = &mut self.scratch.1;
            point.clear();
            state.request = usize::MAX;
            let span = Span { start: None, end: self.now };
            points::nothing(point, family.shape, &state.attributes, span);
            family.add(*key, point);
        }
        let mut requests = Requests { settings: self.settings, done: Vec::new(), metrics: Vec::new() };
        for family in std::mem::take(&mut self.families).into_values() {
            requests.add(&family, self.sent);
        }
        requests.close();
        requests.done
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

/// What is sent of a value.
enum Telling<'a> {
    Number(Number),
    Buckets(&'a Buckets),
    Since(Box<Buckets>),
}

impl<'a> Telling<'a> {
    fn of(value: Value<'a>) -> Self {
        match value {
            Value::Count(count) => Telling::Number(Number::Whole(i64::try_from(count).unwrap_or(i64::MAX))),
            Value::Number(number) => Telling::Number(Number::Float(number)),
            Value::Buckets(buckets) => Telling::Buckets(buckets),
        }
    }
}

impl State {
    /// What to send of a counter or histogram; notes what the receiver will know then.
    fn tell<'a>(&mut self, value: Value<'a>, is_delta: bool) -> Telling<'a> {
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

impl Family {
    fn new(description: &'static Description, exponential: bool) -> Self {
        let shape = match description.kind {
            Kind::Histogram if exponential => Shape::Exponential,
            Kind::Histogram => Shape::Explicit,
            _ => Shape::Number,
        };
        Self { description, name: Name::of(description), shape, points: Vec::new(), ends: Vec::new() }
    }

    fn add(&mut self, key: u64, point: &[u8]) {
        points::field(&mut self.points, point);
        self.ends.push((self.points.len(), key));
    }

    /// A metric with a part of the points.
    fn write(&self, out: &mut Vec<u8>, points: &[u8], temporality: Temporality) {
        let (data, counts) = match (self.shape, self.description.kind) {
            (Shape::Explicit, _) => (9, true),
            (Shape::Exponential, _) => (10, true),
            (Shape::Number, Kind::Counter) => (7, true),
            (Shape::Number, _) => (5, false),
        };
        message(out, 2, |out| {
            text(out, 1, &self.name.name);
            text(out, 2, self.description.help);
            text(out, 3, self.name.unit);
            message(out, data, |out| {
                out.extend_from_slice(points);
                if counts {
                    int32::encode(2, &(temporality as i32), out);
                }
                if data == 7 {
                    bool::encode(3, &true, out);
                }
            });
        });
    }
}

/// Requests, filled one after the other.
struct Requests<'s> {
    settings: &'s Settings,
    done: Vec<Bytes>,
    /// Of the one that is being filled.
    metrics: Vec<u8>,
}

impl Requests<'_> {
    fn add(&mut self, family: &Family, sent: &mut Sent) {
        let (mut begin, mut from) = (0, 0);
        while from < family.ends.len() {
            let room = LONGEST.saturating_sub(self.metrics.len());
            let fit = family.ends[from..].partition_point(|(end, _)| end - begin <= room);
            if fit == 0 && !self.metrics.is_empty() {
                self.close();
                continue;
            }
            let until = from + fit.max(1);
            let end = family.ends[until - 1].0;
            family.write(&mut self.metrics, &family.points[begin..end], self.settings.temporality);
            for (_, key) in &family.ends[from..until] {
                if let Some(state) = sent.series.get_mut(key) {
                    state.request = self.done.len();
                }
            }
            (begin, from) = (end, until);
        }
    }

    fn close(&mut self) {
        if self.metrics.is_empty() {
            return;
        }
        let metrics = std::mem::take(&mut self.metrics);
        let mut out = Vec::with_capacity(metrics.len() + 1024);
        message(&mut out, 1, |out| {
            message(out, 1, |out| {
                for (name, value) in &self.settings.resource {
                    points::pair(out, 1, name, value);
                }
            });
            message(out, 2, |out| {
                message(out, 1, |out| {
                    text(out, 1, env!("CARGO_PKG_NAME"));
                    text(out, 2, env!("CARGO_PKG_VERSION"));
                });
                out.extend_from_slice(&metrics);
            });
        });
        self.done.push(out.into());
    }
}
