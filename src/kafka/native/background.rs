//! Work that may block, on a thread of its own.

use std::thread;

/// Runs work that may block on a thread of its own. If the system has no thread left, the work is dropped and a warning is
/// logged.
pub fn run_aside(work: impl FnOnce() + Send + 'static) {
    if let Err(error) = thread::Builder::new().spawn(work) {
        tracing::warn!("no thread can be started beside the heartbeats: {error}");
    }
}
