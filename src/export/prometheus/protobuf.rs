//! The protobuf format of Prometheus: `io.prometheus.client.MetricFamily`, each after its length.
//!
//! A histogram is written twice in one message, with classic buckets and as a native histogram of schema
//! [`SCALE`](exponential::SCALE). The scraper takes the form that it wants.

use std::time::SystemTime;

use prost::encoding::{WireType, double, encode_key, encode_varint, sint32, sint64, uint32, uint64};

use crate::{
    catalog::{Description, Kind},
    clock::since_1970,
    export::proto::{bytes, message, text},
    latency::{
        Buckets, Exemplar,
        exponential::{self, Exponential},
    },
    metrics::{Series, Value},
};

/// The message of a family but for its metrics, which follow: `length` bytes of them.
pub(super) fn head(out: &mut Vec<u8>, family: &Description, length: usize) {
    let kind = match family.kind {
        Kind::Counter | Kind::LegacyCounter => 0,
        Kind::Gauge | Kind::Info => 1,
        Kind::Histogram => 4,
    };
    let mut fields = Vec::with_capacity(300);
    text(&mut fields, 1, family.name);
    text(&mut fields, 2, family.help);
    encode_key(3, WireType::Varint, &mut fields);
    encode_varint(kind, &mut fields);
    encode_varint((fields.len() + length) as u64, out);
    out.extend_from_slice(&fields);
}

/// A series, as a field of its family.
pub(super) fn metric(out: &mut Vec<u8>, constant: &[u8], one: &Series<'_>, created: Option<SystemTime>) {
    let mut fields = Vec::with_capacity(256);
    fields.extend_from_slice(constant);
    one.named().for_each(|(name, value)| pair(&mut fields, name, value));
    let simple = match one.family.kind {
        Kind::Counter | Kind::LegacyCounter => 3,
        Kind::Gauge | Kind::Info | Kind::Histogram => 2,
    };
    let begun = |value: &mut Vec<u8>, tag: u32| {
        if let (Some(created), Kind::Counter | Kind::Histogram) = (created, one.family.kind) {
            message(value, tag, |out| timestamp(out, created));
        }
    };
    let number = |value: &mut Vec<u8>, number: f64| {
        double::encode(1, &number, value);
        begun(value, 3);
    };
    match one.value {
        Value::Count(count) => message(&mut fields, simple, |value| number(value, count as f64)),
        Value::Number(of) => message(&mut fields, simple, |value| number(value, of)),
        Value::Buckets(buckets) => message(&mut fields, 7, |value| {
            histogram(value, buckets);
            begun(value, 15);
        }),
    }
    bytes(out, 4, &fields);
}

/// A label of a metric, as a field of it.
pub(super) fn pair(out: &mut Vec<u8>, name: &str, value: &str) {
    message(out, 1, |pair| {
        text(pair, 1, name);
        text(pair, 2, value);
    });
}

fn histogram(out: &mut Vec<u8>, buckets: &Buckets) {
    uint64::encode(1, &buckets.count(), out);
    double::encode(2, &buckets.sum_seconds(), out);
    for (place, (bound, count)) in buckets.cumulative().enumerate() {
        message(out, 3, |bucket| {
            uint64::encode(1, &count, bucket);
            double::encode(2, &bound, bucket);
            if let Some(kept) = buckets.exemplar(place) {
                message(bucket, 3, |out| exemplar(out, kept));
            }
        });
    }
    native(out, buckets.exponential());
    buckets.exemplars().for_each(|kept| message(out, 16, |out| exemplar(out, kept)));
}

/// The stretches of buckets that are not empty, and their counts as differences from one bucket to the next.
fn native(out: &mut Vec<u8>, counts: &Exponential) {
    sint32::encode(5, &exponential::SCALE, out);
    double::encode(6, &exponential::ZERO_THRESHOLD, out);
    uint64::encode(7, &counts.zeros(), out);
    let (first, counts) = counts.buckets();
    let (mut deltas, mut before, mut last) = (Vec::new(), 0, 0);
    let mut spans: Vec<(i32, u32)> = Vec::new();
    for (index, count) in (first..).zip(counts).filter(|(_, count)| **count > 0) {
        // From the end of the last stretch, or from 0 in front of all.
        match spans.last_mut() {
            Some((_, length)) if index == last => *length += 1,
            _ => spans.push((index - last, 1)),
        }
        last = index + 1;
        let count = i64::try_from(*count).unwrap_or(i64::MAX);
        deltas.push(count - before);
        before = count;
    }
    if spans.is_empty() {
        // Tells a native histogram without values from a classic one.
        spans.push((0, 0));
    }
    for (offset, length) in spans {
        message(out, 12, |span| {
            sint32::encode(1, &offset, span);
            uint32::encode(2, &length, span);
        });
    }
    sint64::encode_packed(13, &deltas, out);
}

fn exemplar(out: &mut Vec<u8>, exemplar: &Exemplar) {
    exemplar.labels().for_each(|(name, value)| pair(out, name, &value));
    double::encode(2, &exemplar.duration.as_secs_f64(), out);
    message(out, 3, |out| timestamp(out, exemplar.at));
}

fn timestamp(out: &mut Vec<u8>, at: SystemTime) {
    let since = since_1970(at);
    uint64::encode(1, &since.as_secs(), out);
    uint32::encode(2, &since.subsec_nanos(), out);
}
