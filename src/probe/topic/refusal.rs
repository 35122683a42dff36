//! A change of the topic that the cluster refused.

use std::collections::BTreeSet;

use tokio::time::Instant;

use super::{action::Action, snapshot::Blocked};
use crate::kafka::{BrokerId, capability::BELIEVED_FOR};

/// A plan that the cluster refused. The same plan is not tried again for ten minutes while the cluster has the same
/// brokers. Then the permission may have been granted.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) reason: Blocked,
    /// The brokers at the time of the refusal.
    pub(super) brokers: BTreeSet<BrokerId>,
    /// The plan.
    pub(super) pending: Vec<Action>,
    /// The time of the refusal.
    pub(super) since: Instant,
}

impl Refusal {
    /// Whether two refusals have the same reason, brokers and plan.
    pub(super) fn is_like(&self, other: &Refusal) -> bool {
        self.reason == other.reason && self.brokers == other.brokers && self.pending == other.pending
    }

    /// Whether the cluster would refuse this plan again.
    pub(super) fn holds(&self, brokers: &BTreeSet<BrokerId>, pending: &[Action]) -> bool {
        self.brokers == *brokers && self.pending == pending && self.since.elapsed() < BELIEVED_FOR
    }
}
