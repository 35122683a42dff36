//! The task.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Instant, SystemTime},
};

use futures_util::future::join_all;
use tokio::sync::watch;

use super::{
    read::{Read, Remote, read, remote},
    snapshot::{Reads, Snapshot},
};
use crate::{
    cluster::{AskedBrokers, metadata},
    config,
    kafka::{BrokerId, Capability, Error, Fault, Permission, admin::Topic, wire},
    task::{Cycle, Latest},
};

/// The task that reads from remote storage.
pub struct Probe {
    cluster: Arc<config::Cluster>,
    /// Connections of its own, because a broker answers late while remote storage is slow.
    wire: wire::Cluster,
    known: Arc<wire::Cluster>,
    metadata: watch::Receiver<Latest<metadata::Snapshot>>,
    permission: Permission,
    asked: AskedBrokers,
    brokers: BTreeMap<BrokerId, Reads>,
    /// The number of cycles, which chooses the partition of each leader.
    cycles: usize,
}

impl Probe {
    /// A task that has read nothing yet.
    pub fn new(
        cluster: Arc<config::Cluster>,
        known: Arc<wire::Cluster>,
        metadata: watch::Receiver<Latest<metadata::Snapshot>>,
    ) -> Self {
        // The limit of a request is shorter than the cycle: only a request that reaches its limit closes a dead connection.
        let wire = known.with_own_connections(cluster.remote_reads.timeout / 4).with_circuit_breakers();
        let (permission, asked, brokers) = (Permission::default(), AskedBrokers::default(), BTreeMap::new());
        Self { cluster, wire, known, metadata, permission, asked, brokers, cycles: 0 }
    }

    /// The record of this cycle for each leader: those of its partitions take turns.
    fn turn(&self, remote: &Remote) -> Vec<(BrokerId, (i32, i64))> {
        let one = |(leader, records): (&BrokerId, &Vec<(i32, i64)>)| {
            Some((*leader, *records.get(self.cycles % records.len().max(1))?))
        };
        remote.iter().filter_map(one).collect()
    }

    /// Adds the reads of a cycle.
    fn add(&mut self, topic: &Topic, remote: &Remote, reads: &[Read]) {
        for read in reads {
            self.brokers.entry(read.leader).or_default();
        }
        for (broker, seen) in &mut self.brokers {
            let leads = topic.partitions.values().any(|partition| partition.leader == Some(*broker));
            seen.partitions = if leads { remote.get(broker).map(Vec::len) } else { Some(0) };
            // A broker that has nothing left to read does not fail to read it.
            if seen.partitions == Some(0) {
                seen.failing = None;
            }
        }
        for Read { leader, record, result } in reads {
            let (Some(result), Some(seen)) = (*result, self.brokers.get_mut(leader)) else { continue };
            let was_failing = seen.failing.is_some();
            seen.add(*record, result, SystemTime::now());
            let (cluster, broker, (partition, offset)) = (&self.cluster.name, leader, record);
            match result {
                Err(fault) if !was_failing => {
                    let fault = fault.as_str();
                    tracing::warn!(cluster, %broker, partition, offset, fault, "a record in remote storage cannot be read");
                }
                Ok(_) if was_failing => {
                    tracing::info!(cluster, %broker, "records in remote storage can be read again");
                }
                _ => {}
            }
        }
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot { capability: self.permission.state(), brokers: self.brokers.clone() }
    }

    /// The cluster tells nothing of remote storage, or the principal may not read from it.
    fn refuse(&mut self, capability: Capability) -> Snapshot {
        self.permission.learn(capability);
        self.brokers.clear();
        self.snapshot()
    }
}

impl Cycle for Probe {
    type Snapshot = Snapshot;

    async fn cycle(&mut self) -> Result<Snapshot, Error> {
        let metadata = metadata::fresh(&mut self.metadata, self.cluster.metadata.timeout).await?;
        let begun = Instant::now();
        self.wire.begin_cycle(&self.known);
        if self.asked.change(&metadata.brokers) {
            self.permission.forget();
        }
        self.brokers.retain(|broker, _| metadata.brokers.contains_key(broker));
        if self.permission.is_refused() {
            return Ok(self.snapshot());
        }
        let Ok(topic) = &metadata.heartbeat_topic else { return Ok(self.snapshot()) };
        let (name, timeout): (Arc<str>, _) =
            (self.cluster.heartbeat.topic.as_str().into(), self.cluster.remote_reads.timeout);
        let remote = match remote(&self.wire, &name, topic).await {
            Ok(remote) => remote,
            Err(error) if Capability::of(error.fault()).is_refusal() => {
                return Ok(self.refuse(Capability::of(error.fault())));
            }
            Err(error) => return Err(error),
        };
        let (wire, name, deadline) = (&self.wire, &name, begun + timeout * 3 / 4);
        let reads = self.turn(&remote).into_iter();
        let reads = reads.map(|(leader, record)| read(wire, name, leader, record, deadline));
        let reads = join_all(reads).await;
        self.cycles += 1;
        let faults = || reads.iter().filter_map(|read| read.result?.err());
        let some_good = reads.iter().any(|read| read.result.is_some_and(|result| result.is_ok()));
        if let Some(fault) = faults().find(|fault| fault.is_no_evidence(some_good)) {
            return Err(Error::new(fault, "the reads from remote storage"));
        }
        if faults().any(|fault| fault == Fault::Authorization) {
            return Ok(self.refuse(Capability::Denied));
        }
        self.permission.learn(Capability::Ok);
        self.add(topic, &remote, &reads);
        Ok(self.snapshot())
    }
}
