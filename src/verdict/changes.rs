//! Suspects that appear and disappear, as log lines and as events.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, SystemTime},
};

use crate::{
    diagnosis::{Confidence, Diagnosis, Suspect},
    evaluate::events::{Event, Events},
    newest::Newest,
    text,
};

/// So many events are kept: the newest.
const MOST: usize = 200;

/// The kind of the event that a suspect was cleared.
pub(super) const CLEARED: &str = "suspect_cleared";

/// So many lines are logged in a minute. The events have all changes.
const LINES: u32 = 20;

/// The suspects that are or were likely to blame.
#[derive(Debug, Default)]
pub(super) struct Changes {
    likely: Vec<Suspect>,
    events: Events,
    /// The beginning of the last minute in which lines were logged, and their number.
    logged: (Option<SystemTime>, u32),
    /// How many of what the probes found are events, by the kind of the events.
    found: BTreeMap<&'static str, u64>,
}

impl Changes {
    /// Logs the suspects that have become likely and those that are no suspects any more. Returns all events so far.
    pub(super) fn note(&mut self, cluster: &str, diagnosis: &Diagnosis, at: SystemTime) -> Events {
        let same = |a: &Suspect, b: &Suspect| a.kind == b.kind && a.subject == b.subject;
        // While this process cannot measure or log in, nothing else is known to have ended.
        let is_blind = diagnosis.suspects.iter().any(|suspect| suspect.kind.hides_others());
        let is_cleared = |known: &Suspect| !diagnosis.suspects.iter().any(|suspect| same(known, suspect));
        let cleared: Vec<Suspect> = self
            .likely
            .extract_if(.., |known| (!is_blind || known.kind.hides_others()) && is_cleared(known))
            .collect();
        for suspect in cleared {
            let lasted = at.duration_since(suspect.since).unwrap_or_default().as_secs();
            let headline = text::plain(&suspect.headline);
            if self.may_log(at) {
                tracing::info!(
                    cluster,
                    kind = suspect.kind.as_str(),
                    "no longer suspected after {lasted} s: {headline}"
                );
            }
            self.add(at, CLEARED, &suspect, format!("This ended after {lasted} s: {headline}."));
        }
        for suspect in diagnosis.suspects.iter().filter(|suspect| suspect.confidence >= Confidence::Likely) {
            if let Some(known) = self.likely.iter_mut().find(|known| same(known, suspect)) {
                known.clone_from(suspect);
                continue;
            }
            let (kind, headline) = (suspect.kind.as_str(), text::plain(&suspect.headline));
            let evidence = text::plain(&suspect.evidence.join("; "));
            if self.may_log(at) {
                tracing::warn!(
                    cluster,
                    kind,
                    confidence = suspect.confidence.as_str(),
                    evidence,
                    "{headline}"
                );
            }
            self.add(at, "suspect_found", suspect, format!("{headline}: {evidence}."));
            self.likely.push(suspect.clone());
        }
        self.events.clone()
    }

    /// Adds what a probe has found since the last call with this kind of events. The probe has logged it. `event` is the time, the
    /// subject and the words of the event.
    pub(super) fn note_found<T, const MOST: usize>(
        &mut self,
        kind: &'static str,
        found: &Newest<T, MOST>,
        event: impl Fn(&T) -> (SystemTime, String, String),
    ) {
        let known = self.found.insert(kind, found.total()).unwrap_or_default();
        for one in found.since(known) {
            let (at, subject, words) = event(one);
            self.push(at, kind, subject, words);
        }
    }

    /// Whether one more line may be logged in this minute.
    fn may_log(&mut self, at: SystemTime) -> bool {
        let (begun, lines) = self.logged;
        let lasts = begun.and_then(|begun| at.duration_since(begun).ok());
        self.logged = match begun.filter(|_| lasts.is_some_and(|lasts| lasts < Duration::from_secs(60))) {
            Some(begun) => (Some(begun), lines.saturating_add(1)),
            None => (Some(at), 1),
        };
        self.logged.1 <= LINES
    }

    fn add(&mut self, at: SystemTime, kind: &'static str, suspect: &Suspect, words: String) {
        let subject = format!("{} {}", suspect.kind.as_str(), suspect.subject).trim_end().to_owned();
        self.push(at, kind, subject, words);
    }

    fn push(&mut self, at: SystemTime, kind: &'static str, subject: String, words: String) {
        let events: &mut VecDeque<_> = Arc::make_mut(&mut self.events);
        events.push_back(Arc::new(Event { at, kind: kind.into(), subject, words }));
        while events.len() > MOST {
            events.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::Kind;

    #[test]
    fn suspect_is_an_event_when_it_becomes_likely_and_when_it_is_cleared() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let suspect = |confidence| Suspect {
            kind: Kind::Broker,
            subject: "3".to_owned(),
            confidence,
            since: at(100),
            headline: "Broker 3 does not answer".to_owned(),
            evidence: vec!["2 sessions failed one after the other".to_owned()],
            against: Vec::new(),
            confirm: "",
        };
        let of = |suspects| Diagnosis { suspects, unexplained: Vec::new() };
        let mut changes = Changes::default();
        assert!(changes.note("a", &of(vec![suspect(Confidence::Suspected)]), at(100)).is_empty());
        assert_eq!(changes.note("a", &of(vec![suspect(Confidence::Likely)]), at(103)).len(), 1);
        assert_eq!(changes.note("a", &of(vec![suspect(Confidence::Certain)]), at(110)).len(), 1);
        let events = changes.note("a", &of(Vec::new()), at(112));
        let told: Vec<_> =
            events.iter().map(|event| (&*event.kind, &*event.subject, &*event.words)).collect();
        assert_eq!(
            told,
            [
                (
                    "suspect_found",
                    "broker 3",
                    "Broker 3 does not answer: 2 sessions failed one after the other."
                ),
                ("suspect_cleared", "broker 3", "This ended after 12 s: Broker 3 does not answer."),
            ]
        );
    }
}
