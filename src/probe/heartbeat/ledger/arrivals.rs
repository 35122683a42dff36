//! Heartbeats that were sent, and the acknowledgements and records that arrive.

use std::time::{Duration, Instant};

use super::{
    entry::{Entry, Micros, PackedOffset},
    event::Stored,
    state::Ledger,
};
use crate::{
    kafka::BrokerId,
    probe::heartbeat::{
        id::HeartbeatId,
        outcome::{Anomaly, Outcome},
        period::Period,
        record::{Identity, NotAHeartbeat, Record},
        snapshot::Acknowledged,
    },
};

/// An earlier run of this instance may still send for this long after this run began, and the clocks of two machines
/// may differ by less than this.
pub(super) const OVERLAP: Duration = Duration::from_secs(60);

impl Ledger {
    /// Opens the entry of a heartbeat that is about to be handed to the client.
    pub(super) fn sent(&mut self, id: HeartbeatId, intended: Instant, at: Instant, broker: Option<BrokerId>) {
        let since_begin = intended.saturating_duration_since(self.begin);
        let entry = Entry::new(since_begin.as_nanos() as u64, at - intended, broker);
        self.sums.schedule_delay.record(at - intended);
        let book = self.books.entry(id.partition).or_default();
        if book.entries.is_empty() {
            book.first = id.sequence;
            book.judged = id.sequence;
        }
        debug_assert_eq!(id.sequence, book.sequences().end, "sequences have no gaps");
        book.entries.push_back(entry);
        book.scheduled += 1;
        book.in_flight += 1;
        self.totals.scheduled += 1;
        self.totals.in_flight += 1;
    }

    /// Keeps where the broker stored the newest acknowledged heartbeat of a partition.
    pub(super) fn stored(&mut self, id: HeartbeatId, at: Instant, stored: Option<Stored>) {
        let (Some(Stored { offset, checksum }), Some(entry)) = (stored, self.entry(id)) else { return };
        let acknowledged = Acknowledged {
            identity: self.settings.identity,
            id,
            offset,
            checksum,
            broker: entry.broker,
            at,
            written: self.wall(at),
        };
        self.books.entry(id.partition).or_default().acknowledged = Some(acknowledged);
    }

    /// Books a record of the topic: as the record of a heartbeat of this run, or as an anomaly.
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
            // A mirror copied it from the heartbeat topic of another cluster.
            Ok(record) if record.identity.epoch != ours.epoch && self.runs.has(record.identity) => {
                Anomaly::Foreign
            }
            Ok(record) if record.identity.epoch != ours.epoch && is_alive(&record, ours) => {
                self.same_name = Some(at);
                Anomaly::SameName
            }
            Ok(record) if record.identity.epoch != ours.epoch => Anomaly::StaleEpoch,
            // Another program copied the record to this partition.
            Ok(record) if record.id.partition != partition => Anomaly::Foreign,
            Ok(record) => return self.received_ours(record.id, offset, at),
        };
        self.books.entry(partition).or_default().count(anomaly);
    }

    fn received_ours(&mut self, id: HeartbeatId, offset: i64, at: Instant) {
        let book = self.books.entry(id.partition).or_default();
        let offset = PackedOffset::new(offset);
        let seen = book.get(id.sequence).and_then(|entry| entry.offset);
        if seen.is_some() {
            // A record at the same offset is the same record, read again because the consumer went back.
            if seen != offset {
                book.count(Anomaly::Duplicate);
            }
            return;
        }
        if book.highest_received.is_some_and(|highest| id.sequence < highest) {
            book.count(Anomaly::OutOfOrder);
        }
        book.highest_received = book.highest_received.max(Some(id.sequence));
        self.sums.received += 1;
        self.change(id, at, |entry, after| {
            entry.received = Micros::new(after);
            entry.offset = offset;
        });
    }

    /// Changes the entry of a heartbeat without an outcome, and draws the conclusions. An event that comes after the
    /// outcome is counted as an anomaly, and changes only the offset, by which a second copy of the record is recognised.
    pub(super) fn change(&mut self, id: HeartbeatId, at: Instant, change: impl FnOnce(&mut Entry, Duration)) {
        let Some(mut entry) = self.entry(id) else {
            self.books.entry(id.partition).or_default().count(Anomaly::AfterHorizon);
            return;
        };
        let after = at.saturating_duration_since(self.instant(entry.intended));
        if entry.judgement.is_none() && after > self.settings.deadline {
            self.judge_at_deadline(id, &mut entry);
        }
        if entry.outcome.is_none() && after > self.settings.horizon {
            let outcome = entry.at_horizon();
            self.conclude(id, &mut entry, outcome);
        }
        let mut changed = entry;
        change(&mut changed, after);
        if let Some(outcome) = entry.outcome {
            entry.offset = changed.offset;
            // An acknowledgement or record of a heartbeat that was skipped because of a stall is no anomaly.
            if outcome != Outcome::Skipped {
                self.books.entry(id.partition).or_default().count(Anomaly::AfterHorizon);
            }
        } else {
            self.record_arrivals(id.partition, &entry, &changed, at);
            entry = changed;
            self.draw_conclusions(id, &mut entry, after);
        }
        self.store(id, entry);
    }

    /// Records the latency of an acknowledgement or a record that has just arrived, unless a stall is in it.
    fn record_arrivals(&mut self, partition: i32, before: &Entry, entry: &Entry, at: Instant) {
        if self.stalls.touch(Period { from: self.instant(entry.intended), to: at }) {
            return;
        }
        if let (None, Some(acked)) = (before.acked(), entry.acked()) {
            self.sums.acked_mean.record(at, acked);
        }
        if let (None, Some(received)) = (before.received.get(), entry.received.get()) {
            self.sums.received_mean.record(at, received);
            self.books.entry(partition).or_default().pace.learn(received);
        }
        let times = (before.received.get(), entry.received.get(), entry.sent.get());
        if let (None, Some(received), Some(sent)) = times {
            self.by_broker(partition, entry.broker).delivery.record(received.saturating_sub(sent));
        }
    }
}

/// Whether a record of this instance's name comes from a run at the same time as this run: that run began later, or
/// it still sent long after this run began.
fn is_alive(record: &Record, ours: Identity) -> bool {
    let overlap = u64::try_from(OVERLAP.as_nanos()).unwrap_or(u64::MAX);
    record.identity.epoch > ours.epoch || record.sent > ours.epoch.saturating_add(overlap)
}
