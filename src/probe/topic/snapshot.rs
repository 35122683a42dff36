//! What the topic probe publishes.

use super::action::Action;
use crate::{
    closed_enum::closed_enum,
    kafka::{BrokerId, Capability},
};

closed_enum! {
    /// Why nothing is done although something is to do.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Blocked {
        /// A replica lives on a broker that the metadata does not list.
        BrokerMissing = "broker_missing",
        /// A partition has fewer replicas in sync than replicas.
        UnderReplicated = "under_replicated",
        /// A reassignment is running.
        Reassigning = "reassigning",
        /// The principal lacks the permission; asked again when the cluster changes, and every ten minutes.
        Denied = "denied",
        /// A policy of the cluster forbids it; asked again when the cluster changes, and every ten minutes.
        Policy = "policy",
        /// The broker does not know the request.
        Unsupported = "unsupported",
        /// Switched off in the configuration.
        SwitchedOff = "switched_off",
    }
}

/// The topic's state after a cycle.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The topic's name.
    pub topic: String,
    /// Whether it exists with partitions to send to.
    pub ready: bool,
    /// What is still to do.
    pub pending: Vec<Action>,
    /// Why nothing is done about it, for each reason that holds.
    pub blocked: Vec<Blocked>,
    /// Brokers that lead no heartbeat partition.
    pub uncovered: Vec<BrokerId>,
    /// Whether the topic's settings may be asked for; if not, a wrong one is not known of.
    pub configs: Capability,
    /// Whether reassignments may be asked for; if not, a running one shows only by replicas out of sync.
    pub reassignments: Capability,
}
