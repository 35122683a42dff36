//! Whether this process has a credential with which it can log in.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::kafka::wire;

/// The time between two looks at the credential.
const LOOK: Duration = Duration::from_millis(100);

/// Looks from time to time at the credential.
pub(super) struct Lockout {
    /// The cluster to log in to. `None` if nobody logs in.
    wire: Option<Arc<wire::Cluster>>,
    /// The instant of the last look.
    looked: Instant,
}

impl Lockout {
    /// The first look is due a little after `now`.
    pub(super) fn new(wire: Option<Arc<wire::Cluster>>, now: Instant) -> Self {
        Self { wire, looked: now }
    }

    /// The instant of the look before, if there is no usable credential now. `None` if there is one, and between two
    /// looks.
    pub(super) fn since(&mut self, now: Instant) -> Option<Instant> {
        let wire = self.wire.as_ref()?;
        if now.saturating_duration_since(self.looked) < LOOK {
            return None;
        }
        let before = std::mem::replace(&mut self.looked, now);
        (!wire.can_log_in()).then_some(before)
    }
}
