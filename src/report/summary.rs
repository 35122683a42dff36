//! The numbers of a month, made from its days.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    facts::{ClusterMonth, Day},
    objectives::{Kept, Objective},
};
use crate::{latency::Exponential, probe::heartbeat::Outcome};

/// The numbers of one vantage point.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The seconds of the month, until the present if the month has not ended.
    pub seconds: i64,
    /// The seconds in which heartbeats were measured.
    pub measured_seconds: f64,
    /// The share of the month in which heartbeats were measured, in percent. `None` at the very beginning of a month.
    pub coverage_percent: Option<f64>,
    /// The number of heartbeats that were judged.
    pub judged: u64,
    /// The number of heartbeats that were judged good.
    pub good: u64,
    /// The number of heartbeats that were judged bad.
    pub bad: u64,
    /// The number of bad heartbeats that were not acknowledged by their deadline.
    pub unacknowledged: u64,
    /// The number of heartbeats by outcome.
    pub outcomes: BTreeMap<String, u64>,
    /// The share of good heartbeats in percent. `None` if no heartbeat was judged.
    pub availability_percent: Option<f64>,
    /// The times until heartbeats were read back. `None` if no heartbeat was judged.
    pub latency_seconds: Option<Latency>,
    /// The objectives, each with what was measured.
    pub objectives: Vec<Kept>,
    /// The number of times that the durability audit read a record again.
    pub durability_checked: u64,
    /// The number of lost records by reason.
    pub durability_lost: BTreeMap<String, u64>,
}

/// Latencies in seconds, wrong by at most 4.4 %.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Latency {
    /// The median.
    pub p50: f64,
    /// The 99th percentile.
    pub p99: f64,
    /// The largest.
    pub max: f64,
}

impl Latency {
    /// The latencies of these counts. `None` without any.
    pub(super) fn of(counts: &Exponential) -> Option<Self> {
        // Rounded to microseconds: no latency is known better than to 4.4 %.
        let part = |part: f64| Some((counts.quantile(part)? * 1e6).round() / 1e6);
        Some(Self { p50: part(0.5)?, p99: part(0.99)?, max: part(1.0)? })
    }
}

impl Day {
    /// The number of heartbeats that were judged good.
    pub fn good(&self) -> u64 {
        self.judged().saturating_sub(self.bad)
    }

    /// The share of good heartbeats in percent. `None` if no heartbeat was judged.
    pub fn availability_percent(&self) -> Option<f64> {
        (self.judged() > 0).then(|| 100.0 * self.good() as f64 / self.judged() as f64)
    }

    /// The times until heartbeats were read back. `None` if no heartbeat was judged.
    pub fn latency(&self) -> Option<Latency> {
        Latency::of(&Exponential::from(&self.latencies))
    }

    /// The number of lost records.
    pub fn lost(&self) -> u64 {
        self.durability_lost.values().sum()
    }
}

impl ClusterMonth {
    /// The numbers of the month: the sums of its days.
    pub fn summary(&self) -> Summary {
        let mut latencies = Exponential::default();
        let (mut outcomes, mut lost) = (BTreeMap::new(), BTreeMap::new());
        for day in &self.days {
            latencies.add(&Exponential::from(&day.latencies));
            add(&mut outcomes, &day.outcomes);
            add(&mut lost, &day.durability_lost);
        }
        let sum = |count: fn(&Day) -> u64| self.days.iter().map(count).sum::<u64>();
        let (judged, bad, unacknowledged) =
            (latencies.count(), sum(|day| day.bad), sum(|day| day.unacknowledged));
        let good = judged.saturating_sub(bad);
        let seconds = self.until - self.month.begin();
        let measured: f64 = self.days.iter().map(|day| day.measured_seconds).sum();
        Summary {
            seconds,
            measured_seconds: (measured * 1e3).round() / 1e3,
            // A clock that is corrected may make a day longer than its seconds.
            coverage_percent: (seconds > 0).then(|| (100.0 * measured / seconds as f64).min(100.0)),
            judged,
            good,
            bad,
            unacknowledged,
            outcomes,
            availability_percent: (judged > 0).then(|| 100.0 * good as f64 / judged as f64),
            latency_seconds: Latency::of(&latencies),
            objectives: self.objectives(&latencies, good, unacknowledged),
            durability_checked: sum(|day| day.durability_checked),
            durability_lost: lost,
        }
    }

    fn objectives(&self, latencies: &Exponential, good: u64, unacknowledged: u64) -> Vec<Kept> {
        let judged = latencies.count();
        let availability =
            self.promises.availability.map(|percent| (Objective::Availability, percent, good, 0));
        let latency = self.promises.latency.map(|promise| {
            // A heartbeat that did not come back counts as just above the deadline, so no longer latency is known.
            let deadline = self.heartbeats.map_or(f64::INFINITY, |heartbeats| heartbeats.deadline_seconds);
            let limit_seconds = promise.limit_seconds.min(deadline);
            let returned = self.returned(judged, unacknowledged);
            let (within, uncertain) = within(latencies.within(limit_seconds), good, returned);
            (Objective::Latency { limit_seconds }, promise.percent, within, uncertain)
        });
        let acknowledged = judged.saturating_sub(unacknowledged);
        let produce = self.promises.produce.map(|percent| (Objective::Produce, percent, acknowledged, 0));
        let kept = |(objective, objective_percent, good, uncertain)| Kept {
            objective,
            objective_percent,
            judged,
            good,
            uncertain,
        };
        [availability, latency, produce].into_iter().flatten().map(kept).collect()
    }

    /// The largest possible number of heartbeats that came back by their deadline but were not acknowledged by it. A bad heartbeat that
    /// was acknowledged by its deadline did not come back by it.
    fn returned(&self, judged: u64, unacknowledged: u64) -> u64 {
        let ended = |wanted: fn(&str) -> bool| -> u64 {
            let outcomes = self.days.iter().flat_map(|day| &day.outcomes);
            outcomes.filter(|(name, _)| wanted(name)).map(|(_, count)| count).sum()
        };
        let came_back =
            ended(|name| [Outcome::Late, Outcome::UnackedReceived].map(Outcome::as_str).contains(&name));
        // The outcome of a heartbeat may be known later than its judgement.
        let open = judged.saturating_sub(ended(|name| name != Outcome::Skipped.as_str()));
        unacknowledged.min(came_back + open)
    }
}

/// The number of heartbeats within a limit, and the number of those that may be within it, by their latencies and by their judgements.
/// `returned` heartbeats at most came back by their deadline although they are bad.
fn within((within, uncertain): (u64, u64), good: u64, returned: u64) -> (u64, u64) {
    let most = good.saturating_add(returned);
    if within > most {
        // The deadline was shorter than the limit at some time, and heartbeats that did not come back count as just above it.
        return (good, returned);
    }
    (within, uncertain.min(most - within))
}

fn add(sums: &mut BTreeMap<String, u64>, counts: &BTreeMap<String, u64>) {
    for (name, count) in counts {
        *sums.entry(name.clone()).or_default() += count;
    }
}
