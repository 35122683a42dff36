//! A moment on both clocks.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment on both clocks: our own does not step, the wall's is for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) own: Duration,
    pub(crate) wall: SystemTime,
}

impl Default for Moment {
    fn default() -> Self {
        Self { own: Duration::ZERO, wall: UNIX_EPOCH }
    }
}
