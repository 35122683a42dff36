//! What the task publishes.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    kafka::{BrokerId, Capability, Fault},
    latency::Buckets,
};

/// The reads from all replicas.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Whether the followers serve consumers. [`Capability::Unsupported`] if no follower does, and [`Capability::Denied`] if the
    /// principal may not read the heartbeat topic. In both cases no broker is in the snapshot. [`Capability::Unknown`] before the
    /// first answer of a follower.
    pub capability: Capability,
    /// By broker. A broker without a replica of the heartbeat topic is absent.
    pub brokers: BTreeMap<BrokerId, Replica>,
}

/// The reads from one broker, of the replicas that it has.
#[derive(Debug, Clone, PartialEq)]
pub struct Replica {
    /// The number of newest records that were looked for at the replica.
    pub reads: u64,
    /// The number of those that could not be read, by the kind of the failure. [`Fault::Timeout`] also stands for a record that an
    /// in-sync replica did not show in time.
    pub failures: BTreeMap<Fault, u64>,
    /// How long it took until the replica showed a record whose commit the leader had just reported.
    pub visible: Buckets,
    /// The number of damaged record batches that were found, each once.
    pub damaged_total: u64,
    /// The damaged batches that are still there.
    pub damaged: BTreeSet<Damage>,
    /// The partitions of in-sync replicas whose newest record was not shown in time in two cycles in a row or more.
    pub late: BTreeSet<i32>,
}

/// A record batch that a replica has damaged, or that differs from the one of the leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Damage {
    /// The partition of the heartbeat topic.
    pub partition: i32,
    /// The offset of the last record of the batch.
    pub offset: i64,
}
