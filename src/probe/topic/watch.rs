//! Starts cycles of the topic probe between those of its schedule.

use std::sync::Arc;

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::snapshot::Snapshot;
use crate::{cluster::metadata, task::Latest};

/// Starts a cycle of the topic probe whenever the brokers or the topic have changed. While the topic is missing or the last
/// cycle failed, all new metadata start a cycle.
pub async fn watch(
    mut metadata: watch::Receiver<Latest<metadata::Snapshot>>,
    topic: watch::Receiver<Latest<Snapshot>>,
    nudge: Arc<Notify>,
    stop: CancellationToken,
) {
    let mut before = None;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            changed = metadata.changed() => if changed.is_err() { return },
        }
        let Some((snapshot, _)) = metadata.borrow_and_update().snapshot.clone() else { continue };
        let now = (snapshot.brokers.keys().copied().collect::<Vec<_>>(), snapshot.heartbeat_topic.clone());
        let unfinished = now.1.is_err() || topic.borrow().failure.is_some();
        if unfinished || before.as_ref() != Some(&now) {
            nudge.notify_one();
        }
        before = Some(now);
    }
}
