//! `[coordinators]` and `[transaction_coordinators]`: the checks of the brokers that coordinate consumer groups and transactions.

use std::time::Duration;

use super::reader::Reader;

/// `[coordinators]` and `[transaction_coordinators]`
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Coordinators {
    /// Whether the coordinators are checked. They are checked only if heartbeats are sent.
    pub enabled: bool,
    /// The time from one cycle to the next, at least one second.
    pub interval: Duration,
    /// The longest time of one cycle, at most `interval`.
    pub timeout: Duration,
}

impl Coordinators {
    pub(super) fn read(mut coordinators: Reader<'_>) -> Self {
        Self {
            enabled: coordinators.switch("enabled"),
            interval: coordinators.duration("interval"),
            timeout: coordinators.timeout(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_support::{cluster, errors};

    #[test]
    fn interval_below_a_second_is_an_error() {
        assert!(cluster(&[("coordinators", "interval", "1s")]).coordinators.enabled);
        let wrong = errors(&[("coordinators", "interval", "999ms")]);
        assert!(wrong.contains("[coordinators] interval must be at least 1s"), "{wrong}");
        let wrong = errors(&[("transaction_coordinators", "interval", "1ms")]);
        assert!(wrong.contains("[transaction_coordinators] interval must"), "{wrong}");
    }

    #[test]
    fn groups_of_the_checks_are_known_by_their_names() {
        let cluster = cluster(&[("heartbeat", "topic", "hb"), ("lag", "groups", "hb-coordinator-9")]);
        assert_eq!(cluster.coordinator_names(), "hb-coordinator-");
        let watched = ["hb-coordinator-", "hb-coordinator-1a", "xhb-coordinator-1", "orders"];
        assert!(watched.iter().all(|group| cluster.lag.watches(group)));
        assert!(["hb-coordinator-0", "hb-coordinator-9"].iter().all(|group| !cluster.lag.watches(group)));
    }
}
