//! One moment on both clocks.

use std::time::{Instant, SystemTime};

/// The same moment, read from the monotonic clock and from the wall clock.
///
/// Durations are measured with the monotonic clock. The wall clock is for people, and follows its own corrections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The moment on the monotonic clock of this process.
    pub instant: Instant,
    /// The moment on the wall clock.
    pub wall: SystemTime,
}

impl Moment {
    /// Reads both clocks, the monotonic one first.
    pub fn now() -> Self {
        let instant = Instant::now();
        Self { instant, wall: SystemTime::now() }
    }

    /// The wall-clock time of an instant before or after this moment.
    pub fn wall_at(&self, at: Instant) -> SystemTime {
        self.wall - self.instant.saturating_duration_since(at) + at.saturating_duration_since(self.instant)
    }
}
