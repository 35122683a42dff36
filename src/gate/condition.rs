//! The conditions of the gate, and what is found of one of them.

use crate::closed_enum::closed_enum;

closed_enum! {
    /// What must hold before the next broker may be stopped.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Condition {
        /// The service itself was running and measuring.
        Measuring = "measuring",
        /// The cluster answers the request for its metadata.
        Metadata = "metadata",
        /// Every broker that is expected is in the metadata.
        Brokers = "brokers",
        /// Every broker accepts a new session.
        Sessions = "sessions",
        /// Every partition that the principal sees has a leader, and all its replicas are in sync.
        InSyncReplicas = "in_sync_replicas",
        /// No partition is being moved to other brokers.
        Reassignments = "reassignments",
        /// The KRaft quorum has a leader, and all its voters are caught up.
        Quorum = "quorum",
        /// Heartbeats are judged, and none is bad.
        Heartbeats = "heartbeats",
        /// The coordinators of consumer groups accept and return committed offsets.
        Coordinators = "coordinators",
        /// The coordinators of transactions give out producer ids.
        TransactionCoordinators = "transaction_coordinators",
        /// The diagnosis suspects no component.
        Suspects = "suspects",
    }
}

/// Why a condition does not hold, or why it is not looked at. A condition without a finding holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) condition: Condition,
    /// True if the condition is not looked at, because the cluster does not offer what it needs or because its probe is switched
    /// off. Such a finding does not close the gate.
    pub(super) is_unchecked: bool,
    /// Whole sentences. They may contain text that a broker sent.
    pub(super) sentence: String,
}

impl Finding {
    /// A finding that closes the gate.
    pub(super) fn closes(condition: Condition, sentence: impl Into<String>) -> Self {
        Self { condition, is_unchecked: false, sentence: sentence.into() }
    }

    /// A condition that is not looked at.
    pub(super) fn unchecked(condition: Condition, sentence: impl Into<String>) -> Self {
        Self { condition, is_unchecked: true, sentence: sentence.into() }
    }
}
