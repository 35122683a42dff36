//! Which groups exist, and which broker coordinates each of them.
//!
//! A group that is missing from a listing is not yet a deleted group. While a partition of `__consumer_offsets` has
//! no leader, no broker coordinates its groups, so no broker lists them, and no broker reports an error.

use std::sync::Arc;

use super::known::{Known, WatchedGroups};
use crate::{
    cluster::{Api, Faults, metadata},
    config,
    kafka::{
        Capability, Fault,
        admin::{self, Coordinated, GroupListing, GroupState},
        capability::hidden,
        wire,
    },
};

/// The topic in which Kafka keeps committed offsets: the leader of a partition coordinates the groups in it.
const OFFSETS_TOPIC: &str = "__consumer_offsets";

impl WatchedGroups {
    /// Lists the groups of all brokers, and finds the coordinators of the groups that no broker lists.
    pub(crate) async fn list(
        &mut self,
        wire: &wire::Cluster,
        metadata: &metadata::Snapshot,
        settings: &config::Lag,
        faults: &mut Faults,
    ) {
        let brokers: Vec<_> = metadata.brokers.keys().copied().collect();
        if self.brokers != brokers {
            // The principal may have the permission on other brokers.
            self.listing.forget();
            self.brokers = brokers;
        }
        let mut whole = false;
        (self.listed, self.filtered) = (false, None);
        if !self.listing.is_refused() {
            let listing = admin::list_groups(wire, &self.brokers).await;
            for fault in listing.failed.values() {
                faults.count(Api::ListGroups, *fault);
            }
            let refused = listing.failed.len() == self.brokers.len();
            self.listing.learn(match listing.failed.values().next() {
                Some(fault) if refused => Capability::of(*fault),
                _ => Capability::Ok,
            });
            self.is_empty = listing.groups.is_empty();
            whole = listing.failed.is_empty() && !self.brokers.is_empty();
            self.listed = whole && all_coordinated(metadata);
            self.take_in(listing, whole, settings);
        }
        self.known.retain(|name, _| settings.watches(name));
        for name in settings.groups.iter().filter(|name| settings.watches(name)) {
            self.known.entry(name.as_str().into()).or_insert_with(Known::named);
        }
        self.find_coordinators(wire, faults).await;
        self.drop_deleted(whole, settings);
    }

    /// Whether all groups are listed.
    pub(crate) fn capability(&self) -> Capability {
        hidden(self.listing.state(), self.sees_all, self.is_empty)
    }

    /// Whether a broker answered the last listing.
    pub(crate) fn is_listing(&self) -> bool {
        self.listing.state() == Capability::Ok
    }

    fn take_in(&mut self, listing: GroupListing, whole: bool, settings: &config::Lag) {
        for (name, known) in &mut self.known {
            known.unlisted = !listing.groups.contains_key(name);
            // Unknown until a broker of this listing says more.
            known.state = GroupState::Unknown;
            if known.unlisted && whole {
                // The broker that coordinated the group does not list it: the cluster is asked which broker coordinates it.
                known.coordinator = None;
            }
        }
        let mut filtered = 0;
        for (name, listed) in listing.groups {
            if settings.is_own(&name) {
                continue;
            }
            if !settings.watches(&name) {
                filtered += 1;
                continue;
            }
            let coordinator = match listed.brokers[..] {
                [broker] => Some(broker),
                _ => None,
            };
            let known = Known {
                state: listed.state,
                kind: listed.kind,
                coordinator,
                missing: 0,
                unlisted: false,
                fault: None,
            };
            self.known.insert(name, known);
        }
        self.filtered = whole.then_some(filtered);
    }

    async fn find_coordinators(&mut self, wire: &wire::Cluster, faults: &mut Faults) {
        let lost = self.known.iter().filter(|(_, known)| known.coordinator.is_none());
        let lost: Vec<Arc<str>> = lost.map(|(name, _)| name.clone()).collect();
        if lost.is_empty() {
            return;
        }
        let names: Vec<&str> = lost.iter().map(|name| &**name).collect();
        let found = admin::coordinators(wire, Coordinated::Groups, &names).await;
        if let Err(error) = &found {
            faults.count(Api::FindCoordinator, error.fault());
        }
        for name in &lost {
            let Some(known) = self.known.get_mut(name) else { continue };
            match found.as_ref().map(|found| found.get(&**name)) {
                Ok(Some(Ok(broker))) => (known.coordinator, known.fault) = (Some(*broker), None),
                Ok(Some(Err(error))) => {
                    faults.count(Api::FindCoordinator, error.fault());
                    known.fault = Some(error.fault());
                }
                Ok(None) => known.fault = Some(Fault::Protocol),
                Err(error) => known.fault = Some(error.fault()),
            }
        }
    }

    /// Forgets groups that a second complete listing lacks although a broker coordinates them. A group that is
    /// named in the configuration stays, and is missing.
    fn drop_deleted(&mut self, whole: bool, settings: &config::Lag) {
        let sees_all = self.sees_all == Some(true);
        for known in self.known.values_mut() {
            match (known.unlisted, known.coordinator) {
                (false, _) => known.missing = 0,
                (true, Some(_)) if whole => known.missing = known.missing.saturating_add(1),
                // A listing shows every group to us and lacks this one: so it is missing, although we may not ask about it.
                (true, None) if whole && sees_all && known.fault == Some(Fault::Authorization) => {
                    known.missing = known.missing.saturating_add(1);
                }
                // No broker coordinates it, or we may not know which one does: that says nothing of the group.
                (true, _) => {}
            }
        }
        for known in self.known.values_mut().filter(|known| known.is_deleted()) {
            known.state = GroupState::Missing;
        }
        let is_named = |name: &str| settings.groups.iter().any(|named| named == name);
        self.known.retain(|name, known| !known.is_deleted() || is_named(name));
    }
}

/// Whether every partition of `__consumer_offsets` has a leader, as far as we may see it.
fn all_coordinated(metadata: &metadata::Snapshot) -> bool {
    let offsets = metadata.topics.get(OFFSETS_TOPIC);
    let mut partitions = offsets.into_iter().flatten().flat_map(|topic| topic.partitions.values());
    partitions.all(|partition| partition.leader.is_some())
}
