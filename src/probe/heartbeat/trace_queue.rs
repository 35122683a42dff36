//! The way of heartbeats from the ledger to the exporter of traces.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::mpsc;

use super::{
    snapshot::Ended,
    trace::{Ids, Share},
};

/// So many heartbeats may wait to be taken: more are left out, and counted.
const WAITING: usize = 4096;

/// Where heartbeats leave the ledger. It never waits.
#[derive(Debug, Clone)]
pub struct Outlet {
    /// The share of good ones.
    pub share: Share,
    to: mpsc::Sender<Told>,
    left_out: Arc<AtomicU64>,
}

/// A heartbeat to be told.
#[derive(Debug, Clone)]
pub struct Told {
    /// The cluster's name in the configuration.
    pub cluster: Arc<str>,
    /// The heartbeat topic.
    pub topic: Arc<str>,
    /// The heartbeat.
    pub ended: Arc<Ended>,
    /// Its ids.
    pub ids: Ids,
}

/// The other end.
#[derive(Debug)]
pub struct Inlet {
    /// Heartbeats as they end.
    pub told: mpsc::Receiver<Told>,
    left_out: Arc<AtomicU64>,
}

impl Outlet {
    /// Both ends.
    pub fn new(share: f64) -> (Self, Inlet) {
        let (to, told) = mpsc::channel(WAITING);
        let left_out = Arc::new(AtomicU64::new(0));
        (Self { share: Share::new(share), to, left_out: left_out.clone() }, Inlet { told, left_out })
    }

    /// Hands a heartbeat over, or leaves it out where too many wait.
    pub fn tell(&self, told: Told) {
        if self.to.try_send(told).is_err() {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Inlet {
    /// Heartbeats that were left out.
    pub fn left_out(&self) -> u64 {
        self.left_out.load(Ordering::Relaxed)
    }
}
