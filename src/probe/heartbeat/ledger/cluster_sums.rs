//! The counts and histograms of the whole cluster.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    kafka::Fault,
    latency::{Bounds, Buckets, Recent, RecentMean},
    probe::heartbeat::{renewal::Renewal, snapshot::EndedHeartbeat},
};

/// The window of the means of acknowledgements and received records.
const MEAN_WINDOW: Duration = Duration::from_secs(60);

/// What is counted over all partitions, deleted ones included. [`Snapshot`](crate::probe::heartbeat::Snapshot)
/// describes the fields of the same names.
pub(super) struct ClusterSums {
    pub(super) events: u64,
    pub(super) bad_events: u64,
    pub(super) unacknowledged_events: u64,
    pub(super) startup: Option<Duration>,
    pub(super) renewals: [u64; Renewal::ALL.len()],
    pub(super) schedule_delay: Buckets,
    pub(super) produce_errors: BTreeMap<Fault, u64>,
    pub(super) fetch_errors: BTreeMap<Fault, u64>,
    /// The last time that the consumer could not read; `None` if it always could.
    pub(super) last_failed_read: Option<FailedRead>,
    pub(super) throttle: BTreeMap<&'static str, Buckets>,
    pub(super) produce: Recent,
    pub(super) end_to_end: Recent,
    pub(super) acked_mean: RecentMean,
    pub(super) received_mean: RecentMean,
    pub(super) bad: VecDeque<Arc<EndedHeartbeat>>,
    pub(super) acked: u64,
    pub(super) received: u64,
}

/// The consumer could not read records.
#[derive(Debug, Clone, Copy)]
pub(super) struct FailedRead {
    /// The instant of the error.
    pub(super) at: Instant,
    /// The reason.
    pub(super) fault: Fault,
}

impl ClusterSums {
    /// Empty counts. `bounds` are the upper bounds of the classic buckets; the windows of the means begin at `begin`.
    pub(super) fn new(bounds: &Bounds, begin: Instant) -> Self {
        let empty = Buckets::new(bounds);
        Self {
            events: 0,
            bad_events: 0,
            unacknowledged_events: 0,
            startup: None,
            renewals: [0; Renewal::ALL.len()],
            schedule_delay: empty.clone(),
            produce_errors: BTreeMap::new(),
            fetch_errors: BTreeMap::new(),
            last_failed_read: None,
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
