//! The metadata of the cluster: its brokers, topics and controller, and how fast it answers.
//!
//! Under KRaft the `controller_id` of a Metadata answer is a random live broker. The true leader of the quorum comes from
//! DescribeQuorum, if the broker knows that request and the principal may send it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::sync::watch;

use super::AskedBrokers;
use crate::{
    config,
    kafka::{
        BrokerId, Capability, Error, Fault, Permission,
        admin::{self, Broker, PARTITIONS_PER_PAGE, Quorum, Topic, Topics, Voters},
        wire,
    },
    latency::{Bounds, Buckets},
    task::{Cycle, Latest},
};

/// What the last Metadata and DescribeQuorum requests returned.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Kafka's id of the cluster; absent if the broker sends none.
    pub cluster_id: Option<String>,
    /// Every broker in the metadata, by id.
    pub brokers: BTreeMap<BrokerId, Broker>,
    /// The topics that the principal may see, or the error that Kafka sends for a topic.
    pub topics: Arc<BTreeMap<String, Result<Topic, Fault>>>,
    /// The controller by the Metadata answer: under KRaft a random live broker. Absent if there is none.
    pub controller: Option<BrokerId>,
    /// The leader and the epoch of the quorum; absent if DescribeQuorum is not supported, denied or failed.
    pub quorum: Option<Quorum>,
    /// How long before the leader of the quorum each voter was last caught up. Empty if the quorum is not known.
    pub voters: Voters,
    /// Why the quorum is not known: [`Fault::NoLeader`] if a broker answers that it has no leader. Absent if it is known, and if
    /// DescribeQuorum was not sent.
    pub quorum_fault: Option<Fault>,
    /// Whether the principal may send DescribeQuorum.
    pub quorum_capability: Capability,
    /// The heartbeat topic, or why it is not known: it does not exist, or the principal may not see it.
    pub heartbeat_topic: Result<Topic, Fault>,
    /// How long the last Metadata request took, from the first byte sent to the last byte of the answer.
    pub duration: Duration,
    /// The durations of all Metadata requests since the start.
    pub durations: Buckets,
}

impl Snapshot {
    /// The number of partitions of the topics that the principal may see.
    pub fn partitions(&self) -> usize {
        self.topics.values().flatten().map(|topic| topic.partitions.len()).sum()
    }
}

/// The limit of DescribeQuorum. A cluster that has lost its controller may not answer it for a minute, and still serve clients.
const QUORUM_PATIENCE: Duration = Duration::from_secs(1);

/// The task.
pub struct Probe {
    cluster: Arc<config::Cluster>,
    wire: Arc<wire::Cluster>,
    /// Connections for DescribeQuorum alone: a broker answers the requests of a connection one after the other.
    quorum: wire::Cluster,
    durations: Buckets,
    /// Whether DescribeQuorum may be asked.
    quorum_permission: Permission,
    brokers: AskedBrokers,
    /// Whether all topics are asked for in one request or in pages.
    topics: Topics<'static>,
}

impl Probe {
    /// A task that has asked nothing yet.
    pub fn new(cluster: Arc<config::Cluster>, wire: Arc<wire::Cluster>) -> Self {
        let quorum = wire.with_own_connections(QUORUM_PATIENCE.min(cluster.metadata.timeout / 2));
        let durations = Buckets::new(&Bounds::default());
        let (quorum_permission, brokers) = (Permission::default(), AskedBrokers::default());
        let topics = Topics::All;
        Self { cluster, wire, quorum, durations, quorum_permission, brokers, topics }
    }

    /// Why the heartbeat topic is not among all topics. Kafka leaves out a topic that the principal may not see, and names the
    /// reason if the topic is asked for by name.
    async fn hidden(&self) -> Fault {
        let name = self.cluster.heartbeat.topic.as_str();
        match admin::metadata(&self.wire, Topics::Named(&[name])).await {
            Ok(metadata) => match metadata.topics.get(name) {
                Some(Err(fault)) => *fault,
                _ => Fault::UnknownTopic,
            },
            // The request was not answered: the reason is not known.
            Err(error) => error.fault(),
        }
    }
}

impl Cycle for Probe {
    type Snapshot = Snapshot;

    async fn cycle(&mut self) -> Result<Snapshot, Error> {
        let before = self.quorum_permission.state();
        let quorum = self.quorum_permission.ask(admin::describe_quorum(&self.quorum));
        let (metadata, quorum) = tokio::join!(admin::metadata(&self.wire, self.topics), quorum);
        let quorum_fault = quorum.as_ref().err().map(Error::fault);
        let (quorum, voters) = quorum.ok().flatten().unzip();
        let capability = self.quorum_permission.state();
        if capability != before && quorum.is_none() {
            let cluster = &self.cluster.name;
            tracing::info!(cluster, state = capability.as_str(), "the quorum leader is not known");
        }
        let metadata = metadata?;
        self.durations.record(metadata.duration);
        if self.brokers.change(&metadata.brokers) {
            self.quorum_permission.forget();
        }
        self.quorum.begin_cycle(&self.wire);
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
            voters: voters.unwrap_or_default(),
            quorum_fault,
            quorum_capability: capability,
            heartbeat_topic,
            duration: metadata.duration,
            durations: self.durations.clone(),
        })
    }
}

/// The latest snapshot. Before the first one, waits for it for at most `limit`.
///
/// # Errors
/// [`Fault::NotReady`] if no snapshot comes in time.
pub(crate) async fn first(
    metadata: &mut watch::Receiver<Latest<Snapshot>>,
    limit: Duration,
) -> Result<Arc<Snapshot>, Error> {
    let known = tokio::time::timeout(limit, metadata.wait_for(|latest| latest.snapshot.is_some())).await;
    let known = known.ok().and_then(Result::ok).and_then(|latest| latest.snapshot.clone());
    let missing = || Error::new(Fault::NotReady, "the brokers are not known before the first metadata");
    known.map(|(snapshot, _)| snapshot).ok_or_else(missing)
}

/// The latest snapshot if it is not stale. Before the first one, waits for it for at most `limit`.
///
/// # Errors
/// [`Fault::NotReady`] if no snapshot comes in time, or if the latest is older than three intervals.
pub(crate) async fn fresh(
    metadata: &mut watch::Receiver<Latest<Snapshot>>,
    limit: Duration,
) -> Result<Arc<Snapshot>, Error> {
    first(metadata, limit).await?;
    let fresh = metadata.borrow().fresh().cloned();
    fresh.ok_or_else(|| Error::new(Fault::NotReady, "the metadata are older than three intervals"))
}
