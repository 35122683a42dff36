//! The committed offsets and the members of the groups that are watched.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::listed::Known;
use crate::{
    cluster::{Api, Faults, OffsetSet, metadata},
    config,
    kafka::{
        BrokerId, Capability, Fault, Permission,
        admin::{self, CommittedOffsets, GroupKind, GroupState, Member},
        wire,
    },
};

/// What was committed, as it was just read.
#[derive(Debug, Default)]
pub(crate) struct Commits {
    pub(crate) offsets: BTreeMap<Arc<str>, Result<CommittedOffsets, Fault>>,
    /// Of groups that have no coordinator, so that nobody can commit: what was read last.
    pub(crate) last: BTreeMap<Arc<str>, CommittedOffsets>,
    pub(crate) members: BTreeMap<Arc<str>, Vec<Member>>,
}

impl Commits {
    /// Every offset that could be read of some group, once.
    pub(crate) fn places(&self, settings: &config::Lag) -> OffsetSet {
        let mut places = OffsetSet::new();
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
pub(crate) struct Watched {
    pub(super) brokers: Vec<BrokerId>,
    pub(super) listing: Permission,
    /// Every broker has listed its groups in this cycle, and every group has a broker that lists it.
    pub(crate) listed: bool,
    /// How many listed groups the filter leaves out; absent where the last listing failed.
    pub(crate) filtered: Option<usize>,
    /// Whether the last listing had no group at all.
    pub(super) is_empty: bool,
    /// Whether Kafka lists every group for us, as far as that is known.
    pub(crate) sees_all: Option<bool>,
    pub(super) known: BTreeMap<Arc<str>, Known>,
}

impl Watched {
    /// Lists groups and reads their commits.
    pub(crate) async fn ask(
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
            *read = Ok(CommittedOffsets::new());
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
        Commits { offsets, last: BTreeMap::new(), members }
    }

    /// The watched groups, by name.
    pub(crate) fn known(&self) -> &BTreeMap<Arc<str>, Known> {
        &self.known
    }

    /// Asks who is in the groups that have members.
    async fn describe(&self, wire: &wire::Cluster, faults: &mut Faults) -> BTreeMap<Arc<str>, Vec<Member>> {
        let mut wanted = admin::GroupsByCoordinator::new();
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
}

/// The partitions of all watched topics.
fn partitions(metadata: &metadata::Snapshot, settings: &config::Lag) -> BTreeMap<Arc<str>, Vec<i32>> {
    let watched = metadata.topics.iter().filter(|(name, _)| settings.topics.covers(name));
    let known = watched.filter_map(|(name, topic)| Some((name, topic.as_ref().ok()?)));
    known.map(|(name, topic)| (name.as_str().into(), topic.partitions.keys().copied().collect())).collect()
}
