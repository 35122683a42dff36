//! The accounting: events in, outcomes out.
//!
//! A pure state machine. It reads no clock and does no I/O: every event carries its instant, so any
//! order of events can be replayed in a test. Every scheduled heartbeat ends in exactly one outcome,
//! at the earliest moment it is certain, and `scheduled = Σ outcomes + in flight` holds after every
//! event. The verdict is another moment: good when acknowledgement and record are both there by the
//! deadline, else bad at the deadline; the service-level counters and the latency histograms move
//! together at the verdict and never again.
//!
//! An entry stays until the horizon even when its outcome is known, so that a second copy of a record
//! is recognised. Memory is bounded by partitions × horizon / interval, about 75 bytes each, all told.

mod arrivals;
mod book;
mod cluster_sums;
mod entry;
mod event;
mod judge;
mod stalls;
mod state;
#[cfg(test)]
mod tests;
mod view;

pub use self::{
    event::{Event, Leader},
    state::{Ledger, Settings},
};
