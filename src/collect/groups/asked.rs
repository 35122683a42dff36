//! The committed offsets and the members of the watched groups.

use std::{collections::BTreeMap, sync::Arc};

use super::known::WatchedGroups;
use crate::{
    cluster::{Api, Faults, OffsetSet, metadata},
    config,
    kafka::{
        BrokerId, Capability, Fault,
        admin::{self, CommittedOffsets, Described, GroupKind, GroupState, ShareLags, ShareOffsets},
        wire,
    },
};

/// The committed offsets and the members, as this cycle read them.
#[derive(Debug, Default)]
pub(crate) struct Commits {
    pub(crate) offsets: BTreeMap<Arc<str>, Result<CommittedOffsets, Fault>>,
    /// The number of records that each share group has not finished, where coordinators count them.
    share_lags: BTreeMap<Arc<str>, ShareLags>,
    /// The committed offsets that were read last, of groups without a coordinator: no member can commit meanwhile.
    pub(crate) last: BTreeMap<Arc<str>, CommittedOffsets>,
    /// The groups as their coordinators describe them. Empty without `[lag] members`.
    pub(crate) described: BTreeMap<Arc<str>, Described>,
}

impl Commits {
    /// Places share groups so that their lag is the one that their coordinators count: a share group may have finished records after
    /// its start offset. `end` is the log end offset of a partition.
    pub(crate) fn place_share_groups(&mut self, end: impl Fn(&str, i32) -> Option<i64>) {
        for (group, topics) in std::mem::take(&mut self.share_lags) {
            let Some(Ok(offsets)) = self.offsets.get_mut(&group) else { continue };
            for (topic, lags) in topics {
                let Some(starts) = offsets.get_mut(&topic) else { continue };
                for (number, lag) in lags {
                    if let (Some(Ok(start)), Some(end)) = (starts.get_mut(&number), end(&topic, number)) {
                        *start = (*start).max(end.saturating_sub(lag));
                    }
                }
            }
        }
    }

    /// The committed offsets of all groups together, each offset once.
    pub(crate) fn places(&self, settings: &config::Lag) -> OffsetSet {
        let mut committed = OffsetSet::new();
        for (topic, partitions) in self.offsets.values().flatten().chain(self.last.values()).flatten() {
            if settings.topics.covers(topic) {
                let offsets = partitions.iter().filter_map(|(number, read)| Some((*number, read.ok()?)));
                committed.entry(topic.clone()).or_default().extend(offsets);
            }
        }
        committed
    }
}

impl WatchedGroups {
    /// Lists the groups, and reads their committed offsets and members.
    pub(crate) async fn ask(
        &mut self,
        wire: &wire::Cluster,
        metadata: &metadata::Snapshot,
        settings: &config::Lag,
        faults: &mut Faults,
    ) -> Commits {
        self.list(wire, metadata, settings, faults).await;
        // A broker that does not support ListGroups may also be too old to return all committed offsets of a group, so
        // OffsetFetch names the partitions.
        let named = (self.listing.state() == Capability::Unsupported).then(|| partitions(metadata, settings));
        let share_groups = self.by_coordinator(|kind| kind == GroupKind::Share);
        let other_groups = self.by_coordinator(|kind| kind != GroupKind::Share);
        let (mut offsets, mut shared) = tokio::join!(
            admin::group_offsets(wire, &other_groups, named.as_ref()),
            admin::share_offsets(wire, &share_groups)
        );
        // Brokers before Kafka 4.1 do not support DescribeShareGroupOffsets: this is not counted as a failed request.
        for read in shared.values_mut().filter(|read| matches!(read, Err(Fault::Unsupported))) {
            *read = Ok(ShareOffsets::default());
        }
        self.take_in_failures(&offsets, Api::OffsetFetch, faults);
        self.take_in_failures(&shared, Api::DescribeShareGroupOffsets, faults);
        let mut share_lags = BTreeMap::new();
        for (group, read) in shared {
            let read = read.map(|ShareOffsets { starts, lags }| {
                share_lags.insert(group.clone(), lags);
                starts
            });
            offsets.insert(group, read);
        }
        let described = if settings.members { self.describe(wire, faults).await } else { BTreeMap::new() };
        Commits { offsets, share_lags, last: BTreeMap::new(), described }
    }

    /// The groups of these kinds by the broker that coordinates them; without those whose coordinator is not known.
    fn by_coordinator(&self, is_wanted: impl Fn(GroupKind) -> bool) -> BTreeMap<BrokerId, Vec<Arc<str>>> {
        let mut groups = BTreeMap::<BrokerId, Vec<Arc<str>>>::new();
        for (name, known) in self.known.iter().filter(|(_, known)| is_wanted(known.kind)) {
            if let Some(coordinator) = known.coordinator {
                groups.entry(coordinator).or_default().push(name.clone());
            }
        }
        groups
    }

    /// Counts each group whose offsets could not be read. Its coordinator may have moved, and has to be found again.
    fn take_in_failures<T>(
        &mut self,
        offsets: &BTreeMap<Arc<str>, Result<T, Fault>>,
        api: Api,
        faults: &mut Faults,
    ) {
        for (name, read) in offsets {
            let Err(fault) = read else { continue };
            faults.count(api, *fault);
            if let Some(known) = self.known.get_mut(name) {
                known.coordinator = None;
            }
        }
    }

    fn kind(&self, name: &str) -> Option<GroupKind> {
        self.known.get(name).map(|known| known.kind)
    }

    /// Asks for the members of the groups that have any.
    async fn describe(&self, wire: &wire::Cluster, faults: &mut Faults) -> BTreeMap<Arc<str>, Described> {
        let mut wanted = admin::GroupsByCoordinator::new();
        let mut described = BTreeMap::new();
        for (name, known) in &self.known {
            match (known.kind, known.state, known.coordinator) {
                (_, GroupState::Empty | GroupState::Dead | GroupState::Missing, _) => {
                    described.insert(name.clone(), Described { members: Vec::new(), epoch: None });
                }
                (GroupKind::Classic | GroupKind::Consumer | GroupKind::Share, _, Some(broker)) => {
                    wanted.entry((broker, known.kind)).or_default().push(name.clone());
                }
                _ => {}
            }
        }
        for (name, found) in admin::members(wire, &wanted).await {
            match found {
                Ok(found) => _ = described.insert(name, found),
                // Brokers before Kafka 4.1 do not describe share groups: this is not counted as a failed request.
                Err(Fault::Unsupported) if self.kind(&name) == Some(GroupKind::Share) => {}
                Err(fault) => faults.count(Api::DescribeGroups, fault),
            }
        }
        described
    }
}

/// The partitions of all watched topics.
fn partitions(metadata: &metadata::Snapshot, settings: &config::Lag) -> BTreeMap<Arc<str>, Vec<i32>> {
    let watched = metadata.topics.iter().filter(|(name, _)| settings.topics.covers(name));
    let known = watched.filter_map(|(name, topic)| Some((name, topic.as_ref().ok()?)));
    known.map(|(name, topic)| (name.as_str().into(), topic.partitions.keys().copied().collect())).collect()
}
