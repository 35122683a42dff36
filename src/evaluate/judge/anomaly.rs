//! Whether a topic's traffic is what it is at this hour. Pure.
//!
//! A robust baseline: the median of the hours of the last weeks that are like this one, and the median of their distances
//! from it (MAD). Alike are the same hour of the week and its two neighbours; until a week is known, those of every day.
//! What is odd once does not move a median, and a deviation is measured in what is usual, so that no topic needs numbers
//! of its own.

use std::{collections::VecDeque, time::Duration};

use crate::config::Anomaly as Settings;

/// Hours that are kept: five weeks.
pub(crate) const HOURS: usize = 5 * WEEK as usize;
const WEEK: u32 = 7 * DAY;
const DAY: u32 = 24;

/// The rate of the moment is that of the last so many minutes.
const WINDOW: Duration = Duration::from_secs(600);

/// Of a window or an hour, so much must have been seen.
const ENOUGH: f64 = 0.5;

/// Standard deviations in one MAD, for what is normally distributed.
const SIGMAS: f64 = 1.4826;

/// What is usual is at least this part of the expected: with one week known, and with more. Few hours look more alike
/// than they are.
const LEAST_SPREAD: (f64, f64) = (0.5, 0.2);

/// Fewer hours are no baseline.
const LEAST_HOURS: usize = 3;

/// What is odd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// More than there should be.
    High,
    /// Less.
    Low,
    /// Nothing at all, all of a sudden.
    Drop,
}

impl Kind {
    /// Every kind, in the order of the labels.
    pub const ALL: [Kind; 3] = [Kind::High, Kind::Low, Kind::Drop];

    /// The kind as a label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::High => "high",
            Kind::Low => "low",
            Kind::Drop => "drop",
        }
    }
}

/// The traffic of a moment against what it usually is. Records a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// What there is.
    pub actual: f64,
    /// What there should be.
    pub expected: f64,
    /// The distance in what is usual: of normal traffic, one in 15,000 is above 4.
    pub score: f64,
    /// What is odd about it.
    pub kind: Option<Kind>,
}

/// The hours of a topic.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Baseline {
    /// The hour behind the last one that is kept, since 1970.
    next: u32,
    /// Records a second; NaN for hours that were not seen.
    rates: VecDeque<f32>,
    /// What was odd about the topic when it was last judged: that is so until it is judged again.
    odd: Option<Kind>,
    /// Hours in a row that do not go with those that are kept.
    strange: u32,
}

/// What a topic does, and what it did.
#[derive(Debug, Clone, Default)]
pub(crate) struct Traffic {
    pub(crate) baseline: Baseline,
    /// The hour that is under way: which one, records, seconds that were seen.
    hour: Option<(u32, f64, f64)>,
    /// Of the last minutes: when, records, and the seconds in which they came.
    recent: VecDeque<(Duration, u64, f64)>,
    last: Option<Duration>,
}

impl Baseline {
    /// Adds an hour; those between it and the last one were not seen.
    fn add(&mut self, hour: u32, rate: f32) {
        if self.rates.is_empty() {
            self.next = hour;
        }
        let gap = hour.checked_sub(self.next).filter(|gap| (*gap as usize) < HOURS);
        let Some(gap) = gap.or_else(|| self.anew(hour)) else { return };
        self.strange = 0;
        self.rates.extend(std::iter::repeat_n(f32::NAN, gap as usize));
        self.rates.push_back(rate);
        self.next = hour + 1;
        while self.rates.len() > HOURS {
            self.rates.pop_front();
        }
    }

    /// An hour that is there already, or is weeks away: a clock that is wrong, or was. If it stays like that for a day,
    /// it was: what is later than this hour is forgotten, and so is everything that is too long ago.
    fn anew(&mut self, hour: u32) -> Option<u32> {
        self.strange += 1;
        if self.strange < DAY {
            return None;
        }
        let kept = self.rates.len().checked_sub(self.next.saturating_sub(hour) as usize);
        self.rates.truncate(kept.filter(|_| hour < self.next).unwrap_or(0));
        self.next = hour;
        Some(0)
    }

    fn at(&self, hour: u32) -> Option<f64> {
        let back = self.next.checked_sub(hour)? as usize;
        let place = self.rates.len().checked_sub(back)?;
        self.rates.get(place).filter(|rate| !rate.is_nan()).map(|rate| f64::from(*rate))
    }

    /// The hours like this one, and whether they are of more than one week.
    fn alike(&self, hour: u32) -> (Vec<f64>, bool) {
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

    /// What is usual at this hour, and how far from it is usual too; nothing, as long as too little is known.
    fn expected(&self, hour: u32) -> Option<(f64, f64)> {
        let (mut alike, many) = self.alike(hour);
        if alike.len() < LEAST_HOURS {
            return None;
        }
        let middle = median(&mut alike);
        let mut distances: Vec<f64> = alike.iter().map(|rate| (rate - middle).abs()).collect();
        let least = if many { LEAST_SPREAD.1 } else { LEAST_SPREAD.0 };
        Some((middle, (SIGMAS * median(&mut distances)).max(least * middle)))
    }

    /// The same for the minutes before a moment, which may have begun in the hour before.
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

    /// As it is stored: the next hour and the rates, each in four bytes, and one for what is odd.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let rates = self.rates.iter().flat_map(|rate| rate.to_le_bytes());
        let odd = self.odd.map_or(0, |odd| odd as u8 + 1);
        self.next.to_le_bytes().into_iter().chain(rates).chain([odd]).collect()
    }

    /// What [`Baseline::to_bytes`] says; nothing, for what it never says.
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
    /// Of a topic of which it is known what is usual.
    pub(crate) fn of(baseline: Baseline) -> Self {
        Self { baseline, ..Self::default() }
    }

    /// Takes in that so many records came since the last look; `hour` is the hour since 1970. Tells whether an hour has
    /// been completed.
    pub(crate) fn add(&mut self, now: Duration, hour: u32, records: u64) -> bool {
        let Some(last) = self.last.replace(now) else { return false };
        let seconds = now.saturating_sub(last).as_secs_f64();
        self.recent.push_back((now, records, seconds));
        self.forget(now);
        let (of, before, seen) = self.hour.unwrap_or((hour, 0.0, 0.0));
        if of == hour {
            self.hour = Some((of, before + records as f64, seen + seconds));
            return false;
        }
        self.hour = Some((hour, records as f64, seconds));
        let whole = seen >= 3600.0 * ENOUGH;
        if whole {
            self.baseline.add(of, (before / seen) as f32);
        }
        whole
    }

    /// It was not seen just now, or is another topic: what came since the last look is not known.
    pub(crate) fn pause(&mut self, now: Duration) {
        self.last = Some(now);
        self.forget(now);
    }

    fn forget(&mut self, now: Duration) {
        while self.recent.front().is_some_and(|(at, ..)| now.saturating_sub(*at) >= WINDOW) {
            self.recent.pop_front();
        }
    }

    /// What is odd about it.
    pub(crate) fn odd(&self) -> Option<Kind> {
        self.baseline.odd
    }

    /// How it is, if that is known, and how it should be. `at` is in seconds since 1970.
    pub(crate) fn judge(&mut self, at: u64, settings: &Settings) -> Option<Rate> {
        let seconds: f64 = self.recent.iter().map(|(.., seconds)| seconds).sum();
        if seconds < WINDOW.as_secs_f64() * ENOUGH {
            return None;
        }
        let records: u64 = self.recent.iter().map(|(_, records, _)| records).sum();
        let actual = records as f64 / seconds;
        let (hour, into) = hour(at);
        let (expected, spread) = self.baseline.expected_until(hour, into)?;
        let score = (actual - expected) / spread.max(settings.min_rate);
        // It has fallen silent: within the last hour it was still as it should be, or it was silent before for that
        // reason. A topic that rests over its first weekend has done so for longer.
        let awake = || self.baseline.at(hour.wrapping_sub(1)).is_some_and(|before| before >= expected / 2.0);
        let dropped = records == 0 && expected >= settings.min_rate;
        let odd = self.baseline.odd;
        let kind = match odd {
            _ if dropped && (odd == Some(Kind::Drop) || awake()) => Some(Kind::Drop),
            _ if score >= settings.score => Some(Kind::High),
            _ if score <= -settings.score => Some(Kind::Low),
            // What has been found is kept until it is over: else one that lies at the limit would come and go.
            Some(Kind::High) if score >= settings.score / 2.0 => Some(Kind::High),
            Some(Kind::Low) if score <= -settings.score / 2.0 => Some(Kind::Low),
            _ => None,
        };
        self.baseline.odd = kind;
        Some(Rate { actual, expected, score, kind })
    }
}

/// The hour since 1970 of a moment in seconds since then, and how long ago it began.
pub(crate) fn hour(at: u64) -> (u32, Duration) {
    (u32::try_from(at / 3600).unwrap_or(u32::MAX), Duration::from_secs(at % 3600))
}

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
    fn odd_traffic_is_found_though_the_service_was_away_for_a_while() {
        let settings = Settings { score: 4.0, min_rate: 1.0 };
        let mut traffic = Traffic::default();
        let mut odd = Vec::new();
        for now in (0..4 * A_DAY).step_by(60) {
            let hour = u32::try_from((MONDAY + now) / AN_HOUR).expect("an hour");
            let own = Duration::from_secs(now);
            match now / AN_HOUR {
                // For five hours nobody looked.
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
    fn what_is_odd_stays_so_until_it_is_judged_again() {
        let settings = Settings { score: 4.0, min_rate: 1.0 };
        let mut traffic = Traffic::default();
        let hour = |now: u64| u32::try_from((MONDAY + now) / AN_HOUR).expect("an hour");
        let mut told = Vec::new();
        for now in (0..4 * A_DAY).step_by(60) {
            let own = Duration::from_secs(now);
            // Silent from hour 80 on; its leader is away for an hour of that, and we restart after it.
            match now / AN_HOUR {
                83 => traffic.pause(own),
                80..90 => _ = traffic.add(own, hour(now), 0),
                _ => _ = traffic.add(own, hour(now), 6000),
            }
            if now == 85 * AN_HOUR {
                traffic = Traffic::of(Baseline::from_bytes(&traffic.baseline.to_bytes()).expect("the same"));
            }
            traffic.judge(MONDAY + now, &settings);
            if told.last().is_none_or(|(_, before)| *before != traffic.odd()) {
                told.push((now / AN_HOUR, traffic.odd()));
            }
        }
        assert_eq!(told.first(), Some(&(0, None)));
        let drops: Vec<_> =
            told.iter().filter(|(_, odd)| *odd == Some(Kind::Drop)).map(|(hour, _)| *hour).collect();
        assert_eq!(drops, [80], "one, though nobody looked and we were away: {told:?}");
        let usual: Vec<_> =
            told.iter().skip(1).filter(|(_, odd)| odd.is_none()).map(|(hour, _)| *hour).collect();
        assert_eq!(usual, [90], "{told:?}");
    }

    #[test]
    fn a_clock_that_is_wrong_for_some_hours_costs_nothing_that_was_learned() {
        let settings = Settings { score: 4.0, min_rate: 1.0 };
        for wrong in [0, 2 * A_WEEK, 3000 * A_WEEK] {
            let mut traffic = Traffic::default();
            let mut known = |minutes: std::ops::Range<u64>, base: u64| {
                let mut last = None;
                for minute in minutes {
                    let wall = base + minute * MINUTE;
                    let hour = u32::try_from(wall / AN_HOUR).expect("an hour");
                    traffic.add(Duration::from_secs(minute * MINUTE), hour, 6000);
                    last = traffic.judge(wall, &settings);
                }
                last.map(|rate| rate.expected.round())
            };
            assert_eq!(known(0..8 * 1440, MONDAY), Some(100.0));
            // Three hours somewhere else in time: 1970, or the future.
            let away = if wrong == 0 { 0 } else { MONDAY + wrong };
            known(8 * 1440..8 * 1440 + 180, away);
            assert_eq!(known(8 * 1440 + 180..8 * 1440 + 300, MONDAY), Some(100.0), "{wrong}");
            assert_eq!(
                known(8 * 1440 + 300..11 * 1440, MONDAY),
                Some(100.0),
                "and what comes is learned: {wrong}"
            );
            assert_eq!(known(20 * 1440..21 * 1440, MONDAY), Some(100.0), "{wrong}");
        }
    }

    #[test]
    fn little_traffic_is_never_odd() {
        let settings = Settings { score: 4.0, min_rate: 1.0 };
        let mut traffic = Traffic::default();
        for now in (0..10 * A_DAY).step_by(60) {
            let hour = u32::try_from((MONDAY + now) / AN_HOUR).expect("an hour");
            // A record a minute or two, and none for whole days.
            let records = if now / A_DAY % 3 == 2 { 0 } else { now / 60 % 3 };
            traffic.add(Duration::from_secs(now), hour, records);
            assert_eq!(traffic.judge(MONDAY + now, &settings).and_then(|rate| rate.kind), None);
        }
    }
}
