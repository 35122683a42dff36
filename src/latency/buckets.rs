//! Histograms with classic buckets, whose `le` counts are exact.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{
    exemplar::{Exemplar, SpanContext},
    exponential::Exponential,
};

/// The standard bounds, in seconds: from a round trip on one machine to a failover.
const BOUNDS: [f64; 17] = [
    0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];

/// The upper bounds of the classic buckets, in seconds, ascending, without `+Inf`.
#[derive(Debug, Clone, PartialEq)]
pub struct Bounds(Arc<[f64]>);

impl Bounds {
    /// The standard bounds and one for each threshold of an objective, so that an alerting rule finds its threshold as an
    /// exact `le`.
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

/// A histogram of durations since the start.
#[derive(Debug, Clone, PartialEq)]
pub struct Buckets {
    bounds: Bounds,
    /// The durations in each bucket alone. The last bucket lies above every bound.
    counts: Vec<u64>,
    sum_nanos: u128,
    exponential: Exponential,
    /// The exemplar of each bucket. The list is empty until the first event with a name is recorded.
    exemplars: Vec<Option<Exemplar>>,
}

impl Buckets {
    /// An empty histogram.
    pub fn new(bounds: &Bounds) -> Self {
        Self {
            bounds: bounds.clone(),
            counts: vec![0; bounds.0.len() + 1],
            sum_nanos: 0,
            exponential: Exponential::default(),
            exemplars: Vec::new(),
        }
    }

    /// Counts one duration. A duration that equals a bound belongs to the bucket of that bound (`le`).
    pub fn record(&mut self, duration: Duration) {
        self.count_one(duration);
    }

    /// Counts one duration, and makes its event the exemplar of its bucket, unless the bucket has an exemplar that is
    /// younger than `stays`. Returns whether the event became the exemplar. `name` is called only then.
    pub fn record_event(
        &mut self,
        duration: Duration,
        at: SystemTime,
        stays: Duration,
        name: impl FnOnce() -> (Arc<str>, Option<SpanContext>),
    ) -> bool {
        let bucket = self.count_one(duration);
        self.exemplars.resize(self.counts.len(), None);
        let kept = &mut self.exemplars[bucket];
        let is_young = |kept: &Exemplar| at.duration_since(kept.at).is_ok_and(|age| age < stays);
        if kept.as_ref().is_some_and(is_young) {
            return false;
        }
        let (id, trace) = name();
        *kept = Some(Exemplar { id, trace, duration, at });
        true
    }

    /// Counts one duration, and returns the index of its bucket.
    fn count_one(&mut self, duration: Duration) -> usize {
        let seconds = duration.as_secs_f64();
        let bucket = self.bounds.0.partition_point(|bound| *bound < seconds);
        self.counts[bucket] += 1;
        self.sum_nanos += duration.as_nanos();
        self.exponential.record(seconds);
        bucket
    }

    /// The durations recorded since an earlier state of this histogram. `None` if a count is lower than before or the
    /// bounds differ: then `before` is no earlier state.
    pub fn since(&self, before: &Buckets) -> Option<Buckets> {
        if self.bounds != before.bounds {
            return None;
        }
        let pairs = self.counts.iter().zip(&before.counts);
        let counts: Vec<u64> = pairs.map(|(now, before)| now.checked_sub(*before)).collect::<Option<_>>()?;
        Some(Buckets {
            bounds: self.bounds.clone(),
            counts,
            sum_nanos: self.sum_nanos.checked_sub(before.sum_nanos)?,
            exponential: self.exponential.since(&before.exponential)?,
            exemplars: self.exemplars.clone(),
        })
    }

    /// The sum of several histograms, without exemplars. `None` if there are none, or if their bounds differ.
    pub fn sum<'a>(all: impl IntoIterator<Item = &'a Buckets>) -> Option<Buckets> {
        all.into_iter().try_fold(None, |sum: Option<Buckets>, one| {
            let Some(mut sum) = sum else {
                return Some(Some(Buckets { exemplars: Vec::new(), ..one.clone() }));
            };
            (sum.bounds == one.bounds).then_some(())?;
            sum.counts.iter_mut().zip(&one.counts).for_each(|(sum, one)| *sum += one);
            sum.sum_nanos += one.sum_nanos;
            sum.exponential.add(&one.exponential);
            Some(Some(sum))
        })?
    }

    /// The same durations in exponential buckets.
    pub fn exponential(&self) -> &Exponential {
        &self.exponential
    }

    /// The exemplar of a bucket, by its index in [`Buckets::cumulative`]; `None` if it has none.
    pub fn exemplar(&self, bucket: usize) -> Option<&Exemplar> {
        self.exemplars.get(bucket)?.as_ref()
    }

    /// The exemplars of all buckets.
    pub fn exemplars(&self) -> impl Iterator<Item = &Exemplar> {
        self.exemplars.iter().flatten()
    }

    /// The number of durations recorded.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The sum of all durations, in seconds.
    pub fn sum_seconds(&self) -> f64 {
        self.sum_nanos as f64 / 1e9
    }

    /// Each upper bound in seconds with the number of durations at or below it, ascending. The last bound is `+Inf`.
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        let bounds = self.bounds.0.iter().copied().chain([f64::INFINITY]);
        bounds.zip(&self.counts).scan(0, |below, (bound, count)| {
            *below += count;
            Some((bound, *below))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn duration_equal_to_a_bound_counts_as_at_or_below_it() {
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
    fn sum_of_histograms_equals_one_histogram_of_all_durations() {
        let bounds = Bounds::with([ms(200)]);
        let (mut one, mut other, mut both) =
            (Buckets::new(&bounds), Buckets::new(&bounds), Buckets::new(&bounds));
        for step in 0..500 {
            let (one_of, other_of) = (ms(step * step), Duration::from_micros(step));
            one.record(one_of);
            other.record(other_of);
            [one_of, other_of].into_iter().for_each(|duration| both.record(duration));
        }
        assert_eq!(Buckets::sum([&one, &other]), Some(both.clone()));
        assert_eq!(Buckets::sum([&other, &one]), Some(both));
        assert_eq!(Buckets::sum([]), None);
        assert_eq!(Buckets::sum([&one, &Buckets::new(&Bounds::default())]), None);
    }

    #[test]
    fn objective_equal_to_a_standard_bound_adds_no_bucket() {
        assert_eq!(Bounds::with([ms(100), ms(10_000)]), Bounds::default());
    }
}
