//! What the topic probe publishes.

use super::action::Action;
use crate::kafka::{BrokerId, Capability};

/// Why nothing is done although something is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Blocked {
    /// A replica lives on a broker that the metadata does not list.
    BrokerMissing,
    /// A partition has fewer replicas in sync than replicas.
    UnderReplicated,
    /// A reassignment is running.
    Reassigning,
    /// The principal lacks the permission; asked again when the cluster changes, and every ten minutes.
    Denied,
    /// A policy of the cluster forbids it; asked again when the cluster changes, and every ten minutes.
    Policy,
    /// The broker does not know the request.
    Unsupported,
    /// Switched off in the configuration.
    SwitchedOff,
}

impl Blocked {
    /// Every reason, in the order of the labels.
    pub const ALL: [Blocked; 7] = [
        Blocked::BrokerMissing,
        Blocked::UnderReplicated,
        Blocked::Reassigning,
        Blocked::Denied,
        Blocked::Policy,
        Blocked::Unsupported,
        Blocked::SwitchedOff,
    ];

    /// The reason as a label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Blocked::BrokerMissing => "broker_missing",
            Blocked::UnderReplicated => "under_replicated",
            Blocked::Reassigning => "reassigning",
            Blocked::Denied => "denied",
            Blocked::Policy => "policy",
            Blocked::Unsupported => "unsupported",
            Blocked::SwitchedOff => "switched_off",
        }
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
