//! Percentiles and means of the last minutes.
//!
//! A ring of HDR histograms, and a mean where nobody asks for percentiles. Nothing is reset by being read.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;

/// Percentiles are kept in slices of this length.
const SLICE: Duration = Duration::from_secs(10);

/// The longest window that can be asked for.
const LONGEST: Duration = Duration::from_secs(300);

/// The durations of the last five minutes, for percentiles and means.
///
/// Closed slices are shared, so cloning costs one histogram, not thirty.
#[derive(Debug, Clone)]
pub struct Recent {
    closed: VecDeque<Arc<Slice>>,
    open: Slice,
}

#[derive(Debug, Clone)]
struct Slice {
    begin: Instant,
    micros: Histogram<u32>,
    sum_micros: u128,
}

/// The mean of the last minutes, where nobody asks for percentiles: a few bytes for each second with a duration.
#[derive(Debug, Clone)]
pub struct RecentMean {
    window: Duration,
    /// (when the second began, sum, count)
    seconds: VecDeque<(Instant, Duration, u32)>,
}

impl RecentMean {
    /// Of the `window` before now.
    pub fn over(window: Duration) -> Self {
        Self { window, seconds: VecDeque::new() }
    }

    /// Adds one duration.
    pub fn record(&mut self, now: Instant, duration: Duration) {
        while self
            .seconds
            .front()
            .is_some_and(|(begin, ..)| now.saturating_duration_since(*begin) > self.window)
        {
            self.seconds.pop_front();
        }
        match self.seconds.back_mut() {
            Some((begin, sum, count)) if now.saturating_duration_since(*begin) < Duration::from_secs(1) => {
                *sum += duration;
                *count += 1;
            }
            _ => self.seconds.push_back((now, duration, 1)),
        }
    }

    /// The arithmetic mean, to a second of the window; `None` if there was nothing.
    pub fn mean(&self, now: Instant) -> Option<Duration> {
        let recent =
            self.seconds.iter().filter(|(begin, ..)| now.saturating_duration_since(*begin) <= self.window);
        let (sum, count) =
            recent.fold((Duration::ZERO, 0), |(sum, count), (_, more, n)| (sum + *more, count + n));
        (count > 0).then(|| sum / count)
    }
}

/// Percentiles of a window, each absent if nothing was recorded in it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// How many durations the window holds.
    pub count: u64,
    /// Half were at most this long.
    pub p50: Duration,
    /// Nine of ten were at most this long.
    pub p90: Duration,
    /// 99 of 100 were at most this long.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
    /// The arithmetic mean, from exact sums.
    pub mean: Duration,
}

impl Slice {
    fn new(begin: Instant) -> Self {
        let micros = Histogram::new(3).expect("three digits are within the histogram's limits");
        Self { begin, micros, sum_micros: 0 }
    }
}

impl Recent {
    /// An empty ring that begins now.
    pub fn new(now: Instant) -> Self {
        Self { closed: VecDeque::new(), open: Slice::new(now) }
    }

    /// Records one duration, to three digits, from 1 µs up.
    pub fn record(&mut self, now: Instant, duration: Duration) {
        self.advance(now);
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX).max(1);
        self.open.micros.record(micros).expect("the histogram resizes itself");
        self.open.sum_micros += u128::from(micros);
    }

    /// The durations recorded in the `window` before `now`, to a slice's length of ten seconds;
    /// `None` if there were none. Windows above five minutes hold five minutes.
    pub fn summary(&self, now: Instant, window: Duration) -> Option<Summary> {
        let mut all = Histogram::<u32>::new(3).expect("three digits are within the histogram's limits");
        let mut sum = 0;
        for slice in self.closed.iter().map(Arc::as_ref).chain([&self.open]) {
            if now.saturating_duration_since(slice.begin) < window + SLICE / 2 {
                all.add(&slice.micros).expect("the histogram resizes itself");
                sum += slice.sum_micros;
            }
        }
        let at = |quantile| Duration::from_micros(all.value_at_quantile(quantile));
        (!all.is_empty()).then(|| Summary {
            count: all.len(),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            max: Duration::from_micros(all.max()),
            mean: Duration::from_micros((sum / u128::from(all.len())) as u64),
        })
    }

    fn advance(&mut self, now: Instant) {
        if now.saturating_duration_since(self.open.begin) < SLICE {
            return;
        }
        let full = std::mem::replace(&mut self.open, Slice::new(now));
        self.closed.push_back(Arc::new(full));
        while self
            .closed
            .front()
            .is_some_and(|slice| now.saturating_duration_since(slice.begin) > LONGEST + SLICE)
        {
            self.closed.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn percentiles_cover_their_window_and_forget_what_is_older() {
        let begin = Instant::now();
        let mut recent = Recent::new(begin);
        assert_eq!(recent.summary(begin, ms(60_000)), None);
        for second in 0..400 {
            let slow = second < 50;
            recent.record(begin + ms(second * 1000), ms(if slow { 900 } else { 9 }));
        }
        let now = begin + ms(400_000);
        let minute = recent.summary(now, ms(60_000)).expect("a minute of durations");
        assert!((55..=70).contains(&minute.count), "{minute:?}");
        assert_eq!(minute.max.as_millis(), 9);
        assert_eq!(minute.mean.as_millis(), 9);
        let five = recent.summary(now, ms(300_000)).expect("five minutes of durations");
        assert!((290..=310).contains(&five.count), "{five:?}");
        assert_eq!(five.max.as_millis(), 9, "the slow minute is forgotten");
        let early = recent.closed.len();
        assert!(early <= 32, "the ring is bounded, it has {early} slices");
    }

    #[test]
    fn reading_twice_gives_the_same_numbers() {
        let now = Instant::now();
        let mut recent = Recent::new(now);
        recent.record(now, ms(5));
        assert_eq!(recent.summary(now, ms(60_000)), recent.summary(now, ms(60_000)));
    }
}
