//! Consumer groups: their committed offsets and their lag.

mod listed;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use listed::Known;

use super::{
    Api, Faults, Places,
    ages::{Dates, NOTHING_UNREAD, Sources},
    lag::{Lag, Sums, is_beyond_end, lag, lost_since},
};
use crate::{
    config,
    kafka::{
        BrokerId, Capability, Fault, Permission,
        admin::{self, GroupKind, GroupState, Member, Offsets},
        wire,
    },
    probe::metadata,
};

/// A group as it was last seen.
#[derive(Debug, Clone)]
pub struct Group {
    /// Its state.
    pub state: GroupState,
    /// Its protocol.
    pub kind: GroupKind,
    /// Who is in it; absent where that is not asked for, or could not be told.
    pub members: Option<Vec<Member>>,
    /// Where it stands, by topic and partition; what it never committed is not there.
    pub topics: BTreeMap<Arc<str>, BTreeMap<i32, Lag>>,
    /// Records that were deleted before the group read them, since the group is watched, by topic.
    pub lost: BTreeMap<Arc<str>, u64>,
    /// Partitions whose commit could not be read, by topic.
    pub unread: BTreeMap<Arc<str>, usize>,
    /// Why its committed offsets could not be read. While the group has no coordinator nobody can commit: then `topics`
    /// holds the offsets that were read last. Otherwise `topics` is empty.
    pub fault: Option<Fault>,
}

impl Group {
    /// Sums over all partitions. What is not known of one is not known of all, unless parts are good enough.
    pub fn sums(&self, parts: bool) -> Sums {
        let lags = self.topics.values().flat_map(|lags| lags.values());
        Sums::of(lags, self.unread.values().sum()).told(parts)
    }

    /// Sums over the partitions of a topic, in the same way.
    pub fn topic_sums(&self, topic: &str, parts: bool) -> Sums {
        let lags = self.topics.get(topic).into_iter().flat_map(|lags| lags.values());
        Sums::of(lags, self.unread.get(topic).copied().unwrap_or(0)).told(parts)
    }

    /// The partition whose next record is oldest, of those with something to read; where ages are not known, the
    /// one with the largest lag.
    pub fn worst(&self) -> Option<(&str, i32)> {
        let all = self.topics.iter().flat_map(|(topic, lags)| lags.iter().map(move |lag| (&**topic, lag)));
        let unread = all.filter(|(_, (_, lag))| lag.records > Some(0) && lag.time != Some(NOTHING_UNREAD));
        let worst = unread.max_by_key(|(_, (_, lag))| (lag.time.map(|time| time.age), lag.records));
        worst.map(|(topic, (number, _))| (topic, *number))
    }

    /// Who reads what, as far as that is known.
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

/// What was committed, as it was just read.
#[derive(Debug, Default)]
pub(super) struct Commits {
    offsets: BTreeMap<Arc<str>, Result<Offsets, Fault>>,
    /// Of groups that have no coordinator, so that nobody can commit: what was read last.
    last: BTreeMap<Arc<str>, Offsets>,
    members: BTreeMap<Arc<str>, Vec<Member>>,
}

impl Commits {
    /// Every offset that could be read of some group, once.
    pub(super) fn places(&self, settings: &config::Lag) -> Places {
        let mut places = Places::new();
        for (topic, partitions) in self.offsets.values().flatten().chain(self.last.values()).flatten() {
            if settings.topics.covers(topic) {
                let offsets = partitions.iter().filter_map(|(number, read)| Some((*number, read.ok()?)));
                places.entry(topic.clone()).or_default().extend(offsets);
            }
        }
        places
    }
}

/// Everything that is remembered of groups.
#[derive(Debug, Default)]
pub(super) struct Watched {
    brokers: Vec<BrokerId>,
    listing: Permission,
    /// Every broker has listed its groups in this cycle, and every group has a broker that lists it.
    pub(super) listed: bool,
    /// How many listed groups the filter leaves out; absent where the last listing failed.
    pub(super) filtered: Option<usize>,
    /// Whether the last listing had no group at all.
    is_empty: bool,
    /// Whether Kafka lists every group for us, as far as that is known.
    pub(super) sees_all: Option<bool>,
    known: BTreeMap<Arc<str>, Known>,
    /// Partitions whose committed offset was beyond the log end in the last cycle.
    beyond_end: BTreeSet<(Arc<str>, Arc<str>, i32)>,
    /// What each group has lost, by topic.
    losses: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Losses>>,
}

/// Records that were deleted unread.
#[derive(Debug, Default)]
struct Losses {
    total: u64,
    /// Commits and starts of logs when both were last known, by partition.
    last: BTreeMap<i32, (i64, i64)>,
}

impl Watched {
    /// Lists groups and reads their commits.
    pub(super) async fn ask(
        &mut self,
        wire: &wire::Cluster,
        metadata: &metadata::Snapshot,
        settings: &config::Lag,
        faults: &mut Faults,
    ) -> Commits {
        self.list(wire, metadata, settings, faults).await;
        let of_kind = |is_share: bool| {
            let mut by_coordinator = BTreeMap::<BrokerId, Vec<Arc<str>>>::new();
            for (name, known) in &self.known {
                if let Some(coordinator) =
                    known.coordinator.filter(|_| is_share == (known.kind == GroupKind::Share))
                {
                    by_coordinator.entry(coordinator).or_default().push(name.clone());
                }
            }
            by_coordinator
        };
        // Share groups commit nothing: what they are done with is asked for in other words.
        let (by_coordinator, sharing) = (of_kind(false), of_kind(true));
        let sharing_names: BTreeSet<_> = sharing.values().flatten().cloned().collect();
        // Who cannot list groups may not know either what "everything a group has committed" means.
        let named = (self.listing.state() == Capability::Unsupported).then(|| partitions(metadata, settings));
        let (mut offsets, mut shared) = tokio::join!(
            admin::group_offsets(wire, &by_coordinator, named.as_ref()),
            admin::share_offsets(wire, &sharing)
        );
        // Brokers before 4.1 have no such question, which is no fault.
        for read in shared.values_mut().filter(|read| matches!(read, Err(Fault::Unsupported))) {
            *read = Ok(Offsets::new());
        }
        offsets.append(&mut shared);
        for (name, fault) in offsets.iter().filter_map(|(name, read)| Some((name, read.as_ref().err()?))) {
            let api =
                if sharing_names.contains(name) { Api::DescribeShareGroupOffsets } else { Api::OffsetFetch };
            faults.count(api, *fault);
            // It may have moved: looked for anew.
            if let Some(known) = self.known.get_mut(name) {
                known.coordinator = None;
            }
        }
        let members = if settings.members { self.describe(wire, faults).await } else { BTreeMap::new() };
        Commits { offsets, last: self.last_offsets(), members }
    }

    /// The committed offsets that were read last, of groups without a coordinator.
    fn last_offsets(&self) -> BTreeMap<Arc<str>, Offsets> {
        let is_lost = |known: &Known| known.coordinator.is_none() && known.fault == Some(Fault::NoLeader);
        let of_topic = |losses: &Losses| {
            losses.last.iter().map(|(number, (committed, _))| (*number, Ok(*committed))).collect()
        };
        let of_group = |losses: &BTreeMap<Arc<str>, Losses>| {
            losses.iter().map(|(topic, losses)| (topic.clone(), of_topic(losses))).collect()
        };
        let lost = self.known.iter().filter(|(_, known)| is_lost(known));
        lost.filter_map(|(name, _)| Some((name.clone(), of_group(self.losses.get(name)?)))).collect()
    }

    /// Asks who is in the groups that have members.
    async fn describe(&self, wire: &wire::Cluster, faults: &mut Faults) -> BTreeMap<Arc<str>, Vec<Member>> {
        let mut wanted = admin::Described::new();
        let mut members = BTreeMap::new();
        for (name, known) in &self.known {
            match (known.kind, known.state, known.coordinator) {
                (_, GroupState::Empty | GroupState::Dead | GroupState::Missing, _) => {
                    _ = members.insert(name.clone(), Vec::new())
                }
                (GroupKind::Classic | GroupKind::Consumer, _, Some(broker)) => {
                    wanted.entry((broker, known.kind)).or_default().push(name.clone());
                }
                _ => {}
            }
        }
        for (name, found) in admin::members(wire, &wanted).await {
            match found {
                Ok(found) => _ = members.insert(name, found),
                Err(fault) => faults.count(Api::DescribeGroups, fault),
            }
        }
        members
    }

    /// Holds the commits against the logs.
    pub(super) fn judge(
        &mut self,
        commits: Commits,
        sources: &Sources<'_>,
        settings: &config::Lag,
        faults: &mut Faults,
    ) -> BTreeMap<Arc<str>, Group> {
        let before = std::mem::take(&mut self.beyond_end);
        let mut groups = BTreeMap::new();
        let Commits { mut offsets, mut last, mut members } = commits;
        self.losses.retain(|name, _| self.known.contains_key(name));
        for (name, known) in &self.known {
            let (read, fault) = match offsets.remove(name) {
                Some(Ok(read)) => (read, None),
                Some(Err(fault)) => (Offsets::new(), Some(fault)),
                None => (last.remove(name).unwrap_or_default(), Some(known.fault.unwrap_or(Fault::NoLeader))),
            };
            let losses = self.losses.entry(name.clone()).or_default();
            losses.retain(|topic, _| sources.topics.of(topic).is_some());
            if fault.is_none() {
                forget_expired(losses, &read);
            }
            let mut group = Group {
                state: known.state,
                kind: known.kind,
                members: members.remove(name),
                topics: BTreeMap::new(),
                lost: BTreeMap::new(),
                unread: BTreeMap::new(),
                fault,
            };
            for (topic, partitions) in read.into_iter().filter(|(topic, _)| settings.topics.covers(topic)) {
                let mut lags = Vec::with_capacity(partitions.len());
                let dates = Dates::of(sources, &topic);
                if sources.topics.of(&topic).is_none() {
                    // A commit outlives its topic.
                    faults.count(Api::OffsetFetch, Fault::UnknownTopic);
                    continue;
                }
                let losses = losses.entry(topic.clone()).or_default();
                for (number, committed) in partitions {
                    let Ok(committed) = committed else {
                        *group.unread.entry(topic.clone()).or_default() += 1;
                        continue;
                    };
                    let log = dates.log(number);
                    let ends = log.map(|log| log.ends_for(committed)).unwrap_or_default();
                    let place = || (name.clone(), topic.clone(), number);
                    let beyond_end = is_beyond_end(committed, ends);
                    let mut found = lag(committed, ends, beyond_end && before.contains(&place()));
                    if beyond_end {
                        self.beyond_end.insert(place());
                    }
                    found.time = match found.records {
                        Some(0) => Some(NOTHING_UNREAD),
                        Some(_) => log.and_then(|log| dates.age(number, committed, log, settings.max_error)),
                        None => None,
                    };
                    if let Some(start) = ends.start {
                        let last = losses.last.insert(number, (committed, start));
                        losses.total += last.map_or(0, |last| lost_since(last, (committed, start)));
                    }
                    lags.push((number, found));
                }
                if !lags.is_empty() {
                    // A tree that is made of all at once has no room to spare, and snapshots live long.
                    group.topics.insert(topic, lags.into_iter().collect());
                }
            }
            group.lost = losses.iter().map(|(topic, losses)| (topic.clone(), losses.total)).collect();
            groups.insert(name.clone(), group);
        }
        groups
    }
}

/// Forgets the last committed offset of every partition that has none any more.
fn forget_expired(losses: &mut BTreeMap<Arc<str>, Losses>, read: &Offsets) {
    for (topic, losses) in losses {
        let read = read.get(topic);
        losses.last.retain(|number, _| read.is_some_and(|read| read.contains_key(number)));
    }
}

/// The partitions of all watched topics.
fn partitions(metadata: &metadata::Snapshot, settings: &config::Lag) -> BTreeMap<Arc<str>, Vec<i32>> {
    let watched = metadata.topics.iter().filter(|(name, _)| settings.topics.covers(name));
    let known = watched.filter_map(|(name, topic)| Some((name, topic.as_ref().ok()?)));
    known.map(|(name, topic)| (name.as_str().into(), topic.partitions.keys().copied().collect())).collect()
}
