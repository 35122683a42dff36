//! Points to requests of bounded size.

use bytes::Bytes;
use prost::encoding::{bool, int32};

use super::{
    encode::{Settings, Temporality},
    names::Name,
    points::{self, Shape},
};
use crate::{
    export::proto::{begin, message, text},
    metrics::{Description, Kind},
};

/// A request is cut before it is longer, in bytes: receivers refuse what is above 4 MiB.
const LONGEST: usize = 3 << 20;

/// A metric and its points of this round.
pub(super) struct Family {
    pub(super) description: &'static Description,
    pub(super) name: Name,
    pub(super) shape: Shape,
    points: Vec<u8>,
    /// Where each point ends, and whose it is.
    ends: Vec<(usize, usize)>,
}

impl Family {
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

    /// What comes before and behind a part of the points to make a metric of them.
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

/// Requests, filled one after the other.
pub(super) struct Requests<'s> {
    settings: &'s Settings,
    pub(super) done: Vec<Bytes>,
    /// Of each request, whose points it holds.
    series: &'s mut Vec<Vec<usize>>,
    /// Of the one that is being filled: pieces of its metrics, not copied before they are all there.
    metrics: Vec<Bytes>,
    length: usize,
}

impl<'s> Requests<'s> {
    pub(super) fn of(settings: &'s Settings, series: &'s mut Vec<Vec<usize>>) -> Self {
        Self { settings, done: Vec::new(), series, metrics: Vec::new(), length: 0 }
    }

    pub(super) fn add(&mut self, mut family: Family) {
        let points = Bytes::from(std::mem::take(&mut family.points));
        let (mut begin, mut from) = (0, 0);
        while from < family.ends.len() {
            let room = LONGEST.saturating_sub(self.length);
            let fit = family.ends[from..].partition_point(|(end, _)| end - begin <= room);
            if fit == 0 && !self.metrics.is_empty() {
                self.close();
                continue;
            }
            let until = from + fit.max(1);
            let end = family.ends[until - 1].0;
            let (head, tail) = family.around(end - begin, self.settings.temporality);
            for piece in [head.into(), points.slice(begin..end), tail.into()] {
                self.length += piece.len();
                self.metrics.push(piece);
            }
            if self.series.len() == self.done.len() {
                self.series.push(Vec::new());
            }
            self.series[self.done.len()].extend(family.ends[from..until].iter().map(|(_, series)| *series));
            (begin, from) = (end, until);
        }
    }

    pub(super) fn close(&mut self) {
        if self.metrics.is_empty() {
            return;
        }
        let length = std::mem::take(&mut self.length);
        let (mut resource, mut scope) = (Vec::new(), Vec::new());
        message(&mut resource, 1, |out| {
            for (name, value) in &self.settings.resource {
                points::pair(out, 1, name, value);
            }
        });
        message(&mut scope, 1, |out| {
            text(out, 1, env!("CARGO_PKG_NAME"));
            text(out, 2, env!("CARGO_PKG_VERSION"));
        });
        begin(&mut resource, 2, scope.len() + length);
        let mut out = Vec::with_capacity(resource.len() + scope.len() + length + 16);
        begin(&mut out, 1, resource.len() + scope.len() + length);
        out.extend_from_slice(&resource);
        out.extend_from_slice(&scope);
        self.metrics.drain(..).for_each(|piece| out.extend_from_slice(&piece));
        self.done.push(out.into());
    }
}
