//! `[coordinators]`: the checks of the brokers that coordinate consumer groups.

use std::time::Duration;

use super::{reader::Reader, rule::BrokenRule};

/// The shortest interval. A cycle sends a few requests even if it checks one partition alone, so a shorter interval would
/// need more requests a second than the checks may send.
const SHORTEST: Duration = Duration::from_secs(1);

/// `[coordinators]`
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Coordinators {
    /// Whether the coordinators of consumer groups are checked. They are checked only if heartbeats are sent.
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

    /// The rule that the settings break; `None` if they are good.
    pub(super) fn broken_rule(&self) -> Option<BrokenRule> {
        let message = "interval must be at least 1s";
        (self.interval < SHORTEST).then(|| BrokenRule::new(&["interval"], message))
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
    }

    #[test]
    fn groups_of_the_checks_are_known_by_their_names() {
        let cluster = cluster(&[("heartbeat", "topic", "hb"), ("lag", "groups", "hb-coordinator-9")]);
        assert_eq!(cluster.coordinator_groups(), "hb-coordinator-");
        let watched = ["hb-coordinator-", "hb-coordinator-1a", "xhb-coordinator-1", "orders"];
        assert!(watched.iter().all(|group| cluster.lag.watches(group)));
        assert!(["hb-coordinator-0", "hb-coordinator-9"].iter().all(|group| !cluster.lag.watches(group)));
    }
}
