//! Heartbeats that were sent, and what arrived of them.

use std::time::{Duration, Instant};

use super::{
    entry::{Entry, Micros, PackedOffset},
    state::Ledger,
};
use crate::{
    kafka::BrokerId,
    probe::heartbeat::{
        outcome::{Anomaly, Outcome},
        record::{Identity, NotAHeartbeat, Record},
    },
};

/// A run that is replaced may send for so long after the next run began, and clocks of two machines may differ by less.
pub(super) const OVERLAP: Duration = Duration::from_secs(60);

impl Ledger {
    pub(super) fn sent(
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

    pub(super) fn received(
        &mut self,
        partition: i32,
        offset: i64,
        at: Instant,
        record: Result<Record, NotAHeartbeat>,
    ) {
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
        let offset = PackedOffset::new(offset);
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
    pub(super) fn change(
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
}

/// Whether a record of our name is of a run that goes on beside ours: it began later, or still sent long after we began.
fn is_alive(record: &Record, ours: Identity) -> bool {
    let overlap = u64::try_from(OVERLAP.as_nanos()).unwrap_or(u64::MAX);
    record.identity.epoch > ours.epoch || record.sent > ours.epoch.saturating_add(overlap)
}
