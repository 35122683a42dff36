//! The questions we ask, in Kafka's words.

use std::collections::BTreeMap;

use super::{BrokerId, Error, Fault, TopicId, wire};

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

/// An end of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// The first offset that can be read.
    Earliest,
    /// The offset of the next record.
    Latest,
}

/// Asks for offsets.
pub async fn list_offsets(
    _cluster: &wire::Cluster,
    _topic: &str,
    partitions: &[i32],
    _at: At,
) -> BTreeMap<i32, Result<i64, Error>> {
    partitions.iter().map(|p| (*p, Err(Error::new(Fault::Unsupported, "x")))).collect()
}
