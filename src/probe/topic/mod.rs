//! Topic assurance: what the heartbeat topic lacks, and doing it.
//!
//! [`plan()`] is pure and printable. Nothing here ever deletes or shrinks.

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
