//! What is remembered of a topic and of each of its partitions from one cycle to the next.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use crate::{
    cluster::{Api, Ends, Faults, Tiers},
    collect::{freshness::Newest, history::History},
    kafka::{Fault, TopicId, admin::FoundOffset},
};

/// What is remembered of a topic.
#[derive(Debug, Default)]
pub(super) struct TopicMemory {
    /// Kafka's id of the topic; absent with brokers before 2.8.
    pub(super) id: Option<TopicId>,
    pub(super) compacted: bool,
    pub(super) partitions: BTreeMap<i32, PartitionMemory>,
    /// Records that were appended since the topic is watched.
    pub(super) appended: u64,
    /// When a cycle last found more records than the cycle before.
    pub(super) appended_at: Option<SystemTime>,
    /// Newest timestamps that lay in the future, each counted once.
    pub(super) future: u64,
    /// The last cycle that knew all log ends.
    pub(super) rate: Option<RateSample>,
    /// How many answers in a row did not list the topic.
    pub(super) missed: u8,
}

/// How many records had been appended to a topic by the time of a cycle.
#[derive(Debug, Clone, Copy)]
pub(super) struct RateSample {
    at: Duration,
    appended: u64,
    /// Records a second since the cycle before; absent if that one did not know all log ends.
    pub(super) per_second: Option<f64>,
}

/// What is remembered of a partition.
#[derive(Debug, Default)]
pub(super) struct PartitionMemory {
    /// The log start offset and the high watermark.
    pub(super) ends: Ends,
    /// The last stable offset; absent unless lag counts to it.
    pub(super) stable: Option<i64>,
    /// Where the log lies; absent unless the topic is tiered.
    pub(super) tiers: Option<Tiers>,
    /// The last high watermark that was known.
    pub(super) last: Option<i64>,
    pub(super) history: History,
    /// Whether the history has new samples since it was last saved.
    pub(super) changed: bool,
    pub(super) newest: Newest,
    /// Why the ends are not known.
    pub(super) fault: Option<Fault>,
}

/// What the leader of one partition answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answers {
    pub(super) end: Result<Option<FoundOffset>, Fault>,
    pub(super) start: Result<Option<FoundOffset>, Fault>,
    pub(super) stable: Result<Option<FoundOffset>, Fault>,
}

impl PartitionMemory {
    /// Takes in both ends of the log. Returns the number of records that were appended since the cycle before; absent if the log
    /// was truncated: other records may come in place of those that were cut off.
    pub(super) fn take_in(&mut self, answers: Answers, now: Duration, faults: &mut Faults) -> Option<u64> {
        let fault = answers.end.err().or(answers.start.err());
        let mut offset = |found: Result<Option<FoundOffset>, Fault>| {
            Some(found.map_err(|fault| faults.count(Api::ListOffsets, fault)).ok()??.offset)
        };
        let end = offset(answers.end);
        let start = offset(answers.start);
        self.stable = offset(answers.stable);
        self.ends = Ends { start, end };
        self.fault = fault;
        let before = self.last;
        self.last = end.or(before);
        let is_truncated = end.zip(before).is_some_and(|(end, before)| end < before);
        if is_truncated {
            self.newest = Newest::default();
        }
        if let Some(end) = end {
            self.changed |= self.history.add(now, end);
            start.into_iter().for_each(|start| self.newest.begins(start));
            if start.is_some_and(|start| start >= end) {
                self.newest.emptied(end);
            }
        }
        if is_truncated {
            return None;
        }
        Some(end.zip(before).map_or(0, |(end, before)| u64::try_from(end - before).unwrap_or(0)))
    }

    /// Whether the leader is to be asked for the newest timestamp.
    pub(super) fn wants_newest(&mut self, now: Duration, latest_ms: i64) -> bool {
        let Ends { start, end: Some(end) } = self.ends else { return false };
        let holds_records = start.is_none_or(|start| start < end);
        holds_records && self.newest.is_wanted(self.ends, now, latest_ms)
    }
}

impl TopicMemory {
    /// Computes the rate since the cycle before. While a log end is not known there is no rate: records that were appended
    /// meanwhile would count for a later cycle.
    pub(super) fn note_rate(&mut self, now: Duration) {
        if self.partitions.values().any(|partition| partition.ends.end.is_none()) {
            self.rate = None;
            return;
        }
        let per_second = self.rate.and_then(|before| {
            let seconds = now.checked_sub(before.at)?.as_secs_f64();
            (seconds > 0.0).then(|| (self.appended - before.appended) as f64 / seconds)
        });
        self.rate = Some(RateSample { at: now, appended: self.appended, per_second });
    }
}
