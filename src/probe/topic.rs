//! Topic assurance: what the heartbeat topic lacks, and doing it.
//!
//! [`plan`] is pure and printable. Nothing here ever deletes or shrinks.

use std::collections::BTreeMap;

use crate::kafka::BrokerId;

/// One thing to do, or to see done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Create the topic. `replication_factor` -1 leaves it to the cluster.
    Create {
        /// How many partitions.
        partitions: i32,
        /// How many replicas each.
        replication_factor: i16,
        /// Topic settings, in Kafka's words.
        configs: BTreeMap<&'static str, String>,
    },
    /// Add partitions.
    Expand {
        /// How many there are.
        from: i32,
        /// How many there should be.
        to: i32,
    },
    /// Move replicas so that every broker leads a partition. Only with `topic.rebalance`.
    Reassign {
        /// The partition.
        partition: i32,
        /// Its new replicas, the preferred leader first.
        replicas: Vec<BrokerId>,
    },
    /// Make the preferred replica the leader. Only with `topic.rebalance`.
    ElectPreferred {
        /// The partition.
        partition: i32,
    },
    /// Change topic settings. Only with `topic.rebalance`.
    Configure {
        /// Topic settings, in Kafka's words.
        configs: BTreeMap<&'static str, String>,
    },
}

impl Action {
    /// Every kind of action, in the order of the labels.
    pub const KINDS: [&'static str; 5] = ["create", "expand", "reassign", "elect_preferred", "configure"];

    /// The kind as a label value.
    pub fn kind(&self) -> &'static str {
        match self {
            Action::Create { .. } => "create",
            Action::Expand { .. } => "expand",
            Action::Reassign { .. } => "reassign",
            Action::ElectPreferred { .. } => "elect_preferred",
            Action::Configure { .. } => "configure",
        }
    }
}

/// Why nothing is done although something is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Blocked {
    /// A replica lives on a broker that the metadata does not list.
    BrokerMissing,
    /// A partition has fewer replicas in sync than replicas.
    UnderReplicated,
    /// A reassignment is running.
    Reassigning,
    /// The principal lacks the permission; asked again only when the cluster changes.
    Denied,
    /// A policy of the cluster forbids it; asked again only when the cluster changes.
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
}
