//! `[remote_reads]`: reads of records that are in remote storage alone.

use std::time::Duration;

use super::reader::Reader;

/// `[remote_reads]`
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RemoteReads {
    /// Whether records are read from remote storage. They are read only if heartbeats are sent.
    pub enabled: bool,
    /// The time from one cycle to the next, at least one second.
    pub interval: Duration,
    /// The longest time of one cycle, at most `interval`.
    pub timeout: Duration,
}

impl RemoteReads {
    pub(super) fn read(mut reads: Reader<'_>) -> Self {
        Self {
            enabled: reads.switch("enabled"),
            interval: reads.duration("interval"),
            timeout: reads.timeout(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_support::{cluster, errors};

    #[test]
    fn reads_are_off_and_an_interval_below_a_second_is_an_error() {
        assert!(!cluster(&[]).remote_reads.enabled);
        let wrong = errors(&[("remote_reads", "interval", "999ms")]);
        assert!(wrong.contains("[remote_reads] interval must be at least 1s"), "{wrong}");
    }
}
