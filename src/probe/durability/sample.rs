//! An acknowledged heartbeat that is read again.

use std::time::{Duration, SystemTime};

use crate::{
    kafka::{BrokerId, TopicId, admin::Topic},
    probe::heartbeat::{Acknowledged, record, record::Record},
};

/// An acknowledged heartbeat, and how it is recognised in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// The id of the topic. `None` if brokers do not report it, as before Kafka 2.8.
    pub topic_id: Option<TopicId>,
    /// The partition.
    pub partition: i32,
    /// The offset of the record.
    pub offset: i64,
    /// The run of the service that sent the heartbeat.
    pub run: u64,
    /// The number of the heartbeat on its partition.
    pub sequence: u64,
    /// The checksum at the end of the record's value.
    pub checksum: u32,
    /// The time of the acknowledgement.
    pub acknowledged: SystemTime,
    /// The leader that the heartbeat was sent to. `None` if no leader was known.
    pub leader: Option<BrokerId>,
    /// The leader epoch in which the record was written. Until it was read for the first time, the epoch is that of the metadata before
    /// the acknowledgement, and the record may be of a later epoch. `None` if brokers do not report epochs, as before Kafka 2.1.
    pub leader_epoch: Option<i32>,
    /// The largest age at which the record was read again. Zero before the first read.
    pub checked: Duration,
}

impl Sample {
    /// A sample of a heartbeat that was acknowledged after the topic was `before`. So the record is in this topic, or in one that
    /// replaced it.
    pub(super) fn new(acknowledged: &Acknowledged, before: &Topic) -> Self {
        let partition = before.partitions.get(&acknowledged.id.partition);
        Self {
            topic_id: before.id,
            partition: acknowledged.id.partition,
            offset: acknowledged.offset,
            run: acknowledged.identity.epoch,
            sequence: acknowledged.id.sequence,
            checksum: acknowledged.checksum,
            acknowledged: acknowledged.written,
            leader: acknowledged.broker,
            leader_epoch: partition.and_then(|partition| partition.leader_epoch),
            checked: Duration::ZERO,
        }
    }

    /// The partition, the run and the number of the heartbeat, which no other heartbeat has.
    pub(super) fn key(&self) -> (i32, u64, u64) {
        (self.partition, self.run, self.sequence)
    }

    /// The time since the acknowledgement; zero if the clock was set back.
    pub(super) fn age(&self, now: SystemTime) -> Duration {
        now.duration_since(self.acknowledged).unwrap_or_default()
    }

    /// Whether the value of a record is this heartbeat, unchanged.
    pub(super) fn is_value(&self, value: &[u8]) -> bool {
        let is_heartbeat =
            |record: Record| (record.identity.epoch, record.id.sequence) == (self.run, self.sequence);
        Record::decode(value).is_ok_and(is_heartbeat) && record::checksum(value) == Some(self.checksum)
    }

    /// Whether the topic is another one of the same name, which never held the record. Without an id, a topic is another one if the
    /// leader epoch of the partition has become smaller, which never happens to a topic that stays.
    pub(super) fn is_before(&self, topic: &Topic) -> bool {
        if let (Some(before), Some(now)) = (self.topic_id, topic.id) {
            return before != now;
        }
        let epoch = topic.partitions.get(&self.partition).and_then(|partition| partition.leader_epoch);
        self.leader_epoch.zip(epoch).is_some_and(|(before, now)| now < before)
    }
}
