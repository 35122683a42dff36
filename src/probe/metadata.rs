//! Does the cluster answer, how fast, and who leads it?
//!
//! Under KRaft the `controller_id` of a Metadata answer is a random live broker; the true leader
//! comes from DescribeQuorum, where the broker knows the request and lets us ask.

use std::{collections::BTreeMap, time::Duration};

pub use crate::kafka::admin::{Partition, Topic};
use crate::{kafka::BrokerId, latency::Buckets};

/// What the cluster says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Kafka's own id of the cluster, where it gives one.
    pub cluster_id: Option<String>,
    /// Every broker of the metadata.
    pub brokers: BTreeMap<BrokerId, Broker>,
    /// Topics we may see.
    pub topics: usize,
    /// Partitions of these topics.
    pub partitions: usize,
    /// What Metadata calls the controller: under KRaft a random live broker.
    pub controller: Option<BrokerId>,
    /// The quorum's leader and epoch; absent where unsupported or denied.
    pub quorum: Option<Quorum>,
    /// Whether DescribeQuorum may be asked: `ok`, `denied`, `unsupported`, `unknown`.
    pub quorum_capability: Capability,
    /// The heartbeat topic; `None` if it does not exist or we may not see it.
    pub heartbeat_topic: Option<Topic>,
    /// How long the last Metadata request took, from sending to the whole answer.
    pub duration: Duration,
    /// All such durations since the start.
    pub durations: Buckets,
}

/// One broker of the metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    /// The advertised host: hostile text.
    pub host: String,
    /// The advertised port.
    pub port: u16,
    /// The rack, where one is set.
    pub rack: Option<String>,
}

/// The KRaft quorum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quorum {
    /// The active controller.
    pub leader: BrokerId,
    /// Its epoch.
    pub epoch: i32,
}

/// Whether the cluster lets us ask something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Capability {
    /// Asked and answered.
    Ok,
    /// The principal lacks the permission.
    Denied,
    /// The broker does not know the request.
    Unsupported,
    /// Not asked yet, or the answer was another error.
    Unknown,
}

impl Capability {
    /// Every state, in the order of the labels.
    pub const ALL: [Capability; 4] =
        [Capability::Ok, Capability::Denied, Capability::Unsupported, Capability::Unknown];

    /// The state as a label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Capability::Ok => "ok",
            Capability::Denied => "denied",
            Capability::Unsupported => "unsupported",
            Capability::Unknown => "unknown",
        }
    }
}
