//! The task that keeps the heartbeat topic as it should be.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use super::{
    action::Action,
    plan::{CONFIG_KEYS, Policy, USUAL_REPLICAS, plan},
    refusal::Refusal,
    snapshot::{Blocked, Snapshot},
};
use crate::{
    cluster::metadata,
    config,
    kafka::{
        BrokerId, Error, Fault, Permission,
        admin::{self, Topic},
        wire,
    },
    task::{Cycle, Latest},
    text::Chain,
};

/// A topic with few replicas is created only when the brokers have been the same for this time. While a cluster starts,
/// its metadata lists one broker after the other, and a topic on the first broker alone would fail with that broker.
const STEADY: Duration = Duration::from_secs(3);

/// The setting of the topic that says how many in-sync replicas a write with acks=all needs.
const MIN_ISR: &str = "min.insync.replicas";

/// The task that keeps the heartbeat topic as it should be.
pub struct Probe {
    cluster: Arc<config::Cluster>,
    wire: Arc<wire::Cluster>,
    metadata: watch::Receiver<Latest<metadata::Snapshot>>,
    /// Asks for fresh metadata after a change.
    nudge: Arc<Notify>,
    /// The last refusal; `None` after a cycle without one.
    refused: Option<Refusal>,
    configs: Permission,
    reassignments: Permission,
    known: KnownBrokers,
}

/// The brokers of the last metadata.
struct KnownBrokers {
    brokers: BTreeSet<BrokerId>,
    /// The time since which the brokers have been the same.
    since: Instant,
}

impl Probe {
    /// A probe that has not run a cycle yet. `nudge` asks for fresh metadata.
    pub fn new(
        cluster: Arc<config::Cluster>,
        wire: Arc<wire::Cluster>,
        metadata: watch::Receiver<Latest<metadata::Snapshot>>,
        nudge: Arc<Notify>,
    ) -> Self {
        Self {
            cluster,
            wire,
            metadata,
            nudge,
            refused: None,
            configs: Permission::default(),
            reassignments: Permission::default(),
            known: KnownBrokers { brokers: BTreeSet::new(), since: Instant::now() },
        }
    }

    /// Notes the brokers of the metadata. When they have changed, earlier refusals are forgotten: other brokers may grant
    /// what these refused.
    fn note_brokers(&mut self, brokers: &BTreeSet<BrokerId>) {
        if self.known.brokers != *brokers {
            self.known = KnownBrokers { brokers: brokers.clone(), since: Instant::now() };
            self.configs.forget();
            self.reassignments.forget();
        }
    }

    /// Plans the changes of the topic, and finds out why they may not be made. Changes nothing.
    ///
    /// # Errors
    /// The metadata are not known, or a request failed for another reason than a missing permission.
    pub async fn inspect(&mut self) -> Result<Snapshot, Error> {
        let metadata = metadata::first(&mut self.metadata, self.cluster.topic.timeout / 2).await?;
        let brokers: BTreeSet<_> = metadata.brokers.keys().copied().collect();
        self.note_brokers(&brokers);
        match &metadata.heartbeat_topic {
            Ok(topic) => self.inspect_topic(brokers, topic).await,
            Err(fault @ (Fault::UnknownTopic | Fault::Authorization)) => {
                Ok(self.inspect_missing(brokers, *fault))
            }
            Err(fault) => Err(Error::new(*fault, format!("topic {}", self.cluster.heartbeat.topic))),
        }
    }

    /// Plans the creation of a topic that is missing, or that the principal may not describe.
    fn inspect_missing(&self, brokers: BTreeSet<BrokerId>, fault: Fault) -> Snapshot {
        let pending = plan(&brokers, None, None, self.policy());
        let mut blocked = Vec::new();
        if fault == Fault::Authorization {
            // It is not even known whether the topic exists.
            blocked.push(Blocked::Denied);
        } else if !self.cluster.topic.create {
            blocked.push(Blocked::SwitchedOff);
        }
        Snapshot {
            topic: self.cluster.heartbeat.topic.clone(),
            ready: false,
            pending,
            blocked,
            uncovered: brokers.into_iter().collect(),
            min_isr: None,
            retention: None,
            only_deletes: None,
            configs: self.configs.state(),
            reassignments: self.reassignments.state(),
        }
    }

    /// Plans the changes of a topic that exists.
    async fn inspect_topic(&mut self, brokers: BTreeSet<BrokerId>, topic: &Topic) -> Result<Snapshot, Error> {
        let name = self.cluster.heartbeat.topic.clone();
        // Without permission for these two requests the plan does without their answers.
        let configs = self.configs.ask(admin::topic_configs(&self.wire, &name, &CONFIG_KEYS)).await?;
        let numbers: Vec<i32> = topic.partitions.keys().copied().collect();
        let moving = self.reassignments.ask(admin::reassignments(&self.wire, &name, &numbers)).await?;
        let moving = moving.unwrap_or_default();
        let pending = plan(&brokers, Some(topic), configs.as_ref(), self.policy());
        let config = |key| configs.as_ref().and_then(|configs| configs.get(key));
        let min_isr = config(MIN_ISR).and_then(|count| count.parse().ok());
        let retention = config("retention.ms").and_then(|ms| ms.parse().ok()).map(Duration::from_millis);
        let only_deletes = config("cleanup.policy").map(|policy| policy == "delete");
        let mut blocked = if pending.is_empty() { Vec::new() } else { obstacles(&brokers, topic, &moving) };
        if pending.iter().any(|action| !self.allowed(action)) {
            blocked.push(Blocked::SwitchedOff);
        }
        Ok(Snapshot {
            topic: name,
            ready: !topic.partitions.is_empty(),
            pending,
            blocked,
            uncovered: uncovered(&brokers, topic),
            min_isr,
            retention,
            only_deletes,
            configs: self.configs.state(),
            reassignments: self.reassignments.state(),
        })
    }

    fn policy(&self) -> Policy {
        let settings = &self.cluster.topic;
        Policy { partitions: settings.partitions, replication_factor: settings.replication_factor }
    }

    /// Whether the configuration allows a change.
    fn allowed(&self, action: &Action) -> bool {
        let settings = &self.cluster.topic;
        match action {
            Action::Create { .. } => settings.create,
            Action::Expand { .. } => settings.expand,
            Action::Reassign { .. } | Action::ElectPreferred { .. } | Action::Configure { .. } => {
                settings.rebalance
            }
        }
    }

    /// Makes the pending changes that the configuration allows, one after the other, until one is refused. A change that
    /// was made is no longer pending. Returns the number of changes made.
    ///
    /// # Errors
    /// The error of the change that failed.
    pub async fn apply(&self, snapshot: &mut Snapshot) -> Result<usize, Error> {
        let on_hold = [Blocked::BrokerMissing, Blocked::UnderReplicated, Blocked::Reassigning];
        if snapshot.blocked.iter().any(|reason| on_hold.contains(reason)) {
            return Ok(0);
        }
        let planned = snapshot.pending.len();
        while let Some(next) = snapshot.pending.iter().position(|action| self.allowed(action)) {
            let action = &snapshot.pending[next];
            self.perform(&snapshot.topic, action).await?;
            tracing::info!(cluster = self.cluster.name, topic = snapshot.topic, "{action}: done");
            snapshot.pending.remove(next);
            self.nudge.notify_one();
        }
        Ok(planned - snapshot.pending.len())
    }

    async fn perform(&self, topic: &str, action: &Action) -> Result<(), Error> {
        let wire = &self.wire;
        match action {
            Action::Create { partitions, replication_factor, configs } => {
                admin::create_topic(wire, topic, *partitions, *replication_factor, configs).await
            }
            Action::Expand { to, .. } => admin::create_partitions(wire, topic, *to).await,
            Action::Reassign { partition, replicas } => {
                admin::reassign(wire, topic, &BTreeMap::from([(*partition, replicas.clone())])).await
            }
            Action::ElectPreferred { partition } => admin::elect_preferred(wire, topic, &[*partition]).await,
            Action::Configure { configs } => admin::alter_topic_configs(wire, topic, configs).await,
        }
    }

    /// Remembers a refusal, and logs `message` unless the cluster has refused the same plan before.
    fn refuse(&mut self, snapshot: &Snapshot, reason: Blocked, message: &str) {
        let refusal = Refusal {
            reason,
            brokers: self.known.brokers.clone(),
            pending: snapshot.pending.clone(),
            since: Instant::now(),
        };
        if !self.refused.as_ref().is_some_and(|before| before.is_like(&refusal)) {
            let cluster = &self.cluster.name;
            let fault = match reason {
                Blocked::Denied => Fault::Authorization,
                Blocked::Unsupported => Fault::Unsupported,
                _ => Fault::Policy,
            };
            let hint = fault.hint_once(cluster);
            tracing::warn!(cluster, topic = snapshot.topic, hint, "{message}");
        }
        self.refused = Some(refusal);
    }

    /// Whether the topic would be created with few replicas while brokers may still be starting.
    fn too_early(&self, snapshot: &Snapshot) -> bool {
        let few = |action: &Action| match action {
            Action::Create { replication_factor, .. } => *replication_factor < USUAL_REPLICAS,
            _ => false,
        };
        let chosen = self.cluster.topic.replication_factor.is_some();
        let starting = self.known.brokers.is_empty() || self.known.since.elapsed() < STEADY;
        starting && !chosen && snapshot.pending.iter().any(few)
    }
}

impl Cycle for Probe {
    type Snapshot = Snapshot;

    async fn cycle(&mut self) -> Result<Snapshot, Error> {
        let mut snapshot = self.inspect().await?;
        if self.too_early(&snapshot) {
            self.nudge.notify_one();
            return Ok(snapshot);
        }
        if snapshot.blocked.contains(&Blocked::Denied) {
            self.refuse(&snapshot, Blocked::Denied, "the heartbeat topic cannot be described");
            return Ok(snapshot);
        }
        if let Some(refusal) = &self.refused
            && refusal.holds(&self.known.brokers, &snapshot.pending)
        {
            snapshot.blocked.push(refusal.reason);
            return Ok(snapshot);
        }
        match self.apply(&mut snapshot).await {
            Ok(_) => self.refused = None,
            Err(error) => {
                let reason = match error.fault() {
                    Fault::Authorization => Blocked::Denied,
                    Fault::Policy => Blocked::Policy,
                    Fault::Unsupported => Blocked::Unsupported,
                    _ => return Err(error),
                };
                let message = format!("the heartbeat topic cannot be changed as planned: {}", Chain(&error));
                self.refuse(&snapshot, reason, &message);
                snapshot.blocked.push(reason);
            }
        }
        Ok(snapshot)
    }
}

/// The brokers that lead no partition of the topic.
fn uncovered(brokers: &BTreeSet<BrokerId>, topic: &Topic) -> Vec<BrokerId> {
    let leaders: BTreeSet<_> = topic.partitions.values().filter_map(|partition| partition.leader).collect();
    brokers.difference(&leaders).copied().collect()
}

/// The reasons why no change is made now: a broker or a replica is missing, or a reassignment is running. `moving` are
/// the partitions that are being reassigned.
fn obstacles(brokers: &BTreeSet<BrokerId>, topic: &Topic, moving: &[i32]) -> Vec<Blocked> {
    let mut obstacles = Vec::new();
    let mut replicas = topic.partitions.values().flat_map(|partition| &partition.replicas);
    if replicas.any(|replica| !brokers.contains(replica)) {
        obstacles.push(Blocked::BrokerMissing);
    }
    if topic.partitions.values().any(|partition| partition.isr.len() < partition.replicas.len()) {
        obstacles.push(Blocked::UnderReplicated);
    }
    if !moving.is_empty() {
        obstacles.push(Blocked::Reassigning);
    }
    obstacles
}
