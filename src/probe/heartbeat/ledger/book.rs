//! One partition's pages of the ledger.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Instant,
};

use super::entry::Entry;
use crate::{
    kafka::BrokerId,
    latency::{Bounds, Buckets},
    probe::heartbeat::{outcome::Anomaly, snapshot::BrokerCounts},
};

/// One partition's entries and counts.
#[derive(Default)]
pub(super) struct PartitionBook {
    /// The sequence of the first entry; they follow one another without gaps.
    pub(super) first: u64,
    pub(super) entries: VecDeque<Entry>,
    /// Every entry before this sequence has its verdict.
    pub(super) judged: u64,
    pub(super) scheduled: u64,
    pub(super) in_flight: u64,
    pub(super) by_broker: BTreeMap<Option<BrokerId>, BrokerCounts>,
    pub(super) anomalies: [u64; 7],
    pub(super) last_success: Option<Instant>,
    pub(super) highest_received: Option<u64>,
}

impl PartitionBook {
    pub(super) fn get(&self, sequence: u64) -> Option<Entry> {
        let index = sequence.checked_sub(self.first)?;
        self.entries.get(usize::try_from(index).ok()?).copied()
    }

    pub(super) fn set(&mut self, sequence: u64, entry: Entry) {
        let index = sequence.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
        if let Some(kept) = index.and_then(|index| self.entries.get_mut(index)) {
            *kept = entry;
        }
    }

    pub(super) fn count(&mut self, anomaly: Anomaly) {
        self.anomalies[anomaly as usize] += 1;
    }
}

/// Counts of a broker that has led nothing yet.
pub(super) fn by_broker(bounds: &Bounds) -> BrokerCounts {
    let empty = Buckets::new(bounds);
    BrokerCounts {
        outcomes: [0; 8],
        produce: empty.clone(),
        end_to_end: empty.clone(),
        delivery: empty,
        bad: 0,
        unacknowledged: 0,
    }
}
