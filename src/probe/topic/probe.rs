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

/// Brokers that lead no partition of the topic.
fn uncovered(brokers: &BTreeSet<BrokerId>, topic: &Topic) -> Vec<BrokerId> {
    let leaders: BTreeSet<_> = topic.partitions.values().filter_map(|partition| partition.leader).collect();
    brokers.difference(&leaders).copied().collect()
}

/// Reasons to wait with changes: the cluster is not whole.
fn held(brokers: &BTreeSet<BrokerId>, topic: &Topic, moving: &[i32]) -> Vec<Blocked> {
    let partitions = || topic.partitions.values();
    let missing =
        partitions().flat_map(|partition| &partition.replicas).any(|replica| !brokers.contains(replica));
    let under = partitions().any(|partition| partition.isr.len() < partition.replicas.len());
    let reasons = [
        (missing, Blocked::BrokerMissing),
        (under, Blocked::UnderReplicated),
        (!moving.is_empty(), Blocked::Reassigning),
    ];
    reasons.into_iter().filter(|(holds, _)| *holds).map(|(_, reason)| reason).collect()
}

/// The task.
pub struct Probe {
    cluster: Arc<config::Cluster>,
    wire: Arc<wire::Cluster>,
    metadata: watch::Receiver<Latest<metadata::Snapshot>>,
    /// Asks for fresh metadata after a change.
    nudge: Arc<Notify>,
    refused: Option<Refusal>,
    configs: Permission,
    reassignments: Permission,
    /// The brokers, and since when there are just these.
    steady: (BTreeSet<BrokerId>, Instant),
}

/// A topic with few replicas is created when the brokers have been the same for so long: while a cluster
/// starts, its metadata lists one after the other, and a topic of the first alone would fail with it for ever.
const STEADY: Duration = Duration::from_secs(3);

impl Probe {
    /// A task that has looked at nothing yet.
    pub fn new(
        cluster: Arc<config::Cluster>,
        wire: Arc<wire::Cluster>,
        metadata: watch::Receiver<Latest<metadata::Snapshot>>,
        nudge: Arc<Notify>,
    ) -> Self {
        let (configs, reassignments) = (Permission::default(), Permission::default());
        let steady = (BTreeSet::new(), Instant::now());
        Self { cluster, wire, metadata, nudge, refused: None, configs, reassignments, steady }
    }

    /// What was refused by other brokers may be granted by these.
    fn meet(&mut self, brokers: &BTreeSet<BrokerId>) {
        if self.steady.0 != *brokers {
            self.steady = (brokers.clone(), Instant::now());
            self.configs.forget();
            self.reassignments.forget();
        }
    }

    /// What there is to do, and why it is not done. Changes nothing.
    ///
    /// # Errors
    /// When the cluster is not known.
    pub async fn look(&mut self) -> Result<Snapshot, Error> {
        let metadata = metadata::first(&mut self.metadata, self.cluster.topic.timeout / 2).await?;
        let cluster = self.cluster.clone();
        let settings = &cluster.topic;
        let policy =
            Policy { partitions: settings.partitions, replication_factor: settings.replication_factor };
        let brokers: BTreeSet<_> = metadata.brokers.keys().copied().collect();
        self.meet(&brokers);
        let name = cluster.heartbeat.topic.clone();
        let topic = match &metadata.heartbeat_topic {
            Ok(topic) => topic,
            Err(fault @ (Fault::UnknownTopic | Fault::Authorization)) => {
                let pending = plan(&brokers, None, None, policy);
                let blocked = match (fault, settings.create) {
                    // We may not even see whether it is there.
                    (Fault::Authorization, _) => vec![Blocked::Denied],
                    (_, false) => vec![Blocked::SwitchedOff],
                    (_, true) => Vec::new(),
                };
                return Ok(Snapshot {
                    topic: name,
                    ready: false,
                    pending,
                    blocked,
                    uncovered: brokers.into_iter().collect(),
                    configs: self.configs.state(),
                    reassignments: self.reassignments.state(),
                });
            }
            Err(fault) => return Err(Error::new(*fault, format!("topic {name}"))),
        };
        // Where these two may not be asked, the plan does without them.
        let configs = self.configs.ask(admin::topic_configs(&self.wire, &name, &CONFIG_KEYS)).await?;
        let numbers: Vec<i32> = topic.partitions.keys().copied().collect();
        let moving = self.reassignments.ask(admin::reassignments(&self.wire, &name, &numbers)).await?;
        let moving = moving.unwrap_or_default();
        let pending = plan(&brokers, Some(topic), configs.as_ref(), policy);
        let mut blocked = if pending.is_empty() { Vec::new() } else { held(&brokers, topic, &moving) };
        if pending.iter().any(|action| !self.allowed(action)) {
            blocked.push(Blocked::SwitchedOff);
        }
        let uncovered = uncovered(&brokers, topic);
        Ok(Snapshot {
            topic: name,
            ready: !topic.partitions.is_empty(),
            pending,
            blocked,
            uncovered,
            configs: self.configs.state(),
            reassignments: self.reassignments.state(),
        })
    }

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

    /// Does what is allowed of the plan, one action after the other, until one is refused; what is done is
    /// no longer pending. How many were done.
    ///
    /// # Errors
    /// The refusal.
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

    /// Remembers a refusal, and logs it unless the cluster has refused the same before.
    fn refuse(&mut self, snapshot: &Snapshot, reason: Blocked, brokers: BTreeSet<BrokerId>, words: &str) {
        let pending = snapshot.pending.clone();
        let refusal = Refusal { reason, brokers, pending, since: Instant::now() };
        if !self.refused.as_ref().is_some_and(|before| before.is_like(&refusal)) {
            let cluster = &self.cluster.name;
            let fault = match reason {
                Blocked::Denied => Fault::Authorization,
                Blocked::Unsupported => Fault::Unsupported,
                _ => Fault::Policy,
            };
            let hint = fault.hint_once(cluster);
            tracing::warn!(cluster, topic = snapshot.topic, hint, "{words}");
        }
        self.refused = Some(refusal);
    }

    /// Whether the topic would be created with few replicas while brokers may still be arriving.
    fn too_early(&self, snapshot: &Snapshot) -> bool {
        let few = |action: &Action| match action {
            Action::Create { replication_factor, .. } => *replication_factor < USUAL_REPLICAS,
            _ => false,
        };
        let chosen = self.cluster.topic.replication_factor.is_some();
        let starting = self.steady.0.is_empty() || self.steady.1.elapsed() < STEADY;
        starting && !chosen && snapshot.pending.iter().any(few)
    }
}

impl Cycle for Probe {
    type Snapshot = Snapshot;

    async fn cycle(&mut self) -> Result<Snapshot, Error> {
        let mut snapshot = self.look().await?;
        let brokers = self.steady.0.clone();
        if self.too_early(&snapshot) {
            self.nudge.notify_one();
            return Ok(snapshot);
        }
        if snapshot.blocked.contains(&Blocked::Denied) {
            self.refuse(&snapshot, Blocked::Denied, brokers, "the topic may not be described");
            return Ok(snapshot);
        }
        if let Some(refusal) =
            self.refused.as_ref().filter(|refusal| refusal.holds(&brokers, &snapshot.pending))
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
                let words = format!("the topic cannot be kept right: {}", Chain(&error));
                self.refuse(&snapshot, reason, brokers, &words);
                snapshot.blocked.push(reason);
            }
        }
        Ok(snapshot)
    }
}
