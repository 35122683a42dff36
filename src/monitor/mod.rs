//! The collection task: ask, record, date, evaluate, save.
//!
//! Everything is asked in a few batched requests each cycle. One topic, group, partition or broker that cannot be asked is
//! absent and counted; the others are as fresh as ever.

mod cycle;
mod excluded;
mod saved;

pub use cycle::{Probe, Snapshot, interval};
#[cfg(feature = "fuzzing")]
pub(crate) use excluded::fuzz as names;
pub use saved::{HistoryFile, Written};
