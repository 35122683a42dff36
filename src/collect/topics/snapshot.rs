//! What a cycle publishes of each watched topic.

use std::collections::BTreeMap;

use crate::{
    cluster::{Ends, Tiers},
    collect::freshness::Freshness,
};

/// A topic as the last cycle found it.
#[derive(Debug, Clone)]
pub struct Topic {
    /// The partitions, by number.
    pub partitions: BTreeMap<i32, Partition>,
    /// How old the newest record is; absent for a topic that `[freshness]` does not watch.
    pub freshness: Option<Freshness>,
    /// Whether `cleanup.policy` contains `compact`, so that there may be offsets without a record.
    pub compacted: bool,
    /// The number of records that were appended since the service began to watch the topic.
    pub appended: u64,
    /// Records a second between the last two cycles; absent after the first cycle, and while a log end is not known.
    pub rate: Option<f64>,
    /// The number of newest timestamps that lay in the future, since the service began to watch the topic.
    pub future: u64,
}

/// A partition as the last cycle found it.
#[derive(Debug, Clone, Copy)]
pub struct Partition {
    /// The log start offset and the high watermark.
    pub ends: Ends,
    /// The last stable offset: records from there on belong to an open transaction. Absent unless lag is counted up to
    /// the last stable offset.
    pub stable: Option<i64>,
    /// Where the log lies: on the disk of the leader, and in remote storage. Absent unless the topic is tiered.
    pub tiers: Option<Tiers>,
    /// The newest timestamp of a record that does not lie in the future, in milliseconds since 1970; absent if none is known.
    pub newest_ms: Option<i64>,
}
