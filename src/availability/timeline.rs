//! The intervals of one cluster in memory.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    incident::Incident,
    interval::{Interval, Resolution},
    minutes::Minutes,
};
use crate::store::{IncidentRow, IntervalRow};

/// The number of incidents that are kept in memory and in the history file: the newest ones.
pub(super) const MOST_INCIDENTS: usize = 3000;

/// What is kept in memory of one cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Timeline {
    /// The intervals of each resolution, by their beginning in seconds since 1970. An interval in which nothing was measured is
    /// absent.
    intervals: [BTreeMap<i64, Arc<[u8]>>; Resolution::ALL.len()],
    /// The incidents by their beginning in milliseconds since 1970.
    incidents: BTreeMap<i64, Arc<Incident>>,
}

impl Timeline {
    /// The intervals and the incidents that were kept before the start. A row that cannot be decoded is left out.
    pub(super) fn remember(
        rows: impl IntoIterator<Item = IntervalRow>,
        incidents: impl IntoIterator<Item = IncidentRow>,
    ) -> Self {
        let mut timeline = Self::default();
        for IntervalRow { resolution, begin, bytes } in rows {
            let named = Resolution::ALL.into_iter().find(|named| named.as_str() == resolution);
            if let Some(resolution) = named.filter(|_| Interval::from_bytes(&bytes).is_some()) {
                timeline.intervals[resolution as usize].insert(begin, bytes);
            }
        }
        Resolution::ALL.into_iter().for_each(|resolution| timeline.forget(resolution));
        let incidents = incidents.into_iter().filter_map(|row| Incident::from_row(&row));
        incidents.for_each(|incident| timeline.note(incident));
        timeline
    }

    /// Forgets the oldest intervals that the memory has no room for. A time that a wrong clock says replaces one interval alone.
    fn forget(&mut self, resolution: Resolution) {
        let kept = &mut self.intervals[resolution as usize];
        while kept.len() > resolution.in_memory() {
            kept.pop_first();
        }
    }

    /// Adds what was measured in a minute to the interval of each resolution, and forgets what is too old. Returns the
    /// beginnings of the intervals that have changed.
    pub(super) fn add(
        &mut self,
        begin: i64,
        minute: &Interval,
    ) -> [(Resolution, i64); Resolution::ALL.len()] {
        Resolution::ALL.map(|resolution| {
            let minutes = match resolution {
                Resolution::Day => minute.as_minute(begin),
                Resolution::Minute | Resolution::Quarter => Minutes::default(),
            };
            let kept = &mut self.intervals[resolution as usize];
            let begin = resolution.begin(begin);
            let mut interval =
                kept.get(&begin).and_then(|bytes| Interval::from_bytes(bytes)).unwrap_or_default();
            interval.add(minute);
            interval.minutes.add(&minutes);
            kept.insert(begin, interval.to_bytes().into());
            self.forget(resolution);
            (resolution, begin)
        })
    }

    /// The interval as the history file keeps it. `None` if nothing was measured in it.
    pub(super) fn row(&self, resolution: Resolution, begin: i64) -> Option<IntervalRow> {
        let bytes = self.intervals[resolution as usize].get(&begin)?.clone();
        Some(IntervalRow { resolution: resolution.as_str().to_owned(), begin, bytes })
    }

    /// The resolution and the beginning of every interval.
    pub(super) fn all(&self) -> impl Iterator<Item = (Resolution, i64)> + '_ {
        let resolutions = Resolution::ALL.into_iter().zip(&self.intervals);
        resolutions.flat_map(|(resolution, kept)| kept.keys().map(move |begin| (resolution, *begin)))
    }

    /// The intervals that begin at `from` or later and before `to`, the oldest first. Both are in seconds since 1970. An interval
    /// in which nothing was measured is absent.
    pub fn between(
        &self,
        resolution: Resolution,
        from: i64,
        to: i64,
    ) -> impl Iterator<Item = (i64, Interval)> + '_ {
        let kept = self.intervals[resolution as usize].range(from..to.max(from));
        kept.filter_map(|(begin, bytes)| Some((*begin, Interval::from_bytes(bytes)?)))
    }

    /// The beginning of the oldest interval in memory, in seconds since 1970. `None` without one.
    pub fn oldest(&self, resolution: Resolution) -> Option<i64> {
        self.intervals[resolution as usize].keys().next().copied()
    }

    /// The number of intervals in memory.
    pub(super) fn len(&self, resolution: Resolution) -> usize {
        self.intervals[resolution as usize].len()
    }

    /// The latest end of an incident in milliseconds since 1970, or 0.
    pub(super) fn last_end_ms(&self) -> i64 {
        self.incidents.values().map(|incident| incident.end_ms).max().unwrap_or(0)
    }

    /// Adds an incident, or what is known of it now, and forgets the oldest one if there are too many.
    pub(super) fn note(&mut self, incident: Incident) {
        self.incidents.insert(incident.begin_ms, Arc::new(incident));
        while self.incidents.len() > MOST_INCIDENTS {
            self.incidents.pop_first();
        }
    }

    /// The incident that began then, in milliseconds since 1970.
    pub(super) fn incident(&self, begin_ms: i64) -> Option<&Arc<Incident>> {
        self.incidents.get(&begin_ms)
    }

    /// The incidents that began before `to` and ended at `from` or later, the oldest first. Both are in seconds since 1970.
    pub fn incidents(&self, from: i64, to: i64) -> impl DoubleEndedIterator<Item = &Arc<Incident>> + '_ {
        let begun = self.incidents.range(..to.saturating_mul(1000)).map(|(_, incident)| incident);
        begun.filter(move |incident| incident.end_ms >= from.saturating_mul(1000))
    }
}
