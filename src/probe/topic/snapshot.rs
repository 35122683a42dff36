//! The state of the heartbeat topic, as the topic probe publishes it.

use std::time::Duration;

use super::action::Action;
use crate::{
    closed_enum::closed_enum,
    kafka::{BrokerId, Capability},
};

closed_enum! {
    /// A reason why a planned change of the topic is not made.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Blocked {
        /// A replica is on a broker that the metadata does not list.
        BrokerMissing = "broker_missing",
        /// A partition has fewer in-sync replicas than replicas.
        UnderReplicated = "under_replicated",
        /// A reassignment is running.
        Reassigning = "reassigning",
        /// The principal lacks the permission. The request is sent again when the brokers change, and after ten minutes.
        Denied = "denied",
        /// A policy of the cluster forbids it. The request is sent again when the brokers change, and after ten minutes.
        Policy = "policy",
        /// The broker does not support the request.
        Unsupported = "unsupported",
        /// The configuration forbids the change.
        SwitchedOff = "switched_off",
    }
}

/// The state of the heartbeat topic after a cycle.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The topic's name.
    pub topic: String,
    /// Whether the topic exists and has partitions.
    pub ready: bool,
    /// The changes that are still to be made.
    pub pending: Vec<Action>,
    /// The reasons why pending changes are not made; empty if nothing prevents them.
    pub blocked: Vec<Blocked>,
    /// The brokers that lead no partition of the topic, so that no heartbeat measures them.
    pub uncovered: Vec<BrokerId>,
    /// The setting `min.insync.replicas` of the topic; `None` if the topic is missing or the setting cannot be read.
    pub min_isr: Option<usize>,
    /// For how long the topic keeps a record, by `retention.ms`; `None` if it keeps records without a limit, if the topic is missing or
    /// if the setting cannot be read.
    pub retention: Option<Duration>,
    /// Whether `cleanup.policy` is `delete`, so that no record is removed by compaction; `None` if the topic is missing or the setting
    /// cannot be read.
    pub only_deletes: Option<bool>,
    /// Whether the topic's settings can be read. Otherwise a wrong setting is not noticed.
    pub configs: Capability,
    /// Whether reassignments can be listed. Otherwise a running one shows only by replicas that are not in sync.
    pub reassignments: Capability,
}
