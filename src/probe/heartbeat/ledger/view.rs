//! What the ledger publishes: snapshots, and heartbeats that ended.

use std::time::{Duration, Instant};

use super::{
    book::PartitionBook,
    entry::{Ack, Entry, Judgement, PackedOffset},
    state::Ledger,
};
use crate::probe::heartbeat::{
    id::HeartbeatId,
    outcome::Outcome,
    period::Period,
    snapshot::{Beat, EndedHeartbeat, LeaderChange, Overdue, Partition, ReadFailure, Snapshot},
    trace::TraceIds,
};

impl Ledger {
    /// Everything the ledger knows, consistent at one instant.
    pub fn snapshot(&self, now: Instant) -> Snapshot {
        let partitions =
            self.books.iter().map(|(number, book)| (*number, self.partition(*number, book))).collect();
        let sums = &self.sums;
        Snapshot {
            at: now,
            written: self.wall(now),
            partitions,
            events: sums.events,
            bad_events: sums.bad_events,
            unacknowledged_events: sums.unacknowledged_events,
            totals: self.totals,
            startup: sums.startup,
            renewals: sums.renewals,
            stalled: self.stalls.total(),
            same_name: self.same_name.map(|at| self.wall(at)),
            schedule_delay: sums.schedule_delay.clone(),
            produce_errors: sums.produce_errors.clone(),
            fetch_errors: sums.fetch_errors.clone(),
            throttle: sums.throttle.clone(),
            prober_healthy: self.stalls.healthy(now),
            short_of_descriptors: self.stalls.short_of_descriptors(now),
            prober_trouble: self.stalls.last_trouble(),
            produce: sums.produce.clone(),
            end_to_end: sums.end_to_end.clone(),
            acked_mean: sums.acked_mean.clone(),
            received_mean: sums.received_mean.clone(),
            bad: sums.bad.clone(),
            acked: sums.acked,
            received: sums.received,
        }
    }

    fn partition(&self, number: i32, book: &PartitionBook) -> Partition {
        let leader = self.leaders.get(&number).cloned().unwrap_or_default();
        let skip = book.entries.len().saturating_sub(Snapshot::BEATS_KEPT);
        let beats = book.entries.iter().enumerate().skip(skip).map(|(index, entry)| Beat {
            sequence: book.first + index as u64,
            intended: self.wall(self.instant(entry.intended)),
            outcome: entry.outcome,
            bad: entry.judgement == Some(Judgement::Bad) || entry.outcome.is_some_and(Outcome::is_bad),
            end_to_end: entry.received.get(),
        });
        Partition {
            scheduled: book.scheduled,
            in_flight: book.in_flight,
            by_broker: book.by_broker.clone(),
            anomalies: book.anomalies,
            last_success: book.last_success.map(|at| self.wall(at)),
            leader: leader.broker,
            rack: leader.rack,
            beats: beats.collect(),
            overdue: self.overdue(book),
            acknowledged: book.acknowledged,
        }
    }

    /// The heartbeats of a partition that wait for longer than is likely; `None` if there is none, or if a later heartbeat
    /// was read back. What may have waited for this process itself is left out.
    fn overdue(&self, book: &PartitionBook) -> Option<Overdue> {
        let now = self.clock.instant;
        let mut overdue: Option<Overdue> = None;
        for entry in book.entries.iter().rev() {
            let intended = self.instant(entry.intended);
            if entry.received.get().is_some()
                || now.saturating_duration_since(intended) > self.settings.deadline
            {
                break;
            }
            let waited = Period { from: intended, to: now };
            let waits = entry.outcome.is_none() && entry.handed_over();
            if waits && book.pace.is_overdue(waited.duration()) && !self.stalls.excuse(waited) {
                let heartbeats = overdue.map_or(0, |overdue| overdue.heartbeats) + 1;
                overdue = Some(Overdue { heartbeats, leader: entry.broker, since: self.wall(intended) });
            }
        }
        overdue
    }

    /// A heartbeat that ended, with what is known of it. `trace` are the ids of its trace, if it is exported.
    pub(super) fn ended(
        &self,
        id: HeartbeatId,
        entry: &Entry,
        outcome: Outcome,
        trace: Option<TraceIds>,
    ) -> EndedHeartbeat {
        let intended = self.instant(entry.intended);
        let ended = self.certain_after(entry, outcome);
        let was_in_flight = |at: Instant| intended <= at && at <= intended + ended;
        let failed_read = self.sums.last_failed_read;
        let lost_to = failed_read.filter(|read| outcome == Outcome::Lost && read.at >= intended);
        let moves = self
            .leader_moves
            .iter()
            .filter(|change| change.partition == id.partition && was_in_flight(change.at));
        EndedHeartbeat {
            id: self.settings.identity.name(id),
            partition: id.partition,
            sequence: id.sequence,
            broker: entry.broker,
            intended: self.wall(intended),
            outcome,
            missed: entry.judgement == Some(Judgement::Bad),
            schedule_delay: entry.handed_over().then(|| entry.sent.get()).flatten(),
            produce: entry.acked(),
            end_to_end: entry.received.get(),
            fault: match entry.ack {
                Ack::Failed { fault, .. } => Some(fault),
                Ack::Waiting | Ack::At(_) => entry.refused.or(lost_to.map(|read| read.fault)),
            },
            failed: entry.failed(),
            offset: entry.offset.map(PackedOffset::get),
            ended,
            leader_changes: moves
                .map(|change| LeaderChange { at: self.wall(change.at), from: change.from, to: change.to })
                .collect(),
            read_failure: failed_read
                .filter(|read| was_in_flight(read.at))
                .map(|read| ReadFailure { at: self.wall(read.at), fault: read.fault }),
            trace,
        }
    }

    /// The time from the intended instant until the outcome was certain: with the last thing that happened to the
    /// heartbeat, or when the heartbeat was no longer waited for.
    fn certain_after(&self, entry: &Entry, outcome: Outcome) -> Duration {
        let last = entry.last().unwrap_or_default();
        match (outcome, entry.ack) {
            (Outcome::Skipped, _) => {
                last.max(self.clock.instant.saturating_duration_since(self.instant(entry.intended)))
            }
            (Outcome::Lost | Outcome::UnackedMissing, _) | (Outcome::UnackedReceived, Ack::Waiting) => {
                self.settings.horizon
            }
            _ => last,
        }
    }
}
