//! What the ledger counts over all partitions.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    kafka::Fault,
    latency::{Bounds, Buckets, Recent, RecentMean},
    probe::heartbeat::snapshot::Ended,
};

/// The means of what arrived are of this window.
const MEAN_WINDOW: Duration = Duration::from_secs(60);

/// What is counted over all partitions.
pub(super) struct ClusterSums {
    pub(super) events: u64,
    pub(super) bad_events: u64,
    pub(super) unacknowledged_events: u64,
    pub(super) startup: Option<Duration>,
    pub(super) renewals: [u64; 3],
    pub(super) schedule_delay: Buckets,
    pub(super) produce_errors: BTreeMap<Fault, u64>,
    pub(super) fetch_errors: BTreeMap<Fault, u64>,
    pub(super) last_unread: Option<(Instant, Fault)>,
    pub(super) throttle: BTreeMap<&'static str, Buckets>,
    pub(super) produce: Recent,
    pub(super) end_to_end: Recent,
    pub(super) acked_mean: RecentMean,
    pub(super) received_mean: RecentMean,
    pub(super) bad: VecDeque<Arc<Ended>>,
    pub(super) acked: u64,
    pub(super) received: u64,
}

impl ClusterSums {
    pub(super) fn new(bounds: &Bounds, begin: Instant) -> Self {
        let empty = Buckets::new(bounds);
        Self {
            events: 0,
            bad_events: 0,
            unacknowledged_events: 0,
            startup: None,
            renewals: [0; 3],
            schedule_delay: empty.clone(),
            produce_errors: BTreeMap::new(),
            fetch_errors: BTreeMap::new(),
            last_unread: None,
            throttle: ["fetch", "produce"].map(|api| (api, empty.clone())).into(),
            produce: Recent::new(begin),
            end_to_end: Recent::new(begin),
            acked_mean: RecentMean::over(MEAN_WINDOW),
            received_mean: RecentMean::over(MEAN_WINDOW),
            bad: VecDeque::new(),
            acked: 0,
            received: 0,
        }
    }
}
