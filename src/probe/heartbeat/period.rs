//! A span of time on the monotonic clock.

use std::time::{Duration, Instant};

/// The time between two instants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// The first instant.
    pub from: Instant,
    /// The last instant.
    pub to: Instant,
}

impl Period {
    /// The length of the period; zero if it ends before it begins.
    pub fn duration(&self) -> Duration {
        self.to.saturating_duration_since(self.from)
    }
}
