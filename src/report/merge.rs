//! The months of several instances together.

use std::{collections::BTreeMap, slice};

use super::{
    calendar::{DAY, Month},
    facts::{BadMinute, ClusterMonth, Day},
    objectives::{Kept, Objective},
    words::foreign,
};
use crate::{availability::MINUTES_OF_A_DAY, latency::Exponential};

/// So many minutes are listed as the worst ones.
const MOST_WORST: usize = 10;

const MINUTE: i64 = 60;

/// Two days are of the same instance if they have the same counts, and at least so many good heartbeats in at least so many buckets.
/// In an outage all heartbeats are in one bucket, whichever instance measured them.
const TOO_MANY_TO_BE_CHANCE: u64 = 1000;
const TOO_WIDE_TO_BE_CHANCE: usize = 4;

/// The report on a month.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The month.
    pub month: Month,
    /// When the report was made, in seconds since 1970.
    pub made: i64,
    /// The clusters, in the order of their names.
    pub clusters: Vec<ClusterReport>,
}

/// The month of one cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterReport {
    /// The name of the cluster.
    pub cluster: String,
    /// What each vantage point measured, at least one.
    pub vantage_points: Vec<ClusterMonth>,
    /// What the vantage points saw together. `None` with one vantage point.
    pub merged: Option<Merged>,
    /// The worst minutes, the worst one first.
    pub worst: Vec<WorstMinute>,
}

/// The minutes of several vantage points together.
#[derive(Debug, Clone, PartialEq)]
pub struct Merged {
    /// The minutes of the month that are over.
    pub minutes: u64,
    /// The minutes in which at least one vantage point judged heartbeats.
    pub judged: u64,
    /// The minutes that every vantage point saw bad that judged heartbeats in them.
    pub bad: u64,
    /// The minutes that some vantage points saw bad and others good. They count as good.
    pub disputed: u64,
    /// The availability objective in percent. `None` unless all vantage points have the same one.
    pub objective_percent: Option<f64>,
}

/// A bad minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorstMinute {
    /// Its beginning in seconds since 1970.
    pub begin: i64,
    /// The number of heartbeats that were judged, of all vantage points.
    pub judged: u64,
    /// The number of heartbeats that were judged bad.
    pub bad: u64,
}

impl Report {
    /// Puts the months of vantage points together, at a time in seconds since 1970. Clusters of the same name are one cluster.
    ///
    /// # Errors
    /// Two months are of the same instance: where they are from, in words.
    pub fn new(month: Month, made: i64, months: Vec<ClusterMonth>) -> Result<Self, String> {
        let mut clusters: BTreeMap<String, Vec<ClusterMonth>> = BTreeMap::new();
        for month in months {
            let known = clusters.entry(month.cluster.clone()).or_default();
            if let Some(twin) = known.iter().find(|known| is_same_instance(known, &month)) {
                let place = |month: &ClusterMonth| {
                    foreign(month.source.as_deref().unwrap_or_else(|| month.vantage_point()))
                };
                return Err(format!(
                    "{} and {} hold the same measurements of cluster {}: name each instance once",
                    place(twin),
                    place(&month),
                    foreign(&month.cluster)
                ));
            }
            known.push(month);
        }
        let clusters = clusters.into_iter().map(|(cluster, points)| ClusterReport::new(cluster, points));
        Ok(Self { month, made, clusters: clusters.collect() })
    }
}

/// Whether two months are of the same instance: they were read from the same place, or they agree in every bucket of the latencies.
fn is_same_instance(one: &ClusterMonth, other: &ClusterMonth) -> bool {
    let is_same_place = one.source.is_some() && one.source == other.source;
    let is_same_day = |day: &Day| {
        let twin = other.days.binary_search_by_key(&day.begin, |day| day.begin);
        let twin = twin.ok().and_then(|place| other.days.get(place));
        is_no_chance(slice::from_ref(day))
            && twin.is_some_and(|twin| twin.latencies == day.latencies && twin.bad == day.bad)
    };
    let is_same_whole = one.days == other.days && is_no_chance(&one.days);
    is_same_place || is_same_whole || one.days.iter().any(is_same_day)
}

/// Whether no other instance can have measured the same counts in these days.
fn is_no_chance(days: &[Day]) -> bool {
    let mut latencies = Exponential::default();
    days.iter().for_each(|day| latencies.add(&Exponential::from(&day.latencies)));
    let (_, counts) = latencies.buckets();
    let used = counts.iter().filter(|count| **count > 0).count();
    days.iter().map(Day::good).sum::<u64>() >= TOO_MANY_TO_BE_CHANCE && used >= TOO_WIDE_TO_BE_CHANCE
}

impl ClusterReport {
    fn new(cluster: String, vantage_points: Vec<ClusterMonth>) -> Self {
        let days: Vec<SeenDay> = seen_days(&vantage_points);
        let mut worst: Vec<WorstMinute> = days.iter().flat_map(SeenDay::bad).collect();
        // Shares are compared without division: a / b > c / d.
        worst.sort_by(|one, other| {
            let product = |bad: u64, judged: u64| u128::from(bad) * u128::from(judged);
            let share = product(other.bad, one.judged).cmp(&product(one.bad, other.judged));
            share.then(other.bad.cmp(&one.bad)).then(one.begin.cmp(&other.begin))
        });
        let merged = (vantage_points.len() > 1).then(|| Merged::new(&vantage_points, &days, worst.len()));
        worst.truncate(MOST_WORST);
        Self { cluster, vantage_points, merged, worst }
    }
}

/// A minute as the vantage points saw it together.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    /// The number of vantage points that judged heartbeats in it.
    points: u32,
    /// The number of those that saw a bad heartbeat.
    bad_points: u32,
    judged: u64,
    bad: u64,
}

struct SeenDay {
    begin: i64,
    minutes: Vec<Seen>,
}

impl SeenDay {
    /// The minutes that every vantage point saw bad.
    fn bad(&self) -> impl Iterator<Item = WorstMinute> + '_ {
        let bad = self.minutes.iter().zip(0..).filter(|(seen, _)| seen.is_bad());
        bad.map(|(seen, number)| WorstMinute {
            begin: self.begin + MINUTE * number,
            judged: seen.judged,
            bad: seen.bad,
        })
    }
}

impl Seen {
    fn is_bad(self) -> bool {
        self.bad_points > 0 && self.bad_points == self.points
    }
}

/// The days in which a vantage point measured something, minute by minute.
fn seen_days(vantage_points: &[ClusterMonth]) -> Vec<SeenDay> {
    let mut days: BTreeMap<i64, Vec<Seen>> = BTreeMap::new();
    for day in vantage_points.iter().flat_map(|point| &point.days) {
        let minutes =
            days.entry(day.begin).or_insert_with(|| vec![Seen::default(); usize::from(MINUTES_OF_A_DAY)]);
        for (begin, end) in &day.judged_minutes {
            let run = minutes.get_mut(usize::from(*begin)..usize::from(*end));
            run.into_iter().flatten().for_each(|minute| minute.points += 1);
        }
        for BadMinute { minute, judged, bad } in &day.bad_minutes {
            if let Some(minute) = minutes.get_mut(usize::from(*minute)) {
                minute.bad_points += 1;
                minute.judged = minute.judged.saturating_add(*judged);
                minute.bad = minute.bad.saturating_add(*bad);
            }
        }
    }
    days.into_iter().map(|(begin, minutes)| SeenDay { begin, minutes }).collect()
}

impl Merged {
    fn new(vantage_points: &[ClusterMonth], days: &[SeenDay], bad: usize) -> Self {
        let minutes = || days.iter().flat_map(|day| &day.minutes);
        let count = |is_one: fn(&Seen) -> bool| minutes().filter(|seen| is_one(seen)).count() as u64;
        let passed = vantage_points.iter().map(|point| point.until - point.month.begin()).max();
        let promises = || vantage_points.iter().map(|point| point.promises.availability);
        let first = promises().next().flatten();
        Self {
            minutes: u64::try_from(passed.unwrap_or(0) / MINUTE).unwrap_or(0),
            judged: count(|seen| seen.points > 0),
            bad: bad as u64,
            disputed: count(|seen| seen.bad_points > 0 && !seen.is_bad()),
            objective_percent: first.filter(|_| promises().all(|promise| promise == first)),
        }
    }

    /// The share of good minutes in percent. `None` if no minute was judged.
    pub fn availability_percent(&self) -> Option<f64> {
        (self.judged > 0).then(|| 100.0 * (self.judged - self.bad) as f64 / self.judged as f64)
    }

    /// The share of the minutes of the month in which a vantage point judged heartbeats, in percent. `None` at the very beginning of
    /// a month.
    pub fn coverage_percent(&self) -> Option<f64> {
        (self.minutes > 0).then(|| (100.0 * self.judged as f64 / self.minutes as f64).min(100.0))
    }

    /// The objective, compared with the minutes. `None` without an objective.
    pub fn kept(&self) -> Option<Kept> {
        Some(Kept {
            objective: Objective::Availability,
            objective_percent: self.objective_percent?,
            judged: self.judged,
            good: self.judged.saturating_sub(self.bad),
            uncertain: 0,
        })
    }
}

/// The days of a month, whether something was measured in them or not, each with what was measured.
pub(super) fn all_days(point: &ClusterMonth) -> impl Iterator<Item = (i64, Option<&Day>)> {
    let begins = (0..point.month.days()).map(|day| point.month.begin() + DAY * day);
    begins.map(|begin| {
        let place = point.days.binary_search_by_key(&begin, |day| day.begin);
        (begin, place.ok().and_then(|place| point.days.get(place)))
    })
}
