//! Topics and partitions as the metadata describes them.

use std::collections::BTreeMap;

use crate::kafka::{BrokerId, TopicId};

/// A topic of the metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// The topic's unique id. Absent before Kafka 2.8.
    pub id: Option<TopicId>,
    /// The topic's partitions, by number.
    pub partitions: BTreeMap<i32, Partition>,
}

/// A partition of the metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// The leader of the partition. `None` while the partition is offline.
    pub leader: Option<BrokerId>,
    /// The epoch of the leader, which grows with each new leader. Absent before Kafka 2.1.
    pub leader_epoch: Option<i32>,
    /// The brokers of all replicas, with the preferred leader first.
    pub replicas: Vec<BrokerId>,
    /// The brokers of the in-sync replicas.
    pub isr: Vec<BrokerId>,
}
