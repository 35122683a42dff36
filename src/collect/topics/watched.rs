//! What is remembered of each watched topic, and what a cycle found of it.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::row::HistoryRow;
use crate::{
    cluster::{Api, Ends, Faults, OffsetSet, latest_ms, metadata},
    collect::{
        freshness::{self, BatchDates, Freshness, Newest},
        history::History,
        time_lag::{NOTHING_UNREAD, TimeLag},
    },
    config::{self, Isolation},
    kafka::{
        Fault, TopicId,
        admin::{self, ByLeader, FoundOffset, FoundOffsets},
    },
};

/// How far from a log's end its newest record is looked for: the end may be markers, or holes of compaction.
pub(crate) const STEPS_BACK: [i64; 3] = [1, 8, 64];

/// A topic as it was last seen.
#[derive(Debug, Clone)]
pub struct Topic {
    /// By number.
    pub partitions: BTreeMap<i32, Partition>,
    /// How old it is; absent for a topic that freshness does not watch.
    pub freshness: Option<Freshness>,
    /// `cleanup.policy` has `compact` in it: offsets may be without a record.
    pub compacted: bool,
    /// Records appended since the topic is watched.
    pub appended: u64,
    /// Records a second between the last two looks.
    pub rate: Option<f64>,
    /// Newest timestamps that lay in the future, since the topic is watched.
    pub future: u64,
}

/// A partition as it was last seen.
#[derive(Debug, Clone, Copy)]
pub struct Partition {
    /// Both ends, as far as they are known: the end is the high watermark.
    pub ends: Ends,
    /// The last stable offset, where lag is counted to it: what comes later is of an open transaction.
    pub stable: Option<i64>,
    /// The newest timestamp of a record that does not lie in the future, in milliseconds since 1970.
    pub newest_ms: Option<i64>,
}

/// What the leaders answered about the ends of their logs.
#[derive(Debug)]
pub(crate) struct LogOffsets {
    /// The high watermarks.
    pub(crate) latest: FoundOffsets,
    /// The log start offsets.
    pub(crate) earliest: FoundOffsets,
    /// The last stable offsets; empty if lag does not count to them.
    pub(crate) last_stable: FoundOffsets,
}

/// What the leader of one partition answered.
#[derive(Debug, Clone, Copy)]
struct Answers {
    end: Result<Option<FoundOffset>, Fault>,
    start: Result<Option<FoundOffset>, Fault>,
    stable: Result<Option<FoundOffset>, Fault>,
}

/// The ends of the logs have been taken in: only then can newest timestamps be.
#[derive(Debug)]
pub(crate) struct Observed {
    moved: ByLeader,
}

impl Observed {
    /// The partitions of these topics whose newest record is another one than in the cycle before.
    pub(crate) fn moved(&mut self, is_wanted: impl Fn(&str) -> bool) -> &ByLeader {
        for topics in self.moved.values_mut() {
            topics.retain(|name, _| is_wanted(name));
        }
        self.moved.retain(|_, topics| !topics.is_empty());
        &self.moved
    }
}

/// Partitions without a leader.
pub(crate) type Leaderless = Vec<(Arc<str>, i32)>;

/// Everything that is remembered of topics.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    pub(super) topics: BTreeMap<Arc<str>, Memory>,
    /// Of deleted topics, to be forgotten in the file too.
    pub(super) gone: Vec<HistoryRow>,
    anew: Vec<Arc<str>>,
    /// The offset up to which lag is counted.
    isolation: Isolation,
}

#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) id: Option<TopicId>,
    pub(super) compacted: bool,
    pub(super) partitions: BTreeMap<i32, Seen>,
    pub(super) appended: u64,
    pub(super) appended_at: Option<SystemTime>,
    /// Newest timestamps that lay in the future, each counted once.
    pub(super) future: u64,
    /// Two looks: when, and how many records were appended by then.
    pub(super) rate: Option<(Duration, u64, Option<f64>)>,
    /// Answers of the cluster in a row that did not list it.
    pub(super) missed: u8,
}

#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) ends: Ends,
    pub(super) stable: Option<i64>,
    /// The last end that was known.
    pub(super) last: Option<i64>,
    pub(super) history: History,
    /// Since it was last saved.
    pub(super) changed: bool,
    pub(super) newest: Newest,
    pub(super) fault: Option<Fault>,
}

/// What is known of a topic's logs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Logs<'a>(&'a Memory, Isolation);

impl<'a> Logs<'a> {
    pub(crate) fn log(self, partition: i32) -> Option<Log<'a>> {
        let seen = self.0.partitions.get(&partition)?;
        // Asked for at the same time, the last stable offset may be a moment younger.
        let end = match self.1 {
            Isolation::ReadCommitted => seen.stable.map(|stable| stable.min(seen.ends.end.unwrap_or(stable))),
            Isolation::ReadUncommitted => seen.ends.end,
        };
        let ends = Ends { end, ..seen.ends };
        Some(Log { ends, high: seen.ends.end, history: &seen.history, poor: self.0.compacted })
    }
}

/// What is known of a partition's log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Log<'a> {
    /// Both ends, as lag counts them.
    pub(crate) ends: Ends,
    /// The high watermark.
    pub(crate) high: Option<i64>,
    history: &'a History,
    poor: bool,
}

impl Log<'_> {
    /// Both ends for who stands there. Whoever reads what is not committed yet may be past the last stable offset,
    /// and has nothing left to read.
    pub(crate) fn ends_for(&self, committed: i64) -> Ends {
        let read = self.high.map(|high| committed.min(high));
        Ends { end: self.ends.end.map(|end| end.max(read.unwrap_or(end))), ..self.ends }
    }

    /// How old the record at an offset is by our own samples, and whether that is as good as wanted. Of a
    /// compacted log it never is: the record may be gone, and a younger one the next to be read.
    pub(crate) fn age(&self, offset: i64, now: Duration, max_error: Duration) -> Option<(TimeLag, bool)> {
        let age = self.history.age(offset, now)?;
        let error = age.error.filter(|_| !self.poor);
        Some((TimeLag { error, ..age }, error.is_some_and(|error| error <= max_error)))
    }
}

impl Watched {
    /// The one allocation of a topic's name.
    pub(crate) fn name(&self, name: &str) -> Arc<str> {
        self.topics.get_key_value(name).map_or_else(|| name.into(), |(known, _)| known.clone())
    }

    /// What is known of a topic's logs.
    pub(crate) fn of(&self, topic: &str) -> Option<Logs<'_>> {
        self.topics.get(topic).map(|memory| Logs(memory, self.isolation))
    }

    /// How old the record at an offset is, by our own samples alone.
    pub(crate) fn age(&self, topic: &str, partition: i32, offset: i64, now: Duration) -> Option<TimeLag> {
        let log = self.of(topic)?.log(partition)?;
        let (start, end) = (log.ends.start?, log.ends.end?);
        match offset < end {
            true => Some(log.age(offset.max(start), now, Duration::ZERO)?.0),
            false => Some(NOTHING_UNREAD),
        }
    }

    /// Topics of which a log is another one since the last call, under the same name.
    pub(crate) fn anew(&mut self) -> Vec<Arc<str>> {
        std::mem::take(&mut self.anew)
    }

    /// Sets the offset up to which lag is counted.
    pub(crate) fn count_up_to(&mut self, isolation: Isolation) {
        self.isolation = isolation;
    }

    /// Learns which topics are compacted.
    pub(crate) fn compacted(&mut self, is_compacted: impl Fn(&str) -> bool) {
        self.topics.iter_mut().for_each(|(name, memory)| memory.compacted = is_compacted(name));
    }

    /// Takes in which topics there are; `anew` says that nobody has looked at this answer before. A topic that one
    /// answer does not list is not gone; one that is not watched any more is. Of partitions without a leader
    /// nothing is known.
    pub(crate) fn list(
        &mut self,
        metadata: &metadata::Snapshot,
        leaderless: &Leaderless,
        anew: bool,
        is_watched: impl Fn(&str) -> bool,
    ) {
        let known = &metadata.topics;
        let gone = &mut self.gone;
        self.topics.retain(|name, memory| {
            memory.missed = match known.contains_key(&**name) {
                true => 0,
                false => memory.missed + u8::from(anew),
            };
            let stays = memory.missed < 2 && is_watched(name);
            if !stays {
                gone.extend(memory.partitions.keys().map(|number| HistoryRow::gone(name, *number)));
            }
            stays
        });
        for (name, number) in leaderless {
            let Some(Ok(topic)) = known.get(&**name) else { continue };
            let memory = self.topics.entry(name.clone()).or_default();
            memory.id = memory.id.or(topic.id);
            memory.partitions.entry(*number).or_default();
        }
    }

    /// Takes in both ends of every log, and the last stable offsets where lag counts to them.
    pub(crate) fn observe(
        &mut self,
        metadata: &metadata::Snapshot,
        found: &LogOffsets,
        now: Duration,
        faults: &mut Faults,
    ) -> Observed {
        self.forget_unasked(&found.latest);
        let mut moved = ByLeader::new();
        let latest_ms = latest_ms();
        for (name, partitions) in &found.latest {
            let Some(Ok(topic)) = metadata.topics.get(&**name) else { continue };
            self.compare(name, topic);
            let Some(memory) = self.topics.get_mut(name) else { continue };
            let earliest = found.earliest.get(name);
            let last_stable = found.last_stable.get(name);
            for (number, end) in partitions {
                let start = earliest.and_then(|earliest| earliest.get(number)).copied();
                let stable = last_stable.and_then(|stable| stable.get(number)).copied();
                let answers = Answers {
                    end: *end,
                    start: start.unwrap_or(Err(Fault::Protocol)),
                    stable: stable.unwrap_or(Ok(None)),
                };
                let partition = memory.partitions.entry(*number).or_default();
                let appended = partition.take_in(answers, now, faults);
                if appended.is_none() {
                    self.anew.push(name.clone());
                }
                memory.appended += appended.unwrap_or(0);
                if appended > Some(0) {
                    memory.appended_at = Some(SystemTime::now());
                }
                if partition.wants_newest(now, latest_ms)
                    && let Some(leader) = topic.partitions.get(number).and_then(|partition| partition.leader)
                {
                    moved.entry(leader).or_default().entry(name.clone()).or_default().push(*number);
                }
            }
            memory.note_rate(now);
        }
        Observed { moved }
    }

    /// A partition without a leader was not asked: what was known of it before is not known now.
    fn forget_unasked(&mut self, latest: &FoundOffsets) {
        for (name, memory) in &mut self.topics {
            let asked = latest.get(name);
            if asked.is_none() {
                memory.rate = None;
            }
            for (number, partition) in &mut memory.partitions {
                if asked.is_none_or(|asked| !asked.contains_key(number)) {
                    partition.ends = Ends::default();
                    partition.stable = None;
                    partition.fault = Some(Fault::NoLeader);
                }
            }
        }
    }

    /// Begins a new memory for a topic that was deleted and created again, and forgets partitions that do not exist any more.
    fn compare(&mut self, name: &Arc<str>, topic: &admin::Topic) {
        let memory = self.topics.entry(name.clone()).or_default();
        // Brokers before 2.8 send no ids of topics.
        let is_recreated = memory.id.zip(topic.id).is_some_and(|(before, now)| before != now);
        memory.id = topic.id.or(memory.id);
        if is_recreated {
            let before = std::mem::replace(memory, Memory { id: topic.id, ..Memory::default() });
            self.gone.extend(before.partitions.keys().map(|number| HistoryRow::gone(name, *number)));
            self.anew.push(name.clone());
        }
        memory.partitions.retain(|number, _| {
            let stays = topic.partitions.contains_key(number);
            if !stays {
                self.gone.push(HistoryRow::gone(name, *number));
            }
            stays
        });
    }

    /// Takes in the newest timestamps.
    pub(crate) fn date(&mut self, _: Observed, newest: &FoundOffsets, latest_ms: i64, faults: &mut Faults) {
        for (name, partitions) in newest {
            let Some(memory) = self.topics.get_mut(name) else { continue };
            for (number, found) in partitions {
                let Some(seen) = memory.partitions.get_mut(number) else { continue };
                match found {
                    // While the newest record is not yet readable the broker names none: asked again next time.
                    Ok(None) => {}
                    Ok(Some(found)) => {
                        let ahead = seen.newest.told(seen.ends.end, found.timestamp_ms, latest_ms);
                        memory.future += u64::from(ahead);
                    }
                    // Brokers before 3.0 do not know the question, which is no fault.
                    Err(Fault::Unsupported) => {}
                    Err(fault) => {
                        faults.count(Api::ListOffsets, *fault);
                        seen.fault = Some(*fault);
                    }
                }
            }
        }
    }

    /// Where the newest records are, so many offsets before the end, of partitions whose newest timestamp the
    /// broker does not tell, or which lies in the future.
    pub(crate) fn undated(&self, settings: &config::Freshness, latest_ms: i64, back: i64) -> OffsetSet {
        let watched = |name: &str| settings.enabled && settings.topics.covers(name);
        let mut places = OffsetSet::new();
        for (name, memory) in self.topics.iter().filter(|(name, _)| watched(name)) {
            for (number, seen) in &memory.partitions {
                if let Some((start, end)) = freshness::records(seen.ends)
                    && seen.newest.is_open(end, latest_ms)
                {
                    places.entry(name.clone()).or_default().insert((*number, (end - back).max(start)));
                }
            }
        }
        places
    }

    /// Takes in the dates of the record batches there. If the batches of the last step back have no date, there is none.
    pub(crate) fn date_by(&mut self, found: BTreeMap<Arc<str>, Vec<(i32, BatchDates)>>, back: i64) {
        for (name, dates) in found {
            let Some(memory) = self.topics.get_mut(&name) else { continue };
            for (number, dates) in dates {
                let Some(seen) = memory.partitions.get_mut(&number) else { continue };
                let last = STEPS_BACK.last() == Some(&back) && dates.known;
                memory.future += u64::from(seen.newest.ahead(dates.ahead));
                if dates.newest_ms.is_some() || last {
                    seen.newest.seen(seen.ends.end, dates.newest_ms);
                }
            }
        }
    }

    pub(crate) fn views(&self, settings: &config::Freshness, latest_ms: i64) -> BTreeMap<Arc<str>, Topic> {
        let view = |(name, memory): (&Arc<str>, &Memory)| {
            let watched = settings.enabled && settings.topics.covers(name);
            let partitions = memory.partitions.iter().map(|(number, seen)| {
                let newest_ms = seen.newest.credible_ms(seen.ends.end, latest_ms);
                (*number, Partition { ends: seen.ends, stable: seen.stable, newest_ms })
            });
            let topic = Topic {
                partitions: partitions.collect(),
                freshness: watched.then(|| {
                    let (failed, known): (Vec<_>, Vec<_>) =
                        memory.partitions.values().partition(|seen| seen.fault.is_some());
                    let known = known.into_iter().map(|seen| (seen.ends, &seen.newest));
                    Freshness::of(known, !failed.is_empty(), memory.appended_at, latest_ms)
                }),
                compacted: memory.compacted,
                appended: memory.appended,
                rate: memory.rate.and_then(|(_, _, rate)| rate),
                future: memory.future,
            };
            (name.clone(), topic)
        };
        self.topics.iter().filter(|(_, memory)| memory.missed == 0).map(view).collect()
    }
}

impl Seen {
    /// Takes in both ends of the log. Returns the number of records that were appended since the cycle before; absent if the log
    /// was truncated: other records may come in place of those that were cut off.
    fn take_in(&mut self, answers: Answers, now: Duration, faults: &mut Faults) -> Option<u64> {
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
                self.newest.none(end);
            }
        }
        if is_truncated {
            return None;
        }
        Some(end.zip(before).map_or(0, |(end, before)| u64::try_from(end - before).unwrap_or(0)))
    }

    /// Whether the leader is to be asked for the newest timestamp.
    fn wants_newest(&mut self, now: Duration, latest_ms: i64) -> bool {
        let Ends { start, end: Some(end) } = self.ends else { return false };
        let holds_records = start.is_none_or(|start| start < end);
        holds_records && self.newest.is_wanted(self.ends, now, latest_ms)
    }
}

impl Memory {
    /// Where a partition is not known, no rate is: what came meanwhile would be another look's.
    fn note_rate(&mut self, now: Duration) {
        if self.partitions.values().any(|seen| seen.ends.end.is_none()) {
            self.rate = None;
            return;
        }
        let rate = self.rate.and_then(|(then, appended, _)| {
            let seconds = now.checked_sub(then)?.as_secs_f64();
            (seconds > 0.0).then(|| (self.appended - appended) as f64 / seconds)
        });
        self.rate = Some((now, self.appended, rate));
    }
}
