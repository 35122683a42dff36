//! The pauses of this process and its shortages of descriptors, and which heartbeats they excuse.
//!
//! While the process does not run, nothing can be measured: an acknowledgement or a record that arrives meanwhile is
//! seen only afterwards, and its latency would contain the pause. While the process has no descriptor left, a client
//! whose connection was closed cannot connect again, and its heartbeats wait. Kafka is not blamed for either.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// The prober counts as unhealthy for this long after a long stall or a shortage, so that a scrape can see it.
const UNHEALTHY_FOR: Duration = Duration::from_secs(30);

/// After a shortage the clients need so long to be connected again: they try once in 1.5 s at the least.
const RECONNECT: Duration = Duration::from_secs(2);

/// A shortage that was seen so recently still goes on.
const GOES_ON: Duration = Duration::from_millis(50);

/// The stalls and shortages of the last horizon.
pub(super) struct Stalls {
    /// A stall is long if it lasts longer than a slot may be late.
    tolerance: Duration,
    pauses: Periods,
    /// When this process could open no descriptor.
    shortages: Periods,
    /// How long all stalls lasted together.
    total: Duration,
    /// The end of the last long stall, or the last slot that was missed.
    unhealthy: Option<Instant>,
    /// The end of the last shortage.
    short: Option<Instant>,
}

impl Stalls {
    pub(super) fn new(tolerance: Duration) -> Self {
        let (pauses, shortages) = (Periods::default(), Periods::default());
        Self { tolerance, pauses, shortages, total: Duration::ZERO, unhealthy: None, short: None }
    }

    /// The process did not run between these two instants.
    pub(super) fn add(&mut self, from: Instant, to: Instant) {
        self.pauses.add(from, to);
        self.total += to.saturating_duration_since(from);
        if self.is_long(from, to) {
            self.unhealthy = Some(to);
        }
    }

    /// The process could open no descriptor between these two instants. A shortage that goes on is told piece by piece.
    pub(super) fn add_shortage(&mut self, from: Instant, to: Instant) {
        self.shortages.add(from, to);
        self.short = Some(to);
    }

    /// How long this process did not run, all stalls together.
    pub(super) fn total(&self) -> Duration {
        self.total
    }

    /// A slot went by unused at this instant.
    pub(super) fn missed_slot(&mut self, at: Instant) {
        self.unhealthy = Some(at);
    }

    /// False for half a minute after a long stall, a missed slot or a shortage.
    pub(super) fn healthy(&self, now: Instant) -> bool {
        !self.short_of_descriptors(now) && !is_recent(self.unhealthy, now)
    }

    /// Whether the process had no descriptor left within the last half minute.
    pub(super) fn short_of_descriptors(&self, now: Instant) -> bool {
        is_recent(self.short, now)
    }

    /// Whether what was measured from one instant to the other is not Kafka's: the process stalled meanwhile, or the
    /// heartbeat may have waited for the end of a shortage. A heartbeat that came through while the shortage went on, or
    /// took no longer than a slot may be late, waited for no descriptor: its connection was open.
    pub(super) fn touch(&self, begin: Instant, end: Instant) -> bool {
        let waited = end.saturating_duration_since(begin) > self.tolerance;
        self.pauses.between(begin, end, Duration::ZERO).next().is_some()
            || waited && self.shortages.between(begin, end, RECONNECT).any(|(_, to)| to + GOES_ON < end)
    }

    /// Whether a stall or a shortage may be the reason why a heartbeat was not there at its deadline. A long one excuses
    /// each heartbeat that was in flight. A short one cannot explain a heartbeat that is still missing long afterwards:
    /// otherwise a machine that pauses for a tenth of a second now and then would hide an outage.
    pub(super) fn excuse(&self, intended: Instant, deadline: Instant) -> bool {
        let excuses = |(from, to): (Instant, Instant), aftermath: Duration| {
            (self.is_long(from, to) && intended < to) || deadline <= to + aftermath
        };
        self.pauses.between(intended, deadline, Duration::ZERO).any(|pause| excuses(pause, self.tolerance))
            || self
                .shortages
                .between(intended, deadline, RECONNECT)
                .any(|shortage| excuses(shortage, RECONNECT))
    }

    pub(super) fn forget_before(&mut self, oldest: Instant) {
        self.pauses.forget_before(oldest);
        self.shortages.forget_before(oldest.checked_sub(RECONNECT).unwrap_or(oldest));
    }

    fn is_long(&self, from: Instant, to: Instant) -> bool {
        to.saturating_duration_since(from) > self.tolerance
    }
}

fn is_recent(at: Option<Instant>, now: Instant) -> bool {
    at.is_some_and(|at| now.saturating_duration_since(at) <= UNHEALTHY_FOR)
}

/// Periods that do not overlap, the oldest first.
#[derive(Default)]
struct Periods(VecDeque<(Instant, Instant)>);

impl Periods {
    /// A period that begins where the last one ends, or before, prolongs it.
    fn add(&mut self, from: Instant, to: Instant) {
        match self.0.back_mut() {
            Some((_, end)) if from <= *end => *end = to.max(*end),
            _ => self.0.push_back((from, to)),
        }
    }

    /// The periods of which a part, or of whose aftermath a part, lies between these two instants, the newest first.
    fn between(
        &self,
        begin: Instant,
        end: Instant,
        aftermath: Duration,
    ) -> impl Iterator<Item = (Instant, Instant)> {
        let later = self.0.iter().rev().copied().take_while(move |(_, to)| begin < *to + aftermath);
        later.filter(move |(from, _)| *from < end)
    }

    fn forget_before(&mut self, oldest: Instant) {
        while self.0.front().is_some_and(|(_, to)| *to < oldest) {
            self.0.pop_front();
        }
    }
}
