//! The log lines of bad heartbeats.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::snapshot::EndedHeartbeat;

/// Logs one line for each bad heartbeat, but at most ten lines in ten seconds.
pub(super) struct BadLog {
    /// The cluster's name in the configuration.
    pub(super) cluster: Arc<str>,
    /// The name of this instance; `None` once it was logged that another instance has the same name.
    instance: Option<String>,
    /// The beginning of the current window.
    begin: Instant,
    /// Lines logged in the current window.
    lines: u32,
    /// Heartbeats of the current window that were not logged.
    left_out: u64,
}

impl BadLog {
    const WINDOW: Duration = Duration::from_secs(10);
    const LINES: u32 = 10;

    /// An empty log, whose window begins now.
    pub(super) fn new(cluster: Arc<str>, instance: String) -> Self {
        Self { cluster, instance: Some(instance), begin: Instant::now(), lines: 0, left_out: 0 }
    }

    /// Logs once that another instance sends heartbeats with the name of this instance: a record does not show which of
    /// the two sent it.
    pub(super) fn write_same_name(&mut self) {
        if let Some(instance) = self.instance.take() {
            let cluster = &*self.cluster;
            tracing::warn!(
                cluster,
                instance,
                "another instance sends heartbeats under the same name: give each instance a name of its own with the \
                 key instance in section [heartbeat]"
            );
        }
    }

    /// Logs bad heartbeats.
    pub(super) fn write(&mut self, bad: impl Iterator<Item = Arc<EndedHeartbeat>>, now: Instant) {
        if now - self.begin > Self::WINDOW {
            if self.left_out > 0 {
                let cluster = &*self.cluster;
                let left_out = self.left_out;
                tracing::warn!(cluster, left_out, "more bad heartbeats were not logged one by one");
            }
            self.begin = now;
            self.lines = 0;
            self.left_out = 0;
        }
        for bad in bad {
            if self.lines == Self::LINES {
                self.left_out += 1;
                continue;
            }
            self.lines += 1;
            tracing::warn!(
                cluster = &*self.cluster,
                id = bad.id,
                partition = bad.partition,
                broker = bad.broker.map(|broker| broker.0),
                outcome = bad.outcome.as_str(),
                fault = bad.fault.map(|fault| fault.as_str()),
                trace_id = bad.trace.map(|ids| ids.trace_id()),
                produce_ms = bad.produce.map(millis),
                end_to_end_ms = bad.end_to_end.map(millis),
                "bad heartbeat",
            );
        }
    }
}

/// A time in milliseconds, from whole microseconds: a fraction that is not rounded is logged with up to 15 digits.
fn millis(time: Duration) -> f64 {
    time.as_micros() as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logged_milliseconds_have_three_decimals_at_most() {
        let logged = [601_342_000, 601_342_499, 1_000, 10_000_001_000].map(Duration::from_nanos).map(millis);
        assert_eq!(logged.map(|ms| ms.to_string()), ["601.342", "601.342", "0.001", "10000.001"]);
    }
}
