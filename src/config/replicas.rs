//! `[replicas]`: reads of the heartbeat topic from every replica.

use std::time::Duration;

use super::reader::Reader;

/// `[replicas]`
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Replicas {
    /// Whether heartbeats are read from every replica. They are read only if heartbeats are sent.
    pub enabled: bool,
    /// The time from one cycle to the next, at least one second.
    pub interval: Duration,
    /// The longest time of one cycle, at most `interval`. A replica that does not show a record within three quarters of it is
    /// late.
    pub timeout: Duration,
}

impl Replicas {
    pub(super) fn read(mut replicas: Reader<'_>) -> Self {
        Self {
            enabled: replicas.switch("enabled"),
            interval: replicas.duration("interval"),
            timeout: replicas.timeout(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::test_support::{cluster, errors};

    #[test]
    fn timeout_is_at_most_the_interval_and_the_interval_at_least_a_second() {
        let replicas = cluster(&[("replicas", "interval", "2s")]).replicas;
        assert_eq!((replicas.enabled, replicas.timeout), (true, Duration::from_secs(2)));
        let wrong = errors(&[("replicas", "interval", "10ms")]);
        assert!(wrong.contains("[replicas] interval must be at least 1s"), "{wrong}");
    }
}
