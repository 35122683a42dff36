//! The task.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use tokio::sync::watch;

use super::{
    read::{At, Read, choose, read},
    snapshot::Snapshot,
    state::State,
};
use crate::{
    cluster::{AskedBrokers, metadata},
    config,
    kafka::{
        Capability, Error, Fault, Permission,
        admin::{PARTITIONS_PER_FETCH, Topic},
        wire,
    },
    task::{Cycle, Latest},
};

/// The task that reads from all replicas.
pub struct Probe {
    cluster: Arc<config::Cluster>,
    /// Connections of its own, because a replica may wait with its answer.
    wire: wire::Cluster,
    known: Arc<wire::Cluster>,
    metadata: watch::Receiver<Latest<metadata::Snapshot>>,
    /// Whether followers serve this principal.
    permission: Permission,
    brokers: AskedBrokers,
    state: State,
    /// The number of cycles, which chooses the partitions and the records that are read again.
    cycles: u64,
}

impl Probe {
    /// A task that has read nothing yet.
    pub fn new(
        cluster: Arc<config::Cluster>,
        known: Arc<wire::Cluster>,
        metadata: watch::Receiver<Latest<metadata::Snapshot>>,
    ) -> Self {
        let wire = known.with_own_connections(cluster.replicas.timeout / 3).with_circuit_breakers();
        let (permission, brokers, state) = (Permission::default(), AskedBrokers::default(), State::default());
        Self { cluster, wire, known, metadata, permission, brokers, state, cycles: 0 }
    }

    /// The partitions of this cycle: all, or as many as one request may name, in turn.
    fn turn(&self, topic: &Topic) -> Topic {
        let count = topic.partitions.len();
        let first = (self.cycles as usize).wrapping_mul(PARTITIONS_PER_FETCH) % count.max(1);
        let in_turn = topic.partitions.iter().cycle().skip(first).take(count.min(PARTITIONS_PER_FETCH));
        Topic { id: topic.id, partitions: in_turn.map(|(number, one)| (*number, one.clone())).collect() }
    }

    /// What the answers of the followers say about the permission to read from them.
    fn learn(&mut self, topic: &Topic, reads: &BTreeMap<At, Read>) {
        let is_follower = |(number, broker): &At| {
            topic.partitions.get(number).is_some_and(|partition| partition.leader != Some(*broker))
        };
        let answers_of = |follows: bool| {
            let reads = reads.iter().filter(move |(at, _)| is_follower(at) == follows);
            reads.filter_map(|(_, read)| read.newest).collect::<Vec<_>>()
        };
        // Without followers, the leaders are all replicas.
        let mut answers = answers_of(true);
        if answers.is_empty() {
            answers = answers_of(false);
        }
        let all = |fault| !answers.is_empty() && answers.iter().all(|answer| *answer == Err(fault));
        if answers.iter().any(Result::is_ok) {
            self.permission.learn(Capability::Ok);
        } else if all(Fault::Authorization) {
            self.permission.learn(Capability::Denied);
        } else if self.permission.state() != Capability::Ok
            && (all(Fault::NoLeader) || all(Fault::Unsupported))
        {
            self.permission.learn(Capability::Unsupported);
        }
    }
}

impl Cycle for Probe {
    type Snapshot = Snapshot;

    async fn cycle(&mut self) -> Result<Snapshot, Error> {
        let metadata = metadata::fresh(&mut self.metadata, self.cluster.metadata.timeout).await?;
        let begun = Instant::now();
        self.wire.begin_cycle(&self.known);
        if self.brokers.change(&metadata.brokers) {
            self.permission.forget();
        }
        let nothing = |capability| Ok(Snapshot { capability, brokers: BTreeMap::new() });
        if self.permission.is_refused() {
            return nothing(self.permission.state());
        }
        let Ok(topic) = &metadata.heartbeat_topic else { return nothing(Capability::Unknown) };
        let (all, topic) = (topic, self.turn(topic));
        self.cycles += 1;
        let name: Arc<str> = self.cluster.heartbeat.topic.as_str().into();
        let (state, cycles) = (&self.state, self.cycles);
        let pick = |partition: i32, start: i64, newest: i64| state.older(partition, start, newest, cycles);
        let chosen = choose(&self.wire, &name, &topic, pick).await;
        let deadline = begun + self.cluster.replicas.timeout * 3 / 4;
        let reads = read(&self.wire, &name, &topic, &chosen, deadline).await;
        let some_good = reads.values().any(|read| read.newest.is_some_and(|newest| newest.is_ok()));
        let mut faults = reads.values().filter_map(|read| read.newest?.err());
        if let Some(fault) = faults.find(|fault| fault.is_no_evidence(some_good)) {
            return Err(Error::new(fault, "the reads from replicas"));
        }
        self.learn(&topic, &reads);
        if self.permission.state().is_refusal() {
            return nothing(self.permission.state());
        }
        let before: usize = self.state.brokers.values().map(|replica| replica.damaged.len()).sum();
        self.state.add(all, &chosen, &reads);
        self.note(before);
        Ok(Snapshot { capability: self.permission.state(), brokers: self.state.brokers.clone() })
    }
}

impl Probe {
    /// Logs one line when there are more damaged batches than before.
    fn note(&self, before: usize) {
        let damaged = self
            .state
            .brokers
            .iter()
            .flat_map(|(broker, replica)| replica.damaged.iter().map(move |damage| (broker, damage)));
        if damaged.clone().count() <= before {
            return;
        }
        if let Some((broker, damage)) = damaged.last() {
            let (cluster, partition, offset) = (&self.cluster.name, damage.partition, damage.offset);
            tracing::error!(cluster, %broker, partition, offset, "the replica has a damaged record of the heartbeat topic");
        }
    }
}
