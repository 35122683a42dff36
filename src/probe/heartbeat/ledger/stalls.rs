//! The pauses of this process, and which heartbeats they excuse.
//!
//! While the process does not run, nothing can be measured: an acknowledgement or a record that arrives meanwhile is
//! seen only afterwards, and its latency would contain the pause. Kafka is not blamed for that.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// The prober counts as unhealthy for this long after a long stall, so that a scrape can see it.
const UNHEALTHY_FOR: Duration = Duration::from_secs(30);

/// The stalls of the last horizon, the oldest first.
pub(super) struct Stalls {
    /// A stall is long if it lasts longer than a slot may be late.
    tolerance: Duration,
    recent: VecDeque<(Instant, Instant)>,
    /// How long all stalls lasted together.
    total: Duration,
    /// The end of the last long stall, or the last slot that was missed.
    unhealthy: Option<Instant>,
}

impl Stalls {
    pub(super) fn new(tolerance: Duration) -> Self {
        Self { tolerance, recent: VecDeque::new(), total: Duration::ZERO, unhealthy: None }
    }

    /// The process did not run between these two instants.
    pub(super) fn add(&mut self, from: Instant, to: Instant) {
        self.recent.push_back((from, to));
        self.total += to.saturating_duration_since(from);
        if self.is_long(from, to) {
            self.unhealthy = Some(to);
        }
    }

    /// How long this process did not run, all stalls together.
    pub(super) fn total(&self) -> Duration {
        self.total
    }

    /// A slot went by unused at this instant.
    pub(super) fn missed_slot(&mut self, at: Instant) {
        self.unhealthy = Some(at);
    }

    /// False for half a minute after a long stall or a missed slot.
    pub(super) fn healthy(&self, now: Instant) -> bool {
        self.unhealthy.is_none_or(|at| now.saturating_duration_since(at) > UNHEALTHY_FOR)
    }

    /// Whether the process stalled between these two instants: what was measured from one to the other is not Kafka's.
    pub(super) fn touch(&self, begin: Instant, end: Instant) -> bool {
        self.between(begin, end).next().is_some()
    }

    /// Whether a stall may be the reason why a heartbeat was not there at its deadline. A long stall excuses each
    /// heartbeat that was in flight. A short stall cannot explain a heartbeat that is still missing long afterwards:
    /// otherwise a machine that pauses for a tenth of a second now and then would hide an outage.
    pub(super) fn excuse(&self, intended: Instant, deadline: Instant) -> bool {
        self.between(intended, deadline)
            .any(|(from, to)| self.is_long(from, to) || deadline <= to + self.tolerance)
    }

    pub(super) fn forget_before(&mut self, oldest: Instant) {
        while self.recent.front().is_some_and(|(_, to)| *to < oldest) {
            self.recent.pop_front();
        }
    }

    fn is_long(&self, from: Instant, to: Instant) -> bool {
        to.saturating_duration_since(from) > self.tolerance
    }

    fn between(&self, begin: Instant, end: Instant) -> impl Iterator<Item = (Instant, Instant)> {
        let later = self.recent.iter().rev().copied().take_while(move |(_, to)| begin < *to);
        later.filter(move |(from, _)| *from < end)
    }
}
