//! A histogram that several threads record into.

use std::{
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use super::buckets::{Bounds, Buckets};
use crate::sync::lock;

/// A histogram that several threads record into.
#[derive(Debug)]
pub struct SharedBuckets(Mutex<Buckets>);

impl Default for SharedBuckets {
    fn default() -> Self {
        Self(Mutex::new(Buckets::new(&Bounds::default())))
    }
}

impl SharedBuckets {
    /// Counts one duration.
    pub fn record(&self, duration: Duration) {
        self.lock().record(duration);
    }

    /// A copy of the current state.
    pub fn read(&self) -> Buckets {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Buckets> {
        lock(&self.0)
    }
}
