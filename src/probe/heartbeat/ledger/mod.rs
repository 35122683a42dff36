//! The accounting: events in, outcomes out.
//!
//! A pure state machine. It reads no clock and does no I/O: every event carries its instant, so any
//! order of events can be replayed in a test. Every scheduled heartbeat ends in exactly one outcome,
//! at the earliest moment it is certain, and `scheduled = Σ outcomes + in flight` holds after every
//! event. The verdict is another moment: good when acknowledgement and record are both there by the
//! deadline, else bad at the deadline; the service-level counters and the latency histograms move
//! together at the verdict and never again.
//!
//! An entry stays until the horizon even when its outcome is known, so that a second copy of a record
//! is recognised. Memory is bounded by partitions × horizon / interval, about 75 bytes each, all told.

mod book;
mod entry;
mod event;
mod judge;
mod stalls;
mod sums;
mod view;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use book::{Book, by_broker};
use entry::{Ack, Entry, Micros, Offset, Verdict};
pub use event::{Event, Leader};
use stalls::Stalls;
use sums::Sums;

use super::{
    Anomaly, ByBroker, Ended, Outcome, Totals,
    record::{Identity, NotAHeartbeat, Record},
    trace::Share,
};
use crate::{
    kafka::BrokerId,
    latency::{Bounds, Buckets},
};

/// A run that is replaced may send for so long after the next run began, and clocks of two machines may differ by less.
const OVERLAP: Duration = Duration::from_secs(60);

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
    pub traces: Option<Share>,
}

/// The accounting of one cluster.
pub struct Ledger {
    settings: Settings,
    begin: Instant,
    /// One instant on both clocks; the wall clock is for people and follows its corrections.
    clock: (Instant, SystemTime),
    books: BTreeMap<i32, Book>,
    leaders: BTreeMap<i32, Leader>,
    stalls: Stalls,
    /// What comes after the end is our own clearing up.
    stopped: bool,
    /// When a record of another instance under our own name was last read.
    same_name: Option<Instant>,
    totals: Totals,
    sums: Sums,
    /// Ended badly, or to be told in a trace, since somebody last asked.
    ended: Vec<Arc<Ended>>,
    /// (when, partition, leader before, leader since), of the last horizon.
    moves: VecDeque<(Instant, i32, Option<BrokerId>, Option<BrokerId>)>,
}

impl Ledger {
    /// An empty ledger.
    pub fn new(settings: Settings, begin: Instant, wall: SystemTime) -> Self {
        let sums = Sums::new(&settings.bounds, begin);
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

    fn stop(&mut self) {
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
                    entry.verdict = Some(Verdict::Excluded);
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

    fn wall(&self, at: Instant) -> SystemTime {
        let (now, wall) = self.clock;
        wall - now.saturating_duration_since(at) + at.saturating_duration_since(now)
    }

    fn instant(&self, nanos: u64) -> Instant {
        self.begin + Duration::from_nanos(nanos)
    }

    fn set_partitions(&mut self, leaders: BTreeMap<i32, Leader>, at: Instant) {
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

    fn drop_gone_partitions(&mut self) {
        let leaders = &self.leaders;
        if leaders.is_empty() {
            // Nothing is known of the topic yet.
            return;
        }
        let open = |book: &Book| book.in_flight > 0 || book.get(book.judged).is_some();
        self.books.retain(|partition, book| leaders.contains_key(partition) || open(book));
    }

    fn sent(
        &mut self,
        partition: i32,
        sequence: u64,
        intended: Instant,
        at: Instant,
        broker: Option<BrokerId>,
    ) {
        let since_begin = intended.saturating_duration_since(self.begin);
        let entry = Entry::new(since_begin.as_nanos() as u64, at - intended, broker);
        self.sums.schedule_delay.record(at - intended);
        let book = self.books.entry(partition).or_default();
        if book.entries.is_empty() {
            (book.first, book.judged) = (sequence, sequence);
        }
        debug_assert_eq!(sequence, book.first + book.entries.len() as u64, "sequences have no gaps");
        book.entries.push_back(entry);
        book.scheduled += 1;
        book.in_flight += 1;
        self.totals.scheduled += 1;
        self.totals.in_flight += 1;
    }

    fn received(&mut self, partition: i32, offset: i64, at: Instant, record: Result<Record, NotAHeartbeat>) {
        let ours = self.settings.identity;
        let anomaly = match record {
            Err(NotAHeartbeat::Corrupt) => Anomaly::Corrupt,
            Err(NotAHeartbeat::Foreign) => Anomaly::Foreign,
            Ok(record) if record.identity.instance != ours.instance => Anomaly::Foreign,
            Ok(record) if record.identity.epoch != ours.epoch && is_alive(&record, ours) => {
                self.same_name = Some(at);
                Anomaly::SameName
            }
            Ok(record) if record.identity.epoch != ours.epoch => Anomaly::StaleEpoch,
            // Copied here by somebody else.
            Ok(record) if record.partition != partition => Anomaly::Foreign,
            Ok(record) => return self.received_ours(partition, offset, at, record.sequence),
        };
        self.books.entry(partition).or_default().count(anomaly);
    }

    fn received_ours(&mut self, partition: i32, offset: i64, at: Instant, sequence: u64) {
        let book = self.books.entry(partition).or_default();
        let offset = Offset::new(offset);
        let seen = book.get(sequence).and_then(|entry| entry.offset);
        if seen.is_some() {
            // The same record read again (the consumer went back) is no second copy.
            if seen != offset {
                book.count(Anomaly::Duplicate);
            }
            return;
        }
        if book.highest_received.is_some_and(|highest| sequence < highest) {
            book.count(Anomaly::OutOfOrder);
        }
        book.highest_received = book.highest_received.max(Some(sequence));
        self.sums.received += 1;
        self.change(partition, sequence, at, |entry, after| {
            (entry.received, entry.offset) = (Micros::new(after), offset);
        });
    }

    /// Changes an open entry and draws the conclusions; what comes too late is counted and changes nothing
    /// but the offset by which a further copy is recognised.
    fn change(
        &mut self,
        partition: i32,
        sequence: u64,
        at: Instant,
        change: impl FnOnce(&mut Entry, Duration),
    ) {
        let Some(mut entry) = self.books.get(&partition).and_then(|book| book.get(sequence)) else {
            self.books.entry(partition).or_default().count(Anomaly::AfterHorizon);
            return;
        };
        let after = at.saturating_duration_since(self.instant(entry.intended));
        if entry.verdict.is_none() && after > self.settings.deadline {
            self.judge_at_deadline(partition, sequence, &mut entry);
        }
        if entry.outcome.is_none() && after > self.settings.horizon {
            let outcome = entry.at_horizon();
            self.conclude(partition, sequence, &mut entry, outcome);
        }
        let mut changed = entry;
        change(&mut changed, after);
        if let Some(outcome) = entry.outcome {
            entry.offset = changed.offset;
            // What a stall of ours ended early is no anomaly when it arrives.
            if outcome != Outcome::Skipped {
                self.books.entry(partition).or_default().count(Anomaly::AfterHorizon);
            }
        } else {
            self.record_arrivals(partition, &entry, &changed, at);
            entry = changed;
            self.draw_conclusions(partition, sequence, &mut entry, after);
        }
        if let Some(book) = self.books.get_mut(&partition) {
            book.set(sequence, entry);
        }
    }

    fn record_arrivals(&mut self, partition: i32, before: &Entry, entry: &Entry, at: Instant) {
        if self.stalls.touch(self.instant(entry.intended), at) {
            return;
        }
        if let (None, Some(acked)) = (before.acked(), entry.acked()) {
            self.sums.acked_mean.record(at, acked);
        }
        if let (None, Some(received)) = (before.received.get(), entry.received.get()) {
            self.sums.received_mean.record(at, received);
        }
        let times = (before.received.get(), entry.received.get(), entry.sent.get());
        if let (None, Some(received), Some(sent)) = times {
            self.by_broker(partition, entry.broker).delivery.record(received.saturating_sub(sent));
        }
    }

    fn by_broker(&mut self, partition: i32, broker: Option<BrokerId>) -> &mut ByBroker {
        let bounds = &self.settings.bounds;
        let book = self.books.entry(partition).or_default();
        book.by_broker.entry(broker).or_insert_with(|| by_broker(bounds))
    }
}

/// Whether a record of our name is of a run that goes on beside ours: it began later, or still sent long after we began.
fn is_alive(record: &Record, ours: Identity) -> bool {
    let overlap = u64::try_from(OVERLAP.as_nanos()).unwrap_or(u64::MAX);
    record.identity.epoch > ours.epoch || record.sent > ours.epoch.saturating_add(overlap)
}

#[cfg(test)]
mod tests;
