//! What is remembered of the watched groups from one cycle to the next.

use std::{collections::BTreeMap, sync::Arc};

use crate::kafka::{
    BrokerId, Fault, Permission,
    admin::{GroupKind, GroupState},
};

/// A group must be missing from so many listings in a row before it counts as deleted.
const MISSES: u8 = 2;

/// What is remembered of a group from one cycle to the next.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    /// The state by the last listing; unknown if the last listing lacks the group.
    pub(crate) state: GroupState,
    pub(crate) kind: GroupKind,
    pub(crate) coordinator: Option<BrokerId>,
    /// Complete listings in a row that lacked the group, although it has a coordinator.
    pub(super) missing: u8,
    /// The last listing lacked the group.
    pub(super) unlisted: bool,
    /// Why the coordinator was not found.
    pub(crate) fault: Option<Fault>,
}

impl Known {
    /// A group of which nothing but the name is known.
    pub(super) fn named() -> Self {
        Self {
            state: GroupState::Unknown,
            kind: GroupKind::Classic,
            coordinator: None,
            missing: 0,
            unlisted: true,
            fault: None,
        }
    }

    /// Whether Kafka does not know the group.
    pub(super) fn is_deleted(&self) -> bool {
        self.missing >= MISSES
    }
}

/// The watched groups.
#[derive(Debug, Default)]
pub(crate) struct WatchedGroups {
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

impl WatchedGroups {
    /// The groups, by name.
    pub(crate) fn known(&self) -> &BTreeMap<Arc<str>, Known> {
        &self.known
    }
}
