//! Groups: what they have committed, and how far behind they are.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    Api, Faults, Places,
    ages::{Dates, NOTHING_UNREAD, Sources},
    lag::{Lag, Sums, is_behind, lag, lost_since},
};
use crate::{
    config,
    kafka::{
        BrokerId, Fault,
        admin::{self, GroupKind, GroupState, Member, Offsets},
        wire,
    },
    probe::metadata::{self, Capability},
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
    /// Why its commits could not be read.
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
    /// one that is furthest behind.
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

    /// Partitions with a commit that have no lag.
    pub fn unknown(&self) -> usize {
        let lags = self.topics.values().flat_map(|lags| lags.values());
        Sums::of(lags, self.unread.values().sum()).lacking
    }
}

/// What was committed, as it was just read.
#[derive(Debug, Default)]
pub(super) struct Commits {
    offsets: BTreeMap<Arc<str>, Result<Offsets, Fault>>,
    members: BTreeMap<Arc<str>, Vec<Member>>,
}

impl Commits {
    /// Every offset that could be read of some group, once.
    pub(super) fn places(&self, settings: &config::Lag) -> Places {
        let mut places = Places::new();
        for (topic, partitions) in self.offsets.values().flatten().flatten() {
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
    /// Whether groups may be listed.
    pub(super) listing: Capability,
    /// Every broker has listed its groups in this look.
    pub(super) listed: bool,
    known: BTreeMap<Arc<str>, Known>,
    /// Commits that were behind the end of their log in the last cycle.
    behind: BTreeSet<(Arc<str>, Arc<str>, i32)>,
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

#[derive(Debug, Clone)]
struct Known {
    state: GroupState,
    kind: GroupKind,
    coordinator: Option<BrokerId>,
    /// Looks in a row that did not list it.
    missing: u8,
    /// Why its coordinator was not found.
    fault: Option<Fault>,
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
        let brokers: Vec<_> = metadata.brokers.keys().copied().collect();
        if self.brokers != brokers {
            // Other brokers may let us.
            (self.listing, self.brokers) = (Capability::Unknown, brokers);
        }
        self.listed = false;
        if !self.listing.is_refusal() {
            let listing = admin::list_groups(wire, &self.brokers).await;
            for fault in listing.failed.values() {
                faults.count(Api::ListGroups, *fault);
            }
            let refused = listing.failed.len() == self.brokers.len();
            self.listing = match listing.failed.values().next() {
                Some(Fault::Unsupported) if refused => Capability::Unsupported,
                Some(Fault::Authorization) if refused => Capability::Denied,
                Some(_) if refused => Capability::Unknown,
                _ => Capability::Ok,
            };
            self.take_in(listing, settings);
        }
        self.known.retain(|name, _| settings.watches(name));
        for name in settings.names.iter().filter(|name| settings.watches(name)) {
            self.known.entry(name.as_str().into()).or_insert(Known {
                state: GroupState::Unknown,
                kind: GroupKind::Classic,
                coordinator: None,
                missing: 0,
                fault: None,
            });
        }
        self.find_coordinators(wire, faults).await;
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
        let named = (self.listing == Capability::Unsupported).then(|| partitions(metadata, settings));
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
        Commits { offsets, members }
    }

    /// Asks who is in the groups that have members.
    async fn describe(&self, wire: &wire::Cluster, faults: &mut Faults) -> BTreeMap<Arc<str>, Vec<Member>> {
        let mut wanted = admin::Described::new();
        let mut members = BTreeMap::new();
        for (name, known) in &self.known {
            match (known.kind, known.state, known.coordinator) {
                (_, GroupState::Empty | GroupState::Dead, _) => _ = members.insert(name.clone(), Vec::new()),
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

    fn take_in(&mut self, listing: admin::Listing, settings: &config::Lag) {
        let whole = listing.failed.is_empty();
        self.listed = whole;
        for (name, known) in &mut self.known {
            known.missing = match listing.groups.contains_key(name) {
                true => 0,
                // Only who answered can say that a group is gone.
                false if whole => known.missing.saturating_add(1),
                false => known.missing,
            };
            // As far as anybody has said.
            known.state = GroupState::Unknown;
        }
        let named = |name: &str| settings.names.iter().any(|named| named == name);
        self.known.retain(|name, known| known.missing < 2 || named(name));
        for (name, listed) in listing.groups {
            if !settings.watches(&name) {
                continue;
            }
            let coordinator = match listed.brokers[..] {
                [broker] => Some(broker),
                _ => None,
            };
            let known =
                Known { state: listed.state, kind: listed.kind, coordinator, missing: 0, fault: None };
            self.known.insert(name, known);
        }
    }

    async fn find_coordinators(&mut self, wire: &wire::Cluster, faults: &mut Faults) {
        let lost = self.known.iter().filter(|(_, known)| known.coordinator.is_none());
        let lost: Vec<Arc<str>> = lost.map(|(name, _)| name.clone()).collect();
        if lost.is_empty() {
            return;
        }
        let names: Vec<&str> = lost.iter().map(|name| &**name).collect();
        match admin::coordinators(wire, &names).await {
            Ok(found) => {
                for (name, found) in found {
                    match found {
                        Ok(broker) => {
                            if let Some(known) = self.known.get_mut(name.as_str()) {
                                known.coordinator = Some(broker);
                            }
                        }
                        Err(error) => {
                            faults.count(Api::FindCoordinator, error.fault());
                            if let Some(known) = self.known.get_mut(name.as_str()) {
                                known.fault = Some(error.fault());
                            }
                        }
                    }
                }
            }
            Err(error) => faults.count(Api::FindCoordinator, error.fault()),
        }
    }

    /// Holds the commits against the logs.
    pub(super) fn judge(
        &mut self,
        commits: Commits,
        sources: &Sources<'_>,
        settings: &config::Lag,
        faults: &mut Faults,
    ) -> BTreeMap<Arc<str>, Group> {
        let before = std::mem::take(&mut self.behind);
        let mut groups = BTreeMap::new();
        let Commits { mut offsets, mut members } = commits;
        self.losses.retain(|name, _| self.known.contains_key(name));
        for (name, known) in &self.known {
            let (read, fault) = match offsets.remove(name) {
                Some(Ok(read)) => (read, None),
                Some(Err(fault)) => (Offsets::new(), Some(fault)),
                None => (Offsets::new(), Some(known.fault.unwrap_or(Fault::NoLeader))),
            };
            let losses = self.losses.entry(name.clone()).or_default();
            losses.retain(|topic, _| sources.topics.of(topic).is_some());
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
                    let behind = is_behind(committed, ends);
                    let mut found = lag(committed, ends, behind && before.contains(&place()));
                    if behind {
                        self.behind.insert(place());
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

/// The partitions of all watched topics.
fn partitions(metadata: &metadata::Snapshot, settings: &config::Lag) -> BTreeMap<Arc<str>, Vec<i32>> {
    let watched = metadata.topics.iter().filter(|(name, _)| settings.topics.covers(name));
    let known = watched.filter_map(|(name, topic)| Some((name, topic.as_ref().ok()?)));
    known.map(|(name, topic)| (name.as_str().into(), topic.partitions.keys().copied().collect())).collect()
}
