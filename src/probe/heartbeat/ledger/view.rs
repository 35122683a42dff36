//! What the ledger shows: snapshots, and the record of a bad heartbeat.

use std::time::Instant;

use super::{
    Ledger, UNHEALTHY_FOR,
    book::Book,
    entry::{Ack, Entry, Verdict},
};
use crate::probe::heartbeat::{Bad, Beat, Outcome, Partition, Snapshot};

impl Ledger {
    /// Everything, consistent at one instant.
    pub fn snapshot(&self, now: Instant) -> Snapshot {
        let partitions =
            self.books.iter().map(|(number, book)| (*number, self.view(*number, book))).collect();
        let sums = &self.sums;
        Snapshot {
            at: now,
            written: self.wall(now),
            partitions,
            events: sums.events,
            bad_events: sums.bad_events,
            totals: self.totals,
            schedule_delay: sums.schedule_delay.clone(),
            produce_errors: sums.produce_errors.clone(),
            fetch_errors: sums.fetch_errors.clone(),
            throttle: sums.throttle.clone(),
            prober_healthy: self
                .last_stall
                .is_none_or(|at| now.saturating_duration_since(at) > UNHEALTHY_FOR),
            produce: sums.produce.clone(),
            end_to_end: sums.end_to_end.clone(),
            acked_mean: sums.acked_mean.clone(),
            received_mean: sums.received_mean.clone(),
            bad: sums.bad.clone(),
            acked: sums.acked,
            received: sums.received,
        }
    }

    fn view(&self, number: i32, book: &Book) -> Partition {
        let leader = self.leaders.get(&number).cloned().unwrap_or_default();
        let skip = book.entries.len().saturating_sub(Snapshot::BEATS_KEPT);
        let beats = book.entries.iter().enumerate().skip(skip).map(|(index, entry)| Beat {
            sequence: book.first + index as u64,
            intended: self.wall(self.instant(entry.intended)),
            outcome: entry.outcome,
            bad: entry.verdict == Some(Verdict::Bad) || entry.outcome.is_some_and(Outcome::is_bad),
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
        }
    }

    pub(super) fn bad(&self, partition: i32, sequence: u64, entry: &Entry, outcome: Outcome) -> Bad {
        let intended = self.instant(entry.intended);
        let unread = self.sums.last_unread.filter(|(at, _)| outcome == Outcome::Lost && *at >= intended);
        Bad {
            id: self.settings.identity.name(partition, sequence),
            partition,
            sequence,
            broker: entry.broker,
            intended: self.wall(intended),
            outcome,
            schedule_delay: entry.handed_over().then(|| entry.sent.get()).flatten(),
            produce: entry.acked(),
            end_to_end: entry.received.get(),
            fault: match entry.ack {
                Ack::Failed { fault, .. } => Some(fault),
                Ack::Waiting | Ack::At(_) => entry.refused.or(unread.map(|(_, fault)| fault)),
            },
        }
    }
}
