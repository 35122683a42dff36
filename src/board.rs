//! The latest word of every task of one cluster: the only state that tasks and readers share.
//!
//! A field is a watch channel: the task owns the sender, readers hold a receiver, nobody holds a lock
//! across an await. Nothing is shared between clusters.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::sync::watch;

use crate::{
    closed_enum::closed_enum,
    cluster::metadata,
    collect::{log_dirs, transactions},
    config,
    kafka::{Capability, Fault, Request, wire},
    monitor,
    probe::{connectivity, heartbeat, topic},
    task::{Latest, Record},
    verdict::Verdict,
};

closed_enum! {
    /// A periodic task of a cluster. Readiness, metrics and pages go by this one list of tasks.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Task {
        /// Opens sessions to each broker.
        Connectivity = "connectivity",
        /// Asks for the cluster's metadata.
        Metadata = "metadata",
        /// Looks after the heartbeat topic.
        Topic = "topic",
        /// Asks for offsets, topics and consumer groups.
        Collect = "collect",
        /// Asks for open transactions.
        Transactions = "transactions",
        /// Asks for the brokers' log directories.
        LogDirs = "log_dirs",
    }
}

impl Task {
    /// Whether the task runs for a cluster with these settings.
    pub fn runs(self, cluster: &config::Cluster) -> bool {
        match self {
            Task::Connectivity => cluster.connectivity.enabled,
            Task::Metadata => true,
            // Without heartbeats no topic is needed for them.
            Task::Topic => cluster.heartbeat.enabled,
            Task::Collect => cluster.lag.enabled || cluster.freshness.enabled,
            Task::Transactions => cluster.transactions.enabled,
            Task::LogDirs => cluster.log_dirs.enabled,
        }
    }
}

/// One cluster's receivers, in the order of the catalog.
#[derive(Clone)]
pub struct Board {
    /// The cluster's name in the configuration: the label `kafka_cluster`.
    pub name: Arc<str>,
    /// The cluster's settings, for readers that show them.
    pub settings: Arc<config::Cluster>,
    /// When the service started.
    pub started: SystemTime,
    /// The wire client of the cluster, whose counters the metrics show.
    pub wire: Arc<wire::Client>,
    /// The ledger's word, a few times a second.
    pub heartbeat: watch::Receiver<Arc<heartbeat::Snapshot>>,
    /// Sessions to each broker.
    pub connectivity: watch::Receiver<Latest<connectivity::Snapshot>>,
    /// The cluster's metadata.
    pub metadata: watch::Receiver<Latest<metadata::Snapshot>>,
    /// The heartbeat topic.
    pub topic: watch::Receiver<Latest<topic::Snapshot>>,
    /// Real topics and groups.
    pub collect: watch::Receiver<Latest<monitor::Snapshot>>,
    /// Who holds back readers of committed records.
    pub transactions: watch::Receiver<Latest<transactions::Snapshot>>,
    /// Where brokers keep their logs.
    pub log_dirs: watch::Receiver<Latest<log_dirs::Snapshot>>,
    /// All of it in one word.
    pub verdict: watch::Receiver<Arc<Verdict>>,
}

/// One consistent look at a cluster's board; holds no lock.
#[derive(Clone)]
pub struct Readings {
    /// The cluster's name in the configuration.
    pub name: Arc<str>,
    /// The cluster's settings.
    pub settings: Arc<config::Cluster>,
    /// When the service started.
    pub started: SystemTime,
    /// Requests that the wire client sent.
    pub requests: u64,
    /// Connections of the wire client that ended because the peer broke the protocol.
    pub violations: u64,
    /// For how long brokers throttled the wire client, by Kafka's name of the request.
    pub throttled: BTreeMap<String, Duration>,
    /// The ledger's word.
    pub heartbeat: Arc<heartbeat::Snapshot>,
    /// Sessions to each broker.
    pub connectivity: Latest<connectivity::Snapshot>,
    /// The cluster's metadata.
    pub metadata: Latest<metadata::Snapshot>,
    /// The heartbeat topic.
    pub topic: Latest<topic::Snapshot>,
    /// Real topics and groups.
    pub collect: Latest<monitor::Snapshot>,
    /// Who holds back readers of committed records.
    pub transactions: Latest<transactions::Snapshot>,
    /// Where brokers keep their logs.
    pub log_dirs: Latest<log_dirs::Snapshot>,
    /// All of it in one word.
    pub verdict: Arc<Verdict>,
}

/// The ledger writes a snapshot at least once a second. A ledger whose last snapshot is older than this has stopped.
const OLDEST_LEDGER: Duration = Duration::from_secs(15);

impl Board {
    /// Whether the ledger of the cluster's heartbeats still writes snapshots.
    pub fn ledger_lives(&self) -> bool {
        self.heartbeat.borrow().at.elapsed() <= OLDEST_LEDGER
    }

    /// Reads every channel once.
    pub fn read(&self) -> Readings {
        Readings {
            name: self.name.clone(),
            settings: self.settings.clone(),
            started: self.started,
            requests: self.wire.requests(),
            violations: self.wire.violations(),
            throttled: self.wire.throttled(),
            heartbeat: self.heartbeat.borrow().clone(),
            connectivity: self.connectivity.borrow().clone(),
            metadata: self.metadata.borrow().clone(),
            topic: self.topic.borrow().clone(),
            collect: self.collect.borrow().clone(),
            transactions: self.transactions.borrow().clone(),
            log_dirs: self.log_dirs.borrow().clone(),
            verdict: self.verdict.borrow().clone(),
        }
    }
}

impl Readings {
    /// Every request that needs a permission of its own and that is asked, with its state: the one list of them.
    pub fn capabilities(&self) -> Vec<(Request, Capability)> {
        let mut all = Vec::new();
        if let Some(metadata) = self.metadata.fresh() {
            all.push((Request::DescribeQuorum, metadata.quorum_capability));
        }
        if let Some(topic) = self.topic.fresh() {
            all.push((Request::DescribeConfigs, topic.configs));
            all.push((Request::ListPartitionReassignments, topic.reassignments));
        }
        if let Some(collect) = self.collect.fresh() {
            all.push((Request::Metadata, collect.described));
            if self.settings.lag.enabled {
                all.push((Request::ListGroups, collect.listing));
            }
            all.push((Request::Fetch, collect.reading));
        }
        if self.settings.log_dirs.enabled {
            all.push((Request::DescribeLogDirs, log_dirs(&self.log_dirs)));
        }
        all
    }

    /// Requests that the cluster refuses, or answers in part, because the principal lacks a permission or may lack one. A
    /// request that was not answered is not among them.
    pub fn refused(&self) -> Vec<(Request, Capability)> {
        let collect = self.collect.fresh();
        let is_hiding = |request: &Request| collect.is_some_and(|collect| collect.hiding.contains(request));
        let is_refused = |(request, state): &(Request, Capability)| match state {
            Capability::Denied => true,
            Capability::Unknown => is_hiding(request),
            Capability::Ok | Capability::Unsupported => false,
        };
        self.capabilities().into_iter().filter(is_refused).collect()
    }

    /// How long ago the ledger last wrote; it writes at least once a second while it lives.
    pub fn ledger_age(&self) -> Duration {
        self.heartbeat.at.elapsed()
    }

    /// The record of every task that runs, in the order of [`Task::ALL`].
    pub fn tasks(&self) -> impl Iterator<Item = (Task, Record<'_>)> {
        let running = Task::ALL.into_iter().filter(|task| task.runs(&self.settings));
        running.map(|task| {
            let record = match task {
                Task::Connectivity => self.connectivity.record(),
                Task::Metadata => self.metadata.record(),
                Task::Topic => self.topic.record(),
                Task::Collect => self.collect.record(),
                Task::Transactions => self.transactions.record(),
                Task::LogDirs => self.log_dirs.record(),
            };
            (task, record)
        })
    }
}

/// Whether brokers say where they keep their logs.
fn log_dirs(latest: &Latest<log_dirs::Snapshot>) -> Capability {
    if let Some(failure) = &latest.failure {
        return Capability::of(failure.fault);
    }
    let Some(snapshot) = latest.fresh() else { return Capability::Unknown };
    let is_denied = snapshot.brokers.values().any(|told| told.as_ref().err() == Some(&Fault::Authorization));
    if is_denied { Capability::Denied } else { Capability::Ok }
}
