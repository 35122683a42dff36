//! How old the next record is that a group will read, and how that was found.

use std::time::Duration;

/// How old the next record to be read is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimeLag {
    /// Its age.
    pub age: Duration,
    /// The truth is at most so far away; absent where nothing is known of that.
    pub error: Option<Duration>,
    /// How it was found.
    pub method: Method,
}

/// How a time lag was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// There is nothing left to read.
    Current,
    /// Between two samples of the log end of our own.
    History,
    /// By the offsets that the broker names for times.
    Search,
    /// By the record's own timestamp.
    Record,
    /// Older than all we know of: at least this old.
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

/// The age where everything is read.
pub(crate) const NOTHING_UNREAD: TimeLag =
    TimeLag { age: Duration::ZERO, error: Some(Duration::ZERO), method: Method::Current };
