//! The result of a probe.

use std::time::Duration;

use crate::{board::Readings, probe::heartbeat::Outcome};

/// What a probe of one cluster measured.
pub(super) struct Report {
    /// The last snapshots of the cluster.
    pub(super) readings: Readings,
    /// From the start of the probe to its end.
    pub(super) lasted: Duration,
}

impl Report {
    /// The number of heartbeats that were handed over to Kafka's client and not skipped.
    pub(super) fn sent(&self) -> u64 {
        let totals = self.readings.heartbeat.totals;
        totals.scheduled - totals.of(Outcome::Skipped) - totals.of(Outcome::Unsent)
    }

    /// Whether every broker takes a session and every heartbeat that was not skipped is good. A heartbeat that was
    /// skipped because this machine stalled says nothing about Kafka.
    pub(super) fn is_good(&self) -> bool {
        let totals = self.readings.heartbeat.totals;
        let connectivity = self.readings.connectivity.fresh();
        let sessions = connectivity.is_some_and(|snapshot| snapshot.brokers.values().all(|check| check.up()));
        let judged = totals.scheduled - totals.of(Outcome::Skipped);
        sessions && judged > 0 && totals.of(Outcome::Ok) == judged
    }

    /// The part of the time in which this machine did not let the probe run, from 0 to 1.
    pub(super) fn stalled(&self) -> f64 {
        self.readings.heartbeat.stalled.as_secs_f64() / self.lasted.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}
