//! Topics: where their logs begin and end, how fast they grow, how old their newest record is.
//!
//! A deleted topic is forgotten with its history; one that is made anew under the same name is another one.

mod kept;
mod row;
mod watched;

pub(crate) use row::{HistoryRow, by_topic};
pub(crate) use watched::{Leaderless, Log, LogOffsets, Logs, STEPS_BACK, Watched};
pub use watched::{Partition, Topic};
