//! The time lag: how old the next record is that a group will read.

use std::time::Duration;

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

/// How a time lag was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// No record is left to read.
    Current,
    /// Between two of our own samples of the log end.
    History,
    /// By a search: the broker names the offset that belongs to a timestamp.
    Search,
    /// By the timestamp of the record.
    Record,
    /// The record is older than our first sample: the age is a lower bound.
    Clamped,
}

impl Method {
    /// Every method, in the order of the labels.
    pub const ALL: [Method; 5] =
        [Method::Current, Method::History, Method::Search, Method::Record, Method::Clamped];

    /// The method as a label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Current => "current",
            Method::History => "history",
            Method::Search => "search",
            Method::Record => "record",
            Method::Clamped => "clamped",
        }
    }
}

/// The time lag of a group that has read everything.
pub(crate) const NOTHING_UNREAD: TimeLag =
    TimeLag { age: Duration::ZERO, error: Some(Duration::ZERO), method: Method::Current };
