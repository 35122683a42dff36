//! How old the next record is that a group will read, by the most exact source.
//!
//! Our own samples of the log end ([`crate::collect::history`]) if they are exact enough; else the header of the record batch
//! ([`super::batches`]); else a search ([`super::search`]); else our own samples, however inexact.

use std::{collections::BTreeSet, time::Duration};

use super::{
    batches::{NEAR_LOG_END, RecordBatches, TopicBatches},
    search::{Searches, TopicSearches},
};
use crate::{
    cluster::{Ends, OffsetSet},
    collect::{
        time_lag::{NOTHING_UNREAD, TimeLag},
        topics,
    },
    config,
};

/// The sources of ages.
pub(crate) struct Sources<'a> {
    pub(crate) topics: &'a topics::WatchedTopics,
    pub(crate) batches: &'a RecordBatches,
    pub(crate) searches: &'a Searches,
    /// The time by our own clock.
    pub(crate) now: Duration,
    /// The same time in milliseconds since 1970.
    pub(crate) now_ms: i64,
}

/// The sources of ages for one topic.
pub(crate) struct TopicAges<'a> {
    logs: Option<topics::Logs<'a>>,
    batches: TopicBatches<'a>,
    searches: TopicSearches<'a>,
    now: Duration,
    now_ms: i64,
}

impl<'a> TopicAges<'a> {
    pub(crate) fn of(sources: &Sources<'a>, topic: &str) -> Self {
        Self {
            logs: sources.topics.of(topic),
            batches: sources.batches.of(topic),
            searches: sources.searches.of(topic),
            now: sources.now,
            now_ms: sources.now_ms,
        }
    }

    pub(crate) fn log(&self, partition: i32) -> Option<topics::Log<'a>> {
        self.logs?.log(partition)
    }

    /// How old the next record to be read is: by our own samples if their error is at most `max_error`, else by the most exact
    /// source. Absent if no source knows the record.
    pub(crate) fn age(
        &self,
        partition: i32,
        committed: i64,
        log: topics::Log<'_>,
        max_error: Duration,
    ) -> Option<TimeLag> {
        if log.ends.end.is_some_and(|end| self.batches.is_read(partition, committed, end)) {
            return Some(NOTHING_UNREAD);
        }
        let offset = unread(committed, log.ends)?;
        let sampled = log.age(offset, self.now, max_error);
        if let Some((age, true)) = sampled {
            return Some(age);
        }
        let record = self.batches.age(partition, offset, self.now_ms);
        if record.is_some_and(|record| record.error == Some(Duration::ZERO)) {
            return record;
        }
        let found = self.searches.age(partition, offset, self.now_ms);
        record.into_iter().chain(found).min_by_key(|age| age.error).or(sampled.map(|(age, _)| age))
    }
}

/// Committed offsets so near to the log end that there may be only control batches between.
pub(crate) fn near_log_end(committed: &OffsetSet, topics: &topics::WatchedTopics) -> OffsetSet {
    select(committed, topics, |_| {
        |_, offset, log| {
            let Ends { start: Some(start), end: Some(end) } = log.ends else { return None };
            (offset >= start && (1..=NEAR_LOG_END).contains(&(end - offset))).then_some(offset)
        }
    })
}

/// Offsets of the next records whose age our own samples do not give, or not exactly enough.
pub(crate) fn undated(
    committed: &OffsetSet,
    topics: &topics::WatchedTopics,
    batches: &RecordBatches,
    settings: &config::Lag,
    now: Duration,
) -> OffsetSet {
    select(committed, topics, |topic| {
        let batches = batches.of(topic);
        move |partition, committed, log| {
            let offset = unread(committed, log.ends)?;
            let known = log.age(offset, now, settings.max_error).is_some_and(|(_, good)| good);
            let read = log.ends.end.is_some_and(|end| batches.is_read(partition, committed, end));
            (!known && !read).then_some(offset)
        }
    })
}

/// The offsets that `choose` makes of the committed offsets of each topic.
fn select<'a, F>(
    committed: &OffsetSet,
    topics: &'a topics::WatchedTopics,
    choose: impl Fn(&str) -> F,
) -> OffsetSet
where
    F: Fn(i32, i64, topics::Log<'a>) -> Option<i64>,
{
    let mut places = OffsetSet::new();
    for (topic, offsets) in committed {
        let Some(logs) = topics.of(topic) else { continue };
        let choose = choose(topic);
        let chosen = offsets.iter().filter_map(|(partition, offset)| {
            Some((*partition, choose(*partition, *offset, logs.log(*partition)?)?))
        });
        let chosen: BTreeSet<_> = chosen.collect();
        if !chosen.is_empty() {
            places.insert(topic.clone(), chosen);
        }
    }
    places
}

/// The offset of the next record to be read; absent if all records are read. If records were deleted unread, the first record
/// that is left counts.
fn unread(committed: i64, ends: Ends) -> Option<i64> {
    let (start, end) = (ends.start?, ends.end?);
    let offset = committed.max(start);
    (offset < end).then_some(offset)
}
