//! The queue of finished heartbeats between the ledger and the exporter of traces.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use tokio::sync::mpsc;

use super::{
    snapshot::EndedHeartbeat,
    trace::{SampleShare, TraceIds},
};

/// The length of the queue, in heartbeats. A heartbeat that finds the queue full is dropped and counted.
const QUEUE_LENGTH: usize = 4096;

/// The ledger's end of the queue. Sending never waits.
#[derive(Debug, Clone)]
pub struct TraceSender {
    /// The share of good heartbeats that are exported as traces.
    pub share: SampleShare,
    suspects: Suspects,
    queue: mpsc::Sender<TracedHeartbeat>,
    dropped: Arc<AtomicU64>,
}

/// Where the suspects of a cluster are read: the components that have been suspected since a moment, each as `kind:subject`.
#[derive(Clone)]
pub struct Suspects(Arc<dyn Fn(SystemTime) -> Vec<String> + Send + Sync>);

impl Suspects {
    /// Suspects that this function reads.
    pub fn new(since: impl Fn(SystemTime) -> Vec<String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(since))
    }
}

impl fmt::Debug for Suspects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suspects").finish_non_exhaustive()
    }
}

/// A finished heartbeat that is to be exported as a trace.
#[derive(Debug, Clone)]
pub struct TracedHeartbeat {
    /// The cluster's name in the configuration.
    pub cluster: Arc<str>,
    /// The heartbeat topic.
    pub topic: Arc<str>,
    /// The heartbeat.
    pub ended: Arc<EndedHeartbeat>,
    /// The ids of the trace and of its spans.
    pub ids: TraceIds,
    /// The components that were suspected while the heartbeat was in flight or when it ended, each as `kind:subject`. Empty if
    /// there were none, and for a heartbeat that is not bad.
    pub suspects: Vec<String>,
}

/// The exporter's end of the queue.
#[derive(Debug)]
pub struct TraceReceiver {
    /// Heartbeats in the order in which they ended.
    pub heartbeats: mpsc::Receiver<TracedHeartbeat>,
    dropped: Arc<AtomicU64>,
}

impl TraceSender {
    /// An empty queue: both ends of it. `share` is the share of good heartbeats that are exported, from 0 to 1.
    pub fn new(share: f64) -> (Self, TraceReceiver) {
        let (queue, heartbeats) = mpsc::channel(QUEUE_LENGTH);
        let dropped = Arc::new(AtomicU64::new(0));
        let suspects = Suspects::new(|_| Vec::new());
        let sender = Self { share: SampleShare::new(share), suspects, queue, dropped: dropped.clone() };
        (sender, TraceReceiver { heartbeats, dropped })
    }

    /// The same queue for the heartbeats of a cluster with these suspects.
    #[must_use]
    pub fn with(self, suspects: Suspects) -> Self {
        Self { suspects, ..self }
    }

    /// The components that were suspected while a bad heartbeat was in flight, or when it ended.
    pub(super) fn suspects_of(&self, ended: &EndedHeartbeat) -> Vec<String> {
        if ended.outcome.is_bad() { (self.suspects.0)(ended.intended) } else { Vec::new() }
    }

    /// Puts a heartbeat into the queue, or drops and counts it if the queue is full.
    pub fn send(&self, heartbeat: TracedHeartbeat) {
        if self.queue.try_send(heartbeat).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl TraceReceiver {
    /// The number of heartbeats that were dropped since the start, because the queue was full.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}
