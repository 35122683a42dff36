//! What the cluster should refuse.

use std::time::SystemTime;

use super::words::{UNKNOWN, ago, count};
use crate::{
    board::{Readings, Task},
    kafka::Stranger,
    probe::negative_checks::{Answer, Check, Snapshot},
};

/// The negative checks in words.
pub(super) struct NegativeChecks {
    /// Whether everything was refused.
    pub(super) words: String,
    /// Each check with the answers of the brokers, and whether one of them accepted it.
    pub(super) rows: Vec<(&'static str, String, bool)>,
    /// What is accepted, as sentences.
    pub(super) accepted: Vec<String>,
}

/// What the brokers refuse and accept; `None` if it is not tried.
pub(super) fn negative_checks(readings: &Readings, wall: SystemTime) -> Option<NegativeChecks> {
    if !Task::NegativeChecks.runs(&readings.settings) {
        return None;
    }
    let Some(snapshot) = readings.negative_checks.fresh() else {
        return Some(NegativeChecks { words: UNKNOWN.to_owned(), rows: Vec::new(), accepted: Vec::new() });
    };
    let rows: Vec<_> = Check::all().filter_map(|check| row(snapshot, check)).collect();
    let accepted = snapshot.accepted.iter().map(|((broker, attempt), since)| {
        format!("Broker {broker} has accepted {attempt} for {}.", ago(*since, wall))
    });
    let accepted: Vec<_> = accepted.collect();
    let words = match (rows.is_empty(), accepted.len()) {
        (true, _) => "there is nothing to try with these settings".to_owned(),
        (false, 0) => "nothing was accepted that should be refused".to_owned(),
        (false, some) => format!("{} accepted", count(i128::try_from(some).unwrap_or(i128::MAX), "attempt")),
    };
    Some(NegativeChecks { words, rows, accepted })
}

/// A check with the number of brokers that gave each answer; `None` if no broker has an answer.
fn row(snapshot: &Snapshot, check: Check) -> Option<(&'static str, String, bool)> {
    let name = match check {
        Check::Session(Stranger::Anonymous) => "session without a login",
        Check::Session(Stranger::WrongPassword) => "login with a wrong password",
        Check::Session(Stranger::Plaintext) => "session without TLS",
        Check::ForbiddenTopic => "use of forbidden topics",
    };
    let answers: Vec<_> = snapshot.brokers.keys().filter_map(|id| snapshot.answer(*id, check)).collect();
    let given = |answer: Answer| answers.iter().filter(|given| **given == answer).count();
    let (refused, accepted, unknown) =
        (given(Answer::Refused), given(Answer::Accepted), given(Answer::Unknown));
    let mut words = format!("refused by {refused} of {} brokers", answers.len());
    if accepted > 0 {
        words += &format!(", accepted by {accepted}");
    }
    if unknown > 0 {
        words += &format!(", not known of {unknown}");
    }
    (!answers.is_empty()).then_some((name, words, accepted > 0))
}
