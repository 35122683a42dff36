//! The table of topics.

use std::{cmp::Reverse, sync::Arc, time::SystemTime};

use super::{
    rows::Rows,
    words::{UNKNOWN, before},
};
use crate::{
    board::Readings,
    clock::from_unix_ms,
    collect::{freshness::State, topics::Topic},
};

/// A topic in words.
pub(super) struct TopicRow {
    pub(super) name: String,
    pub(super) state: &'static str,
    /// The age of the newest record, by its timestamp.
    pub(super) newest: String,
    /// How long ago a log end was seen to move.
    pub(super) appended: String,
    pub(super) rate: String,
    pub(super) partitions: usize,
    pub(super) bad: bool,
}

/// Topics whose names hold `search`: those in trouble first, then those whose newest record is the oldest.
pub(super) fn topics(
    readings: &Readings,
    search: &str,
    skip: usize,
    limit: usize,
    now: SystemTime,
) -> Rows<TopicRow> {
    let is_collected = readings.settings.freshness.enabled || readings.settings.lag.enabled;
    let Some(snapshot) = readings.collect.fresh() else {
        return Rows::not_known(is_collected, readings.collect.waits);
    };
    let mut found: Vec<_> = snapshot.topics.iter().filter(|(name, _)| name.contains(search)).collect();
    found.sort_by_key(|(name, topic)| {
        let state = topic.freshness.map(|found| found.state);
        let date = topic.freshness.and_then(|found| found.newest_ms);
        (Reverse(state.is_some_and(in_trouble)), date.is_none(), date, (*name).clone())
    });
    let count = found.len();
    let rows = found.into_iter().skip(skip).take(limit).map(|(name, topic)| topic_row(name, topic, now));
    Rows { rows: rows.collect(), count, empty: is_collected.then_some("There is no such topic.") }
}

/// What is known of the age of a topic.
fn state(state: State) -> &'static str {
    match state {
        State::Ok => "ok",
        State::Empty => "never written",
        State::Drained => "every record has expired",
        State::Future => "newest timestamp is in the future",
        State::Unknown => "age not known",
        State::Error => "request failed",
    }
}

/// Whether the age of a topic is not known for a reason that an operator should look into.
fn in_trouble(state: State) -> bool {
    matches!(state, State::Error | State::Future)
}

fn topic_row(name: &Arc<str>, topic: &Topic, now: SystemTime) -> TopicRow {
    let found = topic.freshness;
    let newest = found.and_then(|found| found.newest_ms);
    let newest = newest.and_then(from_unix_ms);
    let none = match found.map(|found| found.state) {
        Some(State::Empty | State::Drained) => "none",
        _ => UNKNOWN,
    };
    let appended = found.and_then(|found| found.appended_at);
    TopicRow {
        name: name.to_string(),
        state: found.map_or("not watched", |found| state(found.state)),
        newest: newest.map_or_else(|| none.to_owned(), |at| before(at, now)),
        appended: appended.map_or_else(|| "none seen yet".to_owned(), |at| before(at, now)),
        rate: topic.rate.map_or_else(|| UNKNOWN.to_owned(), |rate| format!("{rate:.1} records/s")),
        partitions: topic.partitions.len(),
        bad: found.is_some_and(|found| in_trouble(found.state)),
    }
}
