//! Whether this process has a credential with which it can log in.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::kafka::TokenSource;

/// The time between two looks at the credential.
const LOOK: Duration = Duration::from_millis(100);

/// Looks from time to time at the credential.
pub(super) struct Lockout {
    /// `None` if the login needs no credential that expires.
    tokens: Option<Arc<TokenSource>>,
    /// The instant of the last look.
    looked: Instant,
}

impl Lockout {
    /// The first look is due a little after `now`.
    pub(super) fn new(tokens: Option<Arc<TokenSource>>, now: Instant) -> Self {
        Self { tokens, looked: now }
    }

    /// The instant of the look before, if there is no usable credential now. `None` if there is one, and between two
    /// looks.
    pub(super) fn since(&mut self, now: Instant) -> Option<Instant> {
        let tokens = self.tokens.as_ref()?;
        if now.saturating_duration_since(self.looked) < LOOK {
            return None;
        }
        let before = std::mem::replace(&mut self.looked, now);
        (!tokens.has_usable()).then_some(before)
    }
}
