//! A rule that several keys of a section have to keep together.

use std::time::Duration;

/// A rule that the settings of a cluster break.
#[derive(Debug)]
pub(super) struct BrokenRule {
    /// The keys that the rule is about. The first of them that is not a default is the place of the error.
    pub(super) keys: &'static [&'static str],
    /// What is wrong, with the names of the keys.
    pub(super) message: String,
}

impl BrokenRule {
    pub(super) fn new(keys: &'static [&'static str], message: impl Into<String>) -> Self {
        Self { keys, message: message.into() }
    }

    /// The rule that the interval of a task is at least one second; `None` if it is. A cycle sends a few requests even if it has
    /// little to do, so a shorter interval would need more requests a second than the task may send.
    pub(super) fn of_interval(interval: Duration) -> Option<Self> {
        let message = "interval must be at least 1s";
        (interval < Duration::from_secs(1)).then(|| Self::new(&["interval"], message))
    }
}
