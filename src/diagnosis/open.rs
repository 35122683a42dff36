//! Symptoms that are still to be explained.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime},
};

use super::{
    finding::{Finding, Weight},
    scene::{Broker, Failure, Scene, Session, Trouble},
    suspect::Kind,
};
use crate::{
    kafka::{BrokerId, Fault, Stage},
    text,
};

/// Another section connects to a broker that fails within this time.
const ANSWERS: Duration = Duration::from_secs(3);

/// The sessions with a broker that failed.
#[derive(Debug, Clone, Copy)]
pub(super) struct FailedSession<'a> {
    /// The broker.
    pub(super) broker: &'a Broker,
    /// The stage that failed.
    pub(super) stage: Stage,
    /// The kind of the failure.
    pub(super) fault: Fault,
    /// The number of sessions in a row that failed.
    pub(super) times: u32,
    /// Whether the other brokers reach the broker.
    pub(super) in_sync: bool,
}

impl<'a> FailedSession<'a> {
    /// `None` if the last session did not fail.
    fn new(broker: &'a Broker) -> Option<Self> {
        match broker.session {
            Session::Failed { stage, fault, times, in_sync, .. } => {
                Some(Self { broker, stage, fault, times, in_sync })
            }
            Session::Open { .. } | Session::Unknown => None,
        }
    }
}

/// What has not recovered yet from suspects whose fault has ended.
#[derive(Debug, Default)]
pub(super) struct Recovering {
    /// Brokers with which no session was tried since.
    pub(super) brokers: BTreeSet<BrokerId>,
    /// Partitions whose heartbeats were in trouble before.
    pub(super) partitions: BTreeSet<i32>,
}

impl Recovering {
    /// What has not recovered from any of the suspects.
    pub(super) fn of_all(suspects: impl Iterator<Item = Self>) -> Self {
        suspects.fold(Self::default(), |mut all, one| {
            all.brokers.extend(one.brokers);
            all.partitions.extend(one.partitions);
            all
        })
    }
}

/// The symptoms that no rule has explained yet, and what the rules have found.
pub(super) struct Open<'a> {
    pub(super) scene: &'a Scene,
    /// The partitions in trouble.
    pub(super) partitions: BTreeMap<i32, &'a Trouble>,
    /// The brokers whose last session failed.
    pub(super) sessions: BTreeMap<BrokerId, FailedSession<'a>>,
    /// Why the metadata failed.
    pub(super) metadata: Option<&'a Failure>,
    pub(super) found: Vec<Finding>,
    /// Whether a broker that failed has left the metadata and is not back.
    departed: bool,
    /// Whether a finding explains everything.
    closed: bool,
}

/// Whether a finding is more than a hint at a failure of Kafka.
fn is_of_kafka(found: &Finding) -> bool {
    found.weight > Weight::Hint && !found.kind.is_beside_kafka()
}

impl<'a> Open<'a> {
    /// The symptoms of a scene, without those of `recovering`.
    pub(super) fn new(scene: &'a Scene, departed: bool, recovering: &Recovering) -> Self {
        let troubled =
            |(number, partition): (&i32, &'a super::Partition)| Some((*number, partition.trouble.as_ref()?));
        let is_open = |(number, _): &(&i32, &super::Partition)| !recovering.partitions.contains(number);
        let brokers = scene.brokers.iter().filter(|(id, _)| !recovering.brokers.contains(id));
        let failed = brokers.filter_map(|(id, broker)| Some((*id, FailedSession::new(broker)?)));
        Self {
            scene,
            partitions: scene.partitions.iter().filter(is_open).filter_map(troubled).collect(),
            sessions: failed.collect(),
            metadata: scene.metadata.as_ref(),
            found: Vec::new(),
            departed,
            closed: false,
        }
    }

    /// Adds a finding that explains everything: no further rule is applied.
    pub(super) fn explain_all(&mut self, finding: Finding) {
        self.closed = true;
        self.found.push(finding);
    }

    /// Whether more than a hint was found for a failure of Kafka, or a broker that failed is not back yet.
    pub(super) fn has_failure(&self) -> bool {
        self.departed || self.found.iter().any(is_of_kafka)
    }

    /// The first finding of a failure of Kafka that is more than a hint.
    pub(super) fn failure_of_kafka(&mut self) -> Option<&mut Finding> {
        self.found.iter_mut().find(|found| is_of_kafka(found))
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
        let taken = self.sessions.iter().filter(|(_, session)| takes(session.stage, session.fault));
        taken.map(|(id, _)| *id).collect()
    }

    /// Whether another section could reach the broker before sessions of this section failed, and has yet to connect to it again.
    /// Until then the listener of this section may be to blame.
    pub(super) fn is_pending(&self, broker: BrokerId) -> bool {
        let failed = self.failures(broker).zip(self.scene.elsewhere.get(&broker));
        failed.is_some_and(|((_, since, _), elsewhere)| {
            elsewhere.opened.is_some() && elsewhere.at < since && self.scene.at < since + ANSWERS
        })
    }

    /// The number of failures of a broker's sessions in a row, and the end of the first and of the last of them. `None` if the
    /// last session did not fail.
    pub(super) fn failures(&self, broker: BrokerId) -> Option<(u32, SystemTime, SystemTime)> {
        match self.scene.brokers.get(&broker)?.session {
            Session::Failed { times, since, last, .. } => Some((times, since, last)),
            Session::Open { .. } | Session::Unknown => None,
        }
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
