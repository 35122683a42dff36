//! How much disk space the logs take, and how much is left. Off unless `[log.dirs]` switches it on.
//!
//! A broker reads all its log directories for the answer, so this is asked rarely. A broker that does not answer is absent.

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::watch;

pub use crate::kafka::admin::LogDir;
use crate::{
    cluster::metadata,
    config,
    kafka::{BrokerId, Error, Fault, admin, wire},
    task::{Cycle, Latest},
};

/// What one cycle found.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The log directories of each broker, or why the broker did not report them.
    pub brokers: BTreeMap<BrokerId, Result<Vec<LogDir>, Fault>>,
    /// Whether every broker that holds a replica was asked.
    pub whole: bool,
}

impl Snapshot {
    /// The size of each topic in bytes, all replicas together. Empty while a broker or a log directory does not report: the
    /// sums would lack what lies there.
    pub fn topics(&self) -> BTreeMap<&str, u64> {
        let mut sums = BTreeMap::new();
        if !self.whole {
            return sums;
        }
        for dirs in self.brokers.values() {
            let Ok(dirs) = dirs else { return BTreeMap::new() };
            if dirs.iter().any(|dir| dir.fault.is_some()) {
                return BTreeMap::new();
            }
            for (topic, bytes) in dirs.iter().flat_map(|dir| &dir.topics) {
                *sums.entry(&**topic).or_default() += bytes;
            }
        }
        sums
    }
}

/// The task.
pub struct Probe {
    cluster: Arc<config::Cluster>,
    wire: wire::Cluster,
    known: Arc<wire::Cluster>,
    metadata: watch::Receiver<Latest<metadata::Snapshot>>,
}

impl Probe {
    /// A task that has asked nothing yet.
    pub fn new(
        cluster: Arc<config::Cluster>,
        known: Arc<wire::Cluster>,
        metadata: watch::Receiver<Latest<metadata::Snapshot>>,
    ) -> Self {
        let wire = known.with_own_connections(cluster.log_dirs.timeout / 2);
        Self { cluster, wire, known, metadata }
    }
}

impl Cycle for Probe {
    type Snapshot = Snapshot;

    async fn cycle(&mut self) -> Result<Snapshot, Error> {
        let metadata = metadata::fresh(&mut self.metadata, self.cluster.metadata.timeout).await?;
        self.wire.begin_cycle(&self.known);
        let brokers: Vec<_> = metadata.brokers.keys().copied().collect();
        let reported = admin::log_dirs(&self.wire, &brokers).await;
        match reported.values().find_map(|dirs| dirs.as_ref().err()) {
            // No broker reports: the whole cycle has failed.
            Some(fault) if reported.values().all(Result::is_err) => {
                Err(Error::new(*fault, "log directories"))
            }
            _ => {
                let topics = metadata.topics.values().flatten();
                let mut replicas =
                    topics.flat_map(|topic| topic.partitions.values()).flat_map(|one| &one.replicas);
                let whole = replicas.all(|broker| reported.contains_key(broker));
                Ok(Snapshot { brokers: reported, whole })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_has_no_size_while_a_part_of_it_is_not_known() {
        let dir = |fault, bytes| LogDir {
            path: "/d".to_owned(),
            fault,
            total: None,
            usable: None,
            topics: BTreeMap::from([("t".into(), bytes)]),
            moving: 0,
        };
        let of = |second: Result<Vec<LogDir>, Fault>| {
            let first = Ok(vec![dir(None, 1), dir(None, 2)]);
            let brokers = BTreeMap::from([(BrokerId(1), first), (BrokerId(2), second)]);
            let size_of_t = |whole| Snapshot { brokers: brokers.clone(), whole }.topics().get("t").copied();
            assert_eq!(size_of_t(false), None, "a broker that is missing in the metadata was not asked");
            size_of_t(true)
        };
        assert_eq!(of(Ok(vec![dir(None, 4)])), Some(7));
        assert_eq!(
            of(Ok(vec![dir(Some(Fault::Other), 0)])),
            None,
            "the size of a log directory with an error is not known"
        );
        assert_eq!(of(Err(Fault::Timeout)), None);
    }
}
