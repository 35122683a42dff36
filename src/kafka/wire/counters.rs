//! Counters of all connections of one wire client, since the start of the process.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::request_kind;
use crate::sync::lock;

/// Counters of all connections of one wire client, since the start of the process.
#[derive(Debug, Default)]
pub(super) struct Counters {
    requests: AtomicU64,
    violations: AtomicU64,
    /// The time for which brokers throttled the client, by the API key of the request.
    throttled: Mutex<BTreeMap<i16, Duration>>,
}

impl Counters {
    pub(super) fn count_request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_violation(&self) {
        self.violations.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn add_throttling(&self, api_key: i16, time: Duration) {
        *lock(&self.throttled).entry(api_key).or_default() += time;
    }

    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    pub(super) fn violations(&self) -> u64 {
        self.violations.load(Ordering::Relaxed)
    }

    pub(super) fn throttled(&self) -> BTreeMap<String, Duration> {
        lock(&self.throttled).iter().map(|(key, time)| (request_kind::name(*key), *time)).collect()
    }
}
