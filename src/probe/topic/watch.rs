//! Starts cycles of the topic probe between those of its schedule.

use std::sync::Arc;

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::snapshot::Snapshot;
use crate::{cluster::metadata, task::Latest};

/// Starts a cycle of the topic probe whenever the brokers or the topic have changed. While the topic is missing or lacks in-sync
/// replicas, or the last cycle failed, all new metadata start a cycle.
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
        // Without an in-sync replica, it matters what min.insync.replicas is now.
        let is_short = now.1.as_ref().is_ok_and(|topic| {
            topic.partitions.values().any(|partition| partition.isr.len() < partition.replicas.len())
        });
        let unfinished = now.1.is_err() || topic.borrow().failure.is_some();
        if unfinished || is_short || before.as_ref() != Some(&now) {
            nudge.notify_one();
        }
        before = Some(now);
    }
}
