//! Incidents: when a cluster did not work as it should, and what was to blame.

use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use crate::{
    clock::unix_ms,
    diagnosis::{Confidence, Kind, Suspect},
    store::IncidentRow,
    text,
    verdict::{State, Verdict},
};

/// An incident is over when nothing was wrong for this long.
const QUIET: Duration = Duration::from_secs(60);

/// A longer time between two looks is not known: this process did not run.
const LONGEST: Duration = Duration::from_secs(5);

/// A suspect that has become likely has been suspected for at most this long without being a mere hint.
const HINT: Duration = Duration::from_secs(2);

/// At most so many suspects, and pieces of evidence of each, are kept: the first ones.
const MOST_SUSPECTS: usize = 20;
const MOST_EVIDENCE: usize = 10;

/// How an incident ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It lasts.
    Lasts,
    /// Nothing was wrong any more.
    Over,
    /// The service stopped during the incident, so its end is not known.
    Interrupted,
}

/// A time in which heartbeats were bad, no heartbeat got through, or a component was likely to blame. A broker that is restarted as
/// planned and harms no heartbeat is no incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// When something was first wrong, in milliseconds since 1970.
    pub begin_ms: i64,
    /// When something was last wrong, in milliseconds since 1970.
    pub end_ms: i64,
    /// How it ended.
    pub ending: Ending,
    /// Whether no heartbeat got through for a part of the time.
    pub was_down: bool,
    /// The number of heartbeats that were judged bad in this time.
    pub bad: u64,
    /// The components that were likely to blame, in the order in which they became likely. Empty if the cause is not known.
    pub suspects: Vec<Blamed>,
}

/// A component that was likely to blame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blamed {
    /// The label of the kind of the component.
    pub kind: String,
    /// Which component of the kind. Empty if there is only one.
    pub subject: String,
    /// The label of the highest confidence.
    pub confidence: String,
    /// What is wrong with it: a sentence without a full stop.
    pub headline: String,
    /// The evidence at the highest confidence, each piece a clause.
    pub evidence: Vec<String>,
}

impl Incident {
    fn at(ms: i64) -> Self {
        Self {
            begin_ms: ms,
            end_ms: ms,
            ending: Ending::Lasts,
            was_down: false,
            bad: 0,
            suspects: Vec::new(),
        }
    }

    /// The time from its beginning to its end.
    pub fn duration(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.end_ms.saturating_sub(self.begin_ms)).unwrap_or(0))
    }

    /// The incident of a row. `None` if it cannot be decoded. One that lasted is interrupted, because the service that wrote the
    /// row has stopped.
    pub fn from_row(row: &IncidentRow) -> Option<Self> {
        let mut incident: Self = serde_json::from_str(&row.body).ok()?;
        if incident.ending == Ending::Lasts {
            incident.ending = Ending::Interrupted;
        }
        (incident.begin_ms == row.begin_ms).then_some(incident)
    }

    /// The incident as the history file keeps it.
    pub fn row(&self) -> IncidentRow {
        IncidentRow { begin_ms: self.begin_ms, body: serde_json::to_string(self).unwrap_or_default() }
    }

    /// Adds a suspect, or what is known of it now. Returns whether anything has changed.
    fn blame(&mut self, suspect: &Suspect) -> bool {
        let (kind, subject) = (suspect.kind.as_str(), text::plain(&suspect.subject));
        let confidence = suspect.confidence.as_str();
        let is_same = |blamed: &Blamed| blamed.kind == kind && blamed.subject == subject;
        let place = self.suspects.iter().position(is_same);
        let is_news = match place.map(|place| &self.suspects[place].confidence) {
            Some(known) => known != confidence && known != Confidence::Certain.as_str(),
            None => self.suspects.len() < MOST_SUSPECTS,
        };
        if !is_news {
            return false;
        }
        let evidence = suspect.evidence.iter().take(MOST_EVIDENCE).map(|piece| text::plain(piece)).collect();
        let headline = text::plain(&suspect.headline);
        let (kind, confidence) = (kind.to_owned(), confidence.to_owned());
        let blamed = Blamed { kind, subject, confidence, headline, evidence };
        match place {
            Some(place) => self.suspects[place] = blamed,
            None => self.suspects.push(blamed),
        }
        true
    }
}

/// Recognises incidents in verdicts.
#[derive(Debug)]
pub(super) struct Watch {
    /// The incident that lasts, and for how long nothing has been wrong since.
    open: Option<(Incident, Duration)>,
    /// The end of the newest incident that is over, in milliseconds since 1970.
    ended_ms: i64,
    /// The instant of the last look. `None` before the first one.
    looked: Option<Instant>,
}

impl Watch {
    /// Incidents after the end of the last one that is known, in milliseconds since 1970.
    pub(super) fn after(ended_ms: i64) -> Self {
        Self { open: None, ended_ms, looked: None }
    }

    /// Takes the verdict of a moment, which is given by both clocks, and the number of heartbeats that were judged bad since the
    /// last call. Returns the incidents that have begun or ended, or of which more is known.
    pub(super) fn observe(
        &mut self,
        (now, at): (Instant, SystemTime),
        verdict: &Verdict,
        bad: u64,
    ) -> Vec<Incident> {
        let passed = self.looked.map_or(Duration::ZERO, |looked| now.saturating_duration_since(looked));
        self.looked = Some(now);
        // This process did not run meanwhile, so it is not known how the incident went on.
        let interrupted = if passed > LONGEST { self.end(Ending::Interrupted) } else { None };
        let suspects = verdict.diagnosis.iter().flat_map(|diagnosis| &diagnosis.suspects);
        let likely = suspects.filter(|suspect| suspect.confidence >= Confidence::Likely);
        // What this process itself cannot do is no incident of the cluster.
        let likely = likely.filter(|suspect| suspect.kind != Kind::Prober);
        let is_down = verdict.state == State::Down;
        if bad > 0 || is_down || likely.clone().next().is_some() {
            let changed = self.goes_on(at, is_down, bad, likely);
            return interrupted.into_iter().chain(changed).collect();
        }
        let is_measuring = verdict.state != State::ProberFault;
        let is_over = self.open.as_mut().is_some_and(|(_, calm)| {
            *calm += if is_measuring { passed } else { Duration::ZERO };
            *calm >= QUIET
        });
        let ended = if is_over { self.end(Ending::Over) } else { None };
        interrupted.into_iter().chain(ended).collect()
    }

    /// Something is wrong: an incident begins or goes on. Returns it if it has begun, or if more is known of it.
    fn goes_on<'a>(
        &mut self,
        at: SystemTime,
        is_down: bool,
        bad: u64,
        likely: impl Iterator<Item = &'a Suspect> + Clone,
    ) -> Option<Incident> {
        let mut has_changed = self.open.is_none();
        let ended_ms = self.ended_ms;
        let (incident, calm) = self.open.get_or_insert_with(|| {
            // A suspect may have been a mere hint for hours.
            let earliest = at.checked_sub(HINT).unwrap_or(at);
            let begin = likely.clone().map(|suspect| suspect.since.clamp(earliest, at)).min();
            (Incident::at(unix_ms(begin.unwrap_or(at)).max(ended_ms.saturating_add(1))), Duration::ZERO)
        });
        *calm = Duration::ZERO;
        incident.end_ms = incident.end_ms.max(unix_ms(at));
        incident.bad = incident.bad.saturating_add(bad);
        has_changed |= is_down && !incident.was_down;
        incident.was_down |= is_down;
        for suspect in likely {
            has_changed |= incident.blame(suspect);
        }
        has_changed.then(|| incident.clone())
    }

    /// The incident that lasts, as it is known now.
    pub(super) fn lasting(&self) -> Option<Incident> {
        self.open.as_ref().map(|(incident, _)| incident.clone())
    }

    /// Ends the incident that lasts.
    pub(super) fn end(&mut self, ending: Ending) -> Option<Incident> {
        let (incident, _) = self.open.take()?;
        self.ended_ms = incident.end_ms;
        Some(Incident { ending, ..incident })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::Diagnosis;

    fn at(second: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + second)
    }

    /// A clock that shows both times of the same moment.
    struct Clock(Instant);

    impl Clock {
        fn at(&self, second: u64) -> (Instant, SystemTime) {
            (self.0 + Duration::from_secs(second), at(second))
        }
    }

    fn one(incidents: Vec<Incident>) -> Incident {
        let [incident] = incidents.try_into().expect("one incident");
        incident
    }

    fn verdict(state: State, suspects: &[(&str, Confidence)]) -> Verdict {
        let suspect = |(subject, confidence): &(&str, Confidence)| Suspect {
            kind: if subject.is_empty() { Kind::Prober } else { Kind::Broker },
            subject: (*subject).to_owned(),
            confidence: *confidence,
            since: at(8),
            headline: format!("Broker {subject} does not answer"),
            evidence: vec!["2 sessions failed one after the other\u{1b}[31m".to_owned()],
            against: Vec::new(),
            confirm: "",
        };
        let suspects = suspects.iter().map(suspect).collect();
        Verdict {
            state,
            diagnosis: Some(Diagnosis { suspects, unexplained: Vec::new() }),
            ..Verdict::unknown()
        }
    }

    /// Looks once a second at a verdict. Returns what the last look returned.
    fn look(
        watch: &mut Watch,
        clock: &Clock,
        seconds: std::ops::RangeInclusive<u64>,
        verdict: &Verdict,
    ) -> Vec<Incident> {
        seconds.map(|second| watch.observe(clock.at(second), verdict, 0)).last().expect("a second")
    }

    #[test]
    fn incident_lasts_from_its_first_suspect_until_nothing_was_wrong_for_a_minute() {
        let (mut watch, clock) = (Watch::after(0), Clock(Instant::now()));
        let (calm, likely) = (verdict(State::Ok, &[]), verdict(State::Ok, &[("3", Confidence::Likely)]));
        let missing = verdict(State::Degraded, &[("2", Confidence::Suspected)]);
        assert_eq!(look(&mut watch, &clock, 1..=9, &missing), [], "a planned restart is no incident");
        let begun = one(watch.observe(clock.at(10), &likely, 0));
        assert_eq!((begun.begin_ms, begun.ending), (unix_ms(at(8)), Ending::Lasts));
        assert_eq!(
            begun.suspects[0].evidence,
            [text::plain("2 sessions failed one after the other\u{1b}[31m")]
        );
        let down = verdict(State::Down, &[("3", Confidence::Certain), ("1", Confidence::Likely)]);
        let known = one(watch.observe(clock.at(11), &down, 5));
        assert_eq!(
            known.suspects.iter().map(|one| &*one.confidence).collect::<Vec<_>>(),
            ["certain", "likely"]
        );
        assert!(known.was_down);
        assert_eq!(watch.observe(clock.at(12), &likely, 2), []);
        assert_eq!(look(&mut watch, &clock, 13..=71, &calm), []);
        let over = one(watch.observe(clock.at(72), &calm, 0));
        assert_eq!((over.ending, over.end_ms, over.bad), (Ending::Over, unix_ms(at(12)), 7));
        assert_eq!(over.duration(), Duration::from_secs(4));
        assert_eq!(watch.observe(clock.at(73), &calm, 0), []);
    }

    #[test]
    fn incident_begins_at_most_two_seconds_before_its_suspect_is_likely_and_after_the_last_incident() {
        let (mut watch, clock) = (Watch::after(0), Clock(Instant::now()));
        let likely = verdict(State::Ok, &[("3", Confidence::Likely)]);
        let late = one(watch.observe(clock.at(1000), &likely, 0));
        assert_eq!(late.begin_ms, unix_ms(at(998)), "the suspect was a hint since second 8");
        let first = watch.end(Ending::Over).expect("it lasted");
        let second = one(watch.observe(clock.at(1001), &likely, 0));
        assert_eq!(second.begin_ms, first.end_ms + 1, "no incident replaces another one");
    }

    #[test]
    fn fault_of_this_process_is_no_incident_and_no_quiet_time() {
        let (mut watch, clock) = (Watch::after(0), Clock(Instant::now()));
        let own = verdict(State::ProberFault, &[("", Confidence::Certain)]);
        assert_eq!(look(&mut watch, &clock, 1..=9, &own), []);
        one(watch.observe(clock.at(10), &verdict(State::Ok, &[("3", Confidence::Likely)]), 0));
        assert_eq!(look(&mut watch, &clock, 11..=100, &own), [], "nothing is known of the cluster");
        let calm = verdict(State::Ok, &[]);
        assert_eq!(look(&mut watch, &clock, 101..=159, &calm), []);
        let over = one(watch.observe(clock.at(160), &calm, 0));
        assert_eq!((over.ending, over.end_ms), (Ending::Over, unix_ms(at(10))));
    }

    #[test]
    fn incident_is_interrupted_if_this_process_did_not_run_meanwhile() {
        let (mut watch, clock) = (Watch::after(0), Clock(Instant::now()));
        let likely = verdict(State::Ok, &[("3", Confidence::Likely)]);
        one(watch.observe(clock.at(10), &likely, 1));
        let incidents = watch.observe(clock.at(3600), &likely, 1);
        let endings: Vec<_> = incidents.iter().map(|one| (one.ending, one.end_ms)).collect();
        assert_eq!(endings, [(Ending::Interrupted, unix_ms(at(10))), (Ending::Lasts, unix_ms(at(3600)))]);
        assert_eq!(incidents[1].begin_ms, unix_ms(at(3598)));
    }

    #[test]
    fn incident_is_read_again_from_its_row_and_a_damaged_row_is_left_out() {
        let (mut watch, clock) = (Watch::after(0), Clock(Instant::now()));
        watch.observe(clock.at(10), &verdict(State::Ok, &[("3", Confidence::Likely)]), 1);
        let incident = watch.end(Ending::Interrupted).expect("it lasted");
        assert_eq!(Incident::from_row(&incident.row()).as_ref(), Some(&incident));
        let lasting = Incident { ending: Ending::Lasts, ..incident.clone() };
        assert_eq!(Incident::from_row(&lasting.row()), Some(incident.clone()), "its service has stopped");
        let row = incident.row();
        assert_eq!(Incident::from_row(&IncidentRow { begin_ms: 5, ..row.clone() }), None);
        assert_eq!(Incident::from_row(&IncidentRow { body: "{}".to_owned(), ..row }), None);
    }
}
