//! The accounting of heartbeats: events in, outcomes out.
//!
//! The ledger is a pure state machine. It reads no clock and does no I/O: every event carries its instant, so a test
//! can replay any order of events. Every scheduled heartbeat ends in exactly one outcome, at the earliest moment at
//! which the outcome is certain. After every event `scheduled = Σ outcomes + in flight`.
//!
//! The judgement is another moment. A heartbeat is good when it was acknowledged and received by its deadline;
//! otherwise it is bad at the deadline. The service-level counters and the latency histograms change together at the
//! judgement, and never again for this heartbeat.
//!
//! An entry stays until the horizon even when its outcome is known, so that a second copy of its record is recognised.
//! The ledger keeps partitions × horizon / interval entries. Each takes about 75 bytes, everything included.

mod arrivals;
mod book;
mod cluster_sums;
mod entry;
mod event;
mod judge;
mod pace;
mod stalls;
mod state;
#[cfg(test)]
mod tests;
mod view;

pub use self::{
    event::{Event, Leader, Stored},
    state::{Ledger, Settings},
};
