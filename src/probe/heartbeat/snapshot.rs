//! What the heartbeats of a cluster publish.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use super::{
    id::HeartbeatId,
    outcome::{Anomaly, Outcome},
    record::Identity,
    renewal::Renewal,
    trace::TraceIds,
};
use crate::{
    kafka::{BrokerId, Fault},
    latency::{Bounds, Buckets, Recent, RecentMean},
};

/// Everything the ledger knows, consistent at one instant.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The instant at which the snapshot was taken.
    pub at: Instant,
    /// The wall-clock time of the same instant.
    pub written: SystemTime,
    /// By partition. A partition that left the topic stays until none of its heartbeats is in flight.
    pub partitions: BTreeMap<i32, Partition>,
    /// The number of heartbeats that were judged good or bad.
    pub events: u64,
    /// The number of heartbeats that were judged bad.
    pub bad_events: u64,
    /// The number of bad heartbeats that were not acknowledged by the deadline.
    pub unacknowledged_events: u64,
    /// The accounting over all partitions, deleted ones included.
    pub totals: Totals,
    /// The time from the start or the last renewal of the clients until heartbeats were scheduled on every partition;
    /// `None` until then.
    pub startup: Option<Duration>,
    /// The number of times a client was replaced, in the order of [`Renewal::ALL`].
    pub renewals: [u64; Renewal::ALL.len()],
    /// The time since the start in which this process did not run, all stalls together.
    pub stalled: Duration,
    /// The time at which a heartbeat of another instance of the same name was last read; `None` if there was none.
    pub same_name: Option<SystemTime>,
    /// Sent minus intended instant, of every heartbeat, whether the client took it or not.
    pub schedule_delay: Buckets,
    /// Failed deliveries and refused heartbeats, by kind.
    pub produce_errors: BTreeMap<Fault, u64>,
    /// Errors of the consumer while it read, by kind.
    pub fetch_errors: BTreeMap<Fault, u64>,
    /// The throttle times that brokers reported, by request.
    pub throttle: BTreeMap<&'static str, Buckets>,
    /// False for half a minute after the process stalled or had no file descriptor left.
    pub prober_healthy: bool,
    /// True for half a minute after the process had no file descriptor left.
    pub short_of_descriptors: bool,
    /// The instant at which the last long stall, missed slot or shortage of descriptors ended; `None` before the first.
    pub prober_trouble: Option<Instant>,
    /// Acknowledged minus intended instant, or just above the deadline, of the last five minutes.
    pub produce: Recent,
    /// Received minus intended instant, or just above the deadline, of the last five minutes.
    pub end_to_end: Recent,
    /// Acknowledged minus intended instant of the heartbeats acknowledged within the last minute, in time or not.
    pub acked_mean: RecentMean,
    /// Received minus intended instant of the heartbeats received within the last minute, in time or not.
    pub received_mean: RecentMean,
    /// The last bad heartbeats, newest last, at most [`Snapshot::BAD_KEPT`].
    pub bad: VecDeque<Arc<EndedHeartbeat>>,
    /// The number of heartbeats acknowledged since the start.
    pub acked: u64,
    /// The number of heartbeats of this run received since the start. A second copy does not count.
    pub received: u64,
}

impl Snapshot {
    /// The number of bad heartbeats that are kept for the page.
    pub const BAD_KEPT: usize = 100;
    /// The number of heartbeats that are kept for the bar of a partition.
    pub const BEATS_KEPT: usize = 60;
}

/// The accounting of the whole cluster. Always `scheduled = Σ outcomes + in_flight`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// The number of slots of the schedule that have passed.
    pub scheduled: u64,
    /// The number of heartbeats by outcome, in the order of [`Outcome::ALL`].
    pub outcomes: [u64; Outcome::ALL.len()],
    /// The number of heartbeats without an outcome.
    pub in_flight: u64,
}

impl Totals {
    /// The number of heartbeats with this outcome.
    pub fn of(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize]
    }
}

/// The accounting of one partition.
#[derive(Debug, Clone)]
pub struct Partition {
    /// The number of slots of the schedule that have passed.
    pub scheduled: u64,
    /// The number of heartbeats without an outcome.
    pub in_flight: u64,
    /// By the leader at send time; `None` if there was no leader.
    pub by_broker: BTreeMap<Option<BrokerId>, BrokerCounts>,
    /// The number of anomalies, in the order of [`Anomaly::ALL`].
    pub anomalies: [u64; Anomaly::ALL.len()],
    /// The time at which a heartbeat last ended `ok`; `None` before the first.
    pub last_success: Option<SystemTime>,
    /// The current leader; `None` if there is no leader.
    pub leader: Option<BrokerId>,
    /// The leader's rack; `None` if no rack is set.
    pub rack: Option<String>,
    /// The last heartbeats for the bar on the page, newest last, at most [`Snapshot::BEATS_KEPT`].
    pub beats: VecDeque<Beat>,
    /// The heartbeats that wait for longer than is likely. Nothing is judged by them. `None` if there is none.
    pub overdue: Option<Overdue>,
    /// The newest acknowledged heartbeat; `None` before the first.
    pub acknowledged: Option<Acknowledged>,
}

/// A heartbeat that a broker acknowledged, and where the broker stored its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acknowledged {
    /// The sender.
    pub identity: Identity,
    /// The heartbeat.
    pub id: HeartbeatId,
    /// The offset of the record.
    pub offset: i64,
    /// The checksum at the end of the record's value.
    pub checksum: u32,
    /// The leader of the partition when the heartbeat was sent; `None` if no leader was known.
    pub broker: Option<BrokerId>,
    /// The instant of the acknowledgement.
    pub at: Instant,
    /// The time of the acknowledgement.
    pub written: SystemTime,
}

/// Heartbeats of one partition that have waited for longer than is likely, and are not beyond their deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overdue {
    /// The number of these heartbeats.
    pub heartbeats: usize,
    /// The leader when the oldest of them was sent; `None` if no leader was known.
    pub leader: Option<BrokerId>,
    /// The time at which the oldest of them was due.
    pub since: SystemTime,
}

/// The outcomes and latencies of one partition while one broker led it.
#[derive(Debug, Clone)]
pub struct BrokerCounts {
    /// The number of heartbeats by outcome, in the order of [`Outcome::ALL`].
    pub outcomes: [u64; Outcome::ALL.len()],
    /// Acknowledged minus intended instant, or just above the deadline: one value for each heartbeat that was handed to
    /// the client and judged.
    pub produce: Buckets,
    /// Received minus intended instant, or just above the deadline: one value for each judgement.
    pub end_to_end: Buckets,
    /// Received minus sent instant, of heartbeats that were received.
    pub delivery: Buckets,
    /// The number of heartbeats that were judged bad.
    pub bad: u64,
    /// The number of bad heartbeats that were not acknowledged by their deadline.
    pub unacknowledged: u64,
}

impl BrokerCounts {
    /// The counts of a broker that has led nothing yet.
    pub(super) fn new(bounds: &Bounds) -> Self {
        let empty = Buckets::new(bounds);
        Self {
            outcomes: [0; Outcome::ALL.len()],
            produce: empty.clone(),
            end_to_end: empty.clone(),
            delivery: empty,
            bad: 0,
            unacknowledged: 0,
        }
    }
}

/// One heartbeat in the bar of a partition.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Beat {
    /// The number of the heartbeat on its partition.
    pub sequence: u64,
    /// The time at which it was due.
    pub intended: SystemTime,
    /// The outcome; `None` while the heartbeat is in flight.
    pub outcome: Option<Outcome>,
    /// True if the heartbeat was judged bad, even if its outcome is still open.
    pub bad: bool,
    /// Received minus intended instant; `None` if it was not received.
    pub end_to_end: Option<Duration>,
}

/// A heartbeat that ended, for the page, the log, the API and traces.
#[derive(Debug, Clone)]
pub struct EndedHeartbeat {
    /// `instance-epoch-partition-sequence`.
    pub id: String,
    /// The partition.
    pub partition: i32,
    /// The number of the heartbeat on its partition.
    pub sequence: u64,
    /// The leader when it was sent; `None` if no leader was known.
    pub broker: Option<BrokerId>,
    /// The time at which it was due.
    pub intended: SystemTime,
    /// The outcome.
    pub outcome: Outcome,
    /// True if the heartbeat was judged bad: it missed its deadline, or the client refused it.
    pub missed: bool,
    /// Sent minus intended instant; `None` if the client refused the heartbeat.
    pub schedule_delay: Option<Duration>,
    /// Acknowledged minus intended instant; `None` if it was not acknowledged.
    pub produce: Option<Duration>,
    /// Received minus intended instant; `None` if it was not received.
    pub end_to_end: Option<Duration>,
    /// The reason why the client refused it, its delivery failed or its record could not be read; `None` if there is
    /// no reason.
    pub fault: Option<Fault>,
    /// The instant of the failed delivery minus the intended instant; `None` if the delivery did not fail.
    pub failed: Option<Duration>,
    /// The offset of its record; `None` if the record was not read.
    pub offset: Option<i64>,
    /// The instant at which the outcome was certain minus the intended instant.
    pub ended: Duration,
    /// The changes of the partition's leader while the heartbeat was in flight.
    pub leader_changes: Vec<LeaderChange>,
    /// The last error of the consumer while the heartbeat was in flight; `None` if there was none.
    pub read_failure: Option<ReadFailure>,
    /// The ids of its trace; `None` if it is not exported as a trace.
    pub trace: Option<TraceIds>,
}

/// A partition got another leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaderChange {
    /// The time at which this process learned of it.
    pub at: SystemTime,
    /// The leader before; `None` if there was none.
    pub from: Option<BrokerId>,
    /// The leader since; `None` if there is none.
    pub to: Option<BrokerId>,
}

/// The consumer could not read records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadFailure {
    /// The time of the error.
    pub at: SystemTime,
    /// The reason.
    pub fault: Fault,
}
