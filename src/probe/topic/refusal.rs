//! A change that the cluster refused, remembered for a while.

use std::collections::BTreeSet;

use tokio::time::Instant;

use super::{action::Action, snapshot::Blocked};
use crate::kafka::{BrokerId, capability::BELIEVED_FOR};

/// A change of the topic that the cluster refused. It is not asked for again while the cluster has the same brokers and the
/// same is to do, for ten minutes: then the permission may have been granted.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) reason: Blocked,
    pub(super) brokers: BTreeSet<BrokerId>,
    pub(super) pending: Vec<Action>,
    pub(super) since: Instant,
}

impl Refusal {
    /// Whether this is the same refusal as another one, whenever it was.
    pub(super) fn is_like(&self, other: &Refusal) -> bool {
        self.reason == other.reason && self.brokers == other.brokers && self.pending == other.pending
    }

    /// Whether the cluster would refuse this plan again.
    pub(super) fn holds(&self, brokers: &BTreeSet<BrokerId>, pending: &[Action]) -> bool {
        self.brokers == *brokers && self.pending == pending && self.since.elapsed() < BELIEVED_FOR
    }
}
