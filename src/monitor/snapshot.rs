//! What the collection task publishes.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::history_file::Written;
use crate::{
    cluster::Api,
    collect::{topics, topology},
    evaluate::{events, groups::Group, judge},
    kafka::{Capability, Fault, Request},
};

/// What one cycle found.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The watched topics, by name.
    pub topics: BTreeMap<Arc<str>, topics::Topic>,
    /// The watched groups, by name.
    pub groups: BTreeMap<Arc<str>, Group>,
    /// The health of every visible topic, and how often each kind of change was seen.
    pub topology: topology::Topology,
    /// The verdict on each group, and on the traffic of each topic.
    pub judged: judge::Judgement,
    /// The events of the cluster, the oldest first.
    pub events: events::Events,
    /// Requests that failed since the start, by request and kind of failure. A request that fails for three topics counts
    /// three times.
    pub faults: BTreeMap<(Api, Fault), u64>,
    /// How many of the names that Kafka lists a filter leaves out, by filter.
    pub filtered: BTreeMap<&'static str, usize>,
    /// Whether all topics are visible.
    pub described: Capability,
    /// Whether all groups are listed.
    pub listing: Capability,
    /// Whether record batches may be read.
    pub reading: Capability,
    /// Requests that Kafka answers and may answer in part, because the principal may not see everything or, with brokers
    /// that do not say so, because the answer is empty. A request that was not answered is not among them.
    pub hiding: Vec<Request>,
    /// How long the cycle took, from the first request to the start of the write to the history file.
    pub duration: Duration,
    /// The part of `duration` in which groups and traffic were evaluated.
    pub judging: Duration,
    /// How long the last write to the history file took. No cycle waits for a write.
    pub saving: Duration,
    /// How writing the history file goes; absent if no file is configured.
    pub written: Option<Written>,
}
