//! What one question may take.

use tokio::{sync::Semaphore, time::Instant};

/// What one question may take.
#[derive(Clone, Copy)]
pub(super) struct Limits<'a> {
    /// When it ends without an answer.
    pub(super) deadline: Instant,
    /// Permits for logins, where the question may not begin as many as it likes.
    pub(super) logins: Option<&'a Semaphore>,
}
