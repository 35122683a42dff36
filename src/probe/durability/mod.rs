//! The durability audit: whether acknowledged heartbeats are still in the log, minutes and hours later.
//!
//! A producer that got an acknowledgement relies on the record. Nobody notices if the record is lost afterwards, for example because an
//! out-of-sync replica became the leader and the log was cut. So the task keeps a sample of acknowledged heartbeats, reads each of
//! them again from the leader at several ages, and compares checksum and leader epoch. A record that was removed because of a setting
//! or on request is not lost, and a read that fails says nothing.
//!
//! - `sample` is a heartbeat that is read again, and `ages` says when.
//! - `judge` is pure: what an answer of the leader means for a sample.
//! - `doubts` keeps losses until they are confirmed.
//! - `state` keeps the samples and the counts, and `read` sends the requests of a cycle.
//! - `saving` keeps the samples over a restart, with a [`Keep`] of another module.
//! - `snapshot` is what the task publishes, and `probe` is the task.

mod ages;
mod doubts;
mod judge;
mod keep;
mod lost;
mod probe;
mod read;
mod sample;
mod saving;
mod snapshot;
mod state;

pub use judge::{Loss, Unchecked};
pub use keep::Keep;
pub use lost::{LostRecord, LostRecords};
pub use probe::{Inputs, Probe};
pub use sample::Sample;
pub use snapshot::Snapshot;
