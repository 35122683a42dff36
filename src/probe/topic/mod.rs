//! Topic assurance: what the heartbeat topic lacks, and doing it.
//!
//! [`plan()`] is pure and printable. Nothing here ever deletes or shrinks.

mod plan;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

pub use plan::{Action, CONFIG_KEYS, Policy, plan};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    config,
    kafka::{
        BrokerId, Error, Fault,
        admin::{self, Topic},
        fault::Chain,
        wire,
    },
    probe::metadata,
    task::{Cycle, Latest},
};

/// Why nothing is done although something is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Blocked {
    /// A replica lives on a broker that the metadata does not list.
    BrokerMissing,
    /// A partition has fewer replicas in sync than replicas.
    UnderReplicated,
    /// A reassignment is running.
    Reassigning,
    /// The principal lacks the permission; asked again only when the cluster changes.
    Denied,
    /// A policy of the cluster forbids it; asked again only when the cluster changes.
    Policy,
    /// The broker does not know the request.
    Unsupported,
    /// Switched off in the configuration.
    SwitchedOff,
}

impl Blocked {
    /// Every reason, in the order of the labels.
    pub const ALL: [Blocked; 7] = [
        Blocked::BrokerMissing,
        Blocked::UnderReplicated,
        Blocked::Reassigning,
        Blocked::Denied,
        Blocked::Policy,
        Blocked::Unsupported,
        Blocked::SwitchedOff,
    ];

    /// The reason as a label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Blocked::BrokerMissing => "broker_missing",
            Blocked::UnderReplicated => "under_replicated",
            Blocked::Reassigning => "reassigning",
            Blocked::Denied => "denied",
            Blocked::Policy => "policy",
            Blocked::Unsupported => "unsupported",
            Blocked::SwitchedOff => "switched_off",
        }
    }
}

/// The topic's state after a cycle.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The topic's name.
    pub topic: String,
    /// Whether it exists with partitions to send to.
    pub ready: bool,
    /// What is still to do.
    pub pending: Vec<Action>,
    /// Why nothing is done about it, for each reason that holds.
    pub blocked: Vec<Blocked>,
    /// Brokers that lead no heartbeat partition.
    pub uncovered: Vec<BrokerId>,
}

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
    /// What was refused, and for which cluster: not asked again until the cluster changes.
    refused: Option<(Blocked, BTreeSet<BrokerId>, Vec<Action>)>,
}

impl Probe {
    /// A task that has looked at nothing yet.
    pub fn new(
        cluster: Arc<config::Cluster>,
        wire: Arc<wire::Cluster>,
        metadata: watch::Receiver<Latest<metadata::Snapshot>>,
        nudge: Arc<Notify>,
    ) -> Self {
        Self { cluster, wire, metadata, nudge, refused: None }
    }

    /// What there is to do, and why it is not done. Changes nothing.
    ///
    /// # Errors
    /// When the cluster is not known.
    pub async fn look(&mut self) -> Result<Snapshot, Error> {
        let metadata = metadata::first(&mut self.metadata, self.cluster.topic.timeout / 2).await?;
        let settings = &self.cluster.topic;
        let policy =
            Policy { partitions: settings.partitions, replication_factor: settings.replication_factor };
        let brokers: BTreeSet<_> = metadata.brokers.keys().copied().collect();
        let name = self.cluster.heartbeat.topic.clone();
        let topic = match &metadata.heartbeat_topic {
            Ok(topic) => topic,
            Err(Fault::UnknownTopic) => {
                let pending = plan(&brokers, None, None, policy);
                let blocked = if settings.create { Vec::new() } else { vec![Blocked::SwitchedOff] };
                return Ok(Snapshot { topic: name, ready: false, pending, blocked, uncovered: Vec::new() });
            }
            Err(fault) => return Err(Error::new(*fault, format!("topic {name}"))),
        };
        // Where these two may not be asked, the plan does without them.
        let configs = admin::topic_configs(&self.wire, &name, &CONFIG_KEYS).await.ok();
        let numbers: Vec<i32> = topic.partitions.keys().copied().collect();
        let moving = admin::reassignments(&self.wire, &name, &numbers).await.unwrap_or_default();
        let pending = plan(&brokers, Some(topic), configs.as_ref(), policy);
        let mut blocked = if pending.is_empty() { Vec::new() } else { held(&brokers, topic, &moving) };
        if pending.iter().any(|action| !self.allowed(action)) {
            blocked.push(Blocked::SwitchedOff);
        }
        let uncovered = uncovered(&brokers, topic);
        Ok(Snapshot { topic: name, ready: !topic.partitions.is_empty(), pending, blocked, uncovered })
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

    /// Does what is allowed of the plan, one action after the other, until one is refused.
    ///
    /// # Errors
    /// The refusal.
    pub async fn apply(&self, snapshot: &Snapshot) -> Result<usize, Error> {
        let on_hold = [Blocked::BrokerMissing, Blocked::UnderReplicated, Blocked::Reassigning];
        if snapshot.blocked.iter().any(|reason| on_hold.contains(reason)) {
            return Ok(0);
        }
        let mut done = 0;
        for action in snapshot.pending.iter().filter(|action| self.allowed(action)) {
            self.perform(&snapshot.topic, action).await?;
            tracing::info!(cluster = self.cluster.name, topic = snapshot.topic, "{action}: done");
            done += 1;
        }
        if done > 0 {
            self.nudge.notify_one();
        }
        Ok(done)
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

    fn brokers(&self) -> BTreeSet<BrokerId> {
        let latest = self.metadata.borrow();
        latest.snapshot.iter().flat_map(|(metadata, _)| metadata.brokers.keys().copied()).collect()
    }
}

impl Cycle for Probe {
    type Snapshot = Snapshot;

    async fn cycle(&mut self) -> Result<Snapshot, Error> {
        let mut snapshot = self.look().await?;
        let brokers = self.brokers();
        if let Some((reason, then, pending)) = &self.refused {
            if *then == brokers && *pending == snapshot.pending {
                snapshot.blocked.push(*reason);
                return Ok(snapshot);
            }
            self.refused = None;
        }
        if let Err(error) = self.apply(&snapshot).await {
            let reason = match error.fault() {
                Fault::Authorization => Blocked::Denied,
                Fault::Policy => Blocked::Policy,
                Fault::Unsupported => Blocked::Unsupported,
                _ => return Err(error),
            };
            let (cluster, hint) = (&self.cluster.name, error.fault().hint());
            tracing::warn!(
                cluster,
                topic = snapshot.topic,
                hint,
                "the topic cannot be kept right: {}",
                Chain(&error)
            );
            self.refused = Some((reason, brokers, snapshot.pending.clone()));
            snapshot.blocked.push(reason);
        }
        Ok(snapshot)
    }
}

/// Asks for a look whenever the brokers, or the topic's partitions, are not what they were.
pub async fn watch(
    mut metadata: watch::Receiver<Latest<metadata::Snapshot>>,
    nudge: Arc<Notify>,
    stop: CancellationToken,
) {
    let mut before = None;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            changed = metadata.changed() => if changed.is_err() { return },
        }
        let Some((snapshot, _)) = metadata.borrow_and_update().snapshot.clone() else { continue };
        let topic = snapshot.heartbeat_topic.as_ref().map(|topic| (topic.id, topic.partitions.len())).ok();
        let now = (snapshot.brokers.keys().copied().collect::<Vec<_>>(), topic);
        if before.as_ref().is_some_and(|before| *before != now) {
            nudge.notify_one();
        }
        before = Some(now);
    }
}
