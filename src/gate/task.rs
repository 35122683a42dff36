//! The task that remembers when each condition of the gate last failed.

use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{examine::examine, facts::Inputs, history::History};

/// The conditions are looked at this often.
const EVERY: Duration = Duration::from_secs(1);

/// Looks at the conditions once a second, so that an answer knows how long each of them has held.
pub struct Memory {
    inputs: Inputs,
    history: watch::Sender<History>,
}

impl Memory {
    /// A memory that begins now.
    pub(super) fn new(inputs: Inputs) -> Self {
        Self { inputs, history: watch::Sender::new(History::new(Instant::now())) }
    }

    /// What is remembered.
    pub(super) fn history(&self) -> watch::Receiver<History> {
        self.history.subscribe()
    }

    /// Looks once a second until `stop`. This is no cycle of a task: it sends no request and cannot fail.
    pub async fn run(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
            let facts = self.inputs.read();
            let findings = examine(&facts, self.history.borrow().judged());
            self.history.send_modify(|history| history.note(&facts, findings));
        }
    }
}
