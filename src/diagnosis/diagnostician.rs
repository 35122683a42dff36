//! Since when a suspect has been suspected, and how sure the diagnosis is of it by now.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime},
};

use super::{
    finding::{Finding, Weight},
    rules,
    scene::{Coordinators, Scene},
    suspect::{Confidence, Diagnosis, Kind, Suspect},
};
use crate::{kafka::BrokerId, text};

/// One piece of evidence makes a suspect likely after this time.
const LASTS: Duration = Duration::from_secs(2);

/// Two pieces of evidence make a suspect certain after this time.
const CERTAIN: Duration = Duration::from_secs(10);

/// A symptom without explanation is reported after this time: its evidence may still come.
const UNEXPLAINED: Duration = Duration::from_secs(5);

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
        let (found, unexplained) = rules::apply(scene);
        let mut known = std::mem::take(&mut self.known);
        // Nothing else can be known while this process cannot measure: what was suspected before is remembered.
        let closed = found.iter().any(|found| found.kind == Kind::Prober);
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
            } else if let Some(departed) = before.departed(scene).filter(|_| self.known.len() < MOST) {
                self.known.insert(key, departed);
            }
        }
        let mut suspects: Vec<Suspect> = self.known.values().map(|known| known.last.clone()).collect();
        suspects.sort_by_key(|suspect| std::cmp::Reverse(suspect.confidence));
        self.known.extend(hidden);
        if unexplained.is_empty() {
            self.unexplained = None;
            return Diagnosis { suspects, unexplained };
        }
        let lasts = elapsed(scene.at, *self.unexplained.get_or_insert(scene.at)) >= UNEXPLAINED;
        Diagnosis { suspects, unexplained: if lasts { unexplained } else { Vec::new() } }
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

    /// Brokers that were likely to blame and are not in the metadata any more are still to blame: nothing can be asked of them.
    fn departed(mut self, scene: &Scene) -> Option<Self> {
        let mut brokers = self.brokers.iter();
        let are_missing = !scene.brokers.is_empty()
            && !self.brokers.is_empty()
            && brokers.all(|broker| !scene.brokers.contains_key(broker));
        let was_likely = self.last.confidence >= Confidence::Likely;
        if !are_missing || !was_likely || elapsed(scene.at, self.since) > DEPARTED {
            return None;
        }
        let coordinators = self.brokers.iter().filter_map(|broker| scene.coordinators.get(&Some(*broker)));
        let coordinators: Vec<String> = coordinators.map(Coordinators::sentence).collect();
        let brokers: Vec<BrokerId> = self.brokers.iter().copied().collect();
        let brokers = text::list("broker", &brokers).unwrap_or_default();
        let mut departed = vec![format!("the metadata do not list {brokers} any more")];
        departed.extend(coordinators);
        if elapsed(scene.at, self.since) >= CERTAIN {
            self.last.confidence = Confidence::Certain;
        }
        let found = self.found.get_or_insert_with(|| self.last.evidence.clone());
        self.last.evidence = found.iter().cloned().chain(departed).collect();
        Some(self)
    }

    /// The same with more evidence of this moment.
    fn with(mut self, evidence: &[String]) -> Self {
        self.last.evidence.extend(evidence.iter().cloned());
        self
    }
}

/// The time from `since` to `at`; zero if the clock was set back.
fn elapsed(at: SystemTime, since: SystemTime) -> Duration {
    at.duration_since(since).unwrap_or_default()
}
