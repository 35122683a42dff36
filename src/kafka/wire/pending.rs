//! The requests of a connection that wait for their responses, and the reason why a connection was closed.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, MutexGuard},
};

use bytes::Bytes;
use tokio::{sync::oneshot, time::Instant};
use tokio_util::sync::CancellationToken;

use super::counters::Counters;
use crate::{kafka::Fault, sync::lock};

/// The reason for which a passed deadline closes a connection.
const UNANSWERED: &str = "a request got no response in time";

/// The state that the handles of a connection and the task of its socket share.
pub(super) struct Pending {
    state: Mutex<ConnectionState>,
    pub(super) counters: Arc<Counters>,
    /// Cancelled when the connection is closed.
    pub(super) stop: CancellationToken,
}

#[derive(Default)]
pub(super) struct ConnectionState {
    /// The requests without a response, by correlation id.
    pub(super) waiting: HashMap<i32, Waiter>,
    /// Why the connection was closed. `None` while it is open.
    pub(super) closed: Option<CloseReason>,
    /// The broker reads nothing from the connection before this time, because of a quota (KIP-219).
    pub(super) throttled_until: Option<Instant>,
}

/// A request that waits for its response.
pub(super) struct Waiter {
    pub(super) response: oneshot::Sender<Result<Bytes, CloseReason>>,
    pub(super) deadline: Instant,
    /// The largest frame that the response may have, in bytes.
    pub(super) max_frame: usize,
}

/// Why a connection was closed. Each request that waits gets a clone, which is cheap.
#[derive(Debug, Clone)]
pub(super) struct CloseReason {
    pub(super) fault: Fault,
    pub(super) why: Arc<str>,
}

impl CloseReason {
    pub(super) fn new(fault: Fault, why: impl Into<Arc<str>>) -> Self {
        Self { fault, why: why.into() }
    }

    /// A request got no response before its deadline.
    pub(super) fn unanswered() -> Self {
        Self::new(Fault::Timeout, UNANSWERED)
    }

    pub(super) fn from_io(error: &io::Error) -> Self {
        let why = match error.kind() {
            io::ErrorKind::UnexpectedEof => "the broker closed the connection".to_owned(),
            _ => error.to_string(),
        };
        Self::new(Fault::from_io(error), why)
    }
}

impl Pending {
    pub(super) fn new(counters: Arc<Counters>) -> Self {
        Self { state: Mutex::default(), counters, stop: CancellationToken::new() }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, ConnectionState> {
        lock(&self.state)
    }

    /// Closes the connection and fails all requests that wait. If the connection is closed already, its first reason
    /// stays.
    pub(super) fn close(&self, reason: CloseReason) {
        let waiting = {
            let mut state = self.state();
            if state.closed.is_none() && reason.fault == Fault::Protocol {
                self.counters.count_violation();
            }
            state.closed.get_or_insert_with(|| reason.clone());
            std::mem::take(&mut state.waiting)
        };
        self.stop.cancel();
        for waiter in waiting.into_values() {
            // The send fails if the caller has stopped waiting. Such a caller needs no reason.
            let _ = waiter.response.send(Err(reason.clone()));
        }
    }
}
