//! The log lines of bad heartbeats.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{ledger::Ledger, snapshot::Ended};

/// One log line for each bad heartbeat, but not for thousands of them.
pub(super) struct BadLog {
    pub(super) cluster: Arc<str>,
    /// Our name, until it was logged that another instance has it as well.
    instance: Option<String>,
    begin: Instant,
    written: u32,
    left_out: u64,
}

impl BadLog {
    const WINDOW: Duration = Duration::from_secs(10);
    const LINES: u32 = 10;

    pub(super) fn new(cluster: Arc<str>, instance: String) -> Self {
        Self { cluster, instance: Some(instance), begin: Instant::now(), written: 0, left_out: 0 }
    }

    /// Logs once that another instance sends heartbeats under our name: a record does not show which of the two sent it.
    pub(super) fn same_name(&mut self, ledger: &Ledger) {
        if let Some(instance) = self.instance.take_if(|_| ledger.same_name().is_some()) {
            let cluster = &*self.cluster;
            tracing::warn!(
                cluster,
                instance,
                "another instance sends heartbeats under the same name: give each instance a name of its own with the \
                 key instance in section [heartbeat]"
            );
        }
    }

    pub(super) fn write(&mut self, bad: impl Iterator<Item = Arc<Ended>>, now: Instant) {
        if now - self.begin > Self::WINDOW {
            if self.left_out > 0 {
                let (cluster, left_out) = (&*self.cluster, self.left_out);
                tracing::warn!(cluster, left_out, "more bad heartbeats, not written one by one");
            }
            (self.begin, self.written, self.left_out) = (now, 0, 0);
        }
        for bad in bad {
            if self.written == Self::LINES {
                self.left_out += 1;
                continue;
            }
            self.written += 1;
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

/// A time in milliseconds, in whole microseconds: a fraction that is not rounded is logged with up to 15 digits.
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
