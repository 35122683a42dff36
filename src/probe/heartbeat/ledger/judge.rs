//! Verdicts and outcomes: the moments when numbers move.

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
    probe::heartbeat::{outcome::Outcome, snapshot::Snapshot, trace::TraceIds},
};

/// An exemplar stays for so long at least …
const EXEMPLAR_FOR: Duration = Duration::from_secs(1);
/// … and for so long where every one of them is told in a trace.
const TRACED_EXEMPLAR_FOR: Duration = Duration::from_secs(60);

impl Ledger {
    /// What is certain now?
    pub(super) fn draw_conclusions(
        &mut self,
        partition: i32,
        sequence: u64,
        entry: &mut Entry,
        after: Duration,
    ) {
        let deadline = self.settings.deadline;
        let Some(outcome) = entry.certain(deadline) else { return };
        // Events may come in any order: what is certain is so since the last of the instants.
        let after = after.max(entry.last().unwrap_or_default());
        let intended = self.instant(entry.intended);
        // A latency that contains any stall is wrong. A failure is excused by a stall that can have been its reason.
        let is_ours = match outcome {
            Outcome::Ok | Outcome::Late => self.stalls.touch(intended, intended + after),
            _ => entry.refused.is_some_and(Fault::is_ours) || self.stalls.excuse(intended, intended + after),
        };
        if entry.verdict.is_none() && is_ours {
            entry.verdict = Some(Judgement::Excluded);
            return self.conclude(partition, sequence, entry, Outcome::Skipped);
        }
        match outcome {
            // TracedHeartbeat only after the deadline, whatever the instant it is told of: the verdict stands.
            Outcome::Ok if entry.verdict == Some(Judgement::Bad) => {
                return self.conclude(partition, sequence, entry, Outcome::Late);
            }
            Outcome::Ok => {
                self.judge((partition, sequence), entry, Judgement::Good, after);
                if let Some(book) = self.books.get_mut(&partition) {
                    book.last_success = Some(self.begin + Duration::from_nanos(entry.intended) + after);
                }
            }
            Outcome::Unsent => self.judge((partition, sequence), entry, Judgement::Bad, after),
            _ => {}
        }
        self.conclude(partition, sequence, entry, outcome);
    }

    pub(super) fn judge_overdue(&mut self, partition: i32, now: Instant) {
        while let Some(book) = self.books.get(&partition) {
            let sequence = book.judged;
            let Some(mut entry) = book.get(sequence) else { break };
            if entry.verdict.is_none() {
                if now <= self.instant(entry.intended) + self.settings.deadline {
                    break;
                }
                self.judge_at_deadline(partition, sequence, &mut entry);
            }
            if let Some(book) = self.books.get_mut(&partition) {
                book.set(sequence, entry);
                book.judged += 1;
            }
        }
    }

    pub(super) fn expire(&mut self, partition: i32, now: Instant) {
        while let Some((sequence, mut entry)) =
            self.books.get(&partition).and_then(|book| Some((book.first, *book.entries.front()?)))
        {
            if now <= self.instant(entry.intended) + self.settings.horizon {
                break;
            }
            if entry.outcome.is_none() {
                let outcome = entry.at_horizon();
                self.conclude(partition, sequence, &mut entry, outcome);
            }
            if let Some(book) = self.books.get_mut(&partition) {
                book.entries.pop_front();
                book.first += 1;
                book.judged = book.judged.max(book.first);
            }
        }
    }

    /// The deadline has passed without a good judgement: the heartbeat is bad, unless a stall of ours excuses it. A
    /// heartbeat whose outcome is known was no longer in flight during a later stall.
    pub(super) fn judge_at_deadline(&mut self, partition: i32, sequence: u64, entry: &mut Entry) {
        let intended = self.instant(entry.intended);
        if entry.outcome.is_none() && self.stalls.excuse(intended, intended + self.settings.deadline) {
            entry.verdict = Some(Judgement::Excluded);
            self.conclude(partition, sequence, entry, Outcome::Skipped);
        } else {
            self.judge((partition, sequence), entry, Judgement::Bad, self.settings.deadline);
        }
    }

    /// The one place where service-level counters and latency histograms move.
    fn judge(
        &mut self,
        (partition, sequence): (i32, u64),
        entry: &mut Entry,
        verdict: Judgement,
        after: Duration,
    ) {
        if entry.verdict.is_some() {
            return;
        }
        entry.verdict = Some(verdict);
        let deadline = self.settings.deadline;
        let missed = deadline + Duration::from_micros(1);
        let by_deadline = |time: Option<Duration>| time.filter(|time| *time <= deadline).unwrap_or(missed);
        let end_to_end = by_deadline(entry.received.get());
        let produce = by_deadline(entry.acked());
        let at = self.instant(entry.intended) + after;
        self.sums.events += 1;
        let bad = u64::from(verdict == Judgement::Bad);
        let unacknowledged = u64::from(produce > deadline);
        self.sums.bad_events += bad;
        self.sums.unacknowledged_events += unacknowledged;
        self.sums.end_to_end.record(at, end_to_end);
        let handed_over = entry.handed_over();
        if handed_over {
            self.sums.produce.record(at, produce);
        }
        let (wall, identity) = (self.wall(at), self.settings.identity);
        let traced = self.settings.traces.is_some();
        let name = || {
            let ids = traced.then(|| TraceIds::of(identity, partition, sequence));
            let trace = ids.map(|ids| SpanContext { trace: ids.trace, span: ids.root });
            (identity.name(partition, sequence).into(), trace)
        };
        let stays = if traced { TRACED_EXEMPLAR_FOR } else { EXEMPLAR_FOR };
        let counts = self.by_broker(partition, entry.broker);
        counts.bad += bad;
        counts.unacknowledged += unacknowledged;
        entry.shown = counts.end_to_end.record_event(end_to_end, wall, stays, name);
        if handed_over {
            counts.produce.record(produce);
        }
    }

    pub(super) fn conclude(&mut self, partition: i32, sequence: u64, entry: &mut Entry, outcome: Outcome) {
        entry.outcome = Some(outcome);
        if let Some(book) = self.books.get_mut(&partition) {
            book.in_flight -= 1;
        }
        self.totals.in_flight -= 1;
        self.finish(partition, entry.broker, outcome);
        let trace = self.traced(partition, sequence, entry, outcome);
        if trace.is_none() && !outcome.is_bad() {
            return;
        }
        let ended = Arc::new(self.ended(partition, sequence, entry, outcome, trace));
        self.ended.push(ended.clone());
        if outcome.is_bad() {
            self.sums.bad.push_back(ended);
            if self.sums.bad.len() > Snapshot::BAD_KEPT {
                self.sums.bad.pop_front();
            }
        }
    }

    /// Its ids, if it is told in a trace: whatever is bad, whatever an exemplar leads to, and a share of the others. The
    /// header of a record says whether its heartbeat belongs to the share, so a skipped heartbeat is told as well.
    fn traced(&self, partition: i32, sequence: u64, entry: &Entry, outcome: Outcome) -> Option<TraceIds> {
        let share = self.settings.traces?;
        let ids = TraceIds::of(self.settings.identity, partition, sequence);
        let bad = outcome.is_bad() || entry.verdict == Some(Judgement::Bad);
        let shared = matches!(outcome, Outcome::Ok | Outcome::Skipped) && share.takes(&ids);
        (bad || entry.shown || shared).then_some(ids)
    }

    pub(super) fn finish(&mut self, partition: i32, broker: Option<BrokerId>, outcome: Outcome) {
        self.by_broker(partition, broker).outcomes[outcome as usize] += 1;
        self.totals.outcomes[outcome as usize] += 1;
    }
}
