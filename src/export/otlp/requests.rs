//! Points to requests of bounded size. A request keeps its points apart, so that it can be cut into smaller requests
//! when the receiver finds it too large, and its bytes are written when it is sent.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use prost::encoding::{bool, int32};

use super::{
    names::Name,
    points::{self, Shape},
    settings::{Settings, Temporality},
};
use crate::{
    catalog::{Description, Kind},
    export::proto::{begin, message, text},
};

/// A request is cut before it is longer, in bytes: receivers refuse what is above 4 MiB.
pub(super) const LONGEST: usize = 3 << 20;

/// Tags and lengths around the points of a metric are never longer, in bytes.
const AROUND: usize = 64;

/// A metric and its points of this round.
pub(super) struct Metric {
    pub(super) description: &'static Description,
    pub(super) name: Name,
    pub(super) shape: Shape,
    points: Vec<u8>,
    /// Where each point ends, and the number of its series.
    ends: Vec<(usize, usize)>,
}

impl Metric {
    pub(super) fn new(description: &'static Description, exponential: bool) -> Self {
        let shape = match description.kind {
            Kind::Histogram if exponential => Shape::Exponential,
            Kind::Histogram => Shape::Explicit,
            _ => Shape::Number,
        };
        Self { description, name: Name::of(description), shape, points: Vec::new(), ends: Vec::new() }
    }

    pub(super) fn add(&mut self, series: usize, point: &[u8]) {
        points::field(&mut self.points, point);
        self.ends.push((self.points.len(), series));
    }

    /// Where a point begins among the bytes of all points.
    fn begin(&self, point: usize) -> usize {
        point.checked_sub(1).map_or(0, |before| self.ends[before].0)
    }

    /// The encoded points of this range.
    fn bytes(&self, points: &Range<usize>) -> &[u8] {
        &self.points[self.begin(points.start)..self.begin(points.end)]
    }

    /// Bytes that a request holds for this metric beside its points, at most.
    fn overhead(&self) -> usize {
        self.name.name.len() + self.description.help.len() + self.name.unit.len() + AROUND
    }

    /// The end of the longest range of points from `from` that has room in so many bytes.
    fn fitting(&self, from: usize, room: usize) -> usize {
        let begin = self.begin(from);
        from + self.ends[from..].partition_point(|(end, _)| end - begin <= room)
    }

    /// The bytes before and after some points that make a metric of them.
    fn around(&self, points: usize, temporality: Temporality) -> (Vec<u8>, Vec<u8>) {
        let (data, counts) = match (self.shape, self.description.kind) {
            (Shape::Explicit, _) => (9, true),
            (Shape::Exponential, _) => (10, true),
            (Shape::Number, Kind::Counter) => (7, true),
            (Shape::Number, _) => (5, false),
        };
        let (mut names, mut tail) = (Vec::new(), Vec::new());
        text(&mut names, 1, &self.name.name);
        text(&mut names, 2, self.description.help);
        text(&mut names, 3, self.name.unit);
        if counts {
            int32::encode(2, &(temporality as i32), &mut tail);
        }
        if data == 7 {
            bool::encode(3, &true, &mut tail);
        }
        begin(&mut names, data, points + tail.len());
        let mut head = Vec::with_capacity(names.len() + 8);
        begin(&mut head, 2, names.len() + points + tail.len());
        head.extend_from_slice(&names);
        (head, tail)
    }
}

/// The parts that all requests of a round have in common.
struct Common {
    resource: Vec<u8>,
    scope: Vec<u8>,
    temporality: Temporality,
    round: u64,
}

/// Some points of one metric.
struct Part {
    metric: Arc<Metric>,
    points: Range<usize>,
}

/// One request to the collector: points of one round of the encoder.
pub struct Request {
    common: Arc<Common>,
    parts: Vec<Part>,
    length: usize,
}

impl Request {
    /// All points of a round in one request, however long it is.
    pub(super) fn whole(settings: &Settings, round: u64, metrics: impl IntoIterator<Item = Metric>) -> Self {
        let (mut resource, mut scope) = (Vec::new(), Vec::new());
        message(&mut resource, 1, |out| {
            for (name, value) in &settings.resource {
                points::pair(out, 1, name, value);
            }
        });
        message(&mut scope, 1, |out| {
            text(out, 1, env!("CARGO_PKG_NAME"));
            text(out, 2, env!("CARGO_PKG_VERSION"));
        });
        let common = Arc::new(Common { resource, scope, temporality: settings.temporality, round });
        let mut whole = Self { common, parts: Vec::new(), length: 0 };
        for metric in metrics {
            let points = 0..metric.ends.len();
            whole.add(Part { metric: Arc::new(metric), points });
        }
        whole
    }

    fn add(&mut self, part: Part) {
        self.length += part.metric.bytes(&part.points).len() + part.metric.overhead();
        self.parts.push(part);
    }

    /// The length of its metrics in bytes, at most.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Whether it can be cut into smaller requests.
    pub fn is_divisible(&self) -> bool {
        self.parts.iter().map(|part| part.points.len()).sum::<usize>() > 1
    }

    /// Requests with the same points in the same order, none longer than this. A single point that is longer is a
    /// request of its own.
    pub fn cut(self, longest: usize) -> Vec<Self> {
        let empty = || Self { common: self.common.clone(), parts: Vec::new(), length: 0 };
        let (mut done, mut open) = (Vec::new(), empty());
        for Part { metric, points } in self.parts {
            let mut from = points.start;
            while from < points.end {
                let room = longest.checked_sub(open.length + metric.overhead());
                let fitting = room.map_or(from, |room| metric.fitting(from, room)).min(points.end);
                if fitting == from && !open.parts.is_empty() {
                    done.push(std::mem::replace(&mut open, empty()));
                    continue;
                }
                let until = fitting.max(from + 1);
                open.add(Part { metric: metric.clone(), points: from..until });
                from = until;
            }
        }
        done.extend(Some(open).filter(|open| !open.parts.is_empty()));
        done
    }

    /// The request as `ExportMetricsServiceRequest`, encoded.
    pub fn body(&self) -> Bytes {
        let Common { resource, scope, temporality, .. } = &*self.common;
        let mut metrics = Vec::with_capacity(self.length + resource.len() + scope.len() + AROUND);
        for Part { metric, points } in &self.parts {
            let points = metric.bytes(points);
            let (head, tail) = metric.around(points.len(), *temporality);
            [&head, points, &tail].into_iter().for_each(|piece| metrics.extend_from_slice(piece));
        }
        let (mut head, mut inner) = (Vec::new(), resource.clone());
        begin(&mut inner, 2, scope.len() + metrics.len());
        inner.extend_from_slice(scope);
        begin(&mut head, 1, inner.len() + metrics.len());
        head.extend_from_slice(&inner);
        metrics.splice(0..0, head);
        metrics.into()
    }

    /// The round of the request, and the numbers of the series whose points it holds.
    pub(super) fn series(&self) -> (u64, impl Iterator<Item = usize>) {
        let parts = self.parts.iter();
        let ends = parts.flat_map(|part| &part.metric.ends[part.points.clone()]);
        (self.common.round, ends.map(|(_, series)| *series))
    }
}
