//! How old the next record is that a group will read, by the source that knows it best.
//!
//! Our own samples ([`crate::collect::history`]) where they know it well; else the record's own head ([`super::batches`]);
//! else a search ([`super::search`]); else what our samples say, however little that is.

use std::{collections::BTreeSet, time::Duration};

use super::{
    batches::{self as heads, Heads},
    search::{self, Searches},
};
use crate::{
    cluster::{Ends, OffsetSet},
    collect::{
        time_lag::{NOTHING_UNREAD, TimeLag},
        topics,
    },
    config,
};

/// What tells how old an offset is.
pub(crate) struct Sources<'a> {
    pub(crate) topics: &'a topics::Watched,
    pub(crate) heads: &'a Heads,
    pub(crate) searches: &'a Searches,
    /// On our own clock.
    pub(crate) now: Duration,
    /// Milliseconds since 1970.
    pub(crate) now_ms: i64,
}

/// What is known of one topic.
pub(crate) struct Dates<'a> {
    logs: Option<topics::Logs<'a>>,
    heads: heads::Of<'a>,
    searches: search::Of<'a>,
    now: Duration,
    now_ms: i64,
}

impl<'a> Dates<'a> {
    pub(crate) fn of(sources: &Sources<'a>, topic: &str) -> Self {
        Self {
            logs: sources.topics.of(topic),
            heads: sources.heads.of(topic),
            searches: sources.searches.of(topic),
            now: sources.now,
            now_ms: sources.now_ms,
        }
    }

    pub(crate) fn log(&self, partition: i32) -> Option<topics::Log<'a>> {
        self.logs?.log(partition)
    }

    /// How old the next record to be read is: by our own samples if they know it well, else by the source that
    /// knows it best.
    pub(crate) fn age(
        &self,
        partition: i32,
        committed: i64,
        log: topics::Log<'_>,
        max_error: Duration,
    ) -> Option<TimeLag> {
        if log.ends.end.is_some_and(|end| self.heads.is_read(partition, committed, end)) {
            return Some(NOTHING_UNREAD);
        }
        let offset = unread(committed, log.ends)?;
        let poor = match log.age(offset, self.now, max_error) {
            Some((age, true)) => return Some(age),
            poor => poor.map(|(age, _)| age),
        };
        let record = self.heads.age(partition, offset, self.now_ms);
        if record.is_some_and(|record| record.error == Some(Duration::ZERO)) {
            return record;
        }
        let found = self.searches.age(partition, offset, self.now_ms);
        record.into_iter().chain(found).min_by_key(|age| age.error).or(poor)
    }
}

/// Commits so near to the end that nothing but markers may lie between.
pub(crate) fn almost(committed: &OffsetSet, topics: &topics::Watched) -> OffsetSet {
    select(committed, topics, |_| {
        |_, offset, log| {
            let Ends { start: Some(start), end: Some(end) } = log.ends else { return None };
            (offset >= start && (1..=heads::ALMOST).contains(&(end - offset))).then_some(offset)
        }
    })
}

/// Offsets of whose age our own samples know nothing, or too little.
pub(crate) fn unclear(
    committed: &OffsetSet,
    topics: &topics::Watched,
    heads: &Heads,
    settings: &config::Lag,
    now: Duration,
) -> OffsetSet {
    select(committed, topics, |topic| {
        let heads = heads.of(topic);
        move |partition, committed, log| {
            let offset = unread(committed, log.ends)?;
            let known = log.age(offset, now, settings.max_error).is_some_and(|(_, good)| good);
            let read = log.ends.end.is_some_and(|end| heads.is_read(partition, committed, end));
            (!known && !read).then_some(offset)
        }
    })
}

/// Of each topic those offsets that `choose` makes of the committed ones.
fn select<'a, F>(committed: &OffsetSet, topics: &'a topics::Watched, choose: impl Fn(&str) -> F) -> OffsetSet
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

/// The offset of the next record to be read, if there is one and it is still there: of records that are lost,
/// the first that is left counts.
fn unread(committed: i64, ends: Ends) -> Option<i64> {
    let (start, end) = (ends.start?, ends.end?);
    let offset = committed.max(start);
    (offset < end).then_some(offset)
}
