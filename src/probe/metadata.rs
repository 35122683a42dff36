//! Does the cluster answer, how fast, and who leads it?
//!
//! Under KRaft the `controller_id` of a Metadata answer is a random live broker; the true leader
//! comes from DescribeQuorum, where the broker knows the request and lets us ask.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::sync::watch;

use crate::{
    config,
    kafka::{
        BrokerId, Error, Fault,
        admin::{self, Broker, Quorum, Topic, Topics},
        wire,
    },
    latency::{Bounds, Buckets},
    task::{Cycle, Latest},
};

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
    /// The heartbeat topic, or why it is not known: missing, or hidden from us.
    pub heartbeat_topic: Result<Topic, Fault>,
    /// How long the last Metadata request took, from sending to the whole answer.
    pub duration: Duration,
    /// All such durations since the start.
    pub durations: Buckets,
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

/// The task.
pub struct Probe {
    cluster: Arc<config::Cluster>,
    wire: Arc<wire::Cluster>,
    durations: Buckets,
    /// Not asked again where the answer will not change without us.
    quorum_capability: Capability,
}

impl Probe {
    /// A probe that has asked nothing yet.
    pub fn new(cluster: Arc<config::Cluster>, wire: Arc<wire::Cluster>) -> Self {
        let durations = Buckets::new(&Bounds::default());
        Self { cluster, wire, durations, quorum_capability: Capability::Unknown }
    }

    /// "Asks for nothing it has no right to twice": a refusal holds until the service starts again.
    async fn quorum(&mut self) -> Option<Quorum> {
        if matches!(self.quorum_capability, Capability::Denied | Capability::Unsupported) {
            return None;
        }
        let (quorum, capability) = match admin::describe_quorum(&self.wire).await {
            Ok(quorum) => (Some(quorum), Capability::Ok),
            Err(error) => (None, capability(&error)),
        };
        if capability != self.quorum_capability && quorum.is_none() {
            let cluster = &self.cluster.name;
            tracing::info!(cluster, state = capability.as_str(), "the quorum leader is not known");
        }
        self.quorum_capability = capability;
        quorum
    }
}

fn capability(error: &Error) -> Capability {
    match error.fault() {
        Fault::Authorization => Capability::Denied,
        Fault::Unsupported => Capability::Unsupported,
        _ => Capability::Unknown,
    }
}

impl Cycle for Probe {
    type Snapshot = Snapshot;

    async fn cycle(&mut self) -> Result<Snapshot, Error> {
        let metadata = admin::metadata(&self.wire, Topics::All).await?;
        self.durations.record(metadata.duration);
        let quorum = self.quorum().await;
        let visible = metadata.topics.values().flatten();
        let heartbeat_topic = metadata.topics.get(&self.cluster.heartbeat.topic).cloned();
        let heartbeat_topic = heartbeat_topic.unwrap_or(Err(Fault::UnknownTopic));
        Ok(Snapshot {
            cluster_id: metadata.cluster_id,
            topics: metadata.topics.len(),
            partitions: visible.map(|topic| topic.partitions.len()).sum(),
            brokers: metadata.brokers,
            controller: metadata.controller,
            quorum,
            quorum_capability: self.quorum_capability,
            heartbeat_topic,
            duration: metadata.duration,
            durations: self.durations.clone(),
        })
    }
}

/// The latest snapshot; before the first one, waits for it, at most `limit`.
///
/// # Errors
/// [`Fault::NotReady`] if it does not come.
pub(super) async fn first(
    metadata: &mut watch::Receiver<Latest<Snapshot>>,
    limit: Duration,
) -> Result<Arc<Snapshot>, Error> {
    let known = tokio::time::timeout(limit, metadata.wait_for(|latest| latest.snapshot.is_some())).await;
    let known = known.ok().and_then(Result::ok).and_then(|latest| latest.snapshot.clone());
    let missing = || Error::new(Fault::NotReady, "the brokers are not known before the first metadata");
    known.map(|(snapshot, _)| snapshot).ok_or_else(missing)
}
