//! Acknowledged heartbeats for other tasks of this process, such as the one that looks for them in another cluster.
//!
//! The thread of the ledger hands over each heartbeat that was acknowledged, and never waits for a task that does not take them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use tokio::sync::mpsc::{self, error::TrySendError};

use super::{id::HeartbeatId, record::Identity};
use crate::sync::lock;

/// The number of heartbeats that wait for one subscriber. A subscriber that takes them every few seconds never has so many.
const QUEUE: usize = 16_384;

/// A heartbeat that the cluster acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Confirmed {
    /// The run of the service that sent the heartbeat.
    pub identity: Identity,
    /// The heartbeat.
    pub id: HeartbeatId,
    /// The offset of its record; `None` if the broker did not report it.
    pub offset: Option<i64>,
    /// The instant at which the heartbeat was handed to the client.
    pub produced: Instant,
}

/// The acknowledged heartbeats of one cluster. All values of one cluster share their subscribers.
#[derive(Debug, Clone, Default)]
pub struct Feed(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    run: Option<Identity>,
    subscribers: Vec<(mpsc::Sender<Confirmed>, Arc<AtomicU64>)>,
}

/// The heartbeats for one subscriber, in the order of their acknowledgements.
#[derive(Debug)]
pub struct Subscription {
    feed: Feed,
    queue: mpsc::Receiver<Confirmed>,
    dropped: Arc<AtomicU64>,
}

impl Feed {
    /// The heartbeats that are acknowledged from now on.
    pub fn subscribe(&self) -> Subscription {
        let (sender, queue) = mpsc::channel(QUEUE);
        let dropped = Arc::<AtomicU64>::default();
        lock(&self.0).subscribers.push((sender, dropped.clone()));
        Subscription { feed: self.clone(), queue, dropped }
    }

    /// A run of the service begins. It is the one that sends from now on.
    pub(super) fn begin(&self, run: Identity) {
        lock(&self.0).run = Some(run);
    }

    /// Hands a heartbeat to every subscriber that has room for it, and counts it as dropped for each other one.
    pub(super) fn send(&self, confirmed: Confirmed) {
        lock(&self.0).subscribers.retain(|(sender, dropped)| match sender.try_send(confirmed) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                dropped.fetch_add(1, Relaxed);
                true
            }
            Err(TrySendError::Closed(_)) => false,
        });
    }
}

impl Subscription {
    /// The next heartbeat; `None` if none waits.
    pub fn take(&mut self) -> Option<Confirmed> {
        self.queue.try_recv().ok()
    }

    /// The run of the service that sends now. `None` before the first one, and if the cluster gets no heartbeats.
    pub fn run(&self) -> Option<Identity> {
        lock(&self.feed.0).run
    }

    /// The number of heartbeats for which there was no room.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }
}

/// The acknowledged heartbeats of all clusters, by the name of the cluster. A cluster that is started again keeps its subscribers.
#[derive(Debug, Clone, Default)]
pub struct Feeds(Arc<Mutex<BTreeMap<String, Feed>>>);

impl Feeds {
    /// The acknowledged heartbeats of the cluster of this name, also before the cluster is started.
    pub fn of(&self, cluster: &str) -> Feed {
        lock(&self.0).entry(cluster.to_owned()).or_default().clone()
    }
}

/// The runs of this process: one for each cluster since its start. A mirror that keeps the names of topics copies the heartbeats of
/// one cluster into the heartbeat topic of another one. They are no records of a second process with the same name.
#[derive(Debug, Clone, Default)]
pub struct Runs(Arc<Mutex<BTreeSet<(u64, u64)>>>);

impl Runs {
    /// A run of this process begins.
    pub(super) fn begin(&self, run: Identity) {
        lock(&self.0).insert((run.instance, run.epoch));
    }

    /// Whether this process sent the records of this identity.
    pub(super) fn has(&self, run: Identity) -> bool {
        lock(&self.0).contains(&(run.instance, run.epoch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: Identity = Identity { instance: 1, epoch: 2 };

    fn confirmed(sequence: u64) -> Confirmed {
        let id = HeartbeatId { partition: 0, sequence };
        Confirmed { identity: RUN, id, offset: None, produced: Instant::now() }
    }

    #[test]
    fn subscriber_that_takes_nothing_loses_heartbeats_and_holds_up_nobody() {
        let feeds = Feeds::default();
        let (mut slow, mut quick) = (feeds.of("a").subscribe(), feeds.of("a").subscribe());
        let gone = feeds.of("a").subscribe();
        drop(gone);
        feeds.of("a").begin(RUN);
        let most = QUEUE as u64;
        for sequence in 0..most + 5 {
            feeds.of("a").send(confirmed(sequence));
            assert_eq!(quick.take().map(|one| one.id.sequence), Some(sequence));
        }
        assert_eq!((slow.dropped(), quick.dropped(), quick.take()), (5, 0, None));
        assert_eq!(slow.take().map(|one| one.id.sequence), Some(0));
        assert_eq!(slow.run(), Some(RUN));
        assert_eq!(feeds.of("b").subscribe().run(), None);
    }
}
