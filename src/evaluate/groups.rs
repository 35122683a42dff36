//! Consumer groups: their committed offsets and their lag.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    lag::{Lag, LossOffsets, Sums, is_beyond_end, lag},
    rebalances::Rebalances,
};
use crate::{
    cluster::{Api, Faults},
    collect::{
        groups::{Commits, Known},
        time_lag::NOTHING_UNREAD,
    },
    config::{self, SumOver},
    kafka::{
        Fault,
        admin::{CommittedOffsets, Described, GroupKind, GroupState, Member},
    },
    timelag::best::{Sources, TopicAges},
};

/// A group in the last cycle.
#[derive(Debug, Clone)]
pub struct Group {
    /// The state of the group.
    pub state: GroupState,
    /// The kind of the group.
    pub kind: GroupKind,
    /// The members of the group. Absent if members are not read, or could not be read.
    pub members: Option<Vec<Member>>,
    /// The epoch of the group. Absent for a classic group, and if members are not read, or could not be read.
    pub epoch: Option<i32>,
    /// The lag by topic and partition. A partition without a committed offset is not included.
    pub topics: BTreeMap<Arc<str>, BTreeMap<i32, Lag>>,
    /// Number of records that were deleted before the group read them, since the service first saw the group, by topic.
    pub lost: BTreeMap<Arc<str>, u64>,
    /// Number of partitions whose committed offset could not be read, by topic.
    pub unread: BTreeMap<Arc<str>, usize>,
    /// Why the committed offsets could not be read. No member can commit while the group has no coordinator: then `topics`
    /// holds the offsets that were read last. Otherwise `topics` is empty.
    pub fault: Option<Fault>,
    /// How often the group rebalanced, and for how long.
    pub rebalances: Rebalances,
}

impl Group {
    /// A group of whose offsets nothing is known yet.
    fn new(known: &Known, described: Option<Described>, fault: Option<Fault>) -> Self {
        Self {
            state: known.state,
            kind: known.kind,
            epoch: described.as_ref().and_then(|described| described.epoch),
            members: described.map(|described| described.members),
            topics: BTreeMap::new(),
            lost: BTreeMap::new(),
            unread: BTreeMap::new(),
            fault,
            rebalances: Rebalances::default(),
        }
    }

    /// Sums of the lags of the group, over the partitions that `over` names.
    pub fn sums(&self, over: SumOver) -> Sums {
        let lags = self.topics.values().flat_map(|lags| lags.values());
        Sums::of(lags, self.unread.values().sum()).published(over)
    }

    /// Sums of the lags of the group on a topic, over the partitions that `over` names.
    pub fn topic_sums(&self, topic: &str, over: SumOver) -> Sums {
        let lags = self.topics.get(topic).into_iter().flat_map(|lags| lags.values());
        Sums::of(lags, self.unread.get(topic).copied().unwrap_or(0)).published(over)
    }

    /// The partition with the largest time lag of those with waiting records. Without time lags, the partition with the largest
    /// lag. `None` if no records are waiting.
    pub fn worst(&self) -> Option<(&str, i32)> {
        let all = self.topics.iter().flat_map(|(topic, lags)| lags.iter().map(move |lag| (&**topic, lag)));
        let unread = all.filter(|(_, (_, lag))| lag.records > Some(0) && lag.time != Some(NOTHING_UNREAD));
        let worst = unread.max_by_key(|(_, (_, lag))| (lag.time.map(|time| time.age), lag.records));
        worst.map(|(topic, (number, _))| (topic, *number))
    }

    /// The member that reads each partition, by topic and partition. Empty if the members are not known.
    pub fn readers(&self) -> BTreeMap<(&str, i32), &Member> {
        let partitions = self.members.iter().flatten().flat_map(|member| {
            let of = member.partitions.iter();
            of.flat_map(move |(topic, numbers)| {
                numbers.iter().map(move |number| ((&**topic, *number), member))
            })
        });
        partitions.collect()
    }

    /// Number of partitions with a committed offset whose lag is not known now. While the committed offsets cannot be
    /// read again, these are all partitions.
    pub fn unknown(&self) -> usize {
        if self.fault.is_some() {
            return self.topics.values().map(BTreeMap::len).sum();
        }
        let lags = self.topics.values().flat_map(|lags| lags.values());
        Sums::of(lags, self.unread.values().sum()).lacking
    }
}

/// Records of a topic that were deleted before a group read them.
#[derive(Debug, Default)]
struct Losses {
    /// Number of these records.
    total: u64,
    /// The committed offset and the log start offset of the last cycle in which both were known, by partition.
    last: BTreeMap<i32, LossOffsets>,
}

/// The memory between cycles that the lag of groups needs.
#[derive(Debug, Default)]
pub(crate) struct Lags {
    /// Partitions whose committed offset was beyond the log end in the last cycle.
    beyond_end: BTreeSet<(Arc<str>, Arc<str>, i32)>,
    /// The losses of each group, by topic.
    losses: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Losses>>,
}

impl Lags {
    /// The committed offsets that were read last, of groups without a coordinator.
    pub(crate) fn last_offsets(
        &self,
        groups: &BTreeMap<Arc<str>, Known>,
    ) -> BTreeMap<Arc<str>, CommittedOffsets> {
        let is_lost = |known: &Known| known.coordinator.is_none() && known.fault == Some(Fault::NoLeader);
        let of_topic = |losses: &Losses| {
            losses.last.iter().map(|(number, offsets)| (*number, Ok(offsets.committed))).collect()
        };
        let of_group = |losses: &BTreeMap<Arc<str>, Losses>| {
            losses.iter().map(|(topic, losses)| (topic.clone(), of_topic(losses))).collect()
        };
        let lost = groups.iter().filter(|(_, known)| is_lost(known));
        lost.filter_map(|(name, _)| Some((name.clone(), of_group(self.losses.get(name)?)))).collect()
    }

    /// Compares the committed offsets of all groups with the logs and returns each group with its lag.
    pub(crate) fn evaluate(
        &mut self,
        known: &BTreeMap<Arc<str>, Known>,
        commits: Commits,
        sources: &Sources<'_>,
        settings: &config::Lag,
        faults: &mut Faults,
    ) -> BTreeMap<Arc<str>, Group> {
        let before = std::mem::take(&mut self.beyond_end);
        let mut groups = BTreeMap::new();
        let Commits { mut offsets, mut last, mut described, .. } = commits;
        self.losses.retain(|name, _| known.contains_key(name));
        for (name, known) in known {
            let (read, fault) = match offsets.remove(name) {
                Some(Ok(read)) => (read, None),
                Some(Err(fault)) => (CommittedOffsets::new(), Some(fault)),
                None => (last.remove(name).unwrap_or_default(), Some(known.fault.unwrap_or(Fault::NoLeader))),
            };
            let losses = self.losses.entry(name.clone()).or_default();
            losses.retain(|topic, _| sources.topics.of(topic).is_some());
            if fault.is_none() {
                forget_expired(losses, &read);
            }
            let mut group = Group::new(known, described.remove(name), fault);
            for (topic, partitions) in read.into_iter().filter(|(topic, _)| settings.topics.covers(topic)) {
                if sources.topics.of(&topic).is_none() {
                    // A committed offset outlives its topic.
                    faults.count(Api::OffsetFetch, Fault::UnknownTopic);
                    continue;
                }
                let mut memory = TopicMemory {
                    group: name,
                    topic: &topic,
                    before: &before,
                    beyond_end: &mut self.beyond_end,
                    losses: losses.entry(topic.clone()).or_default(),
                };
                let (lags, unread) = memory.lags(partitions, sources, settings);
                if unread > 0 {
                    group.unread.insert(topic.clone(), unread);
                }
                if !lags.is_empty() {
                    // A tree that is built from all entries at once has no spare room, and snapshots live long.
                    group.topics.insert(topic, lags.into_iter().collect());
                }
            }
            group.lost = losses.iter().map(|(topic, losses)| (topic.clone(), losses.total)).collect();
            groups.insert(name.clone(), group);
        }
        groups
    }
}

/// What is remembered of a group on one topic while its lag is computed.
struct TopicMemory<'a> {
    group: &'a Arc<str>,
    topic: &'a Arc<str>,
    /// Partitions of all groups whose committed offset was beyond the log end in the last cycle.
    before: &'a BTreeSet<(Arc<str>, Arc<str>, i32)>,
    /// The same partitions of this cycle.
    beyond_end: &'a mut BTreeSet<(Arc<str>, Arc<str>, i32)>,
    /// Records of the topic that were deleted before the group read them.
    losses: &'a mut Losses,
}

impl TopicMemory<'_> {
    /// The lag of each partition, and the number of partitions whose committed offset could not be read.
    fn lags(
        &mut self,
        partitions: impl IntoIterator<Item = (i32, Result<i64, Fault>)>,
        sources: &Sources<'_>,
        settings: &config::Lag,
    ) -> (Vec<(i32, Lag)>, usize) {
        let partitions = partitions.into_iter();
        let mut lags = Vec::with_capacity(partitions.size_hint().0);
        let mut unread = 0;
        let ages = TopicAges::of(sources, self.topic);
        for (number, committed) in partitions {
            let Ok(committed) = committed else {
                unread += 1;
                continue;
            };
            let log = ages.log(number);
            let ends = log.map(|log| log.ends_for(committed)).unwrap_or_default();
            let beyond_end = is_beyond_end(committed, ends);
            let mut found = lag(committed, ends, beyond_end && self.before.contains(&self.key(number)));
            if beyond_end {
                let key = self.key(number);
                self.beyond_end.insert(key);
            }
            found.time = match found.records {
                Some(0) => Some(NOTHING_UNREAD),
                Some(_) => log.and_then(|log| ages.age(number, committed, log, settings.max_error)),
                None => None,
            };
            if let Some(log_start) = ends.start {
                let now = LossOffsets { committed, log_start };
                let last = self.losses.last.insert(number, now);
                self.losses.total += last.map_or(0, |last| now.lost_since(last));
            }
            lags.push((number, found));
        }
        (lags, unread)
    }

    /// The partition under the names of the group and the topic.
    fn key(&self, number: i32) -> (Arc<str>, Arc<str>, i32) {
        (self.group.clone(), self.topic.clone(), number)
    }
}

/// Forgets the last committed offset of each partition that has no committed offset any more.
fn forget_expired(losses: &mut BTreeMap<Arc<str>, Losses>, read: &CommittedOffsets) {
    for (topic, losses) in losses {
        let read = read.get(topic);
        losses.last.retain(|number, _| read.is_some_and(|read| read.contains_key(number)));
    }
}
