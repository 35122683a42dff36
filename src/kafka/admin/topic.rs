//! Topics and partitions as the metadata describes them.

use std::collections::BTreeMap;

use crate::kafka::{BrokerId, TopicId};

/// A topic of the metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its unique id; absent before Kafka 2.8.
    pub id: Option<TopicId>,
    /// Its partitions, by number.
    pub partitions: BTreeMap<i32, Partition>,
}

/// A partition of the metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Its leader; `None` while it is offline.
    pub leader: Option<BrokerId>,
    /// All replicas, the preferred leader first.
    pub replicas: Vec<BrokerId>,
    /// The replicas in sync.
    pub isr: Vec<BrokerId>,
}
