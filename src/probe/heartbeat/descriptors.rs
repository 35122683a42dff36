//! Whether this process has file descriptors left.

use std::time::{Duration, Instant};

use crate::kafka::descriptors;

/// The time between two attempts to open a descriptor. While there is none, each tick makes an attempt.
const TRY_DESCRIPTORS: Duration = Duration::from_millis(100);
/// A shortage that returns within this time is not logged again.
const SHORTAGE_OVER: Duration = Duration::from_secs(30);

/// Attempts from time to time to open a descriptor.
pub(super) struct Descriptors {
    /// The instant of the last attempt.
    tried: Instant,
    /// Whether the last attempt failed.
    short: bool,
    /// The instant of the last shortage that was noted; `None` before the first.
    missing: Option<Instant>,
}

impl Descriptors {
    /// No attempt was made yet: the first is due a little after `now`.
    pub(super) fn new(now: Instant) -> Self {
        Self { tried: now, short: false, missing: None }
    }

    /// The instant of the attempt before, if there is no descriptor now. `None` if there is one, and between two attempts.
    pub(super) fn missing_since(&mut self, now: Instant) -> Option<Instant> {
        if !self.short && now.saturating_duration_since(self.tried) < TRY_DESCRIPTORS {
            return None;
        }
        let before = std::mem::replace(&mut self.tried, now);
        self.short = descriptors::are_missing();
        self.short.then_some(before)
    }

    /// Notes a shortage, and returns whether it is another one than the last.
    pub(super) fn is_news(&mut self, now: Instant) -> bool {
        let last = self.missing.replace(now);
        last.is_none_or(|last| now.saturating_duration_since(last) > SHORTAGE_OVER)
    }
}
