//! The ledger: what it keeps, and the events that change it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use super::{
    book::{PartitionBook, by_broker},
    cluster_sums::ClusterSums,
    entry::{Ack, Judgement, Micros},
    event::{Event, Leader},
    stalls::Stalls,
};
use crate::{
    kafka::BrokerId,
    latency::{Bounds, Buckets},
    probe::heartbeat::{
        outcome::Outcome,
        record::Identity,
        snapshot::{BrokerCounts, Ended, Totals},
        trace::SampleShare,
    },
};

/// What the ledger goes by.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Who we are.
    pub identity: Identity,
    /// From the intended instant; what is not there by then is bad.
    pub deadline: Duration,
    /// From the intended instant; what is not there by then is lost.
    pub horizon: Duration,
    /// How late a slot may be used; a stall that lasts longer makes the prober unhealthy.
    pub tolerance: Duration,
    /// Of every histogram.
    pub bounds: Bounds,
    /// Where heartbeats are told in traces: of the good ones, this share at least.
    pub traces: Option<SampleShare>,
}

/// The accounting of one cluster.
pub struct Ledger {
    pub(super) settings: Settings,
    pub(super) begin: Instant,
    /// One instant on both clocks; the wall clock is for people and follows its corrections.
    pub(super) clock: (Instant, SystemTime),
    pub(super) books: BTreeMap<i32, PartitionBook>,
    pub(super) leaders: BTreeMap<i32, Leader>,
    pub(super) stalls: Stalls,
    /// What comes after the end is our own clearing up.
    pub(super) stopped: bool,
    /// When a record of another instance under our own name was last read.
    pub(super) same_name: Option<Instant>,
    pub(super) totals: Totals,
    pub(super) sums: ClusterSums,
    /// Ended badly, or to be told in a trace, since somebody last asked.
    pub(super) ended: Vec<Arc<Ended>>,
    /// (when, partition, leader before, leader since), of the last horizon.
    pub(super) moves: VecDeque<(Instant, i32, Option<BrokerId>, Option<BrokerId>)>,
}

impl Ledger {
    /// An empty ledger.
    pub fn new(settings: Settings, begin: Instant, wall: SystemTime) -> Self {
        let sums = ClusterSums::new(&settings.bounds, begin);
        let stalls = Stalls::new(settings.tolerance);
        Self {
            settings,
            begin,
            clock: (begin, wall),
            books: BTreeMap::new(),
            leaders: BTreeMap::new(),
            stalls,
            stopped: false,
            same_name: None,
            totals: Totals::default(),
            sums,
            ended: Vec::new(),
            moves: VecDeque::new(),
        }
    }

    /// Books one event.
    pub fn apply(&mut self, event: Event) {
        if self.stopped {
            return;
        }
        match event {
            Event::Partitions { leaders, at } => self.set_partitions(leaders, at),
            Event::Sent { partition, sequence, intended, at, broker } => {
                self.sent(partition, sequence, intended, at, broker);
            }
            Event::Refused { partition, sequence, at, fault } => {
                *self.sums.produce_errors.entry(fault).or_default() += 1;
                self.change(partition, sequence, at, |entry, _| entry.refused = Some(fault));
            }
            Event::Skipped { partition, broker, at } => {
                self.stalls.missed_slot(at);
                self.totals.scheduled += 1;
                let book = self.books.entry(partition).or_default();
                book.scheduled += 1;
                self.finish(partition, broker, Outcome::Skipped);
            }
            Event::Acked { partition, sequence, at } => {
                self.sums.acked += 1;
                self.change(partition, sequence, at, |entry, after| entry.ack = Ack::At(Micros::new(after)));
            }
            Event::Failed { partition, sequence, at, fault, definite } => {
                *self.sums.produce_errors.entry(fault).or_default() += 1;
                self.change(partition, sequence, at, |entry, after| {
                    entry.ack = Ack::Failed { fault, definite, at: Micros::new(after) };
                });
            }
            Event::Received { partition, offset, at, record } => self.received(partition, offset, at, record),
            Event::Throttled { api, time } => {
                let bounds = &self.settings.bounds;
                self.sums.throttle.entry(api).or_insert_with(|| Buckets::new(bounds)).record(time);
            }
            Event::Unread { at, fault } => {
                *self.sums.fetch_errors.entry(fault).or_default() += 1;
                self.sums.last_unread = Some((at, fault));
            }
            Event::Started { took } => self.sums.startup = Some(took),
            Event::Renewed(why) => self.sums.renewals[why as usize] += 1,
            Event::Stalled { from, to } => self.stalls.add(from, to),
            Event::NoDescriptors { from, to } => self.stalls.add_shortage(from, to),
            Event::Stopped => self.stop(),
        }
    }

    /// Lets time pass: verdicts at deadlines, outcomes at horizons.
    pub fn advance(&mut self, now: Instant, wall: SystemTime) {
        self.clock = (now, wall);
        let partitions: Vec<i32> = self.books.keys().copied().collect();
        for partition in partitions {
            self.judge_overdue(partition, now);
            self.expire(partition, now);
        }
        let oldest = now.checked_sub(self.settings.horizon);
        if let Some(oldest) = oldest {
            self.stalls.forget_before(oldest);
        }
        while self.moves.front().is_some_and(|(at, ..)| oldest.is_some_and(|oldest| *at < oldest)) {
            self.moves.pop_front();
        }
        self.drop_gone_partitions();
    }

    pub(super) fn stop(&mut self) {
        self.stopped = true;
        let partitions: Vec<i32> = self.books.keys().copied().collect();
        for partition in partitions {
            let sequences =
                self.books.get(&partition).map(|book| book.first..book.first + book.entries.len() as u64);
            for sequence in sequences.into_iter().flatten() {
                let Some(mut entry) = self.books.get(&partition).and_then(|book| book.get(sequence)) else {
                    continue;
                };
                if entry.verdict.is_none() {
                    entry.verdict = Some(Judgement::Excluded);
                }
                if entry.outcome.is_none() {
                    self.conclude(partition, sequence, &mut entry, Outcome::Skipped);
                }
                if let Some(book) = self.books.get_mut(&partition) {
                    book.set(sequence, entry);
                }
            }
        }
    }

    /// When `advance` has something to do next, if nothing else happens before.
    pub fn next_deadline(&self) -> Option<Instant> {
        let deadlines = self.books.values().filter_map(|book| {
            let entry = book.get(book.judged)?;
            Some(self.instant(entry.intended) + self.settings.deadline)
        });
        let horizons = self.books.values().filter_map(|book| {
            let entry = book.entries.front()?;
            Some(self.instant(entry.intended) + self.settings.horizon)
        });
        deadlines.chain(horizons).min()
    }

    /// The heartbeats that ended since the last call: bad ones, and those with ids, which are to be told in a trace.
    pub fn take_ended(&mut self) -> impl Iterator<Item = Arc<Ended>> {
        std::mem::take(&mut self.ended).into_iter()
    }

    /// Heartbeats without an outcome.
    pub fn in_flight(&self) -> u64 {
        self.totals.in_flight
    }

    /// The number of verdicts that were bad: whoever watches the cluster looks closer when it moves.
    pub fn bad_events(&self) -> u64 {
        self.sums.bad_events
    }

    /// When a heartbeat of another instance under our own name was last read; absent if that has not happened.
    pub fn same_name(&self) -> Option<Instant> {
        self.same_name
    }

    /// The oldest heartbeat that still waits for its acknowledgement or its record, by its intended instant.
    pub fn oldest_waiting(&self) -> Option<Instant> {
        let waiting = self.books.values().filter_map(|book| book.get(book.judged));
        waiting.map(|entry| self.instant(entry.intended)).min()
    }

    pub(super) fn wall(&self, at: Instant) -> SystemTime {
        let (now, wall) = self.clock;
        wall - now.saturating_duration_since(at) + at.saturating_duration_since(now)
    }

    pub(super) fn instant(&self, nanos: u64) -> Instant {
        self.begin + Duration::from_nanos(nanos)
    }

    pub(super) fn set_partitions(&mut self, leaders: BTreeMap<i32, Leader>, at: Instant) {
        for (partition, leader) in &leaders {
            let before = self.leaders.get(partition).map(|before| before.broker);
            if let Some(before) = before.filter(|before| *before != leader.broker) {
                self.moves.push_back((at, *partition, before, leader.broker));
            }
            let bounds = &self.settings.bounds;
            let book = self.books.entry(*partition).or_default();
            book.by_broker.entry(leader.broker).or_insert_with(|| by_broker(bounds));
        }
        self.leaders = leaders;
        self.drop_gone_partitions();
    }

    pub(super) fn drop_gone_partitions(&mut self) {
        let leaders = &self.leaders;
        if leaders.is_empty() {
            // Nothing is known of the topic yet.
            return;
        }
        let open = |book: &PartitionBook| book.in_flight > 0 || book.get(book.judged).is_some();
        self.books.retain(|partition, book| leaders.contains_key(partition) || open(book));
    }

    pub(super) fn by_broker(&mut self, partition: i32, broker: Option<BrokerId>) -> &mut BrokerCounts {
        let bounds = &self.settings.bounds;
        let book = self.books.entry(partition).or_default();
        book.by_broker.entry(broker).or_insert_with(|| by_broker(bounds))
    }
}
