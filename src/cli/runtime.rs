//! The asynchronous runtime of every command that needs one.

use std::time::Duration;

use super::terminal::complain;

/// Worker threads for rendering and for the wire client. Heartbeats have threads of their own.
const WORKERS: usize = 2;

/// How long the end of the runtime may take. Without a limit, the end would wait for every thread that still blocks.
const END: Duration = Duration::from_secs(1);

/// Runs a command to its end; `None` if the runtime cannot start, which is printed.
pub(super) fn on_runtime<T>(work: impl Future<Output = T>) -> Option<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build();
    match runtime {
        Ok(runtime) => {
            let done = runtime.block_on(work);
            runtime.shutdown_timeout(END);
            Some(done)
        }
        Err(error) => {
            complain(&format!("the runtime cannot start: {error}"));
            None
        }
    }
}
