//! The stalls of this process, its shortages of file descriptors and its lacks of a credential, and which heartbeats they
//! excuse.
//!
//! While the process does not run, nothing can be measured. An acknowledgement or a record that arrives meanwhile is
//! seen only afterwards, and its latency would contain the stall. While the process has no descriptor left, or no
//! credential, a client whose connection was closed cannot connect again, and its heartbeats wait. Kafka is not blamed for
//! any of them.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::probe::heartbeat::period::Period;

/// The prober counts as unhealthy for this long after a long stall or a shortage, so that a scrape can see it.
const UNHEALTHY_FOR: Duration = Duration::from_secs(30);

/// After a shortage the clients get this long to connect again. A client tries to connect every 1.5 s or more often.
const RECONNECT: Duration = Duration::from_secs(2);

/// A shortage that was seen within this time still lasts.
const LASTS: Duration = Duration::from_millis(50);

/// The stalls and shortages of the last horizon.
pub(super) struct Stalls {
    /// A stall is long if it lasts longer than a slot may be late.
    tolerance: Duration,
    /// The periods in which this process did not run.
    pauses: Periods,
    /// The periods in which this process could open no descriptor, or had no usable credential.
    shortages: Periods,
    /// The length of all stalls since the start together.
    total: Duration,
    /// The end of the last long stall, or the last slot that was missed; `None` before the first.
    unhealthy: Option<Instant>,
    /// The end of the last shortage; `None` before the first.
    short: Option<Instant>,
}

impl Stalls {
    /// No stalls yet. A stall that lasts longer than `tolerance` is long.
    pub(super) fn new(tolerance: Duration) -> Self {
        Self {
            tolerance,
            pauses: Periods::default(),
            shortages: Periods::default(),
            total: Duration::ZERO,
            unhealthy: None,
            short: None,
        }
    }

    /// Adds a period in which the process did not run.
    pub(super) fn add(&mut self, stall: Period) {
        self.pauses.add(stall);
        self.total += stall.duration();
        if self.is_long(stall) {
            self.unhealthy = Some(stall.to);
        }
    }

    /// Adds a period in which the process could open no descriptor. The parts of a shortage that lasts come one by one.
    pub(super) fn add_shortage(&mut self, shortage: Period) {
        self.shortages.add(shortage);
        self.short = Some(shortage.to);
    }

    /// Adds a period in which the process had no usable credential. The prober itself is healthy meanwhile.
    pub(super) fn add_lockout(&mut self, lockout: Period) {
        self.shortages.add(lockout);
    }

    /// The length of all stalls since the start together.
    pub(super) fn total(&self) -> Duration {
        self.total
    }

    /// Notes that a slot passed without a heartbeat.
    pub(super) fn missed_slot(&mut self, at: Instant) {
        self.unhealthy = Some(at);
    }

    /// False for half a minute after a long stall, a missed slot or a shortage.
    pub(super) fn healthy(&self, now: Instant) -> bool {
        !self.short_of_descriptors(now) && !is_recent(self.unhealthy, now)
    }

    /// The end of the last long stall, missed slot or shortage; `None` before the first.
    pub(super) fn last_trouble(&self) -> Option<Instant> {
        self.unhealthy.max(self.short)
    }

    /// Whether the process had no descriptor left within the last half minute.
    pub(super) fn short_of_descriptors(&self, now: Instant) -> bool {
        is_recent(self.short, now)
    }

    /// Whether a latency that was measured over this period is wrong, because the process stalled meanwhile, or because
    /// the heartbeat may have waited for the end of a shortage. A heartbeat that arrived while the shortage lasted, or
    /// that took no longer than a slot may be late, waited for no descriptor: its connection was open.
    pub(super) fn touch(&self, measured: Period) -> bool {
        let waited = measured.duration() > self.tolerance;
        self.pauses.overlapping(measured, Duration::ZERO).next().is_some()
            || waited
                && self
                    .shortages
                    .overlapping(measured, RECONNECT)
                    .any(|shortage| shortage.to + LASTS < measured.to)
    }

    /// Whether a stall or a shortage may be the reason why a heartbeat was missing at the end of this period. A long
    /// stall excuses each heartbeat that was in flight. A short stall cannot explain a heartbeat that is still missing
    /// long afterwards: otherwise a machine that pauses for a tenth of a second now and then would hide an outage.
    pub(super) fn excuse(&self, waited: Period) -> bool {
        let excuses = |trouble: Period, aftermath: Duration| {
            (self.is_long(trouble) && waited.from < trouble.to) || waited.to <= trouble.to + aftermath
        };
        self.pauses.overlapping(waited, Duration::ZERO).any(|pause| excuses(pause, self.tolerance))
            || self.shortages.overlapping(waited, RECONNECT).any(|shortage| excuses(shortage, RECONNECT))
    }

    /// Drops the periods that no heartbeat sent since `oldest` can have touched.
    pub(super) fn forget_before(&mut self, oldest: Instant) {
        self.pauses.forget_before(oldest);
        self.shortages.forget_before(oldest.checked_sub(RECONNECT).unwrap_or(oldest));
    }

    fn is_long(&self, period: Period) -> bool {
        period.duration() > self.tolerance
    }
}

/// Whether an instant lies within the last half minute.
fn is_recent(at: Option<Instant>, now: Instant) -> bool {
    at.is_some_and(|at| now.saturating_duration_since(at) <= UNHEALTHY_FOR)
}

/// Periods that do not overlap, the oldest first.
#[derive(Default)]
struct Periods(VecDeque<Period>);

impl Periods {
    /// Adds a period. A period that begins before the last one ends prolongs the last one.
    fn add(&mut self, period: Period) {
        match self.0.back_mut() {
            Some(last) if period.from <= last.to => last.to = period.to.max(last.to),
            _ => self.0.push_back(period),
        }
    }

    /// The periods that overlap with another period, the newest first. Each one is prolonged by `aftermath`.
    fn overlapping(&self, other: Period, aftermath: Duration) -> impl Iterator<Item = Period> {
        let later = self.0.iter().rev().copied().take_while(move |period| other.from < period.to + aftermath);
        later.filter(move |period| period.from < other.to)
    }

    /// Drops the periods that ended before an instant.
    fn forget_before(&mut self, oldest: Instant) {
        while self.0.front().is_some_and(|period| period.to < oldest) {
            self.0.pop_front();
        }
    }
}
