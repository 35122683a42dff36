//! The log lines of the task.

use std::time::{Duration, Instant};

use super::{exposed::Exposed, snapshot::Failing};

/// The shortest time between two log lines about another producer with the same id.
const FENCED_AGAIN: Duration = Duration::from_secs(3600);

/// What was logged last.
pub(super) struct Notes {
    cluster: String,
    is_failing: bool,
    /// When it was last logged that another producer has the id. `None` before.
    fenced: Option<Instant>,
}

impl Notes {
    pub(super) fn new(cluster: String) -> Self {
        Self { cluster, is_failing: false, fenced: None }
    }

    /// Logs one line when transactions begin to fail, and one when they are good again.
    pub(super) fn note(&mut self, failing: Option<&Failing>) {
        let cluster = &self.cluster;
        match failing {
            Some(failing) if !self.is_failing => {
                let last = &failing.last;
                let (coordinator, leader) = (last.coordinator, last.leader);
                let [coordinator, leader] =
                    [coordinator, leader].map(|broker| broker.map(|broker| broker.to_string()));
                tracing::warn!(
                    cluster,
                    coordinator,
                    leader,
                    "transactions fail: the last one {}",
                    last.words()
                );
            }
            None if self.is_failing => tracing::info!(cluster, "transactions do not fail any more"),
            _ => {}
        }
        self.is_failing = failing.is_some();
    }

    /// Logs that another producer took the id, at most once an hour.
    pub(super) fn fenced(&mut self, id: &str) {
        if self.fenced.is_none_or(|at| at.elapsed() >= FENCED_AGAIN) {
            self.fenced = Some(Instant::now());
            tracing::warn!(
                cluster = self.cluster,
                transactional_id = id,
                "another instance uses the same transactional id, and its producer fenced the one of this instance: give \
                 each instance a [heartbeat] instance or a [transaction_probe] transactional.id of its own"
            );
        }
    }

    /// Logs an aborted record that a consumer of committed records got.
    pub(super) fn exposed(&self, topic: &str, exposed: &Exposed) {
        let (partition, offset) = (exposed.partition, exposed.offset);
        tracing::error!(
            cluster = self.cluster,
            topic,
            partition,
            offset,
            "a consumer of committed records got an aborted record of the transaction probe"
        );
    }
}
