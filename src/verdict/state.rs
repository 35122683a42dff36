//! The state of a cluster, with the reasons and since when.

use std::{collections::BTreeSet, time::SystemTime};

use super::changes::CLEARED;
use crate::{
    closed_enum::closed_enum,
    diagnosis::{Confidence, Diagnosis, Kind, Suspect},
    evaluate::events::{Event, Events},
};

/// So many suspects are named: a cluster with hundreds of brokers may fail as a whole.
const MOST: usize = 20;

closed_enum! {
    /// The state of a cluster as its clients see it.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum State {
        /// Every recent heartbeat was good.
        Ok = "ok",
        /// Some heartbeats fail, a broker or a replica is missing, or the heartbeat topic is not ready.
        Degraded = "degraded",
        /// No heartbeat gets through.
        Down = "down",
        /// The process of the service stalls, has no file descriptor left or has no valid token to log
        /// in with. Its measurements say nothing about Kafka.
        ProberFault = "prober_fault",
        /// No heartbeat was judged yet, or none within the window.
        Unknown = "unknown",
    }
}

/// The verdict on a cluster: its state, the reasons and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The state.
    pub state: State,
    /// The reasons, each a sentence without a capital letter and a full stop, the gravest first. Empty if the state is ok.
    /// A reason may contain text that a broker sent.
    pub reasons: Vec<String>,
    /// The brokers that the metadata lack, as the reason that names them. `None` if none is missing, or if the metadata are not
    /// known.
    pub missing: Option<String>,
    /// Since when the state has held.
    pub since: SystemTime,
    /// Which component is to blame. Absent before the first diagnosis.
    pub diagnosis: Option<Diagnosis>,
    /// When a suspect became likely, and when it was cleared, the oldest first.
    pub events: Events,
}

impl Verdict {
    /// The verdict before anything was judged.
    pub fn unknown() -> Self {
        Self {
            state: State::Unknown,
            reasons: vec!["nothing judged yet".to_owned()],
            missing: None,
            since: SystemTime::now(),
            diagnosis: None,
            events: Events::default(),
        }
    }

    /// The components of Kafka that are likely to blame, and those that were and were cleared since a moment: at most 20, each as
    /// `kind:subject`, or as the kind alone if there is only one of the kind. Services beside Kafka are not among them.
    pub fn suspects_of_kafka_since(&self, from: SystemTime) -> Vec<String> {
        let beside = Kind::ALL.into_iter().filter(|kind| kind.is_beside_kafka());
        let beside: Vec<&str> = beside.map(Kind::as_str).collect();
        let suspects = self.diagnosis.iter().flat_map(|diagnosis| &diagnosis.suspects);
        let unlikely = suspects.filter(|suspect| suspect.confidence < Confidence::Likely);
        let unlikely: Vec<String> = unlikely.map(named).collect();
        let names = self.suspects_since(from).into_iter();
        let is_of_kafka = |name: &String| !beside.iter().any(|kind| name.split(':').next() == Some(*kind));
        names.filter(|name| is_of_kafka(name) && !unlikely.contains(name)).collect()
    }

    /// The components that are suspected now, the surest first, and those that were likely to blame and were cleared since a
    /// moment: at most 20, each as `kind:subject`, or as the kind alone if there is only one of the kind.
    pub fn suspects_since(&self, from: SystemTime) -> Vec<String> {
        let now = self.diagnosis.iter().flat_map(|diagnosis| &diagnosis.suspects).map(named);
        // The newest event comes first: events are in the order of their time.
        let events = self.events.iter().rev().take_while(|event| event.at >= from);
        let cleared = events.filter(|event| event.kind == CLEARED).map(|event| event_subject(event));
        let mut seen = BTreeSet::new();
        now.chain(cleared).filter(|name| seen.insert(name.clone())).take(MOST).collect()
    }
}

/// A suspect as `kind:subject`, or as the kind alone if there is only one of the kind.
fn named(suspect: &Suspect) -> String {
    match (suspect.kind.as_str(), &*suspect.subject) {
        (kind, "") => kind.to_owned(),
        (kind, subject) => format!("{kind}:{subject}"),
    }
}

/// The subject of an event on a suspect, as `kind:subject`.
fn event_subject(event: &Event) -> String {
    event.subject.replacen(' ', ":", 1)
}

#[cfg(test)]
mod tests {
    use std::{
        collections::VecDeque,
        sync::Arc,
        time::{Duration, UNIX_EPOCH},
    };

    use super::*;

    fn at(second: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(second)
    }

    #[test]
    fn suspects_since_a_moment_are_those_of_now_and_those_that_were_cleared_after_it() {
        let suspect = |kind, subject: &str| Suspect {
            kind,
            subject: subject.to_owned(),
            confidence: Confidence::Suspected,
            since: at(50),
            headline: String::new(),
            evidence: Vec::new(),
            against: Vec::new(),
            confirm: "",
        };
        let event = |second, kind: &'static str, subject: &str| {
            let (subject, words) = (subject.to_owned(), String::new());
            Arc::new(Event { at: at(second), kind: kind.into(), subject, words })
        };
        let mut verdict = Verdict::unknown();
        assert!(verdict.suspects_since(at(0)).is_empty());
        let suspects = vec![suspect(Kind::Broker, "3"), suspect(Kind::Cluster, "")];
        verdict.diagnosis = Some(Diagnosis { suspects, unexplained: Vec::new() });
        verdict.events = Arc::new(VecDeque::from([
            event(10, CLEARED, "broker 1"),
            event(20, "suspect_found", "broker 2"),
            event(30, CLEARED, "rack the second one"),
            event(40, CLEARED, "broker 3"),
        ]));
        assert_eq!(verdict.suspects_since(at(35)), ["broker:3", "cluster"]);
        assert_eq!(verdict.suspects_since(at(20)), ["broker:3", "cluster", "rack:the second one"]);
    }
}
