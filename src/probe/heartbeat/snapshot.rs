//! What the ledger publishes.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use super::{outcome::Outcome, trace::TraceIds};
use crate::{
    kafka::{BrokerId, Fault},
    latency::{Buckets, Recent, RecentMean},
};

/// Everything the ledger knows, consistent at one instant.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// When the ledger wrote it.
    pub at: Instant,
    /// The same on the wall clock.
    pub written: SystemTime,
    /// By partition; one that left the topic is gone once nothing of it is in flight.
    pub partitions: BTreeMap<i32, Partition>,
    /// Verdicts: heartbeats judged.
    pub events: u64,
    /// Verdicts that were bad.
    pub bad_events: u64,
    /// Of these, the ones without an acknowledgement by the deadline.
    pub unacknowledged_events: u64,
    /// Scheduled, outcomes and in flight over all partitions, gone ones included.
    pub totals: Totals,
    /// From the start or the last renewal of the clients until heartbeats were scheduled on every partition; `None`
    /// until then.
    pub startup: Option<Duration>,
    /// How often a client was replaced, in the order of [`Renewal::ALL`].
    pub renewals: [u64; 3],
    /// How long this process did not run since the start, all stalls together.
    pub stalled: Duration,
    /// When a heartbeat of another instance under our own name was last read; absent if that has not happened.
    pub same_name: Option<SystemTime>,
    /// Sent minus intended instant, of every heartbeat, taken by the client or not.
    pub schedule_delay: Buckets,
    /// Failed deliveries and refused hand-overs, by kind.
    pub produce_errors: BTreeMap<Fault, u64>,
    /// Complaints of the consumer, by kind.
    pub fetch_errors: BTreeMap<Fault, u64>,
    /// Throttle times the brokers reported, by request.
    pub throttle: BTreeMap<&'static str, Buckets>,
    /// False for half a minute after the process itself stalled or had no descriptor left.
    pub prober_healthy: bool,
    /// True for half a minute after the process had no descriptor left.
    pub short_of_descriptors: bool,
    /// Acknowledged minus intended, of the last five minutes.
    pub produce: Recent,
    /// Received minus intended (or just above the deadline), of the last five minutes.
    pub end_to_end: Recent,
    /// Acknowledged minus intended of those that were, in time or not, of the last minute.
    pub acked_mean: RecentMean,
    /// Received minus intended of those that were, in time or not, of the last minute.
    pub received_mean: RecentMean,
    /// The last bad heartbeats, newest last, at most [`Snapshot::BAD_KEPT`].
    pub bad: VecDeque<Arc<Ended>>,
    /// Heartbeats acknowledged since the start.
    pub acked: u64,
    /// Heartbeats of ours received since the start.
    pub received: u64,
}

impl Snapshot {
    /// How many bad heartbeats are kept for the page.
    pub const BAD_KEPT: usize = 100;
    /// How many beats are kept for a partition's bar.
    pub const BEATS_KEPT: usize = 60;
}

/// The accounting of the whole cluster. Always: `scheduled = Σ outcomes + in_flight`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Heartbeats whose slot came.
    pub scheduled: u64,
    /// By outcome, in the order of [`Outcome::ALL`].
    pub outcomes: [u64; 8],
    /// Without an outcome yet.
    pub in_flight: u64,
}

impl Totals {
    /// The count of one outcome.
    pub fn of(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize]
    }
}

/// One partition's accounting.
#[derive(Debug, Clone)]
pub struct Partition {
    /// Heartbeats whose slot came.
    pub scheduled: u64,
    /// Without an outcome yet.
    pub in_flight: u64,
    /// By the leader at send time; `None` if there was none.
    pub by_broker: BTreeMap<Option<BrokerId>, BrokerCounts>,
    /// By anomaly, in the order of [`Anomaly::ALL`].
    pub anomalies: [u64; 7],
    /// When a heartbeat last ended `ok`.
    pub last_success: Option<SystemTime>,
    /// The leader now.
    pub leader: Option<BrokerId>,
    /// The leader's rack.
    pub rack: Option<String>,
    /// The last beats, newest last, at most [`Snapshot::BEATS_KEPT`].
    pub beats: VecDeque<Beat>,
}

/// What heartbeats of one partition led by one broker did.
#[derive(Debug, Clone)]
pub struct BrokerCounts {
    /// By outcome, in the order of [`Outcome::ALL`].
    pub outcomes: [u64; 8],
    /// Acknowledged minus intended, or just above the deadline: one for each handed over and judged.
    pub produce: Buckets,
    /// Received minus intended, or just above the deadline: one for each verdict.
    pub end_to_end: Buckets,
    /// Received minus sent: received ones only.
    pub delivery: Buckets,
    /// Number of heartbeats that were judged bad.
    pub bad: u64,
    /// Number of the bad heartbeats that were not acknowledged by their deadline.
    pub unacknowledged: u64,
}

/// One heartbeat in a partition's bar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Beat {
    /// Its number on the partition.
    pub sequence: u64,
    /// When it was meant to be sent.
    pub intended: SystemTime,
    /// Its outcome; `None` while in flight.
    pub outcome: Option<Outcome>,
    /// The verdict is bad although the outcome is still open.
    pub bad: bool,
    /// Received minus intended.
    pub end_to_end: Option<Duration>,
}

/// A heartbeat that ended, for the page, the log, the API and traces.
#[derive(Debug, Clone)]
pub struct Ended {
    /// `instance-epoch-partition-sequence`.
    pub id: String,
    /// The partition.
    pub partition: i32,
    /// Its number on the partition.
    pub sequence: u64,
    /// The leader when it was sent.
    pub broker: Option<BrokerId>,
    /// When it was meant to be sent.
    pub intended: SystemTime,
    /// How it ended.
    pub outcome: Outcome,
    /// Its verdict was bad: it missed its deadline, or nobody took it.
    pub missed: bool,
    /// Sent minus intended; `None` if never handed over.
    pub schedule_delay: Option<Duration>,
    /// Acknowledged minus intended.
    pub produce: Option<Duration>,
    /// Received minus intended.
    pub end_to_end: Option<Duration>,
    /// Why the client refused it or the delivery failed.
    pub fault: Option<Fault>,
    /// Delivery failed minus intended.
    pub failed: Option<Duration>,
    /// Where its record was first seen.
    pub offset: Option<i64>,
    /// The moment when its outcome was certain, minus intended.
    pub ended: Duration,
    /// What happened to its partition meanwhile.
    pub moves: Vec<LeaderChange>,
    /// The last complaint of the consumer meanwhile, and when.
    pub unread: Option<(SystemTime, Fault)>,
    /// Its ids, where it is told in a trace.
    pub trace: Option<TraceIds>,
}

/// A partition got another leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaderChange {
    /// When we learnt it.
    pub at: SystemTime,
    /// Before.
    pub from: Option<BrokerId>,
    /// Since.
    pub to: Option<BrokerId>,
}
