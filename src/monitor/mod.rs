//! The collection task: ask, record, date, evaluate, save.
//!
//! Each step takes what the step before returns, and nothing else makes that: so the order of the steps cannot be confused.
//! Everything is asked in a few batched requests each cycle. One topic, group, partition or broker that cannot be asked is
//! absent and counted; the others are as fresh as ever.

mod ask;
mod connections;
mod context;
mod date;
mod evaluate;
mod excluded;
mod history_file;
mod probe;
mod record;
mod snapshot;
mod verdict_events;

pub use connections::interval;
#[cfg(feature = "fuzzing")]
pub(crate) use excluded::fuzz as names;
pub use history_file::{HistoryFile, Written};
pub use probe::Probe;
pub use snapshot::Snapshot;
pub use verdict_events::EventSource;
