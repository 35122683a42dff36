//! The ledger and the events that change it.

use std::time::{Duration, Instant};

pub(in crate::probe::mirrors) use super::book::Place;
use super::{
    super::{
        offsets::Offsets,
        outcome::{Anomaly, Outcome},
        snapshot::Counts,
        unread::Unread,
    },
    book::{Book, Key},
};
use crate::{
    latency::{Bounds, Buckets},
    probe::heartbeat::{
        Confirmed, Period,
        record::{Identity, NotAHeartbeat, Record},
    },
};

/// The number of runs of the source that are known: a reload of the configuration begins another run.
const RUNS: usize = 8;

/// The settings of a ledger.
#[derive(Debug, Clone, Copy)]
pub(in crate::probe::mirrors) struct Settings {
    /// A heartbeat that is read later than this after it was produced is late.
    pub(in crate::probe::mirrors) deadline: Duration,
    /// A heartbeat that is not in the target after this time is lost.
    pub(in crate::probe::mirrors) lost_after: Duration,
    /// The time after `lost_after` within which the log end must have been read, so that a heartbeat counts as lost.
    pub(in crate::probe::mirrors) patience: Duration,
}

/// The accounting of one mirror.
#[derive(Debug, Clone)]
pub(in crate::probe::mirrors) struct Ledger {
    settings: Settings,
    /// The runs of the source, the newest last.
    runs: Vec<Identity>,
    book: Book,
    unread: Unread,
    /// Heartbeats that were produced before this instant are not expected. `None` before the target is read.
    from: Option<Instant>,
    /// The last instant at which everything in the target was read. `None` before the first.
    caught_up: Option<Instant>,
    /// When the newest heartbeat that was read had been produced. `None` before the first.
    newest: Option<Instant>,
    /// Where the heartbeats of the source are in the target.
    offsets: Offsets,
    counts: Counts,
}

impl Ledger {
    pub(in crate::probe::mirrors) fn new(settings: Settings) -> Self {
        let bounds = Bounds::with([settings.deadline, settings.lost_after]);
        Self {
            settings,
            runs: Vec::new(),
            book: Book::default(),
            unread: Unread::default(),
            from: None,
            caught_up: None,
            newest: None,
            offsets: Offsets::default(),
            counts: Counts::new(Buckets::new(&bounds)),
        }
    }

    /// A run of the source sends heartbeats. Those of earlier runs may still arrive.
    pub(in crate::probe::mirrors) fn follow(&mut self, run: Identity) {
        if self.runs.contains(&run) {
            return;
        }
        if self.runs.len() == RUNS {
            self.runs.remove(0);
        }
        self.runs.push(run);
    }

    /// The source acknowledged a heartbeat, so it is expected in the target.
    pub(in crate::probe::mirrors) fn expect(&mut self, confirmed: &Confirmed) {
        self.follow(confirmed.identity);
        if self.from.is_some_and(|from| confirmed.produced < from) {
            return;
        }
        let key = Book::key(confirmed);
        if !self.book.add(key, confirmed.produced, confirmed.offset) {
            self.counts.dropped += 1;
            return;
        }
        self.counts.expected += 1;
        if let Some((at, place)) = self.book.take_early(key) {
            self.arrived(key, at, place);
        }
    }

    /// A record of the mirrored topic was read. Returns whether it is a heartbeat of the source.
    pub(in crate::probe::mirrors) fn read(
        &mut self,
        at: Instant,
        place: Place,
        record: Result<Record, NotAHeartbeat>,
    ) -> bool {
        let record = match record {
            Ok(record) if self.runs.contains(&record.identity) => record,
            Ok(_) | Err(NotAHeartbeat::Foreign) => {
                self.counts.count(Anomaly::Foreign);
                return false;
            }
            Err(NotAHeartbeat::Corrupt) => {
                self.counts.count(Anomaly::Corrupt);
                return false;
            }
        };
        let key = (record.identity.epoch, record.id.partition, record.id.sequence);
        match self.book.get(key).map(|entry| entry.place) {
            None => {
                if !self.book.keep_early(key, at, place) {
                    self.counts.count(Anomaly::Duplicate);
                }
            }
            Some(None) => self.arrived(key, at, place),
            // A record at the same place is the same record, read again because the consumer went back.
            Some(Some(first)) if first == place => {}
            Some(Some(_)) => {
                self.counts.count(Anomaly::Duplicate);
                self.locate(key, place);
            }
        }
        true
    }

    /// Keeps where a heartbeat is in the target. Of several places the last one counts: a consumer that begins before it reads the
    /// heartbeat.
    fn locate(&mut self, key: Key, (partition, at): Place) {
        let offset = self.book.get(key).and_then(|entry| entry.offset);
        if let Some(offset) = offset.filter(|_| key.1 == partition) {
            self.offsets.set(partition, offset, at);
        }
    }

    /// A heartbeat was read for the first time.
    fn arrived(&mut self, key: Key, at: Instant, place: Place) {
        let Some(entry) = self.book.get(key) else { return };
        entry.place = Some(place);
        let produced = entry.produced;
        let is_over = entry.outcome.is_some();
        self.newest = self.newest.max(Some(produced));
        self.locate(key, place);
        if is_over {
            return self.counts.count(Anomaly::AfterOutcome);
        }
        let due = produced + self.settings.deadline;
        let outcome = if at <= due {
            Outcome::Mirrored
        } else if self.unread.overlaps(due, due) {
            Outcome::Unknown
        } else {
            Outcome::Late
        };
        self.end(key, outcome);
        // The time in which nothing was read is not the mirror's.
        if outcome != Outcome::Unknown && !self.unread.overlaps(produced, at) {
            self.counts.latency.record(at.saturating_duration_since(produced));
        }
    }

    /// The target is not read from an instant on, until [`Ledger::caught_up`].
    pub(in crate::probe::mirrors) fn failed(&mut self, at: Instant) {
        self.unread.begin(at);
    }

    /// Everything that was in the target at an instant has been read.
    pub(in crate::probe::mirrors) fn caught_up(&mut self, at: Instant) {
        self.unread.end(at);
        self.caught_up = self.caught_up.max(Some(at));
    }

    /// This process did not run in a period.
    pub(in crate::probe::mirrors) fn stalled(&mut self, stall: Period) {
        self.unread.add(stall);
    }

    /// Reading begins at the log end as it was at an instant. Heartbeats in flight that were produced before may be in front of it.
    pub(in crate::probe::mirrors) fn resumed(&mut self, at: Instant) {
        self.from = Some(at);
        while let Some((_, key)) = self.book.oldest().filter(|(produced, _)| *produced < at) {
            self.end(key, Outcome::Unknown);
        }
    }

    /// Ends the heartbeats whose time ran out.
    pub(in crate::probe::mirrors) fn advance(&mut self, now: Instant) {
        let Settings { lost_after, patience, deadline } = self.settings;
        while let Some((produced, key)) = self.book.oldest() {
            let expiry = produced + lost_after;
            if expiry > now {
                break;
            }
            let outcome = if self.unread.overlaps(expiry, expiry) {
                Outcome::Unknown
            } else if self.caught_up >= Some(expiry) {
                Outcome::Lost
            } else if self.unread.overlaps(expiry, now) || expiry + patience < now {
                Outcome::Unknown
            } else {
                // Whether it is in the target is known when the log end was read.
                break;
            };
            self.end(key, outcome);
        }
        if let Some(before) = now.checked_sub(deadline) {
            for _ in 0..self.book.forget_early(before) {
                self.counts.count(Anomaly::Unexpected);
            }
        }
        if let Some(before) = now.checked_sub(2 * lost_after + patience) {
            self.book.forget(before);
            self.unread.forget_before(before);
        }
    }

    fn end(&mut self, key: Key, outcome: Outcome) {
        if self.book.end(key, outcome) {
            self.counts.outcomes[outcome as usize] += 1;
        }
    }

    /// What was counted since the start.
    pub(in crate::probe::mirrors) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The number of heartbeats without an outcome.
    pub(in crate::probe::mirrors) fn in_flight(&self) -> usize {
        self.book.in_flight()
    }

    /// The number of heartbeats that are not in the target after the deadline, by the last read of the log end, and when the oldest
    /// of them was produced. `None` while the target is not read.
    pub(in crate::probe::mirrors) fn overdue(&self) -> Option<(usize, Option<Instant>)> {
        let read = self.caught_up.filter(|_| !self.unread.is_open())?;
        let Some(before) = read.checked_sub(self.settings.deadline) else { return Some((0, None)) };
        let count = self.book.in_flight_before(before);
        Some((count, self.book.oldest().map(|(produced, _)| produced).filter(|_| count > 0)))
    }

    /// Where the heartbeats of the source are in the target.
    pub(in crate::probe::mirrors) fn offsets(&self) -> &Offsets {
        &self.offsets
    }

    /// Whether everything that was in the target at an instant has been read.
    pub(in crate::probe::mirrors) fn has_read_until(&self, at: Instant) -> bool {
        self.caught_up >= Some(at)
    }

    /// When the newest heartbeat that was read had been produced. `None` before the first.
    pub(in crate::probe::mirrors) fn newest(&self) -> Option<Instant> {
        self.newest
    }
}
