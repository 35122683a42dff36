//! The transactions that the service runs.

use std::time::SystemTime;

use super::words::{UNKNOWN, ago};
use crate::{
    board::{Readings, Task},
    kafka::{BrokerId, Capability},
    probe::transaction_probe::{Exposed, Outcome, Snapshot},
};

/// The transactions in words.
pub(super) struct Transactions {
    /// How many were committed and aborted, and how many failed.
    pub(super) words: String,
    /// Facts about them, each with whether it is bad.
    pub(super) rows: Vec<(&'static str, String, bool)>,
}

/// The transactions of the service; `None` if none is run.
pub(super) fn transactions(readings: &Readings, wall: SystemTime) -> Option<Transactions> {
    if !Task::TransactionProbe.runs(&readings.settings) {
        return None;
    }
    let Some(snapshot) = readings.transaction_probe.fresh() else {
        return Some(Transactions { words: UNKNOWN.to_owned(), rows: Vec::new() });
    };
    let counts = &snapshot.counts;
    let bad: u64 = Outcome::ALL.into_iter().filter(|one| one.is_bad()).map(|one| counts.of(one)).sum();
    let words = format!(
        "{} committed, {} aborted on purpose, {bad} failed",
        counts.of(Outcome::Committed),
        counts.of(Outcome::Aborted)
    );
    Some(Transactions { words, rows: rows(snapshot, wall) })
}

fn rows(snapshot: &Snapshot, wall: SystemTime) -> Vec<(&'static str, String, bool)> {
    let id = format!("{}, which writes to the topic {}", snapshot.id, snapshot.topic);
    let mut rows = vec![("transactional id", id, false)];
    if let Some(last) = &snapshot.last {
        let broker =
            |broker: Option<BrokerId>| broker.map_or("not known".to_owned(), |broker| broker.to_string());
        let words = format!(
            "{}, {} ago; coordinator {}, leader of the partition {}",
            last.words(),
            ago(last.at, wall),
            broker(last.coordinator),
            broker(last.leader)
        );
        rows.push(("last transaction", words, last.outcome.is_bad()));
    }
    if let Some(failing) = &snapshot.failing {
        let words = format!("{} in a row, the first {} ago", failing.times, ago(failing.since, wall));
        rows.push(("failing", words, true));
    }
    if snapshot.is_fenced {
        let words = "another instance uses the same transactional id: give each instance one of its own";
        rows.push(("fenced", words.to_owned(), true));
    }
    if snapshot.capability == Capability::Denied {
        rows.push((
            "denied",
            "the principal lacks a permission, so no transaction is begun".to_owned(),
            true,
        ));
    }
    if let Some(newest) = snapshot.exposed.since(0).next_back() {
        let Exposed { partition, offset, at } = newest.as_ref();
        let words = format!(
            "{} so far; the newest in partition {partition} at offset {offset}, read {} ago",
            snapshot.exposed.total(),
            ago(*at, wall)
        );
        rows.push(("aborted records that were visible", words, true));
    }
    rows
}
