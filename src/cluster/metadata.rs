//! Does the cluster answer, how fast, and who leads it?
//!
//! Under KRaft the `controller_id` of a Metadata answer is a random live broker; the true leader
//! comes from DescribeQuorum, where the broker knows the request and lets us ask.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use tokio::sync::watch;

use crate::{
    config,
    kafka::{
        BrokerId, Capability, Error, Fault, Permission,
        admin::{self, Broker, PARTITIONS_PER_PAGE, Quorum, Topic, Topics},
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
    /// Topics we may see, or what is wrong with one.
    pub topics: Arc<BTreeMap<String, Result<Topic, Fault>>>,
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

impl Snapshot {
    /// Partitions of the topics we may see.
    pub fn partitions(&self) -> usize {
        self.topics.values().flatten().map(|topic| topic.partitions.len()).sum()
    }
}

/// For DescribeQuorum: a cluster that has lost its controller may not answer for a minute, and still serve.
const QUORUM_PATIENCE: Duration = Duration::from_secs(1);

/// The task.
pub struct Probe {
    cluster: Arc<config::Cluster>,
    wire: Arc<wire::Cluster>,
    /// Connections of its own: a broker serves those of a connection one after the other.
    quorum: wire::Cluster,
    durations: Buckets,
    /// Whether DescribeQuorum may be asked.
    quorum_permission: Permission,
    brokers: BTreeSet<BrokerId>,
    /// How all topics are asked for.
    topics: Topics<'static>,
}

impl Probe {
    /// A probe that has asked nothing yet.
    pub fn new(cluster: Arc<config::Cluster>, wire: Arc<wire::Cluster>) -> Self {
        let quorum = wire.with_own_connections(QUORUM_PATIENCE.min(cluster.metadata.timeout / 2));
        let durations = Buckets::new(&Bounds::default());
        let (quorum_permission, brokers) = (Permission::default(), BTreeSet::new());
        let topics = Topics::All;
        Self { cluster, wire, quorum, durations, quorum_permission, brokers, topics }
    }

    /// A topic that we may not see is left out where all are listed; asked for by name, the broker says why.
    async fn hidden(&self) -> Fault {
        let name = self.cluster.heartbeat.topic.as_str();
        match admin::metadata(&self.wire, Topics::Named(&[name])).await {
            Ok(metadata) => match metadata.topics.get(name) {
                Some(Err(fault)) => *fault,
                _ => Fault::UnknownTopic,
            },
            // Why the topic is not among all topics is not known: this question was not answered.
            Err(error) => error.fault(),
        }
    }

    /// A cluster of other brokers may allow what was refused.
    fn forget_refusals(&mut self, brokers: &BTreeMap<BrokerId, Broker>) {
        if self.brokers.iter().eq(brokers.keys()) {
            return;
        }
        if !self.brokers.is_empty() {
            self.quorum_permission.forget();
        }
        self.brokers = brokers.keys().copied().collect();
    }
}

impl Cycle for Probe {
    type Snapshot = Snapshot;

    async fn cycle(&mut self) -> Result<Snapshot, Error> {
        let before = self.quorum_permission.state();
        let quorum = self.quorum_permission.ask(admin::describe_quorum(&self.quorum));
        let (metadata, quorum) = tokio::join!(admin::metadata(&self.wire, self.topics), quorum);
        let quorum = quorum.ok().flatten();
        let capability = self.quorum_permission.state();
        if capability != before && quorum.is_none() {
            let cluster = &self.cluster.name;
            tracing::info!(cluster, state = capability.as_str(), "the quorum leader is not known");
        }
        let metadata = metadata?;
        self.durations.record(metadata.duration);
        self.forget_refusals(&metadata.brokers);
        self.quorum.learn_from(&self.wire);
        let partitions =
            metadata.topics.values().flatten().map(|topic| topic.partitions.len()).sum::<usize>();
        self.topics = if partitions > PARTITIONS_PER_PAGE { Topics::Pages } else { Topics::All };
        let heartbeat_topic = match metadata.topics.get(&self.cluster.heartbeat.topic) {
            Some(topic) => topic.clone(),
            None => Err(self.hidden().await),
        };
        Ok(Snapshot {
            cluster_id: metadata.cluster_id,
            topics: Arc::new(metadata.topics),
            brokers: metadata.brokers,
            controller: metadata.controller,
            quorum,
            quorum_capability: capability,
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
pub(crate) async fn first(
    metadata: &mut watch::Receiver<Latest<Snapshot>>,
    limit: Duration,
) -> Result<Arc<Snapshot>, Error> {
    let known = tokio::time::timeout(limit, metadata.wait_for(|latest| latest.snapshot.is_some())).await;
    let known = known.ok().and_then(Result::ok).and_then(|latest| latest.snapshot.clone());
    let missing = || Error::new(Fault::NotReady, "the brokers are not known before the first metadata");
    known.map(|(snapshot, _)| snapshot).ok_or_else(missing)
}

/// As [`first`], for those to whom what the cluster once looked like says nothing.
///
/// # Errors
/// [`Fault::NotReady`] if there is none, or what there is is older than three intervals.
pub(crate) async fn fresh(
    metadata: &mut watch::Receiver<Latest<Snapshot>>,
    limit: Duration,
) -> Result<Arc<Snapshot>, Error> {
    first(metadata, limit).await?;
    let fresh = metadata.borrow().fresh().cloned();
    fresh.ok_or_else(|| Error::new(Fault::NotReady, "the metadata are older than three intervals"))
}
