//! What the gate goes by.

use std::{sync::Arc, time::Instant};

use tokio::sync::watch;

use crate::{
    cluster::metadata,
    config, monitor,
    probe::{connectivity, coordinators, heartbeat},
    task::Latest,
    verdict::Verdict,
};

/// The channels on which the gate reads what the tasks of one cluster publish.
#[derive(Clone)]
pub struct Inputs {
    /// The settings of the cluster.
    pub settings: Arc<config::Cluster>,
    /// What the ledger of heartbeats publishes.
    pub heartbeat: watch::Receiver<Arc<heartbeat::Snapshot>>,
    /// The metadata of the cluster.
    pub metadata: watch::Receiver<Latest<metadata::Snapshot>>,
    /// Sessions with each broker.
    pub connectivity: watch::Receiver<Latest<connectivity::Snapshot>>,
    /// The coordinators of consumer groups.
    pub coordinators: watch::Receiver<Latest<coordinators::Snapshot>>,
    /// The coordinators of transactions.
    pub transaction_coordinators: watch::Receiver<Latest<coordinators::Snapshot>>,
    /// The collection: which partitions are being moved, and whether topics are hidden.
    pub collect: watch::Receiver<Latest<monitor::Snapshot>>,
    /// The verdict on the cluster: brokers that are missing, and suspects.
    pub verdict: watch::Receiver<Arc<Verdict>>,
}

/// What is known at one moment. Holds no lock.
#[derive(Clone)]
pub(super) struct Facts {
    pub(super) now: Instant,
    pub(super) settings: Arc<config::Cluster>,
    pub(super) heartbeat: Arc<heartbeat::Snapshot>,
    pub(super) metadata: Latest<metadata::Snapshot>,
    pub(super) connectivity: Latest<connectivity::Snapshot>,
    pub(super) coordinators: Latest<coordinators::Snapshot>,
    pub(super) transaction_coordinators: Latest<coordinators::Snapshot>,
    pub(super) collect: Latest<monitor::Snapshot>,
    pub(super) verdict: Arc<Verdict>,
}

impl Inputs {
    /// Reads every channel once.
    pub(super) fn read(&self) -> Facts {
        Facts {
            now: Instant::now(),
            settings: self.settings.clone(),
            heartbeat: self.heartbeat.borrow().clone(),
            metadata: self.metadata.borrow().clone(),
            connectivity: self.connectivity.borrow().clone(),
            coordinators: self.coordinators.borrow().clone(),
            transaction_coordinators: self.transaction_coordinators.borrow().clone(),
            collect: self.collect.borrow().clone(),
            verdict: self.verdict.borrow().clone(),
        }
    }
}
