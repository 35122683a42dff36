//! The heartbeats that a ledger knows.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Instant,
};

use super::super::outcome::Outcome;
use crate::probe::heartbeat::Confirmed;

/// The largest number of heartbeats that are known at the same time.
const MOST: usize = 200_000;
/// The largest number of heartbeats that were read and whose acknowledgements have not come so far.
const MOST_EARLY: usize = 20_000;

/// Where a record is: partition and offset.
pub(in crate::probe::mirrors) type Place = (i32, i64);

/// The name of a heartbeat: the run, the partition and the sequence.
pub(super) type Key = (u64, i32, u64);

/// A heartbeat that is expected, or that was.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    /// The instant at which it was handed to the client of the source.
    pub(super) produced: Instant,
    /// Its offset in the source; `None` if the source did not report it.
    pub(super) offset: Option<i64>,
    /// Where it was read first. `None` before that.
    pub(super) place: Option<Place>,
    /// Its outcome. `None` while it is in flight.
    pub(super) outcome: Option<Outcome>,
}

/// The heartbeats by name and by age.
#[derive(Debug, Clone, Default)]
pub(super) struct Book {
    entries: BTreeMap<Key, Entry>,
    /// The heartbeats in flight, the oldest first.
    waiting: BTreeSet<(Instant, Key)>,
    /// Every entry in the order in which it came.
    order: VecDeque<Key>,
    /// Heartbeats that were read before their acknowledgement was known.
    early: BTreeMap<Key, (Instant, Place)>,
}

impl Book {
    /// The name of a heartbeat.
    pub(super) fn key(confirmed: &Confirmed) -> Key {
        (confirmed.identity.epoch, confirmed.id.partition, confirmed.id.sequence)
    }

    /// Adds a heartbeat in flight. False if it is known already, or if there is no room.
    pub(super) fn add(&mut self, key: Key, produced: Instant, offset: Option<i64>) -> bool {
        if self.entries.contains_key(&key) || self.entries.len() >= MOST {
            return false;
        }
        self.entries.insert(key, Entry { produced, offset, place: None, outcome: None });
        self.waiting.insert((produced, key));
        self.order.push_back(key);
        true
    }

    pub(super) fn get(&mut self, key: Key) -> Option<&mut Entry> {
        self.entries.get_mut(&key)
    }

    /// Ends a heartbeat in flight. False if it has an outcome already.
    pub(super) fn end(&mut self, key: Key, outcome: Outcome) -> bool {
        let Some(entry) = self.entries.get_mut(&key).filter(|entry| entry.outcome.is_none()) else {
            return false;
        };
        entry.outcome = Some(outcome);
        self.waiting.remove(&(entry.produced, key))
    }

    /// The oldest heartbeat in flight.
    pub(super) fn oldest(&self) -> Option<(Instant, Key)> {
        self.waiting.first().copied()
    }

    /// The number of heartbeats in flight.
    pub(super) fn in_flight(&self) -> usize {
        self.waiting.len()
    }

    /// The number of heartbeats in flight that were produced before an instant.
    pub(super) fn in_flight_before(&self, at: Instant) -> usize {
        self.waiting.iter().take_while(|(produced, _)| *produced < at).count()
    }

    /// Keeps a heartbeat that was read before its acknowledgement was known. False if it was read before at another place.
    pub(super) fn keep_early(&mut self, key: Key, at: Instant, place: Place) -> bool {
        if let Some((_, first)) = self.early.get(&key) {
            return *first == place;
        }
        if self.early.len() < MOST_EARLY {
            self.early.insert(key, (at, place));
        }
        true
    }

    /// When and where a heartbeat was read before its acknowledgement was known. `None` if it was not.
    pub(super) fn take_early(&mut self, key: Key) -> Option<(Instant, Place)> {
        self.early.remove(&key)
    }

    /// Forgets what was read early before an instant. Returns how many these were.
    pub(super) fn forget_early(&mut self, before: Instant) -> usize {
        let known = self.early.len();
        self.early.retain(|_, (at, _)| *at >= before);
        known - self.early.len()
    }

    /// Forgets heartbeats with an outcome that were produced before an instant.
    pub(super) fn forget(&mut self, before: Instant) {
        while let Some(key) = self.order.front() {
            let is_over = |entry: &Entry| entry.outcome.is_some() && entry.produced < before;
            if !self.entries.get(key).is_none_or(is_over) {
                return;
            }
            self.entries.remove(key);
            self.order.pop_front();
        }
    }
}
