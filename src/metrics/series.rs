//! A series, and the trait of everything that accepts series.

use std::borrow::Cow;

use crate::{
    catalog::{Description, Family},
    latency::Buckets,
};

/// The value of a label.
pub type Label<'a> = Cow<'a, str>;

/// One series of a family.
#[derive(Debug, Clone)]
pub struct Series<'a> {
    /// The family that the series belongs to.
    pub family: &'static Description,
    /// The values of the labels, in the order of the family's label names.
    pub labels: Vec<Label<'a>>,
    /// The number.
    pub value: Value<'a>,
}

impl Series<'_> {
    /// The names and values of the labels. An empty `kafka_cluster` is left out: only one cluster is configured,
    /// and to Prometheus an empty label and no label are the same.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let labels = self.family.labels.iter().zip(&self.labels);
        let named = labels.filter(|(name, value)| **name != "kafka_cluster" || !value.is_empty());
        named.map(|(name, value)| (*name, &**value))
    }
}

/// The number of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// A count.
    Count(u64),
    /// Any number.
    Number(f64),
    /// Durations, counted in buckets.
    Buckets(&'a Buckets),
}

impl<const N: usize> Family<N> {
    /// A series of this family: its label values and its number.
    pub fn series<'a>(&'static self, labels: [Label<'a>; N], value: Value<'a>) -> Series<'a> {
        Series { family: &self.description, labels: labels.into(), value }
    }
}

/// Takes series one by one, because there may be too many of them to hold in memory.
pub trait Sink<'a> {
    /// Takes one series.
    fn push(&mut self, series: Series<'a>);

    /// Takes several series.
    fn take(&mut self, several: impl IntoIterator<Item = Series<'a>>)
    where
        Self: Sized,
    {
        several.into_iter().for_each(|one| self.push(one));
    }
}

impl<'a> Sink<'a> for Vec<Series<'a>> {
    fn push(&mut self, series: Series<'a>) {
        Vec::push(self, series);
    }
}
