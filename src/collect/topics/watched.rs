//! What is remembered of each watched topic, and what a cycle found of it.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{
    log::Logs,
    memory::{Answers, PartitionMemory, TopicMemory},
    row::HistoryRow,
    snapshot::{Partition, Topic},
};
use crate::{
    cluster::{Api, Ends, Faults, OffsetSet, latest_ms, metadata},
    collect::{
        freshness::{self, BatchDates, Freshness},
        time_lag::{NOTHING_UNREAD, TimeLag},
    },
    config::{self, Isolation},
    kafka::{
        Fault, TopicPartition,
        admin::{self, ByLeader, FoundOffsets},
    },
};

/// How far before the log end the newest record is looked for: at the log end there may be control batches, or offsets whose
/// records were compacted away.
pub(crate) const STEPS_BACK: [i64; 3] = [1, 8, 64];

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
pub(crate) type Leaderless = Vec<TopicPartition>;

/// The watched topics: what is remembered of each from one cycle to the next.
#[derive(Debug, Default)]
pub(crate) struct WatchedTopics {
    pub(super) topics: BTreeMap<Arc<str>, TopicMemory>,
    /// Partitions whose rows are to be deleted from the history file.
    pub(super) deleted: Vec<HistoryRow>,
    /// Topics with a log that was truncated or recreated, since the last call of [`WatchedTopics::take_recreated`].
    recreated: Vec<Arc<str>>,
    /// The offset up to which lag is counted.
    isolation: Isolation,
}

impl WatchedTopics {
    /// The name as it is stored, so that every snapshot shares one allocation.
    pub(crate) fn name(&self, name: &str) -> Arc<str> {
        self.topics.get_key_value(name).map_or_else(|| name.into(), |(known, _)| known.clone())
    }

    /// The logs of a topic; absent if the topic is not watched or not known yet.
    pub(crate) fn of(&self, topic: &str) -> Option<Logs<'_>> {
        self.topics.get(topic).map(|topic| Logs { topic, isolation: self.isolation })
    }

    /// How old the record at an offset is, by our own samples alone.
    pub(crate) fn age(&self, topic: &str, partition: i32, offset: i64, now: Duration) -> Option<TimeLag> {
        let log = self.of(topic)?.log(partition)?;
        let (start, end) = (log.ends.start?, log.ends.end?);
        if offset >= end {
            return Some(NOTHING_UNREAD);
        }
        Some(log.age(offset.max(start), now, Duration::ZERO)?.0)
    }

    /// Topics with a log that was truncated or recreated since the last call: offsets of before say nothing of it.
    pub(crate) fn take_recreated(&mut self) -> Vec<Arc<str>> {
        std::mem::take(&mut self.recreated)
    }

    /// Sets the offset up to which lag is counted.
    pub(crate) fn count_up_to(&mut self, isolation: Isolation) {
        self.isolation = isolation;
    }

    /// Learns which topics are compacted.
    pub(crate) fn compacted(&mut self, is_compacted: impl Fn(&str) -> bool) {
        self.topics.iter_mut().for_each(|(name, memory)| memory.compacted = is_compacted(name));
    }

    /// Takes in where the logs of tiered topics lie. Nothing is known of the other topics.
    pub(crate) fn tiers(&mut self, local: &FoundOffsets, tiered: &FoundOffsets, faults: &mut Faults) {
        let all = self.topics.values_mut().flat_map(|memory| memory.partitions.values_mut());
        all.for_each(|partition| partition.tiers = None);
        let answers =
            local.iter().map(|found| (found, false)).chain(tiered.iter().map(|found| (found, true)));
        for ((name, partitions), is_remote) in answers {
            let Some(memory) = self.topics.get_mut(name) else { continue };
            for (number, found) in partitions {
                let Some(partition) = memory.partitions.get_mut(number) else { continue };
                match found {
                    Ok(found) => {
                        let tiers = partition.tiers.get_or_insert_default();
                        let offset =
                            if is_remote { &mut tiers.latest_tiered } else { &mut tiers.earliest_local };
                        *offset = found.map(|found| found.offset);
                    }
                    // Brokers before 3.6 and 3.9 do not know these requests: that is no failure.
                    Err(Fault::Unsupported) => {}
                    Err(fault) => faults.count(Api::ListOffsets, *fault),
                }
            }
        }
    }

    /// Learns which topics exist. `is_new` says that no cycle before has worked with these metadata. A topic counts as deleted if two
    /// answers in a row do not list it, or if it is not watched any more. A partition without a leader is remembered, although
    /// nothing is known of it.
    pub(crate) fn list(
        &mut self,
        metadata: &metadata::Snapshot,
        leaderless: &Leaderless,
        is_new: bool,
        is_watched: impl Fn(&str) -> bool,
    ) {
        let known = &metadata.topics;
        let deleted = &mut self.deleted;
        self.topics.retain(|name, memory| {
            memory.missed = if known.contains_key(&**name) { 0 } else { memory.missed + u8::from(is_new) };
            let stays = memory.missed < 2 && is_watched(name);
            if !stays {
                deleted.extend(memory.partitions.keys().map(|number| HistoryRow::deleted(name, *number)));
            }
            stays
        });
        for TopicPartition { topic: name, partition } in leaderless {
            let Some(Ok(topic)) = known.get(&**name) else { continue };
            let memory = self.topics.entry(name.clone()).or_default();
            memory.id = memory.id.or(topic.id);
            memory.partitions.entry(*partition).or_default();
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
                    self.recreated.push(name.clone());
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
            let before = std::mem::replace(memory, TopicMemory { id: topic.id, ..TopicMemory::default() });
            self.deleted.extend(before.partitions.keys().map(|number| HistoryRow::deleted(name, *number)));
            self.recreated.push(name.clone());
        }
        memory.partitions.retain(|number, _| {
            let stays = topic.partitions.contains_key(number);
            if !stays {
                self.deleted.push(HistoryRow::deleted(name, *number));
            }
            stays
        });
    }

    /// Takes in the newest timestamps.
    pub(crate) fn date(&mut self, _: Observed, newest: &FoundOffsets, latest_ms: i64, faults: &mut Faults) {
        for (name, partitions) in newest {
            let Some(memory) = self.topics.get_mut(name) else { continue };
            for (number, found) in partitions {
                let Some(partition) = memory.partitions.get_mut(number) else { continue };
                match found {
                    // While the newest record cannot be read yet, the broker names none. The next cycle asks again.
                    Ok(None) => {}
                    Ok(Some(found)) => {
                        let ahead = partition.newest.named(partition.ends.end, found.timestamp_ms, latest_ms);
                        memory.future += u64::from(ahead);
                    }
                    // Brokers before 3.0 do not know this request: that is no failure.
                    Err(Fault::Unsupported) => {}
                    Err(fault) => {
                        faults.count(Api::ListOffsets, *fault);
                        partition.fault = Some(*fault);
                    }
                }
            }
        }
    }

    /// Offsets `back` before the log end, of partitions whose newest timestamp the broker does not name, or whose newest
    /// timestamp lies in the future.
    pub(crate) fn undated(&self, settings: &config::Freshness, latest_ms: i64, back: i64) -> OffsetSet {
        let watched = |name: &str| settings.enabled && settings.topics.covers(name);
        let mut places = OffsetSet::new();
        for (name, memory) in self.topics.iter().filter(|(name, _)| watched(name)) {
            for (number, partition) in &memory.partitions {
                if let Some((start, end)) = freshness::records(partition.ends)
                    && partition.newest.is_open(end, latest_ms)
                {
                    places.entry(name.clone()).or_default().insert((*number, (end - back).max(start)));
                }
            }
        }
        places
    }

    /// Takes in the timestamps of the record batches that were read `back` offsets before the log end. If the last step back
    /// finds no timestamp, there is none.
    pub(crate) fn date_by(&mut self, found: BTreeMap<Arc<str>, Vec<(i32, BatchDates)>>, back: i64) {
        for (name, dates) in found {
            let Some(memory) = self.topics.get_mut(&name) else { continue };
            for (number, dates) in dates {
                let Some(partition) = memory.partitions.get_mut(&number) else { continue };
                let last = STEPS_BACK.last() == Some(&back) && dates.known;
                memory.future += u64::from(partition.newest.ahead(dates.ahead));
                if dates.newest_ms.is_some() || last {
                    partition.newest.read(partition.ends.end, dates.newest_ms);
                }
            }
        }
    }

    /// What the cycle publishes of each topic.
    pub(crate) fn views(&self, settings: &config::Freshness, latest_ms: i64) -> BTreeMap<Arc<str>, Topic> {
        let view = |(name, memory): (&Arc<str>, &TopicMemory)| {
            let watched = settings.enabled && settings.topics.covers(name);
            let partitions = memory.partitions.iter().map(|(number, partition)| {
                let newest_ms = partition.newest.credible_ms(partition.ends.end, latest_ms);
                let PartitionMemory { ends, stable, tiers, .. } = *partition;
                (*number, Partition { ends, stable, tiers, newest_ms })
            });
            let topic = Topic {
                partitions: partitions.collect(),
                freshness: watched.then(|| {
                    let (failed, known): (Vec<_>, Vec<_>) =
                        memory.partitions.values().partition(|partition| partition.fault.is_some());
                    let known = known.into_iter().map(|partition| (partition.ends, &partition.newest));
                    Freshness::of(known, !failed.is_empty(), memory.appended_at, latest_ms)
                }),
                compacted: memory.compacted,
                appended: memory.appended,
                rate: memory.rate.and_then(|sample| sample.per_second),
                future: memory.future,
            };
            (name.clone(), topic)
        };
        self.topics.iter().filter(|(_, memory)| memory.missed == 0).map(view).collect()
    }
}
