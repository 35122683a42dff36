//! Heartbeats: sent on a schedule, read back, accounted for one by one.
//!
//! `schedule` decides when, `sending_thread` and `reading_thread` own the two librdkafka handles and their
//! threads, `record` is the bytes on the wire, `ledger` is the accounting: pure, owned by one thread,
//! fed by events.

mod assignment;
mod bad_log;
mod callbacks;
mod descriptors;
mod follower;
pub mod ledger;
mod ledger_thread;
mod outcome;
mod readiness;
mod reading_thread;
pub mod record;
mod renewal;
mod repair;
mod replacement;
pub mod schedule;
mod sending_thread;
mod snapshot;
mod stall_watch;
mod targets;
pub mod threads;
mod topic_progress;
pub mod trace;
pub mod trace_queue;

pub use self::{
    outcome::{Anomaly, Outcome},
    renewal::Renewal,
    snapshot::{Beat, BrokerCounts, Ended, LeaderChange, Partition, Snapshot, Totals},
};
