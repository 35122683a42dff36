//! Topics: where their logs begin and end, how fast they grow, how old their newest record is.
//!
//! A deleted topic is forgotten with its history; one that is made anew under the same name is another one.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{
    Api, Faults, Places,
    heads::Heads,
    history::History,
    lag::{Ends, TimeLag},
    store::{Loaded, Row},
};
use crate::{
    config,
    kafka::{
        Fault, TopicId,
        admin::{ByLeader, FoundOffsets},
    },
    probe::metadata,
};

/// How far from a log's end its newest record is looked for: the end may be markers, or holes of compaction.
pub(super) const STEPS_BACK: [i64; 3] = [1, 8, 64];

/// A topic as it was last seen.
#[derive(Debug, Clone)]
pub struct Topic {
    /// By number.
    pub partitions: BTreeMap<i32, Partition>,
    /// How old it is; absent for a topic that freshness does not watch.
    pub freshness: Option<Freshness>,
    /// Records appended since the topic is watched.
    pub appended: u64,
    /// Records a second between the last two looks.
    pub rate: Option<f64>,
}

/// A partition as it was last seen.
#[derive(Debug, Clone, Copy)]
pub struct Partition {
    /// Both ends, as far as they are known.
    pub ends: Ends,
    /// The newest timestamp of a record that does not lie in the future, in milliseconds since 1970.
    pub newest_ms: Option<i64>,
}

/// How old a topic is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Freshness {
    /// All of it in one word.
    pub state: State,
    /// The newest timestamp of all partitions that does not lie in the future. Milliseconds since 1970.
    pub newest_ms: Option<i64>,
    /// The oldest of the newest timestamps of partitions that hold records.
    pub oldest_ms: Option<i64>,
    /// When our own samples last saw a log end move.
    pub appended_at: Option<SystemTime>,
}

/// What is to be said of a topic's age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Its age is known.
    Ok,
    /// Nothing was ever written.
    Empty,
    /// All records have gone.
    Drained,
    /// The newest timestamp lies in the future.
    Future,
    /// The brokers cannot say.
    Unknown,
    /// A question failed.
    Error,
}

impl State {
    /// Every state, in the order of the labels.
    pub const ALL: [State; 6] =
        [State::Ok, State::Empty, State::Drained, State::Future, State::Unknown, State::Error];

    /// The state as a label value.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Empty => "empty",
            State::Drained => "drained",
            State::Future => "future",
            State::Unknown => "unknown",
            State::Error => "error",
        }
    }
}

/// Everything that is remembered of topics.
#[derive(Debug, Default)]
pub(super) struct Watched {
    topics: BTreeMap<Arc<str>, Memory>,
    /// Of deleted topics, to be forgotten in the file too.
    gone: Vec<Row>,
    anew: Vec<Arc<str>>,
}

#[derive(Debug, Default)]
struct Memory {
    id: Option<TopicId>,
    compacted: bool,
    partitions: BTreeMap<i32, Seen>,
    appended: u64,
    appended_at: Option<SystemTime>,
    /// Two looks: when, and how many records were appended by then.
    rate: Option<(Duration, u64, Option<f64>)>,
}

#[derive(Debug, Default)]
struct Seen {
    ends: Ends,
    history: History,
    /// Since it was last saved.
    changed: bool,
    /// The end for which the newest timestamp was asked.
    dated: Option<i64>,
    /// As the broker says.
    newest_ms: Option<i64>,
    /// The end for which the last records were looked at, because the broker does not say, or names the future.
    looked: Option<i64>,
    /// As the last records say.
    tail_ms: Option<i64>,
    fault: Option<Fault>,
}

/// What is known of a partition's log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Log<'a> {
    /// Both ends.
    pub(super) ends: Ends,
    history: &'a History,
    compacted: bool,
}

impl Log<'_> {
    /// How old the record at an offset is by our own samples, and whether that is as good as wanted. Of a
    /// compacted log it never is: the record may be gone, and a younger one the next to be read.
    pub(super) fn age(&self, offset: i64, now: Duration, max_error: Duration) -> Option<(TimeLag, bool)> {
        let age = self.history.age(offset, now)?;
        let error = age.error.filter(|_| !self.compacted);
        Some((TimeLag { error, ..age }, error.is_some_and(|error| error <= max_error)))
    }
}

impl Watched {
    /// The one allocation of a topic's name.
    pub(super) fn name(&self, name: &str) -> Arc<str> {
        self.topics.get_key_value(name).map_or_else(|| name.into(), |(known, _)| known.clone())
    }

    pub(super) fn log(&self, topic: &str, partition: i32) -> Option<Log<'_>> {
        let memory = self.topics.get(topic)?;
        let seen = memory.partitions.get(&partition)?;
        Some(Log { ends: seen.ends, history: &seen.history, compacted: memory.compacted })
    }

    /// Topics that are another one since the last call, under the same name.
    pub(super) fn anew(&mut self) -> Vec<Arc<str>> {
        std::mem::take(&mut self.anew)
    }

    /// Learns which topics are compacted.
    pub(super) fn compacted(&mut self, is_compacted: impl Fn(&str) -> bool) {
        self.topics.iter_mut().for_each(|(name, memory)| memory.compacted = is_compacted(name));
    }

    /// Goes on where an earlier run ended.
    pub(super) fn remember(&mut self, loaded: Loaded) {
        for (topic, (id, partitions)) in loaded {
            let seen = |(number, history)| (number, Seen { history, ..Seen::default() });
            let partitions = partitions.into_iter().map(seen).collect();
            self.topics.insert(topic, Memory { id, partitions, ..Memory::default() });
        }
    }

    /// What has changed since the last call; partitions that have gone are told once.
    pub(super) fn unsaved(&mut self) -> Vec<Row> {
        let mut rows = std::mem::take(&mut self.gone);
        for (topic, memory) in &mut self.topics {
            for (number, seen) in memory.partitions.iter_mut().filter(|(_, seen)| seen.changed) {
                seen.changed = false;
                let history = Some(seen.history.clone());
                rows.push(Row { topic: topic.clone(), partition: *number, id: memory.id, history });
            }
        }
        rows
    }

    /// Takes in both ends of every log; returns the partitions whose newest record is another one than before.
    pub(super) fn observe(
        &mut self,
        metadata: &metadata::Snapshot,
        ends: &FoundOffsets,
        starts: &FoundOffsets,
        now: Duration,
        faults: &mut Faults,
    ) -> ByLeader {
        let known = &metadata.topics;
        let gone = &mut self.gone;
        self.topics.retain(|name, memory| {
            let stays = known.contains_key(&**name);
            if !stays {
                let row =
                    |number: &i32| Row { topic: name.clone(), partition: *number, id: None, history: None };
                gone.extend(memory.partitions.keys().map(row));
            }
            stays
        });
        // Who has no leader was not asked: what was known before is not known now.
        for (name, memory) in &mut self.topics {
            let asked = ends.get(name);
            for (number, seen) in &mut memory.partitions {
                if asked.is_none_or(|asked| !asked.contains_key(number)) {
                    (seen.ends, seen.fault) = (Ends::default(), Some(Fault::NoLeader));
                }
            }
        }
        let mut moved = ByLeader::new();
        for (name, partitions) in ends {
            let Some(Ok(topic)) = known.get(&**name) else { continue };
            let memory = self.topics.entry(name.clone()).or_default();
            if memory.id != topic.id {
                *memory = Memory { id: topic.id, ..Memory::default() };
                self.anew.push(name.clone());
            }
            memory.partitions.retain(|number, _| topic.partitions.contains_key(number));
            let starts = starts.get(name);
            for (number, end) in partitions {
                let start =
                    starts.and_then(|starts| starts.get(number)).copied().unwrap_or(Err(Fault::Protocol));
                let offset = |found: Result<Option<crate::kafka::admin::Found>, Fault>,
                              faults: &mut Faults| {
                    found.map_err(|fault| faults.count(Api::ListOffsets, fault)).ok().flatten()
                };
                let fault = end.err().or(start.err());
                let (end, start) = (offset(*end, faults), offset(start, faults));
                let (end, start) = (end.map(|found| found.offset), start.map(|found| found.offset));
                let seen = memory.partitions.entry(*number).or_default();
                let appended = match (seen.ends.end, end) {
                    (Some(before), Some(end)) => u64::try_from(end - before).unwrap_or(0),
                    _ => 0,
                };
                if appended > 0 {
                    memory.appended += appended;
                    memory.appended_at = Some(SystemTime::now());
                }
                (seen.ends, seen.fault) = (Ends { start, end }, fault);
                let Some(end) = end else { continue };
                seen.history.add(now, end);
                seen.changed = true;
                let holds_records = start.is_none_or(|start| start < end);
                if !holds_records {
                    (seen.newest_ms, seen.dated) = (None, Some(end));
                    (seen.tail_ms, seen.looked) = (None, Some(end));
                } else if seen.dated != Some(end)
                    && let Some(leader) = topic.partitions.get(number).and_then(|partition| partition.leader)
                {
                    moved.entry(leader).or_default().entry(name.clone()).or_default().push(*number);
                }
            }
            memory.note_rate(now);
        }
        moved
    }

    /// Takes in the newest timestamps.
    pub(super) fn date(&mut self, newest: &FoundOffsets, faults: &mut Faults) {
        for (name, partitions) in newest {
            let Some(memory) = self.topics.get_mut(name) else { continue };
            for (number, found) in partitions {
                let Some(seen) = memory.partitions.get_mut(number) else { continue };
                match found {
                    // While the newest record is not yet readable the broker names none: asked again next time.
                    Ok(None) => {}
                    Ok(Some(found)) => {
                        (seen.newest_ms, seen.dated) = (found.timestamp_ms, seen.ends.end);
                    }
                    // Brokers before 3.0 do not know the question, which is no fault.
                    Err(Fault::Unsupported) => {}
                    Err(fault) => faults.count(Api::ListOffsets, *fault),
                }
            }
        }
    }

    /// Where the newest records are, so many offsets before the end, of partitions whose newest timestamp the
    /// broker does not tell, or which lies in the future.
    pub(super) fn undated(&self, settings: &config::Freshness, latest_ms: i64, back: i64) -> Places {
        let watched = |name: &str| settings.enabled && settings.topics.covers(name);
        let mut places = Places::new();
        for (name, memory) in self.topics.iter().filter(|(name, _)| watched(name)) {
            for (number, seen) in &memory.partitions {
                if let Some((start, end)) = seen.undated(latest_ms) {
                    places.insert((name.clone(), *number), BTreeSet::from([(end - back).max(start)]));
                }
            }
        }
        places
    }

    /// Takes in what the heads there tell; where the last step back told nothing, there is nothing to be told.
    pub(super) fn date_by(&mut self, heads: &Heads, places: &Places, back: i64, latest_ms: i64) {
        for ((name, number), offsets) in places {
            let seen = self.topics.get_mut(name).and_then(|memory| memory.partitions.get_mut(number));
            let (Some(seen), Some(offset)) = (seen, offsets.first()) else { continue };
            let newest = heads.newest_ms(name, *number, *offset, latest_ms);
            let last = STEPS_BACK.last() == Some(&back) && heads.know(name, *number, *offset);
            if newest.is_some() || last {
                (seen.tail_ms, seen.looked) = (newest, seen.ends.end);
            }
        }
    }

    pub(super) fn views(&self, settings: &config::Freshness, latest_ms: i64) -> BTreeMap<Arc<str>, Topic> {
        let view = |(name, memory): (&Arc<str>, &Memory)| {
            let watched = settings.enabled && settings.topics.covers(name);
            let partitions = memory.partitions.iter().map(|(number, seen)| {
                (*number, Partition { ends: seen.ends, newest_ms: seen.credible_ms(latest_ms) })
            });
            let topic = Topic {
                partitions: partitions.collect(),
                freshness: watched.then(|| memory.freshness(latest_ms)),
                appended: memory.appended,
                rate: memory.rate.and_then(|(_, _, rate)| rate),
            };
            (name.clone(), topic)
        };
        self.topics.iter().map(view).collect()
    }
}

impl Memory {
    fn note_rate(&mut self, now: Duration) {
        let rate = self.rate.and_then(|(then, appended, _)| {
            let seconds = now.checked_sub(then)?.as_secs_f64();
            (seconds > 0.0).then(|| (self.appended - appended) as f64 / seconds)
        });
        self.rate = Some((now, self.appended, rate));
    }

    fn freshness(&self, latest_ms: i64) -> Freshness {
        let seen = || self.partitions.values();
        let dates = || seen().filter_map(|seen| seen.credible_ms(latest_ms));
        let state = if seen().any(|seen| seen.fault.is_some()) {
            State::Error
        } else if seen().any(|seen| seen.is_future(latest_ms)) {
            State::Future
        } else if dates().next().is_some() {
            State::Ok
        } else if seen().any(|seen| seen.records().is_some()) {
            State::Unknown
        } else if seen().all(|seen| seen.ends.end == Some(0)) {
            State::Empty
        } else {
            State::Drained
        };
        Freshness { state, newest_ms: dates().max(), oldest_ms: dates().min(), appended_at: self.appended_at }
    }
}

impl Seen {
    /// Both ends, if there is a record between.
    fn records(&self) -> Option<(i64, i64)> {
        let ends = self.ends.start.zip(self.ends.end);
        ends.filter(|(start, end)| start < end)
    }

    fn is_future(&self, latest_ms: i64) -> bool {
        self.newest_ms.or(self.tail_ms).is_some_and(|newest| newest > latest_ms)
    }

    /// Whether the broker has told the newest timestamp of the log as it is now, and not a wrong clock's.
    fn is_told(&self, latest_ms: i64) -> bool {
        self.dated == self.ends.end && self.newest_ms.is_some_and(|newest| newest <= latest_ms)
    }

    /// The newest timestamp that is not a wrong clock's.
    fn credible_ms(&self, latest_ms: i64) -> Option<i64> {
        let tail = self.tail_ms.filter(|_| !self.is_told(latest_ms));
        self.newest_ms.into_iter().chain(tail).filter(|ms| *ms <= latest_ms).max()
    }

    /// Both ends of a log whose last records are to be looked at.
    fn undated(&self, latest_ms: i64) -> Option<(i64, i64)> {
        self.records().filter(|(_, end)| !self.is_told(latest_ms) && self.looked != Some(*end))
    }
}
