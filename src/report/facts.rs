//! What one instance measured of one cluster in a month.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{calendar::Month, instants};
use crate::{
    availability::{self, Blamed, Ending, Interval},
    config,
    latency::Exponential,
    probe::{durability::Loss, heartbeat::Outcome},
};

/// At most so many suspects of an incident, and pieces of evidence of each, are in a report: the first ones.
const MOST_SUSPECTS: usize = 5;
const MOST_EVIDENCE: usize = 3;

/// What one instance, the vantage point, measured of one cluster in a month. Every number of a report is made from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClusterMonth {
    /// The name of the cluster in the configuration.
    pub cluster: String,
    /// The name of the instance on the heartbeat topic. `None` if it is not known: a history file does not hold it.
    pub instance: Option<String>,
    /// Where the measurements were read: a path, or a URL without credentials. `None` in the answer of a service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The month.
    pub month: Month,
    /// Until when the report looks, in seconds since 1970: the end of the month, or the present if the month has not ended.
    #[serde(with = "instants::seconds")]
    pub until: i64,
    /// The objectives that the month is compared with.
    pub promises: Promises,
    /// How heartbeats were sent, by the settings of the present. `None` if the settings are not known.
    pub heartbeats: Option<Heartbeats>,
    /// The days in which something was measured, the oldest first.
    pub days: Vec<Day>,
    /// The incidents that overlap the month, the oldest first.
    pub incidents: Vec<Incident>,
}

/// The objectives of `[slo]` that a report knows: `None` for an objective that is not promised.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Promises {
    /// Percent of heartbeats that come back by their deadline.
    pub availability: Option<f64>,
    /// Percent of heartbeats that come back within a time.
    pub latency: Option<LatencyPromise>,
    /// Percent of heartbeats that are acknowledged by their deadline.
    pub produce: Option<f64>,
}

/// A latency objective.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LatencyPromise {
    /// The objective in percent.
    pub percent: f64,
    /// The limit in seconds.
    pub limit_seconds: f64,
}

/// How heartbeats are sent and judged.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Heartbeats {
    /// The time from one heartbeat to the next on each partition, in seconds.
    pub interval_seconds: f64,
    /// A heartbeat that is not acknowledged and read back within this time, in seconds, is bad.
    pub deadline_seconds: f64,
}

/// What was measured in a day of UTC.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Day {
    /// Its beginning in seconds since 1970.
    #[serde(with = "instants::seconds")]
    pub begin: i64,
    /// For how long heartbeats were measured, in seconds. The rest of the day was not measured.
    pub measured_seconds: f64,
    /// The number of partitions whose heartbeats were judged.
    pub partitions: usize,
    /// The number of heartbeats that were judged bad.
    pub bad: u64,
    /// The number of bad heartbeats that were not acknowledged by their deadline.
    pub unacknowledged: u64,
    /// The number of heartbeats by outcome.
    pub outcomes: BTreeMap<String, u64>,
    /// The times until heartbeats were read back: one value for each judged heartbeat.
    pub latencies: Sketch,
    /// Runs of minutes in which heartbeats were judged: the first minute of each run, from 0, and the minute after its last one.
    pub judged_minutes: Vec<(u16, u16)>,
    /// The minutes with a bad heartbeat.
    pub bad_minutes: Vec<BadMinute>,
    /// The number of times that the durability audit read a record again.
    pub durability_checked: u64,
    /// The number of lost records by reason.
    pub durability_lost: BTreeMap<String, u64>,
}

/// A minute with at least one bad heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadMinute {
    /// The number of minutes since the beginning of the day.
    pub minute: u16,
    /// The number of heartbeats that were judged.
    pub judged: u64,
    /// The number of heartbeats that were judged bad.
    pub bad: u64,
}

/// Counts of latencies by bucket: bucket `i` counts values above `2^((i-1)/16)` and at or below `2^(i/16)` seconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sketch {
    /// The number of values that are 0.
    pub zeros: u64,
    /// The index of the first bucket.
    pub first: i32,
    /// The counts from the first bucket on.
    pub counts: Vec<u64>,
}

/// A time in which a cluster did not work as it should.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// When something was first wrong, in milliseconds since 1970.
    #[serde(with = "instants::millis")]
    pub begin: i64,
    /// When something was last wrong, in milliseconds since 1970.
    #[serde(with = "instants::millis")]
    pub end: i64,
    /// How it ended.
    pub ending: Ending,
    /// Whether no heartbeat got through for a part of the time.
    pub was_down: bool,
    /// The number of heartbeats that were judged bad in this time.
    pub bad: u64,
    /// The components that were likely to blame. Empty if the cause is not known.
    pub suspects: Vec<Blame>,
}

/// A component that was likely to blame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blame {
    /// The label of the highest confidence.
    pub confidence: String,
    /// What is wrong with the component: a sentence without a full stop.
    pub headline: String,
    /// The evidence, each piece a clause.
    pub evidence: Vec<String>,
}

/// From where, and of whom, a month is.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// The name of the cluster.
    pub cluster: String,
    /// The name of the instance. `None` if it is not known.
    pub instance: Option<String>,
    /// A path or a URL without credentials. `None` in a service.
    pub place: Option<String>,
    /// The objectives.
    pub promises: Promises,
    /// How heartbeats are sent. `None` if it is not known.
    pub heartbeats: Option<Heartbeats>,
}

impl ClusterMonth {
    /// The month from its days and incidents, at a time in seconds since 1970. What is outside of the month is left out.
    pub fn new<'a>(
        source: Source,
        month: Month,
        now: i64,
        days: impl IntoIterator<Item = (i64, Interval)>,
        incidents: impl IntoIterator<Item = &'a availability::Incident>,
    ) -> Self {
        let Source { cluster, instance, place, promises, heartbeats } = source;
        let until = now.clamp(month.begin(), month.end());
        let is_inside = |begin: i64| (month.begin()..month.end()).contains(&begin);
        let days = days.into_iter().filter(|(begin, _)| is_inside(*begin));
        let days = days.map(|(begin, interval)| Day::new(begin, &interval)).collect();
        let (first, last) = (month.begin().saturating_mul(1000), month.end().saturating_mul(1000));
        let overlaps =
            |incident: &&availability::Incident| incident.begin_ms < last && incident.end_ms >= first;
        let incidents = incidents.into_iter().filter(overlaps).map(Incident::new).collect();
        Self { cluster, instance, source: place, month, until, promises, heartbeats, days, incidents }
    }

    /// The name of the instance, or the source, or words for neither.
    pub fn vantage_point(&self) -> &str {
        self.instance.as_deref().or(self.source.as_deref()).unwrap_or("not named")
    }

    /// Whether the month has ended.
    pub fn has_ended(&self) -> bool {
        self.until >= self.month.end()
    }
}

impl Day {
    fn new(begin: i64, interval: &Interval) -> Self {
        let total = interval.total();
        let outcomes = Outcome::ALL.map(|outcome| (outcome.as_str().to_owned(), total.with(outcome)));
        let lost = Loss::ALL.map(Loss::as_str).into_iter().zip(interval.audit.lost);
        let bad_minutes = interval.minutes.bad().iter();
        Self {
            begin,
            measured_seconds: interval.measured.as_secs_f64(),
            partitions: interval.partitions.values().filter(|counts| counts.judged() > 0).count(),
            bad: total.bad,
            unacknowledged: total.unacknowledged,
            outcomes: outcomes.into(),
            latencies: Sketch::from(&total.end_to_end),
            judged_minutes: interval.minutes.judged_runs(),
            bad_minutes: bad_minutes
                .map(|(minute, counts)| BadMinute { minute: *minute, judged: counts.judged, bad: counts.bad })
                .collect(),
            durability_checked: interval.audit.checked,
            durability_lost: lost.map(|(reason, count)| (reason.to_owned(), count)).collect(),
        }
    }

    /// The number of heartbeats that were judged.
    pub fn judged(&self) -> u64 {
        self.latencies.counts.iter().fold(self.latencies.zeros, |sum, count| sum.saturating_add(*count))
    }

    /// Whether the minutes of the day are known. An older version stored days without them.
    pub fn has_minutes(&self) -> bool {
        !self.judged_minutes.is_empty()
    }
}

impl From<&Exponential> for Sketch {
    fn from(counts: &Exponential) -> Self {
        let zeros = counts.zeros();
        let (first, counts) = counts.buckets();
        Self { zeros, first, counts: counts.to_vec() }
    }
}

impl From<&Sketch> for Exponential {
    fn from(sketch: &Sketch) -> Self {
        Self::new(sketch.zeros, sketch.first, sketch.counts.clone())
    }
}

impl Incident {
    fn new(incident: &availability::Incident) -> Self {
        let blame = |Blamed { confidence, headline, evidence, .. }: &Blamed| Blame {
            confidence: confidence.clone(),
            headline: headline.clone(),
            evidence: evidence.iter().take(MOST_EVIDENCE).cloned().collect(),
        };
        Self {
            begin: incident.begin_ms,
            end: incident.end_ms,
            ending: incident.ending,
            was_down: incident.was_down,
            bad: incident.bad,
            suspects: incident.suspects.iter().take(MOST_SUSPECTS).map(blame).collect(),
        }
    }
}

impl From<&config::Slo> for Promises {
    fn from(slo: &config::Slo) -> Self {
        let latency = slo.latency.map(|latency| LatencyPromise {
            percent: latency.percent,
            limit_seconds: latency.limit.as_secs_f64(),
        });
        Self { availability: slo.availability, latency, produce: slo.produce }
    }
}

impl From<&config::Heartbeat> for Heartbeats {
    fn from(heartbeat: &config::Heartbeat) -> Self {
        Self {
            interval_seconds: heartbeat.interval.as_secs_f64(),
            deadline_seconds: heartbeat.deadline.as_secs_f64(),
        }
    }
}
