//! Exponential buckets, sixteen for each doubling: fine enough for any percentile, whatever the latencies are.
//!
//! The same counts are a native histogram of Prometheus (schema 4) and an exponential histogram of OpenTelemetry
//! (scale 4). A bucket is 4.4 % wide, so a percentile that is read from the buckets is wrong by at most 4.4 %.

use std::sync::LazyLock;

/// Each doubling has `2^SCALE` buckets.
pub const SCALE: i32 = 4;

/// The number of buckets for each doubling.
const PER_DOUBLING: usize = 1 << SCALE;

/// A value that is not above this threshold counts as 0: 2^-128, the threshold of Prometheus' own clients.
pub const ZERO_THRESHOLD: f64 = 1.0 / (1u128 << 64) as f64 / (1u128 << 64) as f64;

/// More buckets than any duration needs, and an index that the bucket of no duration has.
const MOST_BUCKETS: u64 = 4096;
const FARTHEST_BUCKET: u32 = 4096;

/// The lower bounds of the buckets of the doubling from 0.5 to 1.
static BOUNDS: LazyLock<[f64; PER_DOUBLING]> =
    LazyLock::new(|| std::array::from_fn(|step| 0.5 * (step as f64 / PER_DOUBLING as f64).exp2()));

/// Counts by exponential bucket. Only the range from the smallest to the largest used bucket is kept.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Exponential {
    /// The number of values that are 0.
    zeros: u64,
    /// The index of the bucket of the first count.
    first: i32,
    counts: Vec<u64>,
}

impl Exponential {
    /// The counts of these buckets: of values that are 0, and of the buckets from the one with this index on.
    pub fn new(zeros: u64, first: i32, counts: Vec<u64>) -> Self {
        Self { zeros, first, counts }
    }

    /// Whether the buckets of durations can be so many and begin with this index. Asked of numbers from outside before they are used.
    pub fn can_be(first: i32, buckets: u64) -> bool {
        buckets <= MOST_BUCKETS && first.unsigned_abs() <= FARTHEST_BUCKET
    }

    /// Counts one value. A negative value counts as 0.
    pub(super) fn record(&mut self, value: f64) {
        if value <= ZERO_THRESHOLD {
            self.zeros += 1;
            return;
        }
        *self.bucket(index(value)) += 1;
    }

    /// Adds the counts of another histogram.
    pub fn add(&mut self, other: &Exponential) {
        self.zeros = self.zeros.saturating_add(other.zeros);
        for (index, count) in (other.first..).zip(&other.counts).filter(|(_, count)| **count > 0) {
            let bucket = self.bucket(index);
            *bucket = bucket.saturating_add(*count);
        }
    }

    /// The count of a bucket. The range grows to include the bucket.
    fn bucket(&mut self, index: i32) -> &mut u64 {
        if self.counts.is_empty() {
            self.first = index;
        }
        if index < self.first {
            let missing = usize::try_from(self.first - index).unwrap_or(0);
            self.counts.splice(0..0, std::iter::repeat_n(0, missing));
            self.first = index;
        }
        let place = usize::try_from(index - self.first).unwrap_or(0);
        if place >= self.counts.len() {
            self.counts.resize(place + 1, 0);
        }
        &mut self.counts[place]
    }

    /// The counts since an earlier state. `None` if a count is lower than before.
    pub fn since(&self, before: &Exponential) -> Option<Exponential> {
        let mut since = self.clone();
        since.zeros = self.zeros.checked_sub(before.zeros)?;
        for (index, count) in (before.first..).zip(&before.counts).filter(|(_, count)| **count > 0) {
            let place = usize::try_from(index - self.first).ok()?;
            let left = since.counts.get_mut(place)?;
            *left = left.checked_sub(*count)?;
        }
        Some(since)
    }

    /// The number of all values.
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(self.zeros, |sum, count| sum.saturating_add(*count))
    }

    /// The upper bound of the bucket that holds this quantile, from 0 to 1. `None` without values.
    pub fn quantile(&self, quantile: f64) -> Option<f64> {
        let rank = ((self.count() as f64 * quantile).ceil() as u64).max(1);
        let mut below = self.zeros;
        if below >= rank {
            return Some(0.0);
        }
        let buckets = (self.first..).zip(&self.counts);
        let mut reached = buckets.filter(|(_, count)| {
            below = below.saturating_add(**count);
            below >= rank
        });
        reached.next().map(|(index, _)| (f64::from(index) / PER_DOUBLING as f64).exp2())
    }

    /// The number of values that are certainly at or below this limit, and the number of those in the bucket that holds the limit,
    /// which may be below or above.
    pub fn within(&self, limit: f64) -> (u64, u64) {
        let bound = |index: i32| (f64::from(index) / PER_DOUBLING as f64).exp2();
        let (mut within, mut uncertain) = (if limit >= 0.0 { self.zeros } else { 0 }, 0_u64);
        for (index, count) in (self.first..).zip(&self.counts) {
            if bound(index) <= limit {
                within = within.saturating_add(*count);
            } else if bound(index - 1) < limit {
                uncertain = uncertain.saturating_add(*count);
            }
        }
        (within, uncertain)
    }

    /// The number of values that are 0.
    pub fn zeros(&self) -> u64 {
        self.zeros
    }

    /// The index of the first bucket, and the counts from this bucket on. Bucket `i` counts values above `2^((i-1)/16)`
    /// and at or below `2^(i/16)`. This is the index of Prometheus; OpenTelemetry calls the same bucket `i - 1`.
    pub fn buckets(&self) -> (i32, &[u64]) {
        (self.first, &self.counts)
    }
}

/// The index of the bucket of a positive value.
fn index(value: f64) -> i32 {
    let (fraction, exponent) = parts(value);
    let within = BOUNDS.partition_point(|bound| *bound < fraction);
    i32::try_from(within).unwrap_or(0) + (exponent - 1) * PER_DOUBLING as i32
}

/// Splits a normal number into `fraction · 2^exponent`, with a fraction of at least 0.5 and below 1.
fn parts(value: f64) -> (f64, i32) {
    const FRACTION_BITS: u32 = f64::MANTISSA_DIGITS - 1;
    const HALF: u64 = 0.5_f64.to_bits();
    let bits = value.to_bits();
    let exponent = i32::try_from(bits >> FRACTION_BITS).unwrap_or(0) - (f64::MAX_EXP - 2);
    (f64::from_bits(HALF | (bits & ((1 << FRACTION_BITS) - 1))), exponent)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bound(index: i32) -> f64 {
        (f64::from(index) / PER_DOUBLING as f64).exp2()
    }

    #[test]
    fn power_of_two_is_the_upper_bound_of_its_bucket() {
        let table = [
            (1.0, 0),
            (2.0, 16),
            (0.5, -16),
            (1.0 + 1e-12, 1),
            (1.04, 1),
            (1.05, 2),
            (0.000_244_140_625, -192),
        ];
        for (value, expected) in table {
            assert_eq!(index(value), expected, "{value}");
        }
    }

    #[test]
    fn range_of_buckets_grows_at_both_ends_and_zeros_are_counted_apart() {
        let mut counts = Exponential::default();
        for value in [1.0, 0.0, 4.0, 0.25, 1.0] {
            counts.record(value);
        }
        let (first, buckets) = counts.buckets();
        assert_eq!((first, buckets.len(), counts.zeros()), (-32, 65, 1));
        assert_eq!((buckets[0], buckets[32], buckets[64], buckets.iter().sum::<u64>()), (1, 2, 1, 4));
    }

    #[test]
    fn values_within_a_limit_are_certain_but_for_the_bucket_that_holds_the_limit() {
        let mut counts = Exponential::default();
        [0.0, 0.5, 0.99, 1.0, 1.01, 2.0].into_iter().for_each(|value| counts.record(value));
        assert_eq!(counts.within(1.0), (4, 0), "1 s is the bound of a bucket");
        assert_eq!(counts.within(1.02), (4, 1));
        assert_eq!(counts.within(1.1), (5, 0));
        assert_eq!(counts.within(0.0), (1, 0));
        assert_eq!(counts.within(9.0), (6, 0));
    }

    proptest! {
        #[test]
        fn value_lies_between_the_bounds_of_its_bucket(nanos in 1u64..4_000_000_000_000_000) {
            let value = nanos as f64 / 1e9;
            let index = index(value);
            // Both sides compute the bounds with rounding, and not in the same way.
            prop_assert!(bound(index - 1) * (1.0 - 1e-14) < value && value <= bound(index) * (1.0 + 1e-14));
        }
    }
}
