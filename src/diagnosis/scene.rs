//! What the diagnosis goes by.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use crate::{
    kafka::{BrokerId, Fault, Stage},
    text,
};

/// What is known of a cluster at one moment.
#[derive(Debug, Clone)]
pub struct Scene {
    /// The moment.
    pub at: SystemTime,
    /// Why this process cannot measure, as a sentence without a capital letter; `None` if it can.
    pub prober: Option<String>,
    /// Why there is no usable credential to log in with, if Kafka is not the reason; `None` otherwise.
    pub login: Option<Failure>,
    /// The name of the heartbeat topic.
    pub topic: String,
    /// Whether the topic is known not to exist.
    pub topic_missing: bool,
    /// Whether the principal was refused to describe or to create the heartbeat topic.
    pub topic_denied: bool,
    /// The partitions of the heartbeat topic. Empty without heartbeats and before the first metadata.
    pub partitions: BTreeMap<i32, Partition>,
    /// Every broker in the last metadata.
    pub brokers: BTreeMap<BrokerId, Broker>,
    /// Why the last request for the metadata failed; `None` if it succeeded.
    pub metadata: Option<Failure>,
    /// Whether the brokers answer and say that the quorum has no leader, after it had one.
    pub quorum_lost: bool,
    /// The mean time for which brokers throttled each request within the last ten seconds, by Kafka's name of the request.
    pub throttled: BTreeMap<&'static str, Duration>,
    /// The coordinators of consumer groups that fail, by broker: `None` where Kafka names no broker.
    pub coordinators: BTreeMap<Option<BrokerId>, Coordinators>,
}

/// Coordinators of consumer groups that fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coordinators {
    /// The partitions of `__consumer_offsets` whose groups cannot commit offsets or read them.
    pub partitions: Vec<i32>,
    /// The kind of the failure of the first of them.
    pub fault: Fault,
}

impl Coordinators {
    /// What fails, as a sentence without a capital letter and a full stop.
    pub(super) fn sentence(&self) -> String {
        let partitions = text::list("partition", &self.partitions).unwrap_or_default();
        format!(
            "consumer groups of {partitions} of __consumer_offsets cannot commit or read offsets: {}",
            self.fault
        )
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
        /// The number of sessions that failed one after the other.
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
