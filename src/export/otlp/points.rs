//! Encodes data points of OTLP, each as a protobuf message.

use prost::encoding::{double, fixed64, int64, sfixed64, sint32, uint32, uint64};

use crate::{
    clock::unix_nanos,
    export::proto::{bytes, message, text},
    latency::{Buckets, Exemplar, exponential},
};

/// The types of data points. Each type has its own field numbers for attributes, exemplars and flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// One number.
    Number,
    /// Buckets with bounds.
    Explicit,
    /// Exponential buckets.
    Exponential,
}

impl Shape {
    pub(super) const ALL: [Shape; 3] = [Shape::Number, Shape::Explicit, Shape::Exponential];

    /// The field numbers of the attributes, the exemplars and the flags, in this order.
    fn tags(self) -> (u32, u32, u32) {
        match self {
            Shape::Number => (7, 5, 8),
            Shape::Explicit => (9, 8, 10),
            Shape::Exponential => (1, 11, 10),
        }
    }
}

/// The period that a point covers, in nanoseconds since 1970. The start is `None` for a gauge.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) start: Option<u64>,
    pub(super) end: u64,
}

/// One number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    Whole(i64),
    Float(f64),
}

/// A label as an attribute of a point of this shape.
pub(super) fn attribute(out: &mut Vec<u8>, shape: Shape, name: &str, value: &str) {
    pair(out, shape.tags().0, name, value);
}

/// A label whose value is a whole number, as an attribute of a point of this shape.
pub(super) fn whole_attribute(out: &mut Vec<u8>, shape: Shape, name: &str, value: i64) {
    message(out, shape.tags().0, |out| {
        text(out, 1, name);
        message(out, 2, |out| int64::encode(3, &value, out));
    });
}

/// `KeyValue` of strings.
pub(super) fn pair(out: &mut Vec<u8>, tag: u32, name: &str, value: &str) {
    message(out, tag, |out| {
        text(out, 1, name);
        message(out, 2, |out| text(out, 1, value));
    });
}

/// The point of a series that is no longer exposed: it has no value and the flag `NO_RECORDED_VALUE`.
pub(super) fn nothing(out: &mut Vec<u8>, shape: Shape, attributes: &[u8], span: Span) {
    begin(out, attributes, span);
    uint32::encode(shape.tags().2, &1, out);
}

pub(super) fn number(out: &mut Vec<u8>, attributes: &[u8], span: Span, number: Number) {
    begin(out, attributes, span);
    match number {
        Number::Whole(number) => sfixed64::encode(6, &number, out),
        Number::Float(number) => double::encode(4, &number, out),
    }
}

/// A histogram, with the exemplars that are not older than the start of its span.
pub(super) fn histogram(out: &mut Vec<u8>, shape: Shape, attributes: &[u8], span: Span, buckets: &Buckets) {
    begin(out, attributes, span);
    fixed64::encode(4, &buckets.count(), out);
    double::encode(5, &buckets.sum_seconds(), out);
    match shape {
        Shape::Exponential => exponential(out, buckets),
        Shape::Explicit | Shape::Number => explicit(out, buckets),
    }
    let tag = shape.tags().1;
    for kept in buckets.exemplars().filter(|kept| Some(unix_nanos(kept.at)) >= span.start) {
        message(out, tag, |out| exemplar(out, kept));
    }
}

fn explicit(out: &mut Vec<u8>, buckets: &Buckets) {
    let (mut bounds, mut counts, mut before) = (Vec::new(), Vec::new(), 0);
    for (bound, cumulative) in buckets.cumulative() {
        counts.push(cumulative - before);
        before = cumulative;
        bounds.extend(Some(bound).filter(|bound| bound.is_finite()));
    }
    fixed64::encode_packed(6, &counts, out);
    double::encode_packed(7, &bounds, out);
}

fn exponential(out: &mut Vec<u8>, buckets: &Buckets) {
    let counts = buckets.exponential();
    sint32::encode(6, &exponential::SCALE, out);
    fixed64::encode(7, &counts.zeros(), out);
    let (first, counts) = counts.buckets();
    message(out, 8, |out| {
        sint32::encode(1, &(first - 1), out);
        uint64::encode_packed(2, counts, out);
    });
    double::encode(14, &exponential::ZERO_THRESHOLD, out);
}

fn exemplar(out: &mut Vec<u8>, exemplar: &Exemplar) {
    for (name, value) in exemplar.labels().filter(|(name, _)| *name != "trace_id") {
        pair(out, 7, name, &value);
    }
    fixed64::encode(2, &unix_nanos(exemplar.at), out);
    double::encode(3, &exemplar.duration.as_secs_f64(), out);
    if let Some(trace) = exemplar.trace {
        bytes(out, 4, &trace.span.to_be_bytes());
        bytes(out, 5, &trace.trace.to_be_bytes());
    }
}

/// The fields that all shapes share: attributes, which are encoded already, and times.
fn begin(out: &mut Vec<u8>, attributes: &[u8], span: Span) {
    out.extend_from_slice(attributes);
    if let Some(start) = span.start {
        fixed64::encode(2, &start, out);
    }
    fixed64::encode(3, &span.end, out);
}

/// An encoded point as a field of the data of its metric.
pub(super) fn field(out: &mut Vec<u8>, point: &[u8]) {
    bytes(out, 1, point);
}
