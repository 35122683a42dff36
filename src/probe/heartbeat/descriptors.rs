//! Whether this process has file descriptors left.

use std::time::{Duration, Instant};

use crate::kafka::descriptors;

/// Whether a descriptor is to be had is tried so often, and with each tick while there is none.
const TRY_DESCRIPTORS: Duration = Duration::from_millis(100);
/// A shortage of descriptors that comes back within this time is not logged again.
const SHORTAGE_OVER: Duration = Duration::from_secs(30);

/// Tries whether this process can open a descriptor.
pub(super) struct Descriptors {
    tried: Instant,
    /// Whether there was none then.
    short: bool,
    /// When there was none, last.
    missing: Option<Instant>,
}

impl Descriptors {
    pub(super) fn new(now: Instant) -> Self {
        Self { tried: now, short: false, missing: None }
    }

    /// The instant of the try before, if there is no descriptor now. Returns `None` between two tries.
    pub(super) fn missing_since(&mut self, now: Instant) -> Option<Instant> {
        if !self.short && now.saturating_duration_since(self.tried) < TRY_DESCRIPTORS {
            return None;
        }
        let before = std::mem::replace(&mut self.tried, now);
        self.short = descriptors::are_missing();
        self.short.then_some(before)
    }

    /// Notes a shortage, and whether it is another one than the last.
    pub(super) fn is_news(&mut self, now: Instant) -> bool {
        let last = self.missing.replace(now);
        last.is_none_or(|last| now.saturating_duration_since(last) > SHORTAGE_OVER)
    }
}
