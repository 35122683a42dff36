//! Groups: what they have committed, and how far behind they are.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use super::{
    Api, Faults, Places,
    heads::{self, Heads},
    lag::{Ends, Lag, Method, TimeLag, is_behind, lag},
    search::{self, Searches},
    topics,
};
use crate::{
    config,
    kafka::{
        BrokerId, Fault,
        admin::{self, GroupKind, GroupState, Offsets},
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
    /// Where it stands, by topic and partition; what it never committed is not there.
    pub topics: BTreeMap<Arc<str>, BTreeMap<i32, Lag>>,
    /// Partitions with a commit whose lag cannot be told: an end or the commit could not be read.
    pub unknown: usize,
    /// Why its commits could not be read.
    pub fault: Option<Fault>,
}

/// Sums over partitions.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sums {
    /// Of all partitions.
    pub records: Option<i64>,
    /// Of the one that is furthest behind.
    pub most: Option<i64>,
    /// Of the one whose next record is oldest.
    pub oldest: Option<TimeLag>,
}

impl Sums {
    /// Over these partitions; absent if there are none.
    pub fn of<'a>(lags: impl Iterator<Item = &'a Lag>) -> Self {
        let mut sums = Self::default();
        for lag in lags {
            if let Some(records) = lag.records {
                sums.records = Some(sums.records.unwrap_or(0) + records);
                sums.most = sums.most.max(Some(records));
            }
            if let Some(time) = lag.time
                && sums.oldest.is_none_or(|oldest| time.age > oldest.age)
            {
                sums.oldest = Some(time);
            }
        }
        sums
    }
}

/// What was committed, as it was just read.
#[derive(Debug, Default)]
pub(super) struct Commits(BTreeMap<Arc<str>, Result<Offsets, Fault>>);

impl Commits {
    /// Every offset that could be read of some group, once.
    pub(super) fn places(&self, settings: &config::Lag) -> Places {
        let mut places = Places::new();
        for (topic, partitions) in self.0.values().flatten().flatten() {
            if settings.topics.covers(topic) {
                let offsets = partitions.iter().filter_map(|(number, read)| Some((*number, read.ok()?)));
                places.entry(topic.clone()).or_default().extend(offsets);
            }
        }
        places
    }
}

/// What tells how old an offset is.
pub(super) struct Sources<'a> {
    pub(super) topics: &'a topics::Watched,
    pub(super) heads: &'a Heads,
    pub(super) searches: &'a Searches,
    /// On our own clock.
    pub(super) now: Duration,
    /// Milliseconds since 1970.
    pub(super) now_ms: i64,
}

/// Everything that is remembered of groups.
#[derive(Debug, Default)]
pub(super) struct Watched {
    brokers: Vec<BrokerId>,
    /// Whether groups may be listed.
    pub(super) listing: Capability,
    known: BTreeMap<Arc<str>, Known>,
    /// Commits that were behind the end of their log in the last cycle.
    behind: BTreeSet<(Arc<str>, Arc<str>, i32)>,
}

#[derive(Debug, Clone)]
struct Known {
    state: GroupState,
    kind: GroupKind,
    coordinator: Option<BrokerId>,
    /// Looks in a row that did not list it.
    missing: u8,
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
        for name in &settings.names {
            self.known.entry(name.as_str().into()).or_insert(Known {
                state: GroupState::Unknown,
                kind: GroupKind::Classic,
                coordinator: None,
                missing: 0,
            });
        }
        self.find_coordinators(wire, faults).await;
        let mut by_coordinator = BTreeMap::<BrokerId, Vec<Arc<str>>>::new();
        // Share groups have no committed offsets.
        for (name, known) in self.known.iter().filter(|(_, known)| known.kind != GroupKind::Share) {
            if let Some(coordinator) = known.coordinator {
                by_coordinator.entry(coordinator).or_default().push(name.clone());
            }
        }
        // Who cannot list groups may not know either what "everything a group has committed" means.
        let named = (self.listing == Capability::Unsupported).then(|| partitions(metadata, settings));
        let commits = admin::group_offsets(wire, &by_coordinator, named.as_ref()).await;
        for (name, fault) in commits.iter().filter_map(|(name, read)| Some((name, read.as_ref().err()?))) {
            faults.count(Api::OffsetFetch, *fault);
            // It may have moved: looked for anew.
            if let Some(known) = self.known.get_mut(name) {
                known.coordinator = None;
            }
        }
        Commits(commits)
    }

    fn take_in(&mut self, listing: admin::Listing, settings: &config::Lag) {
        let whole = listing.failed.is_empty();
        for (name, known) in &mut self.known {
            known.missing = match listing.groups.contains_key(name) {
                true => 0,
                // Only who answered can say that a group is gone.
                false if whole => known.missing + 1,
                false => known.missing,
            };
        }
        let named = |name: &str| settings.names.iter().any(|named| named == name);
        self.known.retain(|name, known| known.missing < 2 || named(name));
        for (name, listed) in listing.groups {
            if !settings.groups.covers(&name) && !named(&name) {
                continue;
            }
            let coordinator = match listed.brokers[..] {
                [broker] => Some(broker),
                _ => None,
            };
            let known = Known { state: listed.state, kind: listed.kind, coordinator, missing: 0 };
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
                        Err(error) => faults.count(Api::FindCoordinator, error.fault()),
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
        known_of: &Sources<'_>,
        settings: &config::Lag,
    ) -> BTreeMap<Arc<str>, Group> {
        let before = std::mem::take(&mut self.behind);
        let mut groups = BTreeMap::new();
        let mut commits = commits.0;
        for (name, known) in &self.known {
            let (read, fault) = match commits.remove(name) {
                Some(Ok(read)) => (read, None),
                Some(Err(fault)) => (Offsets::new(), Some(fault)),
                None if known.kind == GroupKind::Share => (Offsets::new(), None),
                None => (Offsets::new(), Some(Fault::NoLeader)),
            };
            let mut group =
                Group { state: known.state, kind: known.kind, topics: BTreeMap::new(), unknown: 0, fault };
            for (topic, partitions) in read.into_iter().filter(|(topic, _)| settings.topics.covers(topic)) {
                let mut lags = BTreeMap::new();
                let dates = Dates::of(known_of, &topic);
                for (number, committed) in partitions {
                    let (Ok(committed), Some(log)) = (committed, dates.log(number)) else {
                        group.unknown += 1;
                        continue;
                    };
                    let ends = log.ends;
                    let place = || (name.clone(), topic.clone(), number);
                    let behind = is_behind(committed, ends);
                    let mut found = lag(committed, ends, behind && before.contains(&place()));
                    if behind {
                        self.behind.insert(place());
                    }
                    found.time = match found.records {
                        Some(0) => Some(NOTHING_UNREAD),
                        Some(_) => dates.age(number, committed, log, settings.max_error),
                        None => None,
                    };
                    group.unknown += usize::from(ends.end.is_none() || ends.start.is_none());
                    lags.insert(number, found);
                }
                if !lags.is_empty() {
                    group.topics.insert(topic, lags);
                }
            }
            groups.insert(name.clone(), group);
        }
        groups
    }
}

/// What is known of one topic.
struct Dates<'a> {
    logs: Option<topics::Logs<'a>>,
    heads: heads::Of<'a>,
    searches: search::Of<'a>,
    now: Duration,
    now_ms: i64,
}

impl<'a> Dates<'a> {
    fn of(sources: &Sources<'a>, topic: &str) -> Self {
        Self {
            logs: sources.topics.of(topic),
            heads: sources.heads.of(topic),
            searches: sources.searches.of(topic),
            now: sources.now,
            now_ms: sources.now_ms,
        }
    }

    fn log(&self, partition: i32) -> Option<topics::Log<'a>> {
        self.logs?.log(partition)
    }

    /// How old the next record to be read is: by our own samples if they know it well, else by the source that
    /// knows it best.
    fn age(
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
pub(super) fn almost(committed: &Places, topics: &topics::Watched) -> Places {
    select(committed, topics, |_| {
        |_, offset, log| {
            let Ends { start: Some(start), end: Some(end) } = log.ends else { return None };
            (offset >= start && (1..=heads::ALMOST).contains(&(end - offset))).then_some(offset)
        }
    })
}

/// Offsets of whose age our own samples know nothing, or too little.
pub(super) fn unclear(
    committed: &Places,
    topics: &topics::Watched,
    heads: &Heads,
    settings: &config::Lag,
    now: Duration,
) -> Places {
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
fn select<'a, F>(committed: &Places, topics: &'a topics::Watched, choose: impl Fn(&str) -> F) -> Places
where
    F: Fn(i32, i64, topics::Log<'a>) -> Option<i64>,
{
    let mut places = Places::new();
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

/// The partitions of all watched topics.
fn partitions(metadata: &metadata::Snapshot, settings: &config::Lag) -> BTreeMap<Arc<str>, Vec<i32>> {
    let watched = metadata.topics.iter().filter(|(name, _)| settings.topics.covers(name));
    let known = watched.filter_map(|(name, topic)| Some((name, topic.as_ref().ok()?)));
    known.map(|(name, topic)| (name.as_str().into(), topic.partitions.keys().copied().collect())).collect()
}

/// The offset of the next record to be read, if there is one and it is still there: of records that are lost,
/// the first that is left counts.
fn unread(committed: i64, ends: Ends) -> Option<i64> {
    let (start, end) = (ends.start?, ends.end?);
    let offset = committed.max(start);
    (offset < end).then_some(offset)
}

/// The age where everything is read.
const NOTHING_UNREAD: TimeLag =
    TimeLag { age: Duration::ZERO, error: Some(Duration::ZERO), method: Method::Current };
