//! Percentiles and means of the last minutes.
//!
//! A ring of HDR histograms gives percentiles; where only the mean is needed, sums and counts of seconds are enough.
//! Reading resets nothing.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;

/// The length of one slice of the ring.
const SLICE: Duration = Duration::from_secs(10);

/// The longest window of a summary.
const LONGEST: Duration = Duration::from_secs(300);

/// The durations of the last five minutes, for percentiles and means.
///
/// Closed slices are shared, so a clone copies one histogram instead of thirty.
#[derive(Debug, Clone)]
pub struct Recent {
    closed: VecDeque<Arc<Slice>>,
    open: Slice,
}

/// The durations recorded within ten seconds.
#[derive(Debug, Clone)]
struct Slice {
    begin: Instant,
    micros: Histogram<u32>,
    sum_micros: u128,
}

/// The mean of a window, without percentiles. It takes a few bytes for each second in which a duration was recorded.
#[derive(Debug, Clone)]
pub struct RecentMean {
    window: Duration,
    /// The oldest second first.
    seconds: VecDeque<Second>,
}

/// The durations recorded within one second.
#[derive(Debug, Clone)]
struct Second {
    begin: Instant,
    sum: Duration,
    count: u32,
}

impl RecentMean {
    /// The mean of the last `window`, without durations yet.
    pub fn over(window: Duration) -> Self {
        Self { window, seconds: VecDeque::new() }
    }

    /// Adds one duration.
    pub fn record(&mut self, now: Instant, duration: Duration) {
        let is_outside = |second: &Second| now.saturating_duration_since(second.begin) > self.window;
        while self.seconds.front().is_some_and(is_outside) {
            self.seconds.pop_front();
        }
        match self.seconds.back_mut() {
            Some(last) if now.saturating_duration_since(last.begin) < Duration::from_secs(1) => {
                last.sum += duration;
                last.count += 1;
            }
            _ => self.seconds.push_back(Second { begin: now, sum: duration, count: 1 }),
        }
    }

    /// The arithmetic mean of the window, whose beginning is exact to a second. `None` if the window has no durations.
    pub fn mean(&self, now: Instant) -> Option<Duration> {
        let mut sum = Duration::ZERO;
        let mut count = 0;
        for second in &self.seconds {
            if now.saturating_duration_since(second.begin) <= self.window {
                sum += second.sum;
                count += second.count;
            }
        }
        (count > 0).then(|| sum / count)
    }
}

/// The percentiles of a window in which at least one duration was recorded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// The number of durations in the window.
    pub count: u64,
    /// The median: half of the durations were at most this long.
    pub p50: Duration,
    /// The 90th percentile.
    pub p90: Duration,
    /// The 99th percentile.
    pub p99: Duration,
    /// The longest duration.
    pub max: Duration,
    /// The arithmetic mean, from exact sums in microseconds.
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

    /// Records one duration with three significant digits. A duration below 1 µs counts as 1 µs.
    pub fn record(&mut self, now: Instant, duration: Duration) {
        self.advance(now);
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX).max(1);
        self.open.micros.record(micros).expect("the histogram resizes itself");
        self.open.sum_micros += u128::from(micros);
    }

    /// The durations recorded in the `window` before `now`, whose beginning is exact to a slice of ten seconds. `None` if
    /// there were none. A window above five minutes has the durations of five minutes.
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

    /// Closes the open slice if it is full, and drops slices that no window reaches.
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
    fn percentiles_cover_their_window_and_nothing_older() {
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
        assert_eq!(five.max.as_millis(), 9, "the slow durations lie before the window");
        let early = recent.closed.len();
        assert!(early <= 32, "the ring is bounded, it has {early} slices");
    }

    #[test]
    fn summary_read_twice_is_the_same() {
        let now = Instant::now();
        let mut recent = Recent::new(now);
        recent.record(now, ms(5));
        assert_eq!(recent.summary(now, ms(60_000)), recent.summary(now, ms(60_000)));
    }
}
