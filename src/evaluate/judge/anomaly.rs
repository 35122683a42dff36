//! Judges whether the traffic of a topic is usual for this hour. Pure.
//!
//! The baseline is robust. It is the median rate of the similar hours of the last weeks, with the median of their distances
//! from it (median absolute deviation, MAD). Similar hours are the same hour of the week and its two neighbours. Until a
//! week is known, they are the same hour of each day and its two neighbours. A single unusual hour does not move a median.
//! A deviation is measured as a multiple of the usual deviation, so that no topic needs a threshold of its own.

use std::{collections::VecDeque, time::Duration};

use crate::{closed_enum::closed_enum, config::Anomaly as Settings};

/// Number of hours that are kept: five weeks.
pub(crate) const HOURS: usize = 5 * WEEK as usize;
const WEEK: u32 = 7 * DAY;
const DAY: u32 = 24;

/// The present rate is the mean rate over this time.
const WINDOW: Duration = Duration::from_secs(600);

/// The part of a window or of an hour that must have been observed, as a fraction.
const ENOUGH: f64 = 0.5;

/// The standard deviation of a normal distribution, as a multiple of its MAD.
const SIGMAS: f64 = 1.4826;

/// Lower bound of the spread, as a fraction of the expected rate: with one week of data, and with more. A few samples
/// understate the spread.
const LEAST_SPREAD: (f64, f64) = (0.5, 0.2);

/// Fewer similar hours than this give no baseline.
const LEAST_HOURS: usize = 3;

closed_enum! {
    /// The way in which traffic is unusual.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Kind {
        /// More records are written than usual.
        High = "high",
        /// Fewer records are written than usual.
        Low = "low",
        /// No record is written any more, within an hour of usual traffic.
        Drop = "drop",
    }
}

/// The present traffic of a topic beside the usual one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// The present rate, in records per second.
    pub actual: f64,
    /// The usual rate, in records per second.
    pub expected: f64,
    /// The difference as a multiple of the usual deviation. With normally distributed traffic, one value in 15,000 is beyond 4.
    pub score: f64,
    /// The way in which the traffic is unusual. Absent if it is usual.
    pub kind: Option<Kind>,
}

/// The rates of the last hours of a topic.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Baseline {
    /// The hour after the last one that is kept, in hours since 1970.
    next: u32,
    /// The rate of each hour, in records per second. NaN for an hour that was not observed.
    rates: VecDeque<f32>,
    /// The way in which the traffic was unusual when it was last judged. It stays until the traffic is judged again.
    odd: Option<Kind>,
    /// Number of hours in a row that do not fit to the hours that are kept.
    strange: u32,
}

/// The present traffic of a topic, and its baseline.
#[derive(Debug, Clone, Default)]
pub(crate) struct Traffic {
    /// The rates of the last hours.
    pub(crate) baseline: Baseline,
    /// The present hour. `None` before the first records.
    hour: Option<HourSum>,
    /// The intervals of the last [`WINDOW`], the oldest first.
    recent: VecDeque<Interval>,
    /// When the last cycle took place, on the monotonic clock. `None` before the first.
    last: Option<Duration>,
}

/// The part of an hour that was observed.
#[derive(Debug, Clone, Copy)]
struct HourSum {
    /// The hour, in hours since 1970.
    hour: u32,
    /// Records that were written.
    records: f64,
    /// Seconds that were observed.
    seconds: f64,
}

/// The records between two cycles.
#[derive(Debug, Clone, Copy)]
struct Interval {
    /// When the interval ended, on the monotonic clock.
    end: Duration,
    /// Records that were written.
    records: u64,
    /// The length of the interval, in seconds.
    seconds: f64,
}

impl Baseline {
    /// Adds the rate of an hour. The hours between it and the last hour were not observed.
    fn add(&mut self, hour: u32, rate: f32) {
        if self.rates.is_empty() {
            self.next = hour;
        }
        let gap = hour.checked_sub(self.next).filter(|gap| (*gap as usize) < HOURS);
        let Some(gap) = gap.or_else(|| self.restart(hour)) else { return };
        self.strange = 0;
        self.rates.extend(std::iter::repeat_n(f32::NAN, gap as usize));
        self.rates.push_back(rate);
        self.next = hour + 1;
        while self.rates.len() > HOURS {
            self.rates.pop_front();
        }
    }

    /// Handles an hour that is already kept, or that is weeks away: the clock is wrong, or was wrong before. If such hours
    /// come for a day, the clock was wrong before. Then the hours from this one on are forgotten, and so are all hours if
    /// they are too far away. Returns the gap before the hour, or `None` if the hour is to be ignored.
    fn restart(&mut self, hour: u32) -> Option<u32> {
        self.strange += 1;
        if self.strange < DAY {
            return None;
        }
        let kept = self.rates.len().checked_sub(self.next.saturating_sub(hour) as usize);
        self.rates.truncate(kept.filter(|_| hour < self.next).unwrap_or(0));
        self.next = hour;
        Some(0)
    }

    /// The rate of an hour. `None` if the hour is not kept or was not observed.
    fn at(&self, hour: u32) -> Option<f64> {
        let back = self.next.checked_sub(hour)? as usize;
        let place = self.rates.len().checked_sub(back)?;
        self.rates.get(place).filter(|rate| !rate.is_nan()).map(|rate| f64::from(*rate))
    }

    /// The rates of the hours similar to this one, and whether they are of more than one week.
    fn similar(&self, hour: u32) -> (Vec<f64>, bool) {
        let every = |step: u32, most: u32| -> Vec<f64> {
            let back = (1..=most).map(|times| times * step);
            back.flat_map(|back| [back + 1, back, back - 1])
                .filter_map(|back| self.at(hour.checked_sub(back)?))
                .collect()
        };
        let weekly = every(WEEK, HOURS as u32 / WEEK);
        if weekly.len() >= LEAST_HOURS {
            let many = weekly.len() >= 2 * LEAST_HOURS;
            return (weekly, many);
        }
        (every(DAY, 7), false)
    }

    /// The usual rate at this hour, and the usual deviation from it. `None` while there are too few similar hours.
    fn expected(&self, hour: u32) -> Option<(f64, f64)> {
        let (mut similar, many) = self.similar(hour);
        if similar.len() < LEAST_HOURS {
            return None;
        }
        let middle = median(&mut similar);
        let mut distances: Vec<f64> = similar.iter().map(|rate| (rate - middle).abs()).collect();
        let least = if many { LEAST_SPREAD.1 } else { LEAST_SPREAD.0 };
        Some((middle, (SIGMAS * median(&mut distances)).max(least * middle)))
    }

    /// The usual rate and its usual deviation over the [`WINDOW`] before a moment, which may begin in the hour before. `into` is
    /// the time since the hour began.
    fn expected_until(&self, hour: u32, into: Duration) -> Option<(f64, f64)> {
        let now = self.expected(hour);
        let part = into.as_secs_f64() / WINDOW.as_secs_f64();
        if part >= 1.0 {
            return now;
        }
        let (before, spread_before) = self.expected(hour.checked_sub(1)?)?;
        let (now, spread) = now?;
        Some((part * now + (1.0 - part) * before, spread.max(spread_before)))
    }

    /// The baseline as it is stored: the next hour and the rates in four bytes each, and one byte for the unusual traffic.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let rates = self.rates.iter().flat_map(|rate| rate.to_le_bytes());
        let odd = self.odd.map_or(0, |odd| odd as u8 + 1);
        self.next.to_le_bytes().into_iter().chain(rates).chain([odd]).collect()
    }

    /// The baseline of bytes that [`Baseline::to_bytes`] returned. `None` for any other bytes.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (numbers, rest) = bytes.as_chunks::<4>();
        let (next, rates) = numbers.split_first()?;
        let rates: VecDeque<f32> = rates.iter().map(|rate| f32::from_le_bytes(*rate)).collect();
        let valid = rates.iter().all(|rate| rate.is_nan() || (rate.is_finite() && *rate >= 0.0));
        let odd = match rest {
            [] | [0] => None,
            [odd] => Some(*Kind::ALL.get(usize::from(odd - 1))?),
            _ => return None,
        };
        (valid && rates.len() <= HOURS).then(|| Self {
            next: u32::from_le_bytes(*next),
            rates,
            odd,
            strange: 0,
        })
    }
}

impl Traffic {
    /// Traffic of a topic whose baseline is known.
    pub(crate) fn of(baseline: Baseline) -> Self {
        Self { baseline, ..Self::default() }
    }

    /// Adds the number of records since the last cycle. `hour` is in hours since 1970. Returns whether an hour was added to the
    /// baseline.
    pub(crate) fn add(&mut self, now: Duration, hour: u32, records: u64) -> bool {
        let Some(last) = self.last.replace(now) else { return false };
        let seconds = now.saturating_sub(last).as_secs_f64();
        self.recent.push_back(Interval { end: now, records, seconds });
        self.forget(now);
        let sum = self.hour.unwrap_or(HourSum { hour, records: 0.0, seconds: 0.0 });
        if sum.hour == hour {
            self.hour =
                Some(HourSum { hour, records: sum.records + records as f64, seconds: sum.seconds + seconds });
            return false;
        }
        self.hour = Some(HourSum { hour, records: records as f64, seconds });
        let whole = sum.seconds >= 3600.0 * ENOUGH;
        if whole {
            self.baseline.add(sum.hour, (sum.records / sum.seconds) as f32);
        }
        whole
    }

    /// Takes in that the number of records since the last cycle is not known: the topic was not read, or it was recreated.
    pub(crate) fn pause(&mut self, now: Duration) {
        self.last = Some(now);
        self.forget(now);
    }

    /// Forgets the intervals that ended before the [`WINDOW`].
    fn forget(&mut self, now: Duration) {
        while self.recent.front().is_some_and(|interval| now.saturating_sub(interval.end) >= WINDOW) {
            self.recent.pop_front();
        }
    }

    /// The way in which the traffic is unusual. `None` if it is usual.
    pub(crate) fn odd(&self) -> Option<Kind> {
        self.baseline.odd
    }

    /// Judges the present rate. `at` is in seconds since 1970. `None` while the present rate or the usual one is not known.
    pub(crate) fn judge(&mut self, at: u64, settings: &Settings) -> Option<Rate> {
        let seconds: f64 = self.recent.iter().map(|interval| interval.seconds).sum();
        if seconds < WINDOW.as_secs_f64() * ENOUGH {
            return None;
        }
        let records: u64 = self.recent.iter().map(|interval| interval.records).sum();
        let actual = records as f64 / seconds;
        let (hour, into) = hour(at);
        let (expected, spread) = self.baseline.expected_until(hour, into)?;
        let score = (actual - expected) / spread.max(settings.min_rate);
        // The topic has dropped if its traffic was still usual in the last hour, or if the drop was found before. A topic
        // that is idle over its first weekend has been idle for longer.
        let awake = || self.baseline.at(hour.wrapping_sub(1)).is_some_and(|before| before >= expected / 2.0);
        let dropped = records == 0 && expected >= settings.min_rate;
        let odd = self.baseline.odd;
        let kind = match odd {
            _ if dropped && (odd == Some(Kind::Drop) || awake()) => Some(Kind::Drop),
            _ if score >= settings.score => Some(Kind::High),
            _ if score <= -settings.score => Some(Kind::Low),
            // A finding stays until the score has halved: else a score near the limit would start and end it repeatedly.
            Some(Kind::High) if score >= settings.score / 2.0 => Some(Kind::High),
            Some(Kind::Low) if score <= -settings.score / 2.0 => Some(Kind::Low),
            _ => None,
        };
        self.baseline.odd = kind;
        Some(Rate { actual, expected, score, kind })
    }
}

/// The hour of a moment, in hours since 1970, and the time since that hour began. `at` is in seconds since 1970.
pub(crate) fn hour(at: u64) -> (u32, Duration) {
    (u32::try_from(at / 3600).unwrap_or(u32::MAX), Duration::from_secs(at % 3600))
}

/// The median. The slice must not be empty.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60;
    const AN_HOUR: u64 = 60 * MINUTE;
    const A_DAY: u64 = 24 * AN_HOUR;
    const A_WEEK: u64 = 7 * A_DAY;

    /// A Monday, midnight.
    const MONDAY: u64 = 1_780_272_000;

    #[test]
    fn traffic_drop_is_found_although_the_service_was_paused_before() {
        let settings = Settings { score: 4.0, min_rate: 1.0 };
        let mut traffic = Traffic::default();
        let mut odd = Vec::new();
        for now in (0..4 * A_DAY).step_by(60) {
            let hour = u32::try_from((MONDAY + now) / AN_HOUR).expect("an hour");
            let own = Duration::from_secs(now);
            match now / AN_HOUR {
                // For five hours no cycle took place.
                50..=54 => traffic.pause(own),
                80 => _ = traffic.add(own, hour, 0),
                _ => _ = traffic.add(own, hour, 6000),
            }
            odd.extend(
                traffic
                    .judge(MONDAY + now, &settings)
                    .and_then(|rate| rate.kind)
                    .map(|kind| (now / AN_HOUR, kind)),
            );
        }
        assert!(
            !odd.is_empty() && odd.iter().all(|(hour, kind)| *hour == 80 && *kind == Kind::Drop),
            "{odd:?}"
        );
        let again = Baseline::from_bytes(&traffic.baseline.to_bytes()).expect("the same");
        assert_eq!(again.to_bytes(), traffic.baseline.to_bytes());
        assert!(Baseline::from_bytes(&[0, 0, 0]).is_none() && Baseline::from_bytes(&[0; 4]).is_some());
        let negative = [[1, 0, 0, 0], (-1.0f32).to_le_bytes()].concat();
        assert!(Baseline::from_bytes(&negative).is_none());
    }

    #[test]
    fn unusual_traffic_stays_unusual_until_it_is_judged_again() {
        let settings = Settings { score: 4.0, min_rate: 1.0 };
        let mut traffic = Traffic::default();
        let hour = |now: u64| u32::try_from((MONDAY + now) / AN_HOUR).expect("an hour");
        let mut turns = Vec::new();
        for now in (0..4 * A_DAY).step_by(60) {
            let own = Duration::from_secs(now);
            // The topic is silent from hour 80 on. Its leader is missing in hour 83, and the service restarts in hour 85.
            match now / AN_HOUR {
                83 => traffic.pause(own),
                80..90 => _ = traffic.add(own, hour(now), 0),
                _ => _ = traffic.add(own, hour(now), 6000),
            }
            if now == 85 * AN_HOUR {
                traffic = Traffic::of(Baseline::from_bytes(&traffic.baseline.to_bytes()).expect("the same"));
            }
            traffic.judge(MONDAY + now, &settings);
            if turns.last().is_none_or(|(_, before)| *before != traffic.odd()) {
                turns.push((now / AN_HOUR, traffic.odd()));
            }
        }
        assert_eq!(turns.first(), Some(&(0, None)));
        let drops: Vec<_> =
            turns.iter().filter(|(_, odd)| *odd == Some(Kind::Drop)).map(|(hour, _)| *hour).collect();
        assert_eq!(drops, [80], "one drop, despite the missing leader and the restart: {turns:?}");
        let usual: Vec<_> =
            turns.iter().skip(1).filter(|(_, odd)| odd.is_none()).map(|(hour, _)| *hour).collect();
        assert_eq!(usual, [90], "{turns:?}");
    }

    #[test]
    fn clock_that_is_wrong_for_some_hours_leaves_the_baseline_unchanged() {
        let settings = Settings { score: 4.0, min_rate: 1.0 };
        for wrong in [0, 2 * A_WEEK, 3000 * A_WEEK] {
            let mut traffic = Traffic::default();
            let mut expected = |minutes: std::ops::Range<u64>, base: u64| {
                let mut last = None;
                for minute in minutes {
                    let wall = base + minute * MINUTE;
                    let hour = u32::try_from(wall / AN_HOUR).expect("an hour");
                    traffic.add(Duration::from_secs(minute * MINUTE), hour, 6000);
                    last = traffic.judge(wall, &settings);
                }
                last.map(|rate| rate.expected.round())
            };
            assert_eq!(expected(0..8 * 1440, MONDAY), Some(100.0));
            // For three hours the clock is in 1970 or in the future.
            let away = if wrong == 0 { 0 } else { MONDAY + wrong };
            expected(8 * 1440..8 * 1440 + 180, away);
            assert_eq!(expected(8 * 1440 + 180..8 * 1440 + 300, MONDAY), Some(100.0), "{wrong}");
            assert_eq!(
                expected(8 * 1440 + 300..11 * 1440, MONDAY),
                Some(100.0),
                "later hours are added to the baseline: {wrong}"
            );
            assert_eq!(expected(20 * 1440..21 * 1440, MONDAY), Some(100.0), "{wrong}");
        }
    }

    #[test]
    fn little_traffic_is_never_unusual() {
        let settings = Settings { score: 4.0, min_rate: 1.0 };
        let mut traffic = Traffic::default();
        for now in (0..10 * A_DAY).step_by(60) {
            let hour = u32::try_from((MONDAY + now) / AN_HOUR).expect("an hour");
            // One or two records each minute at most, and none for whole days.
            let records = if now / A_DAY % 3 == 2 { 0 } else { now / 60 % 3 };
            traffic.add(Duration::from_secs(now), hour, records);
            assert_eq!(traffic.judge(MONDAY + now, &settings).and_then(|rate| rate.kind), None);
        }
    }
}
