//! Since when a suspect has been suspected, and how sure the diagnosis is of it by now.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use super::{
    finding::{Finding, Weight},
    rules,
    scene::{Coordinators, Scene},
    suspect::{Confidence, Diagnosis, Kind, Suspect},
};
use crate::kafka::BrokerId;

/// One piece of evidence makes a suspect likely after this time.
const LASTS: Duration = Duration::from_secs(2);

/// Two pieces of evidence make a suspect certain after this time.
const CERTAIN: Duration = Duration::from_secs(10);

/// A symptom without explanation is reported after this time: its evidence may still come.
const UNEXPLAINED: Duration = Duration::from_secs(5);

/// A broker that failed and left the metadata is suspected for at most this long.
const GONE: Duration = Duration::from_secs(24 * 3600);

/// Remembers the suspects of the last diagnosis.
#[derive(Debug, Default)]
pub struct Diagnostician {
    known: BTreeMap<(Kind, String), Known>,
    /// Since when there have been symptoms without explanation.
    unexplained: Option<SystemTime>,
}

/// What is remembered of one suspect.
#[derive(Debug)]
struct Known {
    since: SystemTime,
    /// Since when there has been more than a hint.
    one: Option<SystemTime>,
    /// Since when there have been two pieces of evidence.
    two: Option<SystemTime>,
    /// The suspect, as it was last found.
    last: Suspect,
}

impl Diagnostician {
    /// The diagnosis of a scene. Scenes are given in the order of their time.
    pub fn diagnose(&mut self, scene: &Scene) -> Diagnosis {
        let (found, unexplained) = rules::apply(scene);
        let mut known = std::mem::take(&mut self.known);
        for finding in found {
            let key = (finding.kind, finding.subject.clone());
            let entry = Known::found(known.remove(&key), finding, scene.at);
            self.known.insert(key, entry);
        }
        for (key, gone) in known {
            if let Some(gone) = gone.left(scene) {
                self.known.insert(key, gone);
            }
        }
        let mut suspects: Vec<Suspect> = self.known.values().map(|known| known.last.clone()).collect();
        suspects.sort_by_key(|suspect| std::cmp::Reverse(suspect.confidence));
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
        let Finding { kind, subject, headline, evidence, against, confirm, .. } = finding;
        let last = Suspect { kind, subject, confidence, since, headline, evidence, against, confirm };
        Self { since, one, two, last }
    }

    /// A broker that was likely to blame and is not in the metadata any more is still to blame: nothing can be asked of it.
    fn left(mut self, scene: &Scene) -> Option<Self> {
        let broker =
            self.last.subject.parse().map(BrokerId).ok().filter(|_| self.last.kind == Kind::Broker)?;
        let is_gone = !scene.brokers.is_empty() && !scene.brokers.contains_key(&broker);
        let was_likely = self.last.confidence >= Confidence::Likely;
        if !is_gone || !was_likely || elapsed(scene.at, self.since) > GONE {
            return None;
        }
        let left = format!("the metadata do not list broker {broker} any more");
        let coordinators = scene.coordinators.get(&Some(broker)).map(Coordinators::sentence);
        for evidence in [left].into_iter().chain(coordinators) {
            if !self.last.evidence.contains(&evidence) {
                self.last.evidence.push(evidence);
            }
        }
        if elapsed(scene.at, self.since) >= CERTAIN {
            self.last.confidence = Confidence::Certain;
        }
        Some(self)
    }
}

/// The time from `since` to `at`; zero if the clock was set back.
fn elapsed(at: SystemTime, since: SystemTime) -> Duration {
    at.duration_since(since).unwrap_or_default()
}
