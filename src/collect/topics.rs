//! Topics: where their logs begin and end, how fast they grow, how old their newest record is.
//!
//! A deleted topic is forgotten with its history; one that is made anew under the same name is another one.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{
    Api, Faults,
    history::History,
    lag::Ends,
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

/// A timestamp further in the future than this is a wrong clock's.
const MAX_SKEW: Duration = Duration::from_secs(60);

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
    /// The newest timestamp of a record, in milliseconds since 1970.
    pub newest_ms: Option<i64>,
}

/// How old a topic is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Freshness {
    /// All of it in one word.
    pub state: State,
    /// The newest timestamp of all partitions, unless it lies in the future. Milliseconds since 1970.
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
}

#[derive(Debug, Default)]
struct Memory {
    id: Option<TopicId>,
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
    newest_ms: Option<i64>,
    fault: Option<Fault>,
}

impl Watched {
    /// The one allocation of a topic's name.
    pub(super) fn name(&self, name: &str) -> Arc<str> {
        self.topics.get_key_value(name).map_or_else(|| name.into(), |(known, _)| known.clone())
    }

    pub(super) fn ends(&self, topic: &str, partition: i32) -> Option<(Ends, &History)> {
        let seen = self.topics.get(topic)?.partitions.get(&partition)?;
        Some((seen.ends, &seen.history))
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

    pub(super) fn views(&self, settings: &config::Freshness) -> BTreeMap<Arc<str>, Topic> {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + MAX_SKEW;
        let latest_ms = i64::try_from(wall.as_millis()).unwrap_or(i64::MAX);
        let view = |(name, memory): (&Arc<str>, &Memory)| {
            let watched = settings.enabled && settings.topics.covers(name);
            let partitions = memory
                .partitions
                .iter()
                .map(|(number, seen)| (*number, Partition { ends: seen.ends, newest_ms: seen.newest_ms }));
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
        let holds =
            |seen: &Seen| matches!(seen.ends, Ends { start: Some(start), end: Some(end) } if start < end);
        let dates = || seen().filter_map(|seen| seen.newest_ms);
        let (newest, oldest) = (dates().max(), dates().min());
        let state = if seen().any(|seen| seen.fault.is_some()) {
            State::Error
        } else if newest.is_some_and(|newest| newest > latest_ms) {
            State::Future
        } else if newest.is_some() {
            State::Ok
        } else if seen().any(holds) {
            State::Unknown
        } else if seen().all(|seen| seen.ends.end == Some(0)) {
            State::Empty
        } else {
            State::Drained
        };
        let credible = |date: &i64| *date <= latest_ms;
        Freshness {
            state,
            newest_ms: dates().filter(credible).max(),
            oldest_ms: oldest.filter(credible),
            appended_at: self.appended_at,
        }
    }
}
