//! The time lag: how old the next record is that a group will read.

use std::time::Duration;

use crate::closed_enum::closed_enum;

/// How old the next record is that a group will read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimeLag {
    /// The age of the record.
    pub age: Duration,
    /// The largest difference to the true age; absent if it is not known.
    pub error: Option<Duration>,
    /// How the age was found.
    pub method: Method,
}

closed_enum! {
    /// How a time lag was found.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Method {
        /// No record is left to read.
        Current = "current",
        /// Between two of our own samples of the log end.
        History = "history",
        /// By a search: the broker names the offset that belongs to a timestamp.
        Search = "search",
        /// By the timestamp of the record.
        Record = "record",
        /// The record is older than our first sample: the age is a lower bound.
        Clamped = "clamped",
    }
}

/// The time lag of a group that has read everything.
pub(crate) const NOTHING_UNREAD: TimeLag =
    TimeLag { age: Duration::ZERO, error: Some(Duration::ZERO), method: Method::Current };
