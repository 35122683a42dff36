//! The arrangements that the follower has made for the heartbeat topic.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time;

use crate::kafka::{BrokerId, TopicId, admin::Topic};

/// The arrangements that the follower has made so far.
#[derive(Default)]
pub(super) struct TopicProgress {
    /// The id of the topic; `None` until an id was read.
    topic_id: Option<TopicId>,
    /// True if the topic was recreated since the last assignment of the consumer.
    pub(super) recreated: bool,
    /// Partitions that the consumer reads.
    pub(super) positioned: BTreeSet<i32>,
    /// The leaders that both clients know of.
    pub(super) leaders: BTreeMap<i32, Option<BrokerId>>,
    /// The first metadata cycle that lacked the topic; `None` while the topic is there. One cycle is not enough: a
    /// broker that was just restarted may not know a topic for a moment.
    missing: Option<time::Instant>,
    /// True once all partitions have been positioned. Only partitions before that are read from their end.
    pub(super) started: bool,
}

impl TopicProgress {
    /// Whether this is the second metadata cycle in a row that lacks the topic.
    pub(super) fn is_missing_again(&mut self, cycle: time::Instant) -> bool {
        *self.missing.get_or_insert(cycle) != cycle
    }

    /// Whether the topic has another id than before, so that it is read from its start. A topic without an id is not
    /// another topic: during a rolling upgrade to Kafka 2.8 some brokers send the id and others do not.
    pub(super) fn is_recreated(&mut self, topic: &Topic) -> bool {
        self.missing = None;
        let Some(id) = topic.id.filter(|id| self.topic_id != Some(*id)) else { return false };
        let recreated = self.topic_id.replace(id).is_some();
        if recreated {
            self.positioned.clear();
            self.recreated = true;
        }
        recreated
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn topic(id: Option<u128>) -> Topic {
        Topic { id: id.map(TopicId), partitions: BTreeMap::new() }
    }

    #[test]
    fn topic_is_missing_only_after_two_metadata_cycles_in_a_row() {
        let mut progress = TopicProgress::default();
        let cycle = |n| time::Instant::now() + Duration::from_secs(n);
        let (first, second, third) = (cycle(0), cycle(15), cycle(30));
        assert!(!progress.is_missing_again(first), "one answer without the topic is not enough");
        assert!(!progress.is_missing_again(first), "the same answer read twice is not enough");
        assert!(progress.is_missing_again(second));
        progress.is_recreated(&topic(None));
        assert!(!progress.is_missing_again(third), "the topic was there in between");
    }

    #[test]
    fn topic_that_loses_its_id_is_not_recreated() {
        let mut progress = TopicProgress::default();
        let mut recreated = |id| {
            progress.positioned = BTreeSet::from([0]);
            let recreated = progress.is_recreated(&topic(id));
            assert_eq!(
                progress.positioned.is_empty(),
                recreated,
                "read from the start only if it is another topic"
            );
            recreated
        };
        let ids = [None, Some(1), None, Some(1), None, Some(2), Some(2)];
        assert_eq!(ids.map(&mut recreated), [false, false, false, false, false, true, false]);
    }
}
