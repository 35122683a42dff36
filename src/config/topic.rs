//! `[topic]`: what the service does with the heartbeat topic.

use std::time::Duration;

use super::{reader::Reader, rule::BrokenRule};

/// `[topic]`
#[derive(Debug, Clone, PartialEq)]
pub struct Topic {
    /// Whether the topic is created if it is missing.
    pub create: bool,
    /// Whether partitions are added when there are fewer than wanted.
    pub expand: bool,
    /// Whether leaders are moved and settings of the topic are corrected.
    pub rebalance: bool,
    /// The smallest number of partitions; `None` for as many as brokers.
    pub partitions: Option<i32>,
    /// The number of replicas of each partition, or -1 for the cluster's default; `None` for three, or as many as
    /// brokers if there are fewer.
    pub replication_factor: Option<i16>,
    /// The time from one cycle to the next.
    pub interval: Duration,
    /// The longest time of one cycle, at most `interval`.
    pub timeout: Duration,
}

impl Topic {
    pub(super) fn read(mut topic: Reader<'_>) -> Self {
        Self {
            create: topic.switch("create"),
            expand: topic.switch("expand"),
            rebalance: topic.switch("rebalance"),
            partitions: topic.automatic("partitions"),
            replication_factor: topic.automatic("replication.factor"),
            interval: topic.duration("interval"),
            timeout: topic.timeout(),
        }
    }

    /// The rule that the settings break; `None` if they are good.
    pub(super) fn broken_rule(&self) -> Option<BrokenRule> {
        if self.replication_factor.is_some_and(|factor| factor == 0 || factor < -1) {
            let message = "replication.factor must be auto, -1 or at least 1";
            return Some(BrokenRule::new(&["replication.factor"], message));
        }
        if self.partitions.is_some_and(|partitions| partitions < 1) {
            return Some(BrokenRule::new(&["partitions"], "partitions must be auto or at least 1"));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_support::{cluster, errors};

    #[test]
    fn replication_factor_is_auto_the_default_of_the_cluster_or_a_number() {
        let factor = |text| cluster(&[("topic", "replication.factor", text)]).topic.replication_factor;
        assert_eq!(["auto", "-1", "2"].map(factor), [None, Some(-1), Some(2)]);
        for wrong in ["0", "-2"] {
            let wrong = errors(&[("topic", "replication.factor", wrong)]);
            assert!(wrong.contains("replication.factor must be auto, -1 or at least 1"), "{wrong}");
        }
    }

    #[test]
    fn number_of_partitions_below_one_is_an_error() {
        assert_eq!(cluster(&[("topic", "partitions", "12")]).topic.partitions, Some(12));
        let wrong = errors(&[("topic", "partitions", "0")]);
        assert!(wrong.contains("partitions must be auto or at least 1"), "{wrong}");
    }
}
