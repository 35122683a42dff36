//! The judgements, outcomes and latencies of heartbeats, as numbers that can be added up.

use std::time::Duration;

use crate::{
    latency::Exponential,
    probe::heartbeat::{BrokerCounts, Outcome, Partition},
};

/// What became of the heartbeats of one partition in some time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counts {
    /// The number of heartbeats that were judged bad.
    pub bad: u64,
    /// The number of bad heartbeats that were not acknowledged by their deadline.
    pub unacknowledged: u64,
    /// The number of heartbeats by outcome, in the order of [`Outcome::ALL`]. A heartbeat may be judged in one interval and have
    /// its outcome in the next one.
    pub outcomes: [u64; Outcome::ALL.len()],
    /// Received minus intended instant in seconds, or just above the deadline: one value for each judgement.
    pub end_to_end: Exponential,
}

impl Counts {
    /// The counts of a partition since the start of the heartbeats.
    pub fn of(partition: &Partition) -> Self {
        let mut counts = Self::default();
        for BrokerCounts { bad, unacknowledged, outcomes, end_to_end, .. } in partition.by_broker.values() {
            let end_to_end = end_to_end.exponential().clone();
            counts.add(&Self { bad: *bad, unacknowledged: *unacknowledged, outcomes: *outcomes, end_to_end });
        }
        counts
    }

    /// The number of heartbeats that were judged.
    pub fn judged(&self) -> u64 {
        self.end_to_end.count()
    }

    /// The number of heartbeats that were judged good.
    pub fn good(&self) -> u64 {
        self.judged().saturating_sub(self.bad)
    }

    /// The number of heartbeats with this outcome.
    pub fn with(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize]
    }

    /// The latency that this part of the judged heartbeats did not exceed: 1 for the largest. It is wrong by at most 4.4 %.
    /// `None` if no heartbeat was judged.
    pub fn latency(&self, part: f64) -> Option<Duration> {
        Duration::try_from_secs_f64(self.end_to_end.quantile(part)?).ok()
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.judged() == 0 && self.outcomes.iter().all(|count| *count == 0)
    }

    /// Adds other counts.
    pub fn add(&mut self, other: &Counts) {
        self.bad = self.bad.saturating_add(other.bad);
        self.unacknowledged = self.unacknowledged.saturating_add(other.unacknowledged);
        self.outcomes.iter_mut().zip(other.outcomes).for_each(|(sum, one)| *sum = sum.saturating_add(one));
        self.end_to_end.add(&other.end_to_end);
    }

    /// The growth since earlier counts. `None` if a count is lower than before: the counters have started again.
    pub fn since(&self, before: &Counts) -> Option<Counts> {
        let mut outcomes = self.outcomes;
        for (now, before) in outcomes.iter_mut().zip(before.outcomes) {
            *now = now.checked_sub(before)?;
        }
        Some(Self {
            bad: self.bad.checked_sub(before.bad)?,
            unacknowledged: self.unacknowledged.checked_sub(before.unacknowledged)?,
            outcomes,
            end_to_end: self.end_to_end.since(&before.end_to_end)?,
        })
    }
}
