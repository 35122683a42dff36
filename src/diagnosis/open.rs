//! Symptoms that are still to be explained.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    finding::Finding,
    scene::{Broker, Failure, Scene, Session, Trouble},
    suspect::Kind,
};
use crate::{
    kafka::{BrokerId, Fault, Stage},
    text,
};

/// The symptoms that no rule has explained yet, and what the rules have found.
pub(super) struct Open<'a> {
    pub(super) scene: &'a Scene,
    /// The partitions in trouble.
    pub(super) partitions: BTreeMap<i32, &'a Trouble>,
    /// The brokers whose last session failed.
    pub(super) sessions: BTreeMap<BrokerId, &'a Broker>,
    /// Why the metadata failed.
    pub(super) metadata: Option<&'a Failure>,
    pub(super) found: Vec<Finding>,

    /// Whether a finding explains everything.
    closed: bool,
}

impl<'a> Open<'a> {
    pub(super) fn new(scene: &'a Scene) -> Self {
        let troubled =
            |(number, partition): (&i32, &'a super::Partition)| Some((*number, partition.trouble.as_ref()?));
        let is_failed = |broker: &Broker| matches!(broker.session, Session::Failed { .. });
        let failed = scene.brokers.iter().filter(|(_, broker)| is_failed(broker));
        Self {
            scene,
            partitions: scene.partitions.iter().filter_map(troubled).collect(),
            sessions: failed.map(|(id, broker)| (*id, broker)).collect(),
            metadata: scene.metadata.as_ref(),
            found: Vec::new(),

            closed: false,
        }
    }

    /// Adds a finding that explains everything: no further rule is applied.
    pub(super) fn explain_all(&mut self, finding: Finding) {
        self.closed = true;
        self.found.push(finding);
    }

    /// Whether a finding explains everything.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Adds a finding that explains the failed sessions with these brokers, and the trouble of the partitions that they lead or
    /// have to confirm.
    pub(super) fn explain_brokers(&mut self, brokers: &BTreeSet<BrokerId>, mut finding: Finding) {
        finding.brokers.clone_from(brokers);
        self.sessions.retain(|id, _| !brokers.contains(id));

        let scene = self.scene;
        self.partitions.retain(|number, trouble| !involves(scene, *number, trouble, brokers));
        if self.sessions.is_empty() {
            self.metadata = None;
        }
        self.found.push(finding);
    }

    /// Adds to the evidence of the finding that blames a broker or explains its failed sessions. False if there is none.
    pub(super) fn add_evidence(&mut self, broker: BrokerId, evidence: &str) -> bool {
        let id = broker.to_string();
        let blames = |found: &&mut Finding| {
            found.brokers.contains(&broker) || (found.kind == Kind::Broker && found.subject == id)
        };
        let found = self.found.iter_mut().find(blames);
        found.map(|found| found.evidence.push(evidence.to_owned())).is_some()
    }

    /// Adds a finding that explains the trouble of these partitions.
    pub(super) fn explain_partitions(&mut self, partitions: &BTreeSet<i32>, finding: Finding) {
        self.partitions.retain(|number, _| !partitions.contains(number));
        self.found.push(finding);
    }

    /// The brokers among these failed sessions whose stage and fault a rule takes as its own.
    pub(super) fn failed(&self, takes: impl Fn(Stage, Fault) -> bool) -> BTreeSet<BrokerId> {
        let is_taken = |broker: &Broker| match broker.session {
            Session::Failed { stage, fault, .. } => takes(stage, fault),
            _ => false,
        };
        self.sessions.iter().filter(|(_, broker)| is_taken(broker)).map(|(id, _)| *id).collect()
    }

    /// Whether these are all brokers of the cluster.
    pub(super) fn are_all(&self, brokers: &BTreeSet<BrokerId>) -> bool {
        !brokers.is_empty() && brokers.len() == self.scene.brokers.len()
    }

    /// Symptoms that are left over, as sentences without a capital letter.
    pub(super) fn unexplained(&self) -> Vec<String> {
        let numbers: Vec<i32> = self.partitions.keys().copied().collect();
        let partitions = text::list("partition", &numbers);
        let partitions =
            partitions.map(|partitions| format!("heartbeats to {partitions} fail or are overdue"));
        let ids: Vec<BrokerId> = self.sessions.keys().copied().collect();
        let sessions = text::list("broker", &ids).map(|brokers| format!("sessions with {brokers} fail"));
        let metadata = self
            .metadata
            .map(|failure| format!("the metadata cannot be read: {}", text::plain(&failure.message)));
        partitions.into_iter().chain(sessions).chain(metadata).collect()
    }
}

/// Whether one of these brokers led the partition when its heartbeats failed, or has to confirm its records.
pub(super) fn involves(scene: &Scene, number: i32, trouble: &Trouble, brokers: &BTreeSet<BrokerId>) -> bool {
    if trouble.leader.is_some_and(|leader| brokers.contains(&leader)) {
        return true;
    }
    let waits =
        matches!(trouble.fault, None | Some(Fault::Timeout | Fault::NotEnoughReplicas | Fault::NoLeader));
    let partition = scene.partitions.get(&number);
    waits && partition.is_some_and(|partition| partition.replicas.iter().any(|id| brokers.contains(id)))
}
