//! Topic assurance: what the heartbeat topic lacks, and doing it.
//!
//! [`plan()`] is pure and printable. Nothing here ever deletes or shrinks.

mod plan;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use plan::USUAL_REPLICAS;
pub use plan::{Action, CONFIG_KEYS, Policy, plan};
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{
    config,
    kafka::{
        BrokerId, Capability, Error, Fault, Permission,
        admin::{self, Topic},
        capability::BELIEVED_FOR,
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
    /// The principal lacks the permission; asked again when the cluster changes, and every ten minutes.
    Denied,
    /// A policy of the cluster forbids it; asked again when the cluster changes, and every ten minutes.
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
    /// Whether the topic's settings may be asked for; if not, a wrong one is not known of.
    pub configs: Capability,
    /// Whether reassignments may be asked for; if not, a running one shows only by replicas out of sync.
    pub reassignments: Capability,
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

/// A change of the topic that the cluster refused. It is not asked for again while the cluster has the same brokers and the
/// same is to do, for ten minutes: then the permission may have been granted.
#[derive(Debug, Clone)]
struct Refusal {
    reason: Blocked,
    brokers: BTreeSet<BrokerId>,
    pending: Vec<Action>,
    since: Instant,
}

impl Refusal {
    /// Whether this is the same refusal as another one, whenever it was.
    fn is_like(&self, other: &Refusal) -> bool {
        self.reason == other.reason && self.brokers == other.brokers && self.pending == other.pending
    }

    /// Whether the cluster would refuse this plan again.
    fn holds(&self, brokers: &BTreeSet<BrokerId>, pending: &[Action]) -> bool {
        self.brokers == *brokers && self.pending == pending && self.since.elapsed() < BELIEVED_FOR
    }
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

/// Asks for a look whenever the brokers, or the topic, are not what they were; and with all new metadata,
/// while the topic is missing or the last look failed.
pub async fn watch(
    mut metadata: watch::Receiver<Latest<metadata::Snapshot>>,
    topic: watch::Receiver<Latest<Snapshot>>,
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
        let now = (snapshot.brokers.keys().copied().collect::<Vec<_>>(), snapshot.heartbeat_topic.clone());
        let unfinished = now.1.is_err() || topic.borrow().failure.is_some();
        if unfinished || before.as_ref() != Some(&now) {
            nudge.notify_one();
        }
        before = Some(now);
    }
}
