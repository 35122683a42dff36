//! From the counters of the heartbeats to intervals.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use super::{
    audit::Audit,
    counts::Counts,
    incident::Incident,
    interval::{Interval, Resolution},
    timeline::Timeline,
};
use crate::{
    clock::since_1970,
    probe::{
        durability,
        heartbeat::{self, Outcome},
    },
    store::{IncidentRow, IntervalRow},
};

/// A longer time between two looks at the counters is not measured: this process did not run.
const LONGEST: Duration = Duration::from_secs(5);

/// The counters of the heartbeats at one moment.
#[derive(Debug, Clone)]
pub struct Look {
    /// The instant of the moment.
    pub at: Instant,
    /// The same moment on the wall clock, since 1970.
    pub written: Duration,
    /// Whether heartbeats are scheduled, and this process can judge them.
    pub is_measuring: bool,
    /// By partition, since the start of the heartbeats.
    pub partitions: BTreeMap<i32, Counts>,
    /// What the durability audit found, since its start.
    pub audit: Audit,
}

impl Look {
    /// The counters of the heartbeats and of the durability audit, which may not have begun.
    pub fn at(heartbeat: &heartbeat::Snapshot, durability: Option<&durability::Snapshot>) -> Self {
        let counts = |(number, partition): (&i32, &heartbeat::Partition)| (*number, Counts::of(partition));
        Self {
            at: heartbeat.at,
            written: since_1970(heartbeat.written),
            is_measuring: heartbeat.prober_healthy && heartbeat.startup.is_some(),
            partitions: heartbeat.partitions.iter().map(counts).collect(),
            audit: durability.map(Audit::of).unwrap_or_default(),
        }
    }
}

/// What a look at the counters has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observed {
    /// Whether a minute is over, so that the timeline has changed.
    pub is_over: bool,
    /// The number of heartbeats that were judged bad since the last look.
    pub bad: u64,
}

/// Adds the growth of the counters to the minute of the moment.
#[derive(Debug, Default)]
pub struct Recorder {
    /// The last look. `None` before the first one.
    last: Option<Look>,
    /// Whether heartbeats have been skipped, and none was judged since.
    is_skipping: bool,
    /// The minute of the last look, by its beginning, with what was measured in it since it was last added to the timeline.
    minute: Option<(i64, Interval)>,
    timeline: Timeline,
    /// The intervals that the history file lacks.
    unsaved: BTreeSet<(Resolution, i64)>,
    /// The incidents that the history file lacks, by their beginning.
    unsaved_incidents: BTreeSet<i64>,
}

impl Recorder {
    /// A recorder that continues what was kept before the start.
    pub fn new(timeline: Timeline) -> Self {
        Self { timeline, ..Self::default() }
    }

    /// Takes the counters of this moment.
    pub fn observe(&mut self, look: Look) -> Observed {
        let begin = Resolution::Minute.begin(i64::try_from(look.written.as_secs()).unwrap_or(i64::MAX));
        let since_begin = look.written.saturating_sub(Duration::from_secs(begin.unsigned_abs()));
        let mut growth = self.growth(look);
        let bad = growth.partitions.values().fold(0_u64, |sum, counts| sum.saturating_add(counts.bad));
        let is_over = match &mut self.minute {
            Some((last, minute)) if *last != begin => {
                // The time that was measured ends in this minute, and began in the one before.
                let before = growth.measured.saturating_sub(since_begin);
                growth.measured -= before;
                if *last + Resolution::Minute.seconds() == begin {
                    minute.measured += before;
                }
                self.finish()
            }
            _ => false,
        };
        let (_, minute) = self.minute.get_or_insert_with(|| (begin, Interval::default()));
        minute.add(&growth);
        Observed { is_over, bad }
    }

    /// Adds the minute of the moment to the timeline, although it may not be over. Returns whether anything was measured in it.
    pub fn finish(&mut self) -> bool {
        let minute = self.minute.take().filter(|(_, minute)| !minute.is_empty());
        let Some((begin, minute)) = minute else { return false };
        self.unsaved.extend(self.timeline.add(begin, &minute));
        true
    }

    /// What was measured since the last look.
    fn growth(&mut self, look: Look) -> Interval {
        let before = self.last.as_ref();
        let passed = before.map_or(Duration::ZERO, |before| look.at.saturating_duration_since(before.at));
        let is_measured = look.is_measuring && passed <= LONGEST;
        let audit = before.and_then(|before| look.audit.since(&before.audit)).unwrap_or(look.audit);
        let growth = |(number, counts): (&i32, &Counts)| {
            let before = before.and_then(|before| before.partitions.get(number));
            let growth = before.and_then(|before| counts.since(before)).unwrap_or_else(|| counts.clone());
            (!growth.is_empty()).then_some((*number, growth))
        };
        let partitions: BTreeMap<i32, Counts> = look.partitions.iter().filter_map(growth).collect();
        self.last = Some(look);
        // Without a valid login no heartbeat is sent, and none is judged.
        if partitions.values().any(|counts| counts.judged() > 0) {
            self.is_skipping = false;
        } else if partitions.values().any(|counts| counts.with(Outcome::Skipped) > 0) {
            self.is_skipping = true;
        }
        let measured = if is_measured && !self.is_skipping { passed } else { Duration::ZERO };
        Interval { measured, partitions, audit, ..Interval::default() }
    }

    /// Adds an incident to the timeline, or what is known of it now.
    pub fn note(&mut self, incident: Incident) {
        self.unsaved_incidents.insert(incident.begin_ms);
        self.timeline.note(incident);
    }

    /// What was measured until the last minute that is over.
    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// The incidents that the history file lacks. They count as saved from now on.
    pub fn unsaved_incidents(&mut self) -> Vec<IncidentRow> {
        let unsaved = std::mem::take(&mut self.unsaved_incidents).into_iter();
        unsaved.filter_map(|begin| Some(self.timeline.incident(begin)?.row())).collect()
    }

    /// The intervals that the history file lacks. They count as saved from now on.
    pub fn unsaved(&mut self) -> BTreeMap<(Resolution, i64), IntervalRow> {
        let unsaved = std::mem::take(&mut self.unsaved).into_iter();
        unsaved
            .filter_map(|(resolution, begin)| {
                Some(((resolution, begin), self.timeline.row(resolution, begin)?))
            })
            .collect()
    }

    /// The history file lacks these intervals, and the incidents that began then, after all.
    pub(super) fn not_saved(
        &mut self,
        keys: impl IntoIterator<Item = (Resolution, i64)>,
        incidents: impl IntoIterator<Item = i64>,
    ) {
        self.unsaved.extend(keys);
        self.unsaved_incidents.extend(incidents);
    }

    /// The history file is another one, and lacks every interval.
    pub(super) fn save_all(&mut self) {
        self.unsaved.extend(self.timeline.all());
        self.unsaved_incidents
            .extend(self.timeline.incidents(i64::MIN, i64::MAX).map(|incident| incident.begin_ms));
    }
}
