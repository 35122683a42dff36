//! A moment, on the monotonic clock and on the wall clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment, on the monotonic clock and on the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Time on the monotonic clock, which never steps: for differences between moments.
    pub(crate) own: Duration,
    /// Time on the wall clock, which may step: for people.
    pub(crate) wall: SystemTime,
}

impl Default for Moment {
    fn default() -> Self {
        Self { own: Duration::ZERO, wall: UNIX_EPOCH }
    }
}
