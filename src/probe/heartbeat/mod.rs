//! Heartbeats: records that are sent on a schedule, read back, and accounted for one by one.
//!
//! - [`schedule`] decides when a heartbeat is due. [`record`] is its form on the topic, [`trace`] its form in traces.
//! - `sending_thread` and `reading_thread` own the two librdkafka clients. `callbacks` forwards their reports.
//! - [`ledger`] does the accounting: a pure state machine, which `ledger_thread` feeds with events.
//! - `follower` decides which partitions get heartbeats, `readiness` decides when they begin, and `replacement` replaces a
//!   failed producer. `handover` replaces both clients when their certificates are renewed, and `read_offsets` knows which
//!   records two consumers have read. `attempts` is the schedule of replacements.
//! - [`Feed`] hands acknowledged heartbeats to other tasks.
//! - [`threads`] starts and stops all of them, and `snapshot` is what they publish.

mod assignment;
mod attempts;
mod bad_log;
mod callbacks;
mod descriptors;
mod feed;
mod follower;
mod handover;
mod id;
pub mod ledger;
mod ledger_thread;
mod lockout;
mod moment;
mod outcome;
mod period;
mod read_offsets;
mod readiness;
mod reading_thread;
pub mod record;
mod renewal;
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

pub(in crate::probe) use self::stall_watch::StallWatch;
pub use self::{
    feed::{Confirmed, Feed, Feeds, Runs, Subscription},
    id::HeartbeatId,
    moment::Moment,
    outcome::{Anomaly, Outcome},
    period::Period,
    renewal::Renewal,
    snapshot::{
        Acknowledged, Beat, BrokerCounts, EndedHeartbeat, LeaderChange, Overdue, Partition, ReadFailure,
        Snapshot, Totals,
    },
};
