//! Work that may block, on threads of its own.

use std::thread;

/// Does what may block on a thread of its own. Where the system has no thread left, the work is not done, and dropped here.
pub fn aside(work: impl FnOnce() + Send + 'static) {
    if let Err(error) = thread::Builder::new().spawn(work) {
        tracing::warn!("no thread can be started beside the heartbeats: {error}");
    }
}
