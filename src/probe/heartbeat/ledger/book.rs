//! The heartbeats and counts of one partition.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Range,
    time::Instant,
};

use super::{entry::Entry, pace::Pace};
use crate::{
    kafka::BrokerId,
    probe::heartbeat::{
        outcome::Anomaly,
        snapshot::{Acknowledged, BrokerCounts},
    },
};

/// The entries and counts of one partition.
#[derive(Default)]
pub(super) struct PartitionBook {
    /// The sequence of the first entry. The following entries have the following sequences, without gaps.
    pub(super) first: u64,
    /// The heartbeats of the last horizon, the oldest first.
    pub(super) entries: VecDeque<Entry>,
    /// Every entry before this sequence has its judgement.
    pub(super) judged: u64,
    /// Heartbeats that were sent or skipped, since the partition is known.
    pub(super) scheduled: u64,
    /// Heartbeats without an outcome.
    pub(super) in_flight: u64,
    /// Outcomes and latencies by the leader at send time; `None` if no leader was known.
    pub(super) by_broker: BTreeMap<Option<BrokerId>, BrokerCounts>,
    /// Anomalies in the order of [`Anomaly::ALL`].
    pub(super) anomalies: [u64; Anomaly::ALL.len()],
    /// The instant at which a heartbeat last ended `ok`; `None` before the first.
    pub(super) last_success: Option<Instant>,
    /// The highest sequence that was received; `None` before the first.
    pub(super) highest_received: Option<u64>,
    /// The newest acknowledged heartbeat; `None` before the first.
    pub(super) acknowledged: Option<Acknowledged>,
    /// How long its heartbeats usually take.
    pub(super) pace: Pace,
}

impl PartitionBook {
    /// The sequences of all entries.
    pub(super) fn sequences(&self) -> Range<u64> {
        self.first..self.first + self.entries.len() as u64
    }

    /// The entry of a heartbeat; `None` before it was sent and after its horizon.
    pub(super) fn get(&self, sequence: u64) -> Option<Entry> {
        let index = sequence.checked_sub(self.first)?;
        self.entries.get(usize::try_from(index).ok()?).copied()
    }

    /// Replaces the entry of a heartbeat, if the book still has it.
    pub(super) fn set(&mut self, sequence: u64, entry: Entry) {
        let index = sequence.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
        if let Some(kept) = index.and_then(|index| self.entries.get_mut(index)) {
            *kept = entry;
        }
    }

    /// Counts one anomaly.
    pub(super) fn count(&mut self, anomaly: Anomaly) {
        self.anomalies[anomaly as usize] += 1;
    }
}
