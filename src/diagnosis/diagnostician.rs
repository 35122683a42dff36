//! Since when a suspect has been suspected, and how sure the diagnosis is of it by now.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime},
};

use super::{
    access::TAKES,
    coordinators,
    finding::{Finding, Weight},
    open::{Recovering, involves},
    rules,
    scene::{Coordinators, Partition, Scene, Session},
    suspect::{Confidence, Diagnosis, Kind, Suspect},
};
use crate::{
    kafka::{BrokerId, Fault, admin::Coordinated},
    text,
};

/// One piece of evidence makes a suspect likely after this time.
const LASTS: Duration = Duration::from_secs(2);

/// Two pieces of evidence make a suspect certain after this time.
const CERTAIN: Duration = Duration::from_secs(10);

/// A symptom without explanation is reported after this time: its evidence may still come.
const UNEXPLAINED: Duration = Duration::from_secs(5);

/// A client connects again within this time after sessions with a broker can be opened again. librdkafka waits for up to ten
/// seconds before it does (`reconnect.backoff.max.ms`).
const RECOVERS: Duration = Duration::from_secs(10);

/// A mirror has copied what it could not copy within this time after the cluster has recovered.
const MIRROR_RECOVERS: Duration = Duration::from_secs(60);

/// A broker that fails is out of the in-sync replicas within this time: by default the leaders wait for 30 seconds
/// (`replica.lag.time.max.ms`).
const REPLICAS_LEAVE: Duration = Duration::from_secs(60);

/// A broker that failed and left the metadata is suspected for at most this long. So is a rack.
const DEPARTED: Duration = Duration::from_secs(24 * 3600);

/// So many suspects are remembered whose brokers left the metadata.
const MOST: usize = 1000;

/// Remembers the suspects of the last diagnosis.
#[derive(Debug, Default)]
pub struct Diagnostician {
    known: BTreeMap<(Kind, String), Known>,
    /// Since when there have been symptoms without explanation.
    unexplained: Option<SystemTime>,
    /// When something of Kafka was last likely to blame.
    blamed: Option<SystemTime>,
}

/// What is remembered of one suspect.
#[derive(Debug, Clone)]
struct Known {
    since: SystemTime,
    /// Since when there has been more than a hint.
    one: Option<SystemTime>,
    /// Since when there have been two pieces of evidence.
    two: Option<SystemTime>,
    /// The suspect, as it was last found.
    last: Suspect,
    /// The brokers whose failed sessions made it a suspect.
    brokers: BTreeSet<BrokerId>,
    /// The evidence from before its brokers left the metadata. `None` while they are there.
    found: Option<Vec<String>>,
}

impl Diagnostician {
    /// The diagnosis of a scene. Scenes are given in the order of their time.
    pub fn diagnose(&mut self, scene: &Scene) -> Diagnosis {
        let mut known = std::mem::take(&mut self.known);
        let departed: BTreeSet<String> =
            known.values().flat_map(|known| known.departed_brokers(scene)).collect();
        let recovering = Recovering::of_all(known.values().filter_map(|known| known.recovering(scene)));
        let (mut found, unexplained) = rules::apply(scene, !departed.is_empty(), &recovering);
        // The coordinators of a broker that failed and left the metadata are evidence against that broker.
        let coordinators = [Coordinated::Groups, Coordinated::Transactions].map(coordinators::kind);
        found.retain(|found| !coordinators.contains(&found.kind) || !departed.contains(&found.subject));
        // Other coordinators wait for their replicas on that broker.
        let is_held_up = |broker: &Option<BrokerId>, failing: &Coordinators| {
            known.values().any(|known| known.holds_up(*broker, failing))
        };
        let held_up = scene.coordinators.iter().filter(|((_, broker), failing)| is_held_up(broker, failing));
        let held_up: BTreeSet<(Kind, String)> = held_up
            .map(|((of, broker), _)| {
                (coordinators::kind(*of), broker.map_or_else(String::new, |id| id.to_string()))
            })
            .collect();
        found.retain(|found| !held_up.contains(&(found.kind, found.subject.clone())));
        found.retain(|found| !self.is_explained_by_kafka(found.kind, scene));
        // Nothing else can be known while this process cannot measure: what was suspected before is remembered.
        let closed = found.iter().any(|found| found.kind.hides_others());
        let mut hidden = Vec::new();
        for finding in found {
            let key = (finding.kind, finding.subject.clone());
            let before = known.remove(&key);
            let entry = match before.clone().and_then(|before| before.departed(scene)) {
                Some(departed) => departed.with(&finding.evidence),
                None => Known::found(before, finding, scene.at),
            };
            self.known.insert(key, entry);
        }
        for (key, before) in known {
            if closed {
                hidden.push((key, before));
                continue;
            }
            let kept = before.clone().departed(scene).or_else(|| before.while_recovering(scene));
            if let Some(kept) = kept.filter(|_| self.known.len() < MOST) {
                self.known.insert(key, kept);
            }
        }
        let mut suspects: Vec<Suspect> = self.known.values().map(|known| known.last.clone()).collect();
        suspects.sort_by_key(|suspect| std::cmp::Reverse(suspect.confidence));
        self.blamed = suspects.iter().any(is_of_kafka).then_some(scene.at).or(self.blamed);
        self.known.extend(hidden);
        if unexplained.is_empty() {
            self.unexplained = None;
            return Diagnosis { suspects, unexplained };
        }
        let lasts = elapsed(scene.at, *self.unexplained.get_or_insert(scene.at)) >= UNEXPLAINED;
        Diagnosis { suspects, unexplained: if lasts { unexplained } else { Vec::new() } }
    }

    /// Whether this is a service beside Kafka that was asked while its Kafka failed, or had just recovered: it fails for that reason.
    fn is_explained_by_kafka(&self, kind: Kind, scene: &Scene) -> bool {
        let asked = match kind {
            Kind::SchemaRegistry => scene.registry.as_ref().map(|registry| registry.asked),
            Kind::Connect => scene.connect.as_ref().map(|connect| connect.asked),
            // A mirror catches up for a while after the cluster has recovered.
            Kind::Mirror => return self.blamed.is_some_and(|blamed| scene.at <= blamed + MIRROR_RECOVERS),
            _ => None,
        };
        asked.zip(self.blamed).is_some_and(|(asked, blamed)| asked <= blamed + RECOVERS)
    }
}

impl Known {
    /// The suspect of a finding, which may have been known before.
    fn found(before: Option<Self>, finding: Finding, at: SystemTime) -> Self {
        let since = before.as_ref().map_or(at, |before| before.since);
        let lasting = |least: Weight, before: Option<SystemTime>| {
            (finding.weight >= least).then(|| before.unwrap_or(at))
        };
        let one = lasting(Weight::One, before.as_ref().and_then(|before| before.one));
        let two = lasting(Weight::Two, before.as_ref().and_then(|before| before.two));
        let lasted = |since: Option<SystemTime>| since.map_or(Duration::ZERO, |since| elapsed(at, since));
        let confidence = match finding.weight {
            Weight::Proof => Confidence::Certain,
            Weight::Two if lasted(two) >= CERTAIN => Confidence::Certain,
            Weight::Two => Confidence::Likely,
            Weight::One if lasted(one) >= LASTS => Confidence::Likely,
            Weight::One | Weight::Hint => Confidence::Suspected,
        };
        let Finding { kind, subject, headline, evidence, against, confirm, mut brokers, .. } = finding;
        if let Some(before) = before.filter(|_| brokers.is_empty()) {
            brokers = before.brokers;
        }
        let last = Suspect { kind, subject, confidence, since, headline, evidence, against, confirm };
        Self { since, one, two, last, brokers, found: None }
    }

    /// Whether coordinators on another broker wait for replicas on its brokers: they began to time out soon after it failed.
    fn holds_up(&self, broker: Option<BrokerId>, failing: &Coordinators) -> bool {
        let is_other =
            !self.brokers.is_empty() && broker.is_none_or(|broker| !self.brokers.contains(&broker));
        let waits = matches!(failing.fault, Fault::Timeout | Fault::NotEnoughReplicas);
        let soon = failing.since + RECOVERS >= self.since && failing.since <= self.since + REPLICAS_LEAVE;
        is_other && waits && soon && self.last.confidence >= Confidence::Likely
    }

    /// Whether its brokers were likely to blame and are not in the metadata any more.
    fn has_departed(&self, scene: &Scene) -> bool {
        let mut brokers = self.brokers.iter();
        let are_missing = !scene.brokers.is_empty()
            && !self.brokers.is_empty()
            && brokers.all(|broker| !scene.brokers.contains_key(broker));
        let was_likely = self.last.confidence >= Confidence::Likely;
        are_missing && was_likely && elapsed(scene.at, self.since) <= DEPARTED
    }

    /// The ids of its brokers if these have departed.
    fn departed_brokers(&self, scene: &Scene) -> Vec<String> {
        let has_departed = self.has_departed(scene);
        self.brokers.iter().filter(|_| has_departed).map(ToString::to_string).collect()
    }

    /// Brokers that were likely to blame and are not in the metadata any more are still to blame: nothing can be asked of them.
    fn departed(mut self, scene: &Scene) -> Option<Self> {
        if !self.has_departed(scene) {
            return None;
        }
        let of_departed =
            |broker: &Option<BrokerId>| broker.is_some_and(|broker| self.brokers.contains(&broker));
        let coordinators = scene.coordinators.iter().filter(|((_, broker), _)| of_departed(broker));
        let coordinators: Vec<_> = coordinators.map(|((of, _), failing)| failing.sentence(*of)).collect();
        let found = self.found.get_or_insert_with(|| self.last.evidence.clone());
        let known = found.iter().filter(|sentence| !coordinators.contains(sentence)).cloned();
        let brokers: Vec<BrokerId> = self.brokers.iter().copied().collect();
        let brokers = text::list("broker", &brokers).unwrap_or_default();
        let departed = format!("the metadata do not list {brokers} any more");
        let evidence = known.chain([departed]).chain(coordinators.clone()).collect();
        if elapsed(scene.at, self.since) >= CERTAIN {
            self.last.confidence = Confidence::Certain;
        }
        self.last.evidence = evidence;
        Some(self)
    }

    /// What has not recovered since a session with one of its brokers could be opened again. It was likely to blame, and nobody
    /// else is to blame for this. `None` if it was not likely, or if there was enough time to recover.
    fn recovering(&self, scene: &Scene) -> Option<Recovering> {
        let opened = self.opened(scene);
        let first = *opened.values().min()?;
        if self.last.confidence < Confidence::Likely || elapsed(scene.at, first) >= RECOVERS {
            return None;
        }
        // A session that fails later than this is a fault of its broker alone.
        let is_old = |broker: &BrokerId| {
            let session = scene.brokers.get(broker).map(|broker| &broker.session);
            matches!(session, Some(Session::Failed { last, .. }) if *last <= first + TAKES)
        };
        let brokers: BTreeSet<BrokerId> = self.brokers.iter().copied().filter(is_old).collect();
        let failing = scene
            .brokers
            .iter()
            .filter(|(id, broker)| matches!(broker.session, Session::Failed { .. }) && !brokers.contains(id));
        let failing: BTreeSet<BrokerId> = failing.map(|(id, _)| *id).collect();
        let waits = |(number, partition): (&i32, &Partition)| {
            let trouble = partition.trouble.as_ref()?;
            let before = opened.iter().filter(|(_, since)| trouble.since <= **since).map(|(id, _)| *id);
            let recovered: BTreeSet<BrokerId> = before.chain(brokers.iter().copied()).collect();
            let is_other =
                matches!(trouble.fault, Some(Fault::Authorization | Fault::UnknownTopic | Fault::Throttled));
            let waits =
                involves(scene, *number, trouble, &recovered) && !involves(scene, *number, trouble, &failing);
            (waits && !is_other).then_some(*number)
        };
        let partitions: BTreeSet<i32> = scene.partitions.iter().filter_map(waits).collect();
        (!brokers.is_empty() || !partitions.is_empty()).then_some(Recovering { brokers, partitions })
    }

    /// Its brokers with which sessions can be opened again, and since when.
    fn opened(&self, scene: &Scene) -> BTreeMap<BrokerId, SystemTime> {
        let opened = |broker: &BrokerId| match scene.brokers.get(broker)?.session {
            Session::Open { since, .. } => Some((*broker, since)),
            Session::Failed { .. } | Session::Unknown => None,
        };
        self.brokers.iter().filter_map(opened).collect()
    }

    /// The same suspect while not everything has recovered from it. `None` if it has.
    fn while_recovering(mut self, scene: &Scene) -> Option<Self> {
        let Recovering { partitions, .. } = self.recovering(scene)?;
        let partitions: Vec<i32> = partitions.into_iter().collect();
        let failed: Vec<BrokerId> = self.brokers.iter().copied().collect();
        let opened: Vec<BrokerId> = self.opened(scene).into_keys().collect();
        let evidence = text::list("partition", &partitions).zip(text::list("broker", &failed));
        if let Some((partitions, failed)) = evidence {
            self.last.evidence = vec![format!(
                "heartbeats to {partitions} have not recovered since sessions with {failed} failed"
            )];
        }
        let opened = text::list("broker", &opened);
        self.last.against =
            opened.into_iter().map(|opened| format!("sessions with {opened} can be opened again")).collect();
        Some(self)
    }

    /// The same with more evidence of this moment.
    fn with(mut self, evidence: &[String]) -> Self {
        let new = evidence.iter().filter(|sentence| !self.last.evidence.contains(sentence)).cloned();
        self.last.evidence.extend(new.collect::<Vec<_>>());
        self
    }
}

/// Whether something of Kafka is likely to blame.
fn is_of_kafka(suspect: &Suspect) -> bool {
    !suspect.kind.is_beside_kafka() && suspect.confidence >= Confidence::Likely
}

/// The time from `since` to `at`; zero if the clock was set back.
fn elapsed(at: SystemTime, since: SystemTime) -> Duration {
    at.duration_since(since).unwrap_or_default()
}
