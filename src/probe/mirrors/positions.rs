//! How far each partition of a topic was read.

use std::collections::BTreeMap;

/// The offset after the last record that was read, by partition.
#[derive(Debug, Clone, Default)]
pub(super) struct Positions(BTreeMap<i32, i64>);

impl Positions {
    /// A partition is read from an offset on.
    pub(super) fn set(&mut self, partition: i32, next: i64) {
        self.0.insert(partition, next);
    }

    /// The partitions without a position among these.
    pub(super) fn missing<'a>(&self, partitions: impl Iterator<Item = &'a i32>) -> Vec<i32> {
        partitions.filter(|partition| !self.0.contains_key(partition)).copied().collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The partitions that are read, each with its position.
    pub(super) fn all(&self) -> impl Iterator<Item = (i32, i64)> {
        self.0.iter().map(|(partition, next)| (*partition, *next))
    }

    /// The partitions that were not read to these log ends, each with its position.
    pub(super) fn behind(&self, ends: &BTreeMap<i32, i64>) -> BTreeMap<i32, i64> {
        let behind = |(partition, next): &(i32, i64)| ends.get(partition).is_some_and(|end| next < end);
        self.all().filter(behind).collect()
    }
}
