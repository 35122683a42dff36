//! The protobuf format, by types of its own and read strictly.

use std::collections::BTreeMap;

use prost::{Message, Oneof};

use super::{Exposition, Family as Open, Id, Labels, close};

#[derive(Message)]
struct Family {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    help: String,
    #[prost(int32, tag = "3")]
    kind: i32,
    #[prost(message, repeated, tag = "4")]
    metrics: Vec<Metric>,
}

#[derive(Message)]
struct Metric {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Pair>,
    #[prost(oneof = "Value", tags = "2, 3, 7")]
    value: Option<Value>,
}

#[derive(Oneof)]
enum Value {
    #[prost(message, tag = "2")]
    Gauge(Number),
    #[prost(message, tag = "3")]
    Counter(Number),
    #[prost(message, tag = "7")]
    Histogram(Histogram),
}

#[derive(Message)]
struct Pair {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Message)]
struct Number {
    #[prost(double, tag = "1")]
    value: f64,
}

#[derive(Message)]
struct Histogram {
    #[prost(uint64, tag = "1")]
    count: u64,
    #[prost(double, tag = "2")]
    sum: f64,
    #[prost(message, repeated, tag = "3")]
    buckets: Vec<Bucket>,
    #[prost(sint32, tag = "5")]
    schema: i32,
    #[prost(double, tag = "6")]
    zero_threshold: f64,
    #[prost(uint64, tag = "7")]
    zeros: u64,
    #[prost(message, repeated, tag = "12")]
    spans: Vec<Span>,
    #[prost(sint64, repeated, tag = "13")]
    deltas: Vec<i64>,
    #[prost(message, repeated, tag = "16")]
    exemplars: Vec<Exemplar>,
}

#[derive(Message)]
struct Bucket {
    #[prost(uint64, tag = "1")]
    count: u64,
    #[prost(double, tag = "2")]
    bound: f64,
    #[prost(message, optional, tag = "3")]
    exemplar: Option<Exemplar>,
}

#[derive(Message)]
struct Span {
    #[prost(sint32, tag = "1")]
    offset: i32,
    #[prost(uint32, tag = "2")]
    length: u32,
}

#[derive(Message)]
struct Exemplar {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Pair>,
    #[prost(double, tag = "2")]
    value: f64,
    #[prost(message, optional, tag = "3")]
    at: Option<Timestamp>,
}

#[derive(Message)]
struct Timestamp {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

/// A native histogram: counts by the index of the bucket, whose upper bound is `2^(index / 2^schema)`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Native {
    pub(crate) schema: i32,
    pub(crate) zeros: u64,
    pub(crate) buckets: BTreeMap<i32, u64>,
    /// Values of exemplars.
    pub(crate) exemplars: Vec<f64>,
}

impl Native {
    pub(crate) fn count(&self) -> u64 {
        self.zeros + self.buckets.values().sum::<u64>()
    }

    /// The quantile for this share of the values, as Prometheus computes it: values are spread evenly within a bucket on a
    /// logarithmic scale.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let (rank, mut below) = (share * self.count() as f64, self.zeros as f64);
        for (index, count) in &self.buckets {
            let count = *count as f64;
            if below + count >= rank {
                let place = f64::from(*index) - 1.0 + (rank - below) / count;
                return (place / f64::from(self.schema).exp2()).exp2();
            }
            below += count;
        }
        f64::NAN
    }
}

/// Reads a whole exposition.
pub(crate) fn parse(mut bytes: &[u8]) -> Result<Exposition, String> {
    let mut read = Exposition::default();
    while !bytes.is_empty() {
        let family = Family::decode_length_delimited(&mut bytes).map_err(|error| error.to_string())?;
        let kind = match family.kind {
            0 => "counter",
            1 => "gauge",
            4 => "histogram",
            other => return Err(format!("{other} is no type")),
        };
        if family.help.is_empty() || read.families.insert(family.name.clone(), kind.to_owned()).is_some() {
            return Err(format!("{} is declared twice, or has no HELP", family.name));
        }
        let mut open = Open { name: family.name, kind: kind.to_owned(), buckets: Vec::new() };
        for metric in family.metrics {
            let labels = pairs(metric.labels);
            match (kind, metric.value.ok_or("no value")?) {
                ("gauge", Value::Gauge(number)) | ("counter", Value::Counter(number)) => {
                    insert(&mut read, (open.name.clone(), labels), number.value)?;
                }
                ("histogram", Value::Histogram(histogram)) => {
                    self::histogram(&mut read, &mut open, &labels, histogram)?;
                }
                _ => return Err(format!("{}: a value of another type", open.name)),
            }
        }
        close(Some(open), &read)?;
    }
    Ok(read)
}

fn pairs(pairs: Vec<Pair>) -> Labels {
    let mut labels: Labels = pairs.into_iter().map(|pair| (pair.name, pair.value)).collect();
    labels.sort();
    labels
}

fn insert(read: &mut Exposition, id: Id, value: f64) -> Result<(), String> {
    match read.samples.insert(id, value) {
        None => Ok(()),
        Some(_) => Err("the same series twice".to_owned()),
    }
}

fn histogram(
    read: &mut Exposition,
    open: &mut Open,
    labels: &Labels,
    histogram: Histogram,
) -> Result<(), String> {
    let name = |suffix: &str| format!("{}{suffix}", open.name);
    insert(read, (name("_sum"), labels.clone()), histogram.sum)?;
    insert(read, (name("_count"), labels.clone()), histogram.count as f64)?;
    for bucket in histogram.buckets {
        let (bucket_name, count) = (name("_bucket"), bucket.count as f64);
        open.buckets.push((labels.clone(), bucket.bound, count));
        let mut labels = labels.clone();
        labels.push(("le".to_owned(), bucket.bound.to_string()));
        let id = (bucket_name, labels);
        if let Some(exemplar) = bucket.exemplar {
            exemplar.at.filter(|at| at.seconds > 0 && at.nanos >= 0).ok_or("an exemplar without a time")?;
            read.exemplars.insert(id.clone(), (pairs(exemplar.labels), exemplar.value));
        }
        insert(read, id, count)?;
    }
    if histogram.spans.is_empty() || histogram.zero_threshold <= 0.0 {
        return Err(format!("{} is no native histogram", open.name));
    }
    let (mut index, mut count, mut deltas) = (0, 0, histogram.deltas.into_iter());
    let mut buckets = BTreeMap::new();
    for span in histogram.spans {
        index += span.offset;
        for _ in 0..span.length {
            count += deltas.next().ok_or("fewer buckets than spans")?;
            buckets.insert(index, u64::try_from(count).map_err(|_| "a negative count")?);
            index += 1;
        }
    }
    let exemplars = histogram.exemplars.into_iter().map(|exemplar| exemplar.value).collect();
    let native = Native { schema: histogram.schema, zeros: histogram.zeros, buckets, exemplars };
    if deltas.next().is_some() || native.count() != histogram.count {
        return Err(format!("{}: native buckets do not add up to the count", open.name));
    }
    read.natives.insert((open.name.clone(), labels.clone()), native);
    Ok(())
}
