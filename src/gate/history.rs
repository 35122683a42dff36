//! When each condition last failed.

use std::time::{Duration, Instant};

use super::{
    answer::{Answer, Reason},
    condition::{Condition, Finding},
    facts::Facts,
};

/// What is remembered of a cluster since it was started.
#[derive(Debug, Clone)]
pub(super) struct History {
    begun: Instant,
    /// When each condition was last found not to hold, and the sentence; `None` if it always held.
    failed: [Option<(Instant, String)>; Condition::ALL.len()],
    heartbeats: Judged,
}

/// The counts of heartbeats at the last look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Judged {
    /// The number of heartbeats that were judged.
    pub(super) events: u64,
    /// The number of heartbeats that were judged bad.
    pub(super) bad: u64,
    /// When the number of judged heartbeats last grew, or the beginning.
    pub(super) grown: Instant,
}

impl History {
    /// Nothing is remembered at the beginning.
    pub(super) fn new(begun: Instant) -> Self {
        let heartbeats = Judged { events: 0, bad: 0, grown: begun };
        Self { begun, failed: [const { None }; Condition::ALL.len()], heartbeats }
    }

    /// The counts of heartbeats at the last look.
    pub(super) fn judged(&self) -> Judged {
        self.heartbeats
    }

    /// Remembers what was found, and the counts of heartbeats.
    pub(super) fn note(&mut self, facts: &Facts, findings: Vec<Finding>) {
        for finding in findings.into_iter().filter(|finding| !finding.is_unchecked) {
            self.failed[finding.condition as usize] = Some((facts.now, finding.sentence));
        }
        let (events, bad) = (facts.heartbeat.events, facts.heartbeat.bad_events);
        let grown = if events > self.heartbeats.events { facts.now } else { self.heartbeats.grown };
        self.heartbeats = Judged { events, bad, grown };
    }

    /// Whether the gate is open after `wanted` of good measurements, with what is found now.
    pub(super) fn answer(&self, findings: Vec<Finding>, wanted: Duration, now: Instant) -> Answer {
        let measured = now.saturating_duration_since(self.begun);
        let (unchecked, closing): (Vec<_>, Vec<_>) =
            findings.into_iter().partition(|finding| finding.is_unchecked);
        let is_found = |condition| closing.iter().any(|finding: &Finding| finding.condition == condition);
        let mut left = wanted.saturating_sub(measured);
        let mut reasons = Vec::new();
        if measured < wanted {
            reasons.push(Reason::too_young(measured, wanted));
        }
        for (condition, failed) in Condition::ALL.into_iter().zip(&self.failed) {
            let Some((at, sentence)) = failed.as_ref().filter(|_| !is_found(condition)) else { continue };
            let ended = now.saturating_duration_since(*at);
            left = left.max(wanted.saturating_sub(ended));
            // Before, conditions are not known because the service has just begun.
            if ended < wanted && measured >= wanted {
                reasons.push(Reason::past(condition, sentence, ended, wanted));
            }
        }
        let left = closing.is_empty().then_some(left);
        reasons.extend(closing.into_iter().map(Reason::now));
        reasons.sort_by_key(|reason| reason.condition);
        Answer { reasons, not_checked: unchecked.into_iter().map(Reason::now).collect(), left, measured }
    }
}
