//! When the target was not read.

use std::{collections::VecDeque, time::Instant};

use crate::probe::heartbeat::Period;

/// So many periods are kept: the newest.
const MOST: usize = 256;

/// The periods in which the target was not read, because it did not answer, had no topic, or because this process did not run.
#[derive(Debug, Clone, Default)]
pub(super) struct Unread {
    /// Since when the target is not read. `None` while it is read.
    open: Option<Instant>,
    /// The periods that are over, the oldest first.
    over: VecDeque<Period>,
}

impl Unread {
    /// The target is not read from an instant on.
    pub(super) fn begin(&mut self, at: Instant) {
        self.open.get_or_insert(at);
    }

    /// The target was read to the end of its log at an instant. A period that began later goes on.
    pub(super) fn end(&mut self, at: Instant) {
        if let Some(from) = self.open.take_if(|from| *from <= at) {
            self.add(Period { from, to: at });
        }
    }

    /// The target was not read in a period.
    pub(super) fn add(&mut self, period: Period) {
        if self.over.len() == MOST {
            self.over.pop_front();
        }
        self.over.push_back(period);
    }

    /// Whether the target is not read now.
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Whether the target was not read at some time from one instant to another.
    pub(super) fn overlaps(&self, from: Instant, to: Instant) -> bool {
        self.open.is_some_and(|open| open <= to)
            || self.over.iter().any(|period| period.from <= to && period.to >= from)
    }

    /// Forgets the periods that were over before an instant.
    pub(super) fn forget_before(&mut self, oldest: Instant) {
        self.over.retain(|period| period.to >= oldest);
    }
}
