//! Losses that are not confirmed yet.
//!
//! A topic may be deleted and created again between the metadata and the read. Then the log of another topic lacks the record. So a loss
//! counts only if a later read finds it again, and newer metadata have the same topic.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use super::sample::Sample;

/// The samples whose last read found a loss, and the first read that did.
#[derive(Debug, Default)]
pub(super) struct Doubts(BTreeMap<(i32, u64, u64), Instant>);

impl Doubts {
    /// Whether an earlier read found that the sample is lost, and what is known of the topic was read after it. If no earlier read
    /// did, this one is remembered.
    pub(super) fn is_confirmed(&mut self, sample: &Sample, known: Instant) -> bool {
        let first = *self.0.entry(sample.key()).or_insert_with(Instant::now);
        known > first
    }

    /// Forgets all samples but these, which are due.
    pub(super) fn retain<'a>(&mut self, due: impl Iterator<Item = &'a Sample>) {
        let due: BTreeSet<_> = due.map(Sample::key).collect();
        self.0.retain(|key, _| due.contains(key));
    }
}
