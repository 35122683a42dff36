//! Topics: both ends of their logs, how fast they grow, and how old their newest record is.
//!
//! A deleted topic is forgotten with its history. A topic that is created again under the same name begins a new history.

mod kept;
mod log;
mod memory;
mod row;
mod snapshot;
mod watched;

pub(crate) use log::{Log, Logs};
pub(crate) use row::{HistoryRow, by_topic};
pub use snapshot::{Partition, Topic};
pub(crate) use watched::{Leaderless, LogOffsets, STEPS_BACK, WatchedTopics};
