//! The heartbeat topic: what it lacks, and the changes that correct it.
//!
//! [`plan()`] is pure, and a plan can be printed. No change ever deletes the topic or reduces its partitions or replicas.

mod action;
mod plan;
mod probe;
mod refusal;
mod snapshot;
mod watch;

pub use self::{
    action::{Action, ActionKind},
    plan::{CONFIG_KEYS, Policy, plan},
    probe::Probe,
    snapshot::{Blocked, Snapshot},
    watch::watch,
};
