//! Judgements and outcomes: the moments at which counters and histograms change.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    entry::{Entry, Judgement},
    state::Ledger,
};
use crate::{
    kafka::{BrokerId, Fault},
    latency::SpanContext,
    probe::heartbeat::{
        id::HeartbeatId, outcome::Outcome, period::Period, snapshot::Snapshot, trace::TraceIds,
    },
};

/// An exemplar is kept for at least this long.
const EXEMPLAR_FOR: Duration = Duration::from_secs(1);
/// An exemplar is kept for at least this long if traces are exported: every exemplar is exported as a trace.
const TRACED_EXEMPLAR_FOR: Duration = Duration::from_secs(60);

impl Ledger {
    /// Judges and ends a heartbeat if its outcome has become certain. `after` is the time from its intended instant to
    /// the event that was booked last.
    pub(super) fn draw_conclusions(&mut self, id: HeartbeatId, entry: &mut Entry, after: Duration) {
        let deadline = self.settings.deadline;
        let Some(outcome) = entry.certain(deadline) else { return };
        // Events may come in any order. The outcome has been certain since the last of their instants.
        let after = after.max(entry.last().unwrap_or_default());
        let intended = self.instant(entry.intended);
        let waited = Period { from: intended, to: intended + after };
        // A latency with any stall in it is wrong. A failure is excused by a stall that can have been its reason.
        let is_ours = match outcome {
            Outcome::Ok | Outcome::Late => self.stalls.touch(waited),
            _ => entry.refused.is_some_and(Fault::is_ours) || self.stalls.excuse(waited),
        };
        if entry.judgement.is_none() && is_ours {
            entry.judgement = Some(Judgement::Excluded);
            return self.conclude(id, entry, Outcome::Skipped);
        }
        match outcome {
            // The event reached the ledger only after the deadline, whatever its instant. The judgement stands.
            Outcome::Ok if entry.judgement == Some(Judgement::Bad) => {
                return self.conclude(id, entry, Outcome::Late);
            }
            Outcome::Ok => {
                self.judge(id, entry, Judgement::Good, after);
                if let Some(book) = self.books.get_mut(&id.partition) {
                    book.last_success = Some(self.begin + Duration::from_nanos(entry.intended) + after);
                }
            }
            Outcome::Unsent => self.judge(id, entry, Judgement::Bad, after),
            _ => {}
        }
        self.conclude(id, entry, outcome);
    }

    /// Judges the heartbeats of a partition whose deadline has passed.
    pub(super) fn judge_overdue(&mut self, partition: i32, now: Instant) {
        while let Some(book) = self.books.get(&partition) {
            let sequence = book.judged;
            let Some(mut entry) = book.get(sequence) else { break };
            if entry.judgement.is_none() {
                if now <= self.instant(entry.intended) + self.settings.deadline {
                    break;
                }
                self.judge_at_deadline(HeartbeatId { partition, sequence }, &mut entry);
            }
            if let Some(book) = self.books.get_mut(&partition) {
                book.set(sequence, entry);
                book.judged += 1;
            }
        }
    }

    /// Ends the heartbeats of a partition whose horizon has passed, and drops their entries.
    pub(super) fn expire(&mut self, partition: i32, now: Instant) {
        while let Some((sequence, mut entry)) =
            self.books.get(&partition).and_then(|book| Some((book.first, *book.entries.front()?)))
        {
            if now <= self.instant(entry.intended) + self.settings.horizon {
                break;
            }
            if entry.outcome.is_none() {
                let outcome = entry.at_horizon();
                self.conclude(HeartbeatId { partition, sequence }, &mut entry, outcome);
            }
            if let Some(book) = self.books.get_mut(&partition) {
                book.entries.pop_front();
                book.first += 1;
                book.judged = book.judged.max(book.first);
            }
        }
    }

    /// Judges a heartbeat that was not good by its deadline: it is bad, unless a stall excuses it. A heartbeat whose
    /// outcome was known before a stall was not in flight during the stall.
    pub(super) fn judge_at_deadline(&mut self, id: HeartbeatId, entry: &mut Entry) {
        let intended = self.instant(entry.intended);
        let waited = Period { from: intended, to: intended + self.settings.deadline };
        if entry.outcome.is_none() && self.stalls.excuse(waited) {
            entry.judgement = Some(Judgement::Excluded);
            self.conclude(id, entry, Outcome::Skipped);
        } else {
            self.judge(id, entry, Judgement::Bad, self.settings.deadline);
        }
    }

    /// Judges a heartbeat once. Only here the service-level counters and the latency histograms change.
    fn judge(&mut self, id: HeartbeatId, entry: &mut Entry, judgement: Judgement, after: Duration) {
        if entry.judgement.is_some() {
            return;
        }
        entry.judgement = Some(judgement);
        let deadline = self.settings.deadline;
        let missed = deadline + Duration::from_micros(1);
        let by_deadline = |time: Option<Duration>| time.filter(|time| *time <= deadline).unwrap_or(missed);
        let end_to_end = by_deadline(entry.received.get());
        let produce = by_deadline(entry.acked());
        let at = self.instant(entry.intended) + after;
        self.sums.events += 1;
        let bad = u64::from(judgement == Judgement::Bad);
        let unacknowledged = u64::from(produce > deadline);
        self.sums.bad_events += bad;
        self.sums.unacknowledged_events += unacknowledged;
        self.sums.end_to_end.record(at, end_to_end);
        let handed_over = entry.handed_over();
        if handed_over {
            self.sums.produce.record(at, produce);
        }
        let wall = self.wall(at);
        let identity = self.settings.identity;
        let traced = self.settings.traces.is_some();
        let name = || {
            let ids = traced.then(|| TraceIds::of(identity, id));
            let trace = ids.map(|ids| SpanContext { trace: ids.trace, span: ids.root });
            (identity.name(id).into(), trace)
        };
        let stays = if traced { TRACED_EXEMPLAR_FOR } else { EXEMPLAR_FOR };
        let counts = self.by_broker(id.partition, entry.broker);
        counts.bad += bad;
        counts.unacknowledged += unacknowledged;
        entry.is_exemplar = counts.end_to_end.record_event(end_to_end, wall, stays, name);
        if handed_over {
            counts.produce.record(produce);
        }
    }

    /// Sets the outcome of a heartbeat, counts it, and keeps the heartbeat for the log, the page and the traces.
    pub(super) fn conclude(&mut self, id: HeartbeatId, entry: &mut Entry, outcome: Outcome) {
        entry.outcome = Some(outcome);
        if let Some(book) = self.books.get_mut(&id.partition) {
            book.in_flight -= 1;
        }
        self.totals.in_flight -= 1;
        self.count_outcome(id.partition, entry.broker, outcome);
        let trace = self.traced(id, entry, outcome);
        if trace.is_none() && !outcome.is_bad() {
            return;
        }
        let ended = Arc::new(self.ended(id, entry, outcome, trace));
        self.ended.push(ended.clone());
        if outcome.is_bad() {
            self.sums.bad.push_back(ended);
            if self.sums.bad.len() > Snapshot::BAD_KEPT {
                self.sums.bad.pop_front();
            }
        }
    }

    /// The ids of the heartbeat's trace; `None` if it is not exported. Exported are all bad heartbeats, the exemplars,
    /// and a share of the other heartbeats. The header of a record says whether its heartbeat belongs to the share, so
    /// a skipped heartbeat is exported as well.
    fn traced(&self, id: HeartbeatId, entry: &Entry, outcome: Outcome) -> Option<TraceIds> {
        let share = self.settings.traces?;
        let ids = TraceIds::of(self.settings.identity, id);
        let bad = outcome.is_bad() || entry.judgement == Some(Judgement::Bad);
        let shared = matches!(outcome, Outcome::Ok | Outcome::Skipped) && share.takes(&ids);
        (bad || entry.is_exemplar || shared).then_some(ids)
    }

    /// Counts one outcome, for the partition and its leader, and for the cluster.
    pub(super) fn count_outcome(&mut self, partition: i32, broker: Option<BrokerId>, outcome: Outcome) {
        self.by_broker(partition, broker).outcomes[outcome as usize] += 1;
        self.totals.outcomes[outcome as usize] += 1;
    }
}
