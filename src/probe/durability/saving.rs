//! Saves the samples, so that they survive a restart.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::task::JoinHandle;

use super::{keep::Keep, sample::Sample, state::State};

/// The samples are saved this often, and at once when a record was lost.
const EVERY: Duration = Duration::from_secs(60);

/// Writes the samples in the background. While one write is under way, no other one begins.
pub(super) struct Saving {
    keeper: Arc<dyn Keep>,
    cluster: String,
    topic: String,
    writing: Option<JoinHandle<Result<(), String>>>,
    written: Instant,
    /// The last write failed, and the log says so.
    failing: bool,
}

impl Saving {
    /// Reads what was saved. `None` if it cannot be read: then nothing is saved either.
    pub(super) fn open(keeper: Arc<dyn Keep>, cluster: &str, topic: &str) -> Option<(Self, Vec<Sample>)> {
        match keeper.load(topic) {
            Ok(samples) => {
                let (cluster, topic) = (cluster.to_owned(), topic.to_owned());
                let written = Instant::now();
                Some((Self { keeper, cluster, topic, writing: None, written, failing: false }, samples))
            }
            Err(words) => {
                tracing::warn!(
                    cluster,
                    "the samples of acknowledged heartbeats cannot be read, and are not kept: {words}"
                );
                None
            }
        }
    }

    /// Begins to write the samples if they have changed, once in a while or `now`.
    pub(super) async fn save(&mut self, state: &mut State, now: bool) {
        if self.writing.as_ref().is_some_and(|writing| !writing.is_finished()) {
            return;
        }
        self.finish(state).await;
        if state.changed && (now || self.written.elapsed() >= EVERY) {
            self.begin(state);
        }
    }

    /// Writes the samples, and waits until they are written.
    pub(super) async fn save_all(&mut self, state: &mut State) {
        self.finish(state).await;
        self.begin(state);
        self.finish(state).await;
    }

    fn begin(&mut self, state: &mut State) {
        let (keeper, topic, samples) = (self.keeper.clone(), self.topic.clone(), state.all());
        (state.changed, self.written) = (false, Instant::now());
        self.writing = Some(tokio::task::spawn_blocking(move || keeper.save(&topic, &samples)));
    }

    /// Waits for the write that is under way.
    async fn finish(&mut self, state: &mut State) {
        let Some(writing) = &mut self.writing else { return };
        let ended = writing.await.map_err(|error| error.to_string()).flatten();
        self.writing = None;
        let (was_failing, cluster) = (self.failing, &self.cluster);
        self.failing = ended.is_err();
        match ended {
            Err(words) => {
                state.changed = true;
                if !was_failing {
                    tracing::error!(
                        cluster,
                        "the samples of acknowledged heartbeats are kept in memory alone, until they can be written: {words}"
                    );
                }
            }
            Ok(()) if was_failing => {
                tracing::info!(cluster, "the samples of acknowledged heartbeats are written again");
            }
            Ok(()) => {}
        }
    }
}
