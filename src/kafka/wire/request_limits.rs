//! The limits of one request.

use tokio::{sync::Semaphore, time::Instant};

/// The limits of one request.
#[derive(Clone, Copy)]
pub(super) struct RequestLimits<'a> {
    /// When the request fails if no response has come.
    pub(super) deadline: Instant,
    /// One permit for each login that the request may begin. `None` if the number of logins has no limit.
    pub(super) logins: Option<&'a Semaphore>,
}
