//! The latest word of every task of one cluster: the only state that tasks and readers share.
//!
//! A field is a watch channel: the task owns the sender, readers hold a receiver, nobody holds a lock
//! across an await. Nothing is shared between clusters.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::sync::watch;

use crate::{
    collect::{self, log_dirs, transactions},
    config,
    kafka::wire,
    probe::{connectivity, heartbeat, metadata, topic},
    task::Latest,
    verdict::Verdict,
};

/// One cluster's receivers, in the order of the catalog.
#[derive(Clone)]
pub struct Board {
    /// The cluster's name in the configuration: the label `kafka_cluster`.
    pub name: Arc<str>,
    /// The cluster's settings, for readers that show them.
    pub settings: Arc<config::Cluster>,
    /// When the service started.
    pub started: SystemTime,
    /// How sessions are opened, and how many peers broke the protocol.
    pub wire: Arc<wire::Settings>,
    /// The ledger's word, a few times a second.
    pub heartbeat: watch::Receiver<Arc<heartbeat::Snapshot>>,
    /// Sessions to each broker.
    pub connectivity: watch::Receiver<Latest<connectivity::Snapshot>>,
    /// The cluster's metadata.
    pub metadata: watch::Receiver<Latest<metadata::Snapshot>>,
    /// The heartbeat topic.
    pub topic: watch::Receiver<Latest<topic::Snapshot>>,
    /// Real topics and groups.
    pub collect: watch::Receiver<Latest<collect::Snapshot>>,
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
    /// The ledger's word.
    pub heartbeat: Arc<heartbeat::Snapshot>,
    /// Sessions to each broker.
    pub connectivity: Latest<connectivity::Snapshot>,
    /// The cluster's metadata.
    pub metadata: Latest<metadata::Snapshot>,
    /// The heartbeat topic.
    pub topic: Latest<topic::Snapshot>,
    /// Real topics and groups.
    pub collect: Latest<collect::Snapshot>,
    /// Who holds back readers of committed records.
    pub transactions: Latest<transactions::Snapshot>,
    /// Where brokers keep their logs.
    pub log_dirs: Latest<log_dirs::Snapshot>,
    /// All of it in one word.
    pub verdict: Arc<Verdict>,
}

impl Board {
    /// Reads every channel once.
    pub fn read(&self) -> Readings {
        Readings {
            name: self.name.clone(),
            settings: self.settings.clone(),
            started: self.started,
            requests: self.wire.requests(),
            violations: self.wire.violations(),
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
    /// How long ago the ledger last wrote; it writes at least once a second while it lives.
    pub fn ledger_age(&self) -> Duration {
        self.heartbeat.at.elapsed()
    }
}
