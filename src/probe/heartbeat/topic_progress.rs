//! What has been arranged for the heartbeat topic.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time;

use crate::kafka::{BrokerId, TopicId, admin::Topic};

/// What has been arranged so far.
#[derive(Default)]
pub(super) struct TopicProgress {
    pub(super) topic_id: Option<TopicId>,
    /// Since the consumer was last told where to read.
    pub(super) recreated: bool,
    /// Partitions that the consumer reads.
    pub(super) positioned: BTreeSet<i32>,
    /// As both clients were last told.
    pub(super) leaders: BTreeMap<i32, Option<BrokerId>>,
    /// The metadata that first lacked the topic. One cycle is not believed: a broker that was just restarted may not
    /// know a topic for a moment.
    pub(super) missing: Option<time::Instant>,
    /// Whether a partition was ever known: only the very first ones are read from their end.
    pub(super) started: bool,
}

impl TopicProgress {
    /// Whether this is the second cycle in a row in which the metadata lack the topic.
    pub(super) fn is_missing_again(&mut self, cycle: time::Instant) -> bool {
        *self.missing.get_or_insert(cycle) != cycle
    }

    /// Whether the topic has another id than before, so that all of it is read anew. A topic without an id is no other
    /// topic: during a rolling upgrade to Kafka 2.8 some brokers send the id and others do not.
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
        assert!(!progress.is_missing_again(first), "one answer is not believed");
        assert!(!progress.is_missing_again(first), "nor is the same answer, looked at again");
        assert!(progress.is_missing_again(second));
        progress.is_recreated(&topic(None));
        assert!(!progress.is_missing_again(third), "it was there in between");
    }

    #[test]
    fn topic_that_loses_its_id_is_not_recreated() {
        let mut progress = TopicProgress::default();
        let mut recreated = |id| {
            progress.positioned = BTreeSet::from([0]);
            let recreated = progress.is_recreated(&topic(id));
            assert_eq!(progress.positioned.is_empty(), recreated, "read anew only where it is another topic");
            recreated
        };
        let ids = [None, Some(1), None, Some(1), None, Some(2), Some(2)];
        assert_eq!(ids.map(&mut recreated), [false, false, false, false, false, true, false]);
    }
}
