//! The minutes of a day: which of them were judged, and which of them were bad.

use std::collections::BTreeMap;

/// The number of minutes of a day.
pub const MINUTES_OF_A_DAY: u16 = 1440;

/// The heartbeats of a minute with at least one bad heartbeat.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BadMinute {
    /// The number of heartbeats that were judged.
    pub judged: u64,
    /// The number of heartbeats that were judged bad.
    pub bad: u64,
}

/// The minutes of a day, each by its number since the beginning of the day: 0 to 1439. They are kept as long as the day, so that
/// the minutes of several instances can be compared years later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Minutes {
    /// A bit for each minute in which a heartbeat was judged.
    judged: [u64; (MINUTES_OF_A_DAY as usize).div_ceil(64)],
    /// The minutes with at least one bad heartbeat.
    bad: BTreeMap<u16, BadMinute>,
}

impl Default for Minutes {
    fn default() -> Self {
        Self { judged: [0; _], bad: BTreeMap::new() }
    }
}

impl Minutes {
    /// One minute with its judged and its bad heartbeats, by its number. Empty if no heartbeat was judged.
    pub(super) fn one(minute: u16, counts: BadMinute) -> Self {
        let mut minutes = Self::default();
        if counts.judged > 0 {
            minutes.set_judged(minute);
        }
        if counts.bad > 0 {
            minutes.set_bad(minute, counts);
        }
        minutes
    }

    pub(super) fn set_judged(&mut self, minute: u16) {
        if let Some(word) =
            self.judged.get_mut(usize::from(minute / 64)).filter(|_| minute < MINUTES_OF_A_DAY)
        {
            *word |= 1 << (minute % 64);
        }
    }

    /// Sets the counts of a bad minute. A minute that is bad was judged.
    pub(super) fn set_bad(&mut self, minute: u16, counts: BadMinute) {
        self.set_judged(minute);
        self.bad.insert(minute, counts);
    }

    /// Adds what is known of another part of the same day.
    pub(super) fn add(&mut self, other: &Self) {
        self.judged.iter_mut().zip(other.judged).for_each(|(own, other)| *own |= other);
        for (minute, counts) in &other.bad {
            let sum = self.bad.entry(*minute).or_default();
            sum.judged = sum.judged.saturating_add(counts.judged);
            sum.bad = sum.bad.saturating_add(counts.bad);
        }
    }

    /// Whether no heartbeat was judged.
    pub fn is_empty(&self) -> bool {
        self.judged.iter().all(|word| *word == 0)
    }

    /// Whether a heartbeat was judged in this minute.
    pub fn is_judged(&self, minute: u16) -> bool {
        self.judged.get(usize::from(minute / 64)).is_some_and(|word| word >> (minute % 64) & 1 == 1)
    }

    /// The runs of minutes in which heartbeats were judged: the first minute of each run, and the minute after its last one.
    pub fn judged_runs(&self) -> Vec<(u16, u16)> {
        let mut runs: Vec<(u16, u16)> = Vec::new();
        for minute in (0..MINUTES_OF_A_DAY).filter(|minute| self.is_judged(*minute)) {
            match runs.last_mut() {
                Some((_, end)) if *end == minute => *end += 1,
                _ => runs.push((minute, minute + 1)),
            }
        }
        runs
    }

    /// The minutes with at least one bad heartbeat, in their order. The counts of a minute in which the service was started again
    /// may lack the good heartbeats of one of its parts.
    pub fn bad(&self) -> &BTreeMap<u16, BadMinute> {
        &self.bad
    }
}
