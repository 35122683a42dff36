//! The task.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Instant, SystemTime},
};

use tokio::sync::watch;

use super::{
    check::{Checked, Round, Work},
    history::History,
    identity::Identity,
    names::names,
    snapshot::Snapshot,
    turns::Turns,
};
use crate::{
    cluster::{Api, AskedBrokers, metadata},
    config,
    kafka::{
        BrokerId, Capability, Error, Fault, Permission, TopicPartition,
        admin::{self, ByLeader, Coordinated, OffsetSpec, Topic, Topics},
        wire,
    },
    task::{Cycle, Latest},
};

/// The largest number of partitions of the topic that is believed. Clusters have 50 unless configured otherwise.
const MOST_PARTITIONS: usize = 10_000;

/// The partition of the heartbeat topic for which offsets are committed.
pub const COMMITTED_PARTITION: i32 = 0;

/// The task that checks the coordinators of groups, or those of transactions.
pub struct Probe {
    cluster: Arc<config::Cluster>,
    of: Coordinated,
    settings: config::Coordinators,
    /// Connections of its own, so that a broker that hangs delays no other task.
    wire: wire::Cluster,
    known: Arc<wire::Cluster>,
    metadata: watch::Receiver<Latest<metadata::Snapshot>>,
    identity: Identity,
    /// Whether the principal may describe the topic that the coordinators lead.
    topic: Permission,
    /// Whether the principal may commit offsets for the groups, or take producer ids for the transactional ids.
    permission: Permission,
    brokers: AskedBrokers,
    /// The number of partitions for which the names were found; 0 before the first cycle.
    partitions: i32,
    /// The group or the transactional id of each partition.
    names: BTreeMap<i32, Arc<str>>,
    turns: Turns,
    history: History,
    /// The log end offset of the partition for which offsets are committed. Absent before the first answer.
    offset: Option<i64>,
}

impl Probe {
    /// A task that has checked nothing yet.
    pub fn new(
        cluster: Arc<config::Cluster>,
        of: Coordinated,
        settings: config::Coordinators,
        known: Arc<wire::Cluster>,
        metadata: watch::Receiver<Latest<metadata::Snapshot>>,
    ) -> Self {
        let wire = known.with_own_connections(settings.timeout / 2).with_circuit_breakers();
        let identity = Identity::new(&cluster.heartbeat.instance, SystemTime::now());
        Self {
            cluster,
            of,
            settings,
            wire,
            known,
            metadata,
            identity,
            topic: Permission::default(),
            permission: Permission::default(),
            brokers: AskedBrokers::default(),
            partitions: 0,
            names: BTreeMap::new(),
            turns: Turns::new([]),
            history: History::default(),
            offset: None,
        }
    }

    /// The topic in which Kafka keeps committed offsets, or transactions: the leader of a partition is the coordinator of what is
    /// in it.
    fn internal_topic(&self) -> &'static str {
        match self.of {
            Coordinated::Groups => "__consumer_offsets",
            Coordinated::Transactions => "__transaction_state",
        }
    }

    /// The number of partitions of the topic, or why it is not known.
    ///
    /// # Errors
    /// When the metadata lack the topic, and no broker answered the question for it.
    async fn count_partitions(
        &mut self,
        metadata: &metadata::Snapshot,
    ) -> Result<Result<i32, Capability>, Error> {
        let name = self.internal_topic();
        if let Some(topic) = metadata.topics.get(name) {
            return Ok(count(topic));
        }
        if self.topic.is_refused() {
            return Ok(Err(self.topic.state()));
        }
        let named = admin::metadata(&self.wire, Topics::Named(&[name])).await?;
        let topic = named.topics.get(name);
        let found = topic.map_or(Err(Capability::Unsupported), count);
        // A topic that is missing may be created at any time, and only a denial is believed for a while.
        if found == Err(Capability::Denied) {
            self.topic.learn(Capability::Denied);
        }
        Ok(found)
    }

    /// Forgets all checks, because the topic has another number of partitions now, or coordinators cannot be checked.
    fn begin_again(&mut self, partitions: i32) {
        self.partitions = partitions;
        self.names = names(&self.cluster.coordinator_names(), partitions);
        self.turns = Turns::new(self.names.keys().copied());
        self.history = History::default();
    }

    /// A snapshot without any partition, because coordinators cannot be checked.
    fn without_checks(&mut self, capability: Capability, total: Option<usize>) -> Snapshot {
        self.history.partitions.clear();
        Snapshot { capability, total, ..Snapshot::default() }
    }

    /// The log end offset of the partition for which offsets are committed. Programs that measure lag find almost none for
    /// groups that commit it.
    async fn log_end(&self, metadata: &metadata::Snapshot, at: &TopicPartition) -> Option<i64> {
        let topic = metadata.heartbeat_topic.as_ref().ok()?;
        let leader = topic.partitions.get(&at.partition)?.leader?;
        let wanted = ByLeader::from([(leader, BTreeMap::from([(at.topic.clone(), vec![at.partition])]))]);
        let found = admin::offsets(&self.wire, &wanted, OffsetSpec::Latest).await;
        found.get(&at.topic)?.get(&at.partition)?.as_ref().ok()?.map(|found| found.offset)
    }

    /// Checks the partitions whose turn it is, in a cycle that began at this instant.
    async fn check(
        &mut self,
        metadata: &metadata::Snapshot,
        begun: Instant,
    ) -> Result<BTreeMap<i32, Checked>, Error> {
        let limit = self.settings.timeout;
        let sent = self.wire.requests();
        let chosen = self.turns.next(self.settings.interval, |partition| self.history.is_failing(partition));
        let names = self.names.iter().filter(|(partition, _)| chosen.contains(partition));
        let names: BTreeMap<_, _> = names.map(|(partition, name)| (*partition, name.clone())).collect();
        let topic = self.cluster.heartbeat.topic.as_str().into();
        let at = TopicPartition { topic, partition: COMMITTED_PARTITION };
        let commits = self.of == Coordinated::Groups;
        if commits && self.offset.is_none() {
            let found = tokio::time::timeout(limit / 4, self.log_end(metadata, &at)).await;
            self.offset = found.ok().flatten();
        }
        self.identity = self.identity.next();
        let work = match self.of {
            Coordinated::Transactions => Work::InitProducerId,
            Coordinated::Groups => {
                let (offset, identity) = (self.offset.unwrap_or(0), self.identity);
                Work::Commit { at: at.clone(), offset, identity }
            }
        };
        let round = Round {
            wire: &self.wire,
            work,
            last_begin: begun + limit / 2,
            // The rest of the time is for publishing.
            deadline: begun + limit * 9 / 10,
        };
        let log_end = async { if commits { self.log_end(metadata, &at).await } else { None } };
        let (checked, offset) = tokio::join!(round.check(&names), log_end);
        self.offset = offset.or(self.offset);
        let checked = checked?;
        let all_good = checked.values().all(|one| one.failed.is_none());
        self.turns.learn(checked.len(), self.wire.requests() - sent, all_good);
        checked.keys().for_each(|partition| self.turns.checked(*partition));
        Ok(checked)
    }

    /// What the checks say about the permission to check coordinators.
    fn learn(&mut self, checked: &BTreeMap<i32, Checked>) {
        let fault =
            |fault: Fault| checked.values().any(|one| one.failed.is_some_and(|(_, failed)| failed == fault));
        let some_good = checked.values().any(|one| one.failed.is_none());
        if fault(Fault::Authorization) {
            self.permission.learn(Capability::Denied);
        } else if fault(Fault::Unsupported) && !some_good {
            self.permission.learn(Capability::Unsupported);
        } else if some_good {
            self.permission.learn(Capability::Ok);
        }
    }

    /// Logs one line when checks of a coordinator begin to fail, and one when none of them fails any more.
    fn note_failing(&self, before: &BTreeMap<Option<BrokerId>, (usize, Api, Fault)>) {
        let cluster = &self.cluster.name;
        let now = self.history.failing();
        let name = |broker: &Option<BrokerId>| broker.map_or("unknown".to_owned(), |id| id.to_string());
        for (broker, (count, request, fault)) in
            now.iter().filter(|(broker, _)| !before.contains_key(*broker))
        {
            let (broker, request, fault) = (name(broker), request.as_str(), fault.as_str());
            tracing::warn!(
                cluster,
                broker,
                request,
                fault,
                partitions = count,
                "the broker does not work as the coordinator of {}",
                self.of.many()
            );
        }
        for broker in before.keys().filter(|broker| !now.contains_key(*broker)) {
            tracing::info!(cluster, broker = name(broker), "no check of the coordinator fails any more");
        }
    }
}

/// The number of partitions of the topic, or what the fault of the topic means. A topic whose
/// partitions are not numbered from 0 without a gap, or that has more than Kafka could serve, is not known.
fn count(topic: &Result<Topic, Fault>) -> Result<i32, Capability> {
    match topic {
        Ok(topic) => {
            let partitions = topic.partitions.len();
            let is_whole = topic.partitions.keys().copied().eq(0..i32::try_from(partitions).unwrap_or(0));
            if is_whole && (1..=MOST_PARTITIONS).contains(&partitions) {
                i32::try_from(partitions).map_err(|_| Capability::Unknown)
            } else {
                Err(Capability::Unknown)
            }
        }
        Err(Fault::UnknownTopic) => Err(Capability::Unsupported),
        Err(fault) => Err(Capability::of(*fault)),
    }
}

/// Whether a failed check says nothing about the coordinator: brokers lack the heartbeat topic, or a quota throttles this
/// client.
fn says_nothing(fault: Fault) -> bool {
    matches!(fault, Fault::UnknownTopic | Fault::Throttled)
}

/// The fault of this process or of its credentials, if a check failed for one.
fn own_fault(checked: &BTreeMap<i32, Checked>) -> Option<Fault> {
    let some_good = checked.values().any(|one| one.failed.is_none());
    let faults = checked.values().filter_map(|one| one.failed);
    let mut own = faults.filter(|(_, fault)| fault.is_no_evidence(some_good));
    own.next().map(|(_, fault)| fault)
}

impl Cycle for Probe {
    type Snapshot = Snapshot;

    async fn cycle(&mut self) -> Result<Snapshot, Error> {
        let metadata = metadata::fresh(&mut self.metadata, self.cluster.metadata.timeout).await?;
        // A broker that does not answer costs the cycle one timeout, however many requests would follow.
        let begun = Instant::now();
        self.wire.begin_cycle(&self.known);
        if self.brokers.change(&metadata.brokers) {
            self.topic.forget();
            self.permission.forget();
        }
        let partitions = match self.count_partitions(&metadata).await? {
            Ok(partitions) => partitions,
            Err(capability) => return Ok(self.without_checks(capability, None)),
        };
        let total = usize::try_from(partitions).ok();
        if self.permission.is_refused() {
            return Ok(self.without_checks(self.permission.state(), total));
        }
        if self.of == Coordinated::Groups && metadata.heartbeat_topic.is_err() {
            return Ok(self.without_checks(Capability::Unknown, total));
        }
        if partitions != self.partitions {
            self.begin_again(partitions);
        }
        let checked = self.check(&metadata, begun).await?;
        if let Some(fault) = own_fault(&checked) {
            return Err(Error::new(fault, "the checks of coordinators"));
        }
        self.learn(&checked);
        if self.permission.state().is_refusal() {
            return Ok(self.without_checks(self.permission.state(), total));
        }
        let (now, before) = (Instant::now(), self.history.failing());
        for (partition, checked) in &checked {
            if !checked.failed.is_some_and(|(_, fault)| says_nothing(fault)) {
                self.history.add(*partition, checked, now);
            }
        }
        self.history.retain(|broker| metadata.brokers.contains_key(&broker));
        self.note_failing(&before);
        let History { partitions, brokers } = &self.history;
        Ok(Snapshot {
            capability: self.permission.state(),
            total,
            partitions: partitions.clone(),
            brokers: brokers.clone(),
        })
    }
}
