//! Whether a month that another program sent, or that was read from a file, can be true.

use super::{
    calendar::{DAY, Month},
    facts::{BadMinute, ClusterMonth, Day, Promises},
};
use crate::{availability::MINUTES_OF_A_DAY, latency::Exponential};

/// More than any day needs.
const MOST_KINDS: usize = 64;

/// The largest count. So no sum of the counts of a month overflows.
const LARGEST: u64 = 1 << 50;

impl ClusterMonth {
    /// Checks what another program sent or wrote: the month is the wanted one, and no number contradicts another one.
    ///
    /// # Errors
    /// What cannot be true, in words.
    pub fn check(&self, wanted: Month) -> Result<(), &'static str> {
        let month = self.month;
        ensure(month == wanted, "it is about another month")?;
        ensure(!self.cluster.is_empty(), "a cluster has no name")?;
        ensure((month.begin()..=month.end()).contains(&self.until), "its end is outside of the month")?;
        self.promises.check()?;
        if let Some(heartbeats) = self.heartbeats {
            let is_time = |seconds: f64| seconds.is_finite() && (0.0..=86_400.0).contains(&seconds);
            let both = is_time(heartbeats.interval_seconds) && is_time(heartbeats.deadline_seconds);
            ensure(both, "the interval or the deadline of heartbeats is no time")?;
        }
        let is_ordered = self.days.windows(2).all(|days| days[0].begin < days[1].begin);
        ensure(is_ordered, "its days are not in order")?;
        let is_inside =
            |day: &Day| (month.begin()..month.end()).contains(&day.begin) && day.begin.rem_euclid(DAY) == 0;
        ensure(self.days.iter().all(is_inside), "a day is outside of the month")?;
        self.days.iter().try_for_each(Day::check)?;
        let is_time = self.incidents.iter().all(|incident| incident.begin <= incident.end);
        ensure(is_time, "an incident ends before it begins")
    }
}

impl Day {
    fn check(&self) -> Result<(), &'static str> {
        let is_time = self.measured_seconds.is_finite() && self.measured_seconds >= 0.0;
        ensure(
            is_time && self.measured_seconds <= 2.0 * DAY as f64,
            "the measured time of a day is no time",
        )?;
        let sketch = &self.latencies;
        let fits = Exponential::can_be(sketch.first, sketch.counts.len() as u64);
        ensure(fits, "the latencies of a day have too many buckets")?;
        ensure(self.judged() <= LARGEST && self.durability_checked <= LARGEST, "a count is too large")?;
        let kinds = [&self.outcomes, &self.durability_lost];
        let is_small = kinds
            .iter()
            .all(|kinds| kinds.len() <= MOST_KINDS && kinds.values().all(|count| *count <= LARGEST));
        ensure(is_small, "a day has too many outcomes or lost records")?;
        ensure(self.bad <= self.judged(), "more heartbeats are bad than were judged")?;
        ensure(self.unacknowledged <= self.bad, "a heartbeat without acknowledgement is not bad")?;
        let mut last = 0;
        for (begin, end) in &self.judged_minutes {
            ensure(
                last <= *begin && begin < end && *end <= MINUTES_OF_A_DAY,
                "the judged minutes are not in order",
            )?;
            last = *end;
        }
        let minutes = &self.bad_minutes;
        let is_ordered = minutes.windows(2).all(|pair| pair[0].minute < pair[1].minute)
            && minutes.last().is_none_or(|last| last.minute < MINUTES_OF_A_DAY);
        ensure(is_ordered, "the bad minutes are not in order")?;
        let is_judged = |bad: &BadMinute| {
            self.judged_minutes.iter().any(|(begin, end)| (*begin..*end).contains(&bad.minute))
        };
        ensure(minutes.iter().all(is_judged), "a bad minute is no judged minute")?;
        let is_true = minutes.iter().all(|minute| (1..=minute.judged).contains(&minute.bad));
        let sum = minutes.iter().fold(0_u64, |sum, minute| sum.saturating_add(minute.bad));
        ensure(is_true && sum <= self.bad, "the bad minutes have other heartbeats than the day")
    }
}

impl Promises {
    fn check(&self) -> Result<(), &'static str> {
        let latency = self.latency.map(|latency| latency.percent);
        let mut percents = [self.availability, latency, self.produce].into_iter().flatten();
        ensure(
            percents.all(|percent| percent > 0.0 && percent < 100.0),
            "an objective is no number of percent",
        )?;
        let is_time = |limit: f64| limit.is_finite() && limit > 0.0 && limit <= 1e6;
        ensure(self.latency.is_none_or(|latency| is_time(latency.limit_seconds)), "a limit is no time")
    }
}

fn ensure(is_true: bool, otherwise: &'static str) -> Result<(), &'static str> {
    if is_true { Ok(()) } else { Err(otherwise) }
}
