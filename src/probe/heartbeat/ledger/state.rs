//! The ledger: what it keeps, and the events that change it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use super::{
    book::PartitionBook,
    cluster_sums::{ClusterSums, FailedRead},
    entry::{Ack, Entry, Judgement, Micros},
    event::{Event, Leader},
    stalls::Stalls,
};
use crate::{
    kafka::BrokerId,
    latency::{Bounds, Buckets},
    probe::heartbeat::{
        feed::Runs,
        id::HeartbeatId,
        moment::Moment,
        outcome::Outcome,
        record::Identity,
        snapshot::{BrokerCounts, EndedHeartbeat, Totals},
        trace::SampleShare,
    },
};

/// The settings of a ledger.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The identity of this run. Records of another identity are counted as anomalies.
    pub identity: Identity,
    /// The time from its intended instant within which a good heartbeat is acknowledged and received.
    pub deadline: Duration,
    /// The time from its intended instant after which a heartbeat is no longer waited for.
    pub horizon: Duration,
    /// The time by which a slot of the schedule may be used too late. A longer stall makes the prober unhealthy.
    pub tolerance: Duration,
    /// The upper bounds of the classic buckets of every histogram.
    pub bounds: Bounds,
    /// The share of good heartbeats that are exported as traces; `None` if no traces are exported.
    pub traces: Option<SampleShare>,
}

/// The accounting of one cluster.
pub struct Ledger {
    pub(super) settings: Settings,
    /// The instant at which the ledger was made. Entries count their intended instant from here.
    pub(super) begin: Instant,
    /// The time up to which the ledger has judged.
    pub(super) clock: Moment,
    pub(super) books: BTreeMap<i32, PartitionBook>,
    /// The partitions of the topic; empty until the metadata were read.
    pub(super) leaders: BTreeMap<i32, Leader>,
    pub(super) stalls: Stalls,
    /// True once the service stops. What the closing clients report afterwards is ignored.
    stopped: bool,
    /// The instant at which a record of another instance of the same name was last read; `None` if there was none.
    pub(super) same_name: Option<Instant>,
    pub(super) totals: Totals,
    pub(super) sums: ClusterSums,
    /// Heartbeats that ended since the last [`Ledger::take_ended`] and are to be logged or exported as a trace.
    pub(super) ended: Vec<Arc<EndedHeartbeat>>,
    /// The changes of leaders within the last horizon, the oldest first.
    pub(super) leader_moves: VecDeque<LeaderMove>,
    /// The runs of this process, whose records are not those of a second process with the same name.
    pub(super) runs: Runs,
}

/// A partition got another leader.
pub(super) struct LeaderMove {
    /// The instant at which this process learned of it.
    pub(super) at: Instant,
    /// The partition.
    pub(super) partition: i32,
    /// The leader before; `None` if there was none.
    pub(super) from: Option<BrokerId>,
    /// The leader since; `None` if there is none.
    pub(super) to: Option<BrokerId>,
}

impl Ledger {
    /// An empty ledger that begins at this moment.
    pub fn new(settings: Settings, begin: Moment) -> Self {
        let sums = ClusterSums::new(&settings.bounds, begin.instant);
        let stalls = Stalls::new(settings.tolerance);
        Self {
            settings,
            begin: begin.instant,
            clock: begin,
            books: BTreeMap::new(),
            leaders: BTreeMap::new(),
            stalls,
            stopped: false,
            same_name: None,
            totals: Totals::default(),
            sums,
            ended: Vec::new(),
            leader_moves: VecDeque::new(),
            runs: Runs::default(),
        }
    }

    /// The same ledger that knows the runs of this process for other clusters.
    pub fn with_runs(self, runs: Runs) -> Self {
        Self { runs, ..self }
    }

    /// The identity of this run.
    pub fn identity(&self) -> Identity {
        self.settings.identity
    }

    /// The instant at which a heartbeat was handed to the client. `None` before that and after its horizon.
    pub fn sent_at(&self, id: HeartbeatId) -> Option<Instant> {
        let entry = self.entry(id)?;
        Some(self.instant(entry.intended) + entry.sent.get()?)
    }

    /// Books one event.
    pub fn apply(&mut self, event: Event) {
        if self.stopped {
            return;
        }
        match event {
            Event::Partitions { leaders, at } => self.set_partitions(leaders, at),
            Event::Sent { id, intended, at, broker } => self.sent(id, intended, at, broker),
            Event::Refused { id, at, fault } => {
                *self.sums.produce_errors.entry(fault).or_default() += 1;
                self.change(id, at, |entry, _| entry.refused = Some(fault));
            }
            Event::Skipped { partition, broker, at } => {
                self.stalls.missed_slot(at);
                self.totals.scheduled += 1;
                let book = self.books.entry(partition).or_default();
                book.scheduled += 1;
                self.count_outcome(partition, broker, Outcome::Skipped);
            }
            Event::Acked { id, at, stored } => {
                self.sums.acked += 1;
                self.stored(id, at, stored);
                self.change(id, at, |entry, after| entry.ack = Ack::At(Micros::new(after)));
            }
            Event::Failed { id, at, fault, definite } => {
                *self.sums.produce_errors.entry(fault).or_default() += 1;
                self.change(id, at, |entry, after| {
                    entry.ack = Ack::Failed { fault, definite, at: Micros::new(after) };
                });
            }
            Event::Received { partition, offset, at, record } => self.received(partition, offset, at, record),
            Event::Throttled { api, time } => {
                let bounds = &self.settings.bounds;
                self.sums.throttle.entry(api).or_insert_with(|| Buckets::new(bounds)).record(time);
            }
            Event::ReadFailed { at, fault } => {
                *self.sums.fetch_errors.entry(fault).or_default() += 1;
                self.sums.last_failed_read = Some(FailedRead { at, fault });
            }
            Event::Started { took } => self.sums.startup = Some(took),
            Event::Renewed(renewal) => self.sums.renewals[renewal as usize] += 1,
            Event::Stalled(stall) => self.stalls.add(stall),
            Event::NoDescriptors(shortage) => self.stalls.add_shortage(shortage),
            Event::NoCredential(lockout) => self.stalls.add_lockout(lockout),
            Event::Stopped => self.stop(),
        }
    }

    /// Advances the time of the ledger: judges heartbeats whose deadline has passed, and ends those whose horizon has
    /// passed.
    pub fn advance(&mut self, now: Moment) {
        self.clock = now;
        let partitions: Vec<i32> = self.books.keys().copied().collect();
        for partition in partitions {
            self.judge_overdue(partition, now.instant);
            self.expire(partition, now.instant);
        }
        if let Some(oldest) = now.instant.checked_sub(self.settings.horizon) {
            self.stalls.forget_before(oldest);
            while self.leader_moves.front().is_some_and(|change| change.at < oldest) {
                self.leader_moves.pop_front();
            }
        }
        self.drop_deleted_partitions();
    }

    /// Ends every heartbeat in flight as skipped. Heartbeats without a judgement get none.
    fn stop(&mut self) {
        self.stopped = true;
        let partitions: Vec<i32> = self.books.keys().copied().collect();
        for partition in partitions {
            let sequences = self.books.get(&partition).map(PartitionBook::sequences);
            for sequence in sequences.into_iter().flatten() {
                let id = HeartbeatId { partition, sequence };
                let Some(mut entry) = self.entry(id) else { continue };
                if entry.judgement.is_none() {
                    entry.judgement = Some(Judgement::Excluded);
                }
                if entry.outcome.is_none() {
                    self.conclude(id, &mut entry, Outcome::Skipped);
                }
                self.store(id, entry);
            }
        }
    }

    /// The heartbeats that ended since the last call and are to be logged or exported: the bad ones, and those with the
    /// ids of a trace.
    pub fn take_ended(&mut self) -> impl Iterator<Item = Arc<EndedHeartbeat>> {
        std::mem::take(&mut self.ended).into_iter()
    }

    /// The number of heartbeats without an outcome.
    pub fn in_flight(&self) -> u64 {
        self.totals.in_flight
    }

    /// The number of heartbeats that were judged bad. Metadata are read at once when it grows.
    pub fn bad_events(&self) -> u64 {
        self.sums.bad_events
    }

    /// The instant at which a heartbeat of another instance of the same name was last read; `None` if there was none.
    pub fn same_name(&self) -> Option<Instant> {
        self.same_name
    }

    /// The intended instant of the oldest heartbeat that waits for its acknowledgement or its record; `None` if no
    /// heartbeat waits.
    pub fn oldest_waiting(&self) -> Option<Instant> {
        let waiting = self.books.values().filter_map(|book| book.get(book.judged));
        waiting.map(|entry| self.instant(entry.intended)).min()
    }

    /// The wall-clock time of an instant.
    pub(super) fn wall(&self, at: Instant) -> SystemTime {
        self.clock.wall_at(at)
    }

    /// The instant that lies so many nanoseconds after the ledger's beginning.
    pub(super) fn instant(&self, nanos: u64) -> Instant {
        self.begin + Duration::from_nanos(nanos)
    }

    /// The entry of a heartbeat; `None` before it was sent and after its horizon.
    pub(super) fn entry(&self, id: HeartbeatId) -> Option<Entry> {
        self.books.get(&id.partition).and_then(|book| book.get(id.sequence))
    }

    /// Replaces the entry of a heartbeat.
    pub(super) fn store(&mut self, id: HeartbeatId, entry: Entry) {
        if let Some(book) = self.books.get_mut(&id.partition) {
            book.set(id.sequence, entry);
        }
    }

    fn set_partitions(&mut self, leaders: BTreeMap<i32, Leader>, at: Instant) {
        for (partition, leader) in &leaders {
            let before = self.leaders.get(partition).map(|before| before.broker);
            if let Some(from) = before.filter(|before| *before != leader.broker) {
                self.leader_moves.push_back(LeaderMove {
                    at,
                    partition: *partition,
                    from,
                    to: leader.broker,
                });
            }
            let bounds = &self.settings.bounds;
            let book = self.books.entry(*partition).or_default();
            book.by_broker.entry(leader.broker).or_insert_with(|| BrokerCounts::new(bounds));
        }
        self.leaders = leaders;
        self.drop_deleted_partitions();
    }

    /// Drops the partitions that left the topic, once none of their heartbeats is in flight or without a judgement.
    fn drop_deleted_partitions(&mut self) {
        let leaders = &self.leaders;
        if leaders.is_empty() {
            // The metadata were not read yet.
            return;
        }
        let is_open = |book: &PartitionBook| book.in_flight > 0 || book.get(book.judged).is_some();
        self.books.retain(|partition, book| leaders.contains_key(partition) || is_open(book));
    }

    /// The counts of a partition while a broker led it; `None` stands for the time without a leader.
    pub(super) fn by_broker(&mut self, partition: i32, broker: Option<BrokerId>) -> &mut BrokerCounts {
        let bounds = &self.settings.bounds;
        let book = self.books.entry(partition).or_default();
        book.by_broker.entry(broker).or_insert_with(|| BrokerCounts::new(bounds))
    }
}
