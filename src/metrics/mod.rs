//! Series: what every way out is made of.
//!
//! `catalog` declares the families, `render` and `compat` turn snapshots into series, encoders in `export`
//! turn series into bytes. All of it is pure; values are borrowed from the snapshots where they are large.

pub mod catalog;
pub mod compat;
pub mod render;

use std::borrow::Cow;

use crate::latency::Buckets;

/// What kind of numbers a family holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only goes up.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Durations in seconds.
    Histogram,
    /// Is always 1; its labels are the value.
    Info,
    /// A counter whose name does not end in `_total`: `counter` in the text format, `unknown` in OpenMetrics.
    LegacyCounter,
}

/// What is known of a family without its label values.
#[derive(Debug, PartialEq, Eq)]
pub struct Description {
    /// The exposed name, letter for letter.
    pub name: &'static str,
    /// The kind.
    pub kind: Kind,
    /// Names of the labels, in order.
    pub labels: &'static [&'static str],
    /// What the number means, and when it is absent.
    pub help: &'static str,
}

/// A family with `N` labels: a wrong number of label values does not compile.
#[derive(Debug)]
pub struct Family<const N: usize> {
    /// The description.
    pub description: Description,
}

/// Declares a family.
const fn family<const N: usize>(
    name: &'static str,
    kind: Kind,
    labels: &'static [&'static str; N],
    help: &'static str,
) -> Family<N> {
    Family { description: Description { name, kind, labels, help } }
}

/// A label's value.
pub type Label<'a> = Cow<'a, str>;

/// One series of a family.
#[derive(Debug, Clone)]
pub struct Series<'a> {
    /// The family.
    pub family: &'static Description,
    /// Values of its labels, in order.
    pub labels: Vec<Label<'a>>,
    /// The number.
    pub value: Value<'a>,
}

impl Series<'_> {
    /// Its labels that say something. Prometheus knows no difference between an empty label and none; a cluster's
    /// name is left out on purpose.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let labels = self.family.labels.iter().zip(&self.labels);
        let told = labels.filter(|(name, value)| **name != "kafka_cluster" || !value.is_empty());
        told.map(|(name, value)| (*name, &**value))
    }
}

/// A series' number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// A count.
    Count(u64),
    /// Any number.
    Number(f64),
    /// A histogram.
    Buckets(&'a Buckets),
}

impl<const N: usize> Family<N> {
    /// One series.
    pub fn series<'a>(&'static self, labels: [Label<'a>; N], value: Value<'a>) -> Series<'a> {
        Series { family: &self.description, labels: labels.into(), value }
    }
}

/// Where series go, one by one: there may be too many to hold all of them.
pub trait Sink<'a> {
    /// Takes one.
    fn push(&mut self, series: Series<'a>);

    /// Takes some.
    fn take(&mut self, some: impl IntoIterator<Item = Series<'a>>)
    where
        Self: Sized,
    {
        some.into_iter().for_each(|one| self.push(one));
    }
}

impl<'a> Sink<'a> for Vec<Series<'a>> {
    fn push(&mut self, series: Series<'a>) {
        Vec::push(self, series);
    }
}
