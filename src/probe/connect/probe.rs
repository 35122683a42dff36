//! The task.

use std::{sync::Arc, time::SystemTime};

use futures_util::future::join_all;
use tokio::{sync::watch, time::Instant};

use super::{
    checker::{Checker, Window, client},
    failures::{Failures, worded},
    snapshot::Snapshot,
};
use crate::{
    cluster::metadata,
    config,
    kafka::{self, Error, PropertyError},
    task::{Cycle, Latest},
};

/// Checks the settings as [`Probe::new`] does.
///
/// # Errors
/// Every key of `[connect:NAME]` that cannot be used.
pub fn check(cluster: &config::Cluster) -> Result<(), Vec<PropertyError>> {
    let connect = &cluster.connect;
    let mut refused = Vec::new();
    for one in connect.clusters.iter().filter(|_| connect.enabled) {
        let named = |error: PropertyError| PropertyError {
            key: format!("[connect:{}] {}", one.name, error.key),
            ..error
        };
        refused.extend(client(&cluster.name, one).err().unwrap_or_default().into_iter().map(named));
    }
    if refused.is_empty() { Ok(()) } else { Err(refused) }
}

/// The task that asks the Connect clusters of a cluster.
pub struct Probe {
    cluster: Arc<config::Cluster>,
    /// Where the id of the cluster is read.
    metadata: watch::Receiver<Latest<metadata::Snapshot>>,
    checkers: Vec<Checker>,
    failures: Failures,
}

impl Probe {
    /// A task that has asked nothing yet.
    pub fn new(cluster: Arc<config::Cluster>, metadata: watch::Receiver<Latest<metadata::Snapshot>>) -> Self {
        let checkers = cluster.connect.clusters.iter().map(|one| Checker::new(&cluster.name, one)).collect();
        Self { cluster, metadata, checkers, failures: Failures::default() }
    }

    /// The id of the cluster that was known last.
    fn id(&self) -> Option<String> {
        let metadata = self.metadata.borrow();
        metadata.snapshot.as_ref().and_then(|(metadata, _)| metadata.cluster_id.clone())
    }
}

impl Cycle for Probe {
    type Snapshot = Snapshot;

    async fn cycle(&mut self) -> Result<Snapshot, Error> {
        let limit = self.cluster.connect.timeout;
        let window = Window { begun: Instant::now(), limit, at: SystemTime::now() };
        let id = self.id();
        let checks = self.checkers.iter_mut().map(|checker| checker.check(window, id.as_deref()));
        let failed = join_all(checks).await;
        if self.checkers.iter().any(|checker| checker.own_fault().is_some()) {
            return Err(Error::new(kafka::Fault::Descriptors, "the requests to Kafka Connect"));
        }
        for (checker, failed) in self.checkers.iter().zip(failed) {
            let connect = checker.settings.name.as_str();
            for failed in worded(connect, &failed, window.at) {
                tracing::warn!(cluster = self.cluster.name, connect, "{}", failed.sentence);
                self.failures.add(failed);
            }
        }
        let clusters =
            self.checkers.iter().map(|one| (one.settings.name.as_str().into(), one.cluster.clone()));
        let (clusters, failures) = (clusters.collect(), self.failures.clone());
        Ok(Snapshot { clusters, failures, begun: window.at })
    }
}
