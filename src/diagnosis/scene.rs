//! What the diagnosis goes by.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use crate::{
    kafka::{BrokerId, Fault, Stage, admin::Coordinated},
    text,
};

/// What is known of a cluster at one moment.
#[derive(Debug, Clone)]
pub struct Scene {
    /// The moment.
    pub at: SystemTime,
    /// Why this process cannot measure, as a sentence without a capital letter; `None` if it can.
    pub prober: Option<String>,
    /// Why the measurements of the last seconds may be wrong although this process can measure again, as a sentence without a
    /// capital letter; `None` if they are right.
    pub stalled: Option<String>,
    /// Why there is no usable credential to log in with, if Kafka is not the reason; `None` otherwise.
    pub login: Option<Failure>,
    /// The name of the heartbeat topic.
    pub topic: String,
    /// Whether the topic is known not to exist.
    pub topic_missing: bool,
    /// Whether the principal was refused to describe or to create the heartbeat topic.
    pub topic_denied: bool,
    /// The setting `min.insync.replicas` of the heartbeat topic; `None` if it is not known.
    pub min_isr: Option<usize>,
    /// The partitions of the heartbeat topic. Empty without heartbeats and before the first metadata.
    pub partitions: BTreeMap<i32, Partition>,
    /// Every broker in the last metadata.
    pub brokers: BTreeMap<BrokerId, Broker>,
    /// The last sessions of other sections of the configuration with the same brokers, at addresses that this section does not
    /// use. Empty without another section for the same cluster.
    pub elsewhere: BTreeMap<BrokerId, Elsewhere>,
    /// The last sessions with the other clusters of the configuration, by the names of their sections. The names are no hostile
    /// text. Empty without another cluster.
    pub other_clusters: BTreeMap<String, OtherCluster>,
    /// Why the last request for the metadata failed; `None` if it succeeded.
    pub metadata: Option<Failure>,
    /// How the metadata of brokers differ from those of the others. The broker may have left the metadata.
    pub differing: BTreeMap<BrokerId, Difference>,
    /// The number of brokers whose metadata were compared; 0 if they were not.
    pub compared: usize,
    /// What is wrong with the active controller while brokers answer; `None` if nothing is known to be.
    pub controller: Option<Controller>,
    /// The mean time for which brokers throttled each request by the last reports, by Kafka's name of the request.
    pub throttled: BTreeMap<&'static str, Duration>,
    /// What is wrong with the replicas of a broker. A broker without trouble is absent.
    pub replicas: BTreeMap<BrokerId, Replicas>,
    /// The coordinators that fail, by what they coordinate and by broker: `None` where Kafka names no broker.
    pub coordinators: BTreeMap<(Coordinated, Option<BrokerId>), Coordinators>,
    /// The transactions of the service that fail. `None` if none fails, and if none is run.
    pub transactions: Option<Transactions>,
    /// What is wrong with the Schema Registry beside the cluster. `None` if nothing is known to be, or if none is checked.
    pub registry: Option<Registry>,
    /// What is wrong with the Kafka Connect clusters beside the cluster. `None` if nothing is known to be, or if none is asked.
    pub connect: Option<Connect>,
    /// The mirrors to the cluster by name whose heartbeats do not arrive in time.
    pub mirrors: BTreeMap<String, Mirror>,
}

/// What is wrong with Kafka Connect. The names are those of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connect {
    /// The Connect clusters with a fault.
    pub clusters: Vec<ConnectCluster>,
    /// When the workers were asked last.
    pub asked: SystemTime,
}

/// What is wrong with one Connect cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectCluster {
    /// The name of the Connect cluster.
    pub name: String,
    /// The number of workers in the configuration.
    pub workers: usize,
    /// The workers that did not answer several times in a row, each with its last fault.
    pub down: Vec<(String, &'static str)>,
    /// What workers that answer failed to do several times in a row, as a sentence without a capital letter and a full stop.
    /// `None` if they do their work, or if none answers.
    pub failing: Option<String>,
}

/// A mirror whose heartbeats do not arrive in time. The names are those of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// The name of the source cluster.
    pub source: String,
    /// The number of heartbeats that have not arrived by their deadline.
    pub overdue: u64,
    /// How long ago the oldest of them was produced.
    pub oldest: Duration,
    /// What is suspected in the source, each as `kind:subject`.
    pub source_suspects: Vec<String>,
}

/// What is wrong with a Schema Registry. The names of its nodes are those of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registry {
    /// The number of nodes.
    pub nodes: usize,
    /// The nodes that failed to answer several reads in a row, each with its last fault.
    pub down: Vec<(String, &'static str)>,
    /// The fault of the last write, if several in a row failed. `None` if writes are good, or not tried.
    pub writes: Option<&'static str>,
    /// The nodes that did not return several written levels in a row.
    pub stale: Vec<String>,
    /// When the nodes were asked last.
    pub asked: SystemTime,
}

/// The last sessions with another cluster of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherCluster {
    /// The end of the last of them.
    pub at: SystemTime,
    /// Since when sessions with a broker of it have been opened, for the broker with the earliest time. `None` if the last
    /// sessions with all its brokers failed.
    pub opened: Option<SystemTime>,
}

/// How the metadata of a broker differ from those of the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The difference as a sentence without a capital letter and a full stop.
    pub sentence: String,
    /// Whether another broker answers at the address of the broker.
    pub is_other_broker: bool,
}

/// What is wrong with the active controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Controller {
    /// The quorum has no leader, after it had one: brokers say so, or requests about the quorum are not answered.
    Lost,
    /// The quorum has elected a leader again and again.
    KeepsChanging {
        /// How often the epoch was found to have changed.
        times: u32,
        /// The time from the first to the last change.
        within: Duration,
    },
}

/// What is wrong with the replicas of the heartbeat topic that a broker has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replicas {
    /// The partitions of which it has damaged records.
    pub damaged: Vec<i32>,
    /// The partitions whose newest record it has not shown in time, although it is an in-sync replica.
    pub late: Vec<i32>,
}

/// Coordinators that fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coordinators {
    /// The partitions of `__consumer_offsets` whose groups cannot commit offsets or read them, or the partitions of
    /// `__transaction_state` whose transactional ids get no producer id.
    pub partitions: Vec<i32>,
    /// The kind of the failure of the first of them.
    pub fault: Fault,
    /// Since when the first of them has failed.
    pub since: SystemTime,
}

impl Coordinators {
    /// What fails, as a sentence without a capital letter and a full stop.
    pub(super) fn sentence(&self, of: Coordinated) -> String {
        let partitions = text::list("partition", &self.partitions).unwrap_or_default();
        let fault = self.fault.as_str().replace('_', " ");
        match of {
            Coordinated::Groups => format!(
                "consumer groups of {partitions} of __consumer_offsets cannot commit or read offsets: {fault}"
            ),
            Coordinated::Transactions => format!(
                "transactional producers of {partitions} of __transaction_state get no producer id: {fault}"
            ),
        }
    }
}

/// Transactions of the service that fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transactions {
    /// The brokers that the last of them needed: the coordinator first, then the leader of the partition if it was asked. Empty if
    /// no broker is known.
    pub brokers: Vec<BrokerId>,
    /// The number of transactions in a row that failed.
    pub times: u32,
    /// How the last of them ended, in words.
    pub words: String,
    /// Since when they have failed.
    pub since: SystemTime,
}

impl Transactions {
    /// What fails, as a sentence without a capital letter and a full stop.
    pub(super) fn sentence(&self) -> String {
        match self.times {
            1 => format!("a transaction of the service {}", self.words),
            times => format!("{times} transactions of the service failed; the last one {}", self.words),
        }
    }
}

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The stage of opening a session that failed; `None` if a session was open.
    pub stage: Option<Stage>,
    /// The kind of the failure.
    pub fault: Fault,
    /// The failure in words. The text may be hostile.
    pub message: String,
}

/// One partition of the heartbeat topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Partition {
    /// The leader by the last metadata.
    pub leader: Option<BrokerId>,
    /// The brokers of its replicas.
    pub replicas: Vec<BrokerId>,
    /// The brokers of its in-sync replicas.
    pub isr: Vec<BrokerId>,
    /// What is wrong with its heartbeats; `None` if they are good, or not known.
    pub trouble: Option<Trouble>,
}

/// What is wrong with the heartbeats of a partition now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The leader to which the heartbeats were sent; `None` if there was none.
    pub leader: Option<BrokerId>,
    /// The number of heartbeats that wait for longer than is likely.
    pub overdue: usize,
    /// The number of the last heartbeats that were bad.
    pub bad: usize,
    /// Why the last bad heartbeat failed; `None` if no reason is known.
    pub fault: Option<Fault>,
    /// Whether the last bad heartbeat was acknowledged: then the reason is one of reading its record.
    pub acknowledged: bool,
    /// Since when the heartbeats have been in trouble.
    pub since: SystemTime,
}

/// One broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    /// The advertised host. The text may be hostile.
    pub host: String,
    /// The advertised port.
    pub port: u16,
    /// The rack; `None` if no rack is set.
    pub rack: Option<String>,
    /// The last sessions with it.
    pub session: Session,
}

impl Broker {
    /// `HOST:PORT` without control characters.
    pub(super) fn address(&self) -> String {
        format!("{}:{}", text::plain(&self.host), self.port)
    }
}

/// The last session of another section of the configuration with a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// The name of the section.
    pub section: String,
    /// The end of the session.
    pub at: SystemTime,
    /// Since when sessions have been opened. `None` if the last one failed.
    pub opened: Option<SystemTime>,
}

/// How the last sessions with a broker ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Session {
    /// No session was tried, or the last one is too old.
    Unknown,
    /// The last session was opened.
    Open {
        /// The end of the last session that was opened.
        at: SystemTime,
        /// The end of the first session that was opened after a failure, or of the first of all.
        since: SystemTime,
        /// How long the last one took, and how long it usually takes, if the last ones all took far longer than usual.
        slow: Option<(Duration, Duration)>,
    },
    /// The last sessions failed.
    Failed {
        /// The stage that failed.
        stage: Stage,
        /// The kind of the failure.
        fault: Fault,
        /// The number of sessions in a row that failed.
        times: u32,
        /// The end of the first of them.
        since: SystemTime,
        /// The end of the last of them.
        last: SystemTime,
        /// Whether the other brokers listed this one long enough after that: it did not leave as planned.
        listed: bool,
        /// Whether a partition still has it as an in-sync replica long after that: the other brokers reach it.
        in_sync: bool,
    },
}
