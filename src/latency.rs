//! Latencies: exact classic buckets for series, HDR histograms for percentiles.
//!
//! A duration is put into its bucket when it is recorded, so every `le` count is exact; percentiles
//! of the last one and five minutes come from a ring of HDR histograms. Nothing here is reset by
//! being read, so any number of readers see the same numbers.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;

/// Bounds in seconds from a loopback round trip to a failover.
const BOUNDS: [f64; 17] = [
    0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];

/// Percentiles are kept in slices of this length.
const SLICE: Duration = Duration::from_secs(10);

/// The longest window that can be asked for.
const LONGEST: Duration = Duration::from_secs(300);

/// The upper bounds of the classic buckets, in seconds, ascending, without `+Inf`.
#[derive(Debug, Clone, PartialEq)]
pub struct Bounds(Arc<[f64]>);

impl Bounds {
    /// The standard bounds and every duration somebody has an objective for, so that a rule finds
    /// its threshold as an exact `le`.
    pub fn with(thresholds: impl IntoIterator<Item = Duration>) -> Self {
        let mut bounds: Vec<f64> =
            BOUNDS.into_iter().chain(thresholds.into_iter().map(|t| t.as_secs_f64())).collect();
        bounds.sort_by(f64::total_cmp);
        bounds.dedup();
        Self(bounds.into())
    }
}

impl Default for Bounds {
    fn default() -> Self {
        Self::with([])
    }
}

/// A cumulative histogram of durations. Counts are per bucket, not cumulative over buckets; the last
/// one is the bucket above every bound.
#[derive(Debug, Clone, PartialEq)]
pub struct Buckets {
    bounds: Bounds,
    counts: Vec<u64>,
    sum_nanos: u128,
}

impl Buckets {
    /// An empty histogram.
    pub fn new(bounds: &Bounds) -> Self {
        Self { bounds: bounds.clone(), counts: vec![0; bounds.0.len() + 1], sum_nanos: 0 }
    }

    /// Counts one duration. A duration equal to a bound belongs to that bound's bucket, as `le` says.
    pub fn record(&mut self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let bucket = self.bounds.0.partition_point(|bound| *bound < seconds);
        self.counts[bucket] += 1;
        self.sum_nanos += duration.as_nanos();
    }

    /// How many durations were recorded.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Their sum in seconds.
    pub fn sum_seconds(&self) -> f64 {
        self.sum_nanos as f64 / 1e9
    }

    /// (upper bound in seconds, durations at or below it), ascending; `+Inf` is last.
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        let bounds = self.bounds.0.iter().copied().chain([f64::INFINITY]);
        bounds.zip(&self.counts).scan(0, |below, (bound, count)| {
            *below += count;
            Some((bound, *below))
        })
    }
}

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
    fn a_duration_equal_to_a_bound_is_at_or_below_it() {
        let mut buckets = Buckets::new(&Bounds::with([ms(200)]));
        for duration in [ms(200), Duration::from_nanos(200_000_001), ms(90_000)] {
            buckets.record(duration);
        }
        let at = |bound: f64| buckets.cumulative().find(|(le, _)| *le == bound).map(|(_, count)| count);
        assert_eq!(at(0.1), Some(0));
        assert_eq!(at(0.2), Some(1));
        assert_eq!(at(0.25), Some(2));
        assert_eq!(at(60.0), Some(2));
        assert_eq!(at(f64::INFINITY), Some(3));
        assert_eq!(buckets.count(), 3);
        assert!((buckets.sum_seconds() - 90.400_000_001).abs() < 1e-9);
    }

    #[test]
    fn an_objective_that_is_a_standard_bound_adds_no_bucket() {
        assert_eq!(Bounds::with([ms(100), ms(10_000)]), Bounds::default());
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
