//! The table of topics.

use std::{cmp::Reverse, sync::Arc, time::SystemTime};

use super::{rows::Rows, words::before};
use crate::{
    board::Readings,
    clock::from_unix_ms,
    collect::{freshness::State, topics::Topic},
};

pub(super) struct TopicRow {
    pub(super) name: String,
    pub(super) state: &'static str,
    pub(super) age: String,
    pub(super) appended: String,
    pub(super) rate: String,
    pub(super) partitions: usize,
    pub(super) bad: bool,
}

/// Topics whose names hold `search`: those in trouble first, then those that have been silent for longest.
pub(super) fn topics(
    readings: &Readings,
    search: &str,
    skip: usize,
    limit: usize,
    now: SystemTime,
) -> Rows<TopicRow> {
    let Some(snapshot) = readings.collect.fresh() else { return Rows::default() };
    let mut found: Vec<_> = snapshot.topics.iter().filter(|(name, _)| name.contains(search)).collect();
    found.sort_by_key(|(name, topic)| {
        let state = topic.freshness.map(|found| found.state);
        let date = topic.freshness.and_then(|found| found.newest_ms);
        (Reverse(state.is_some_and(in_trouble)), date.is_none(), date, (*name).clone())
    });
    let count = found.len();
    let rows = found.into_iter().skip(skip).take(limit).map(|(name, topic)| topic_row(name, topic, now));
    Rows { rows: rows.collect(), count }
}

fn in_trouble(state: State) -> bool {
    matches!(state, State::Error | State::Future)
}

fn topic_row(name: &Arc<str>, topic: &Topic, now: SystemTime) -> TopicRow {
    let found = topic.freshness;
    let newest = found.and_then(|found| found.newest_ms);
    let newest = newest.and_then(from_unix_ms);
    let or_none = |words: Option<String>| words.unwrap_or_else(|| "–".to_owned());
    TopicRow {
        name: name.to_string(),
        state: found.map_or("not watched", |found| found.state.as_str()),
        age: or_none(newest.map(|at| before(at, now))),
        appended: or_none(found.and_then(|found| found.appended_at).map(|at| before(at, now))),
        rate: or_none(topic.rate.map(|rate| format!("{rate:.1}/s"))),
        partitions: topic.partitions.len(),
        bad: found.is_some_and(|found| in_trouble(found.state)),
    }
}
