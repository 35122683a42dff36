//! The task.

use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::watch;

use super::{mirror::Mirror, peers::Peers, snapshot::Snapshot};
use crate::{
    cluster::{AskedBrokers, metadata},
    config,
    kafka::{Error, wire},
    task::{Cycle, Latest},
};

/// What the task needs from other modules.
pub struct Inputs {
    /// The settings of the target cluster.
    pub cluster: Arc<config::Cluster>,
    /// The wire client that knows the brokers of the target.
    pub known: Arc<wire::Cluster>,
    /// The brokers of the target.
    pub metadata: watch::Receiver<Latest<metadata::Snapshot>>,
    /// What the clusters of the process know of each other.
    pub peers: Peers,
}

/// The task that looks for heartbeats of other clusters.
pub struct Probe {
    inputs: Inputs,
    /// Connections of its own, so that a broker that hangs delays no other task.
    wire: wire::Cluster,
    brokers: AskedBrokers,
    mirrors: Vec<Mirror>,
}

impl Probe {
    /// A task for the mirrors whose target is the cluster. Heartbeats are collected from now on.
    pub fn new(inputs: Inputs) -> Self {
        let Inputs { cluster, known, peers, .. } = &inputs;
        let timeout = cluster.mirrors.timeout();
        let wire = known.with_own_connections(timeout / 4).with_circuit_breakers();
        let mirrors = cluster.mirrors.0.iter();
        let mirrors = mirrors.map(|mirror| Mirror::new(mirror.clone(), cluster.clone(), peers.clone()));
        let mirrors = mirrors.collect();
        Self { inputs, wire, brokers: AskedBrokers::default(), mirrors }
    }
}

impl Cycle for Probe {
    type Snapshot = Snapshot;

    async fn cycle(&mut self) -> Result<Snapshot, Error> {
        self.wire.begin_cycle(&self.inputs.known);
        let metadata = self.inputs.metadata.borrow().fresh().cloned();
        if metadata.is_some_and(|metadata| self.brokers.change(&metadata.brokers)) {
            self.mirrors.iter_mut().for_each(Mirror::forget_refusal);
        }
        let cycles = join_all(self.mirrors.iter_mut().map(|mirror| mirror.cycle(&self.wire))).await;
        if let Some(fault) = cycles.into_iter().find_map(Result::err) {
            return Err(Error::new(fault, "the reads of mirrored heartbeats"));
        }
        let mirrors = self.mirrors.iter().map(|mirror| (mirror.name(), mirror.status()));
        Ok(Snapshot { mirrors: mirrors.collect() })
    }
}
