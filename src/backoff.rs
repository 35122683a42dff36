//! Pauses between attempts, and the random share that keeps instances from making their attempts at the same time.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

/// The pause after a number of failures in a row, which is at least one: the pause after the first failure, doubled with
/// each further failure, and at most the longest pause.
pub(crate) fn pause(first: Duration, longest: Duration, failures: u32) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1))).min(longest)
}

/// A random number from 0 to 1. The keys of a new hasher are random.
#[expect(clippy::cast_precision_loss, reason = "a pause need not be exact")]
pub(crate) fn random() -> f64 {
    RandomState::new().hash_one(()) as f64 / u64::MAX as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pause_is_doubled_with_each_failure_up_to_the_longest() {
        let seconds = |failures| pause(Duration::from_secs(1), Duration::from_secs(60), failures).as_secs();
        assert_eq!([1, 2, 3, 6, 7, 8, u32::MAX].map(seconds), [1, 2, 4, 32, 60, 60, 60]);
    }

    #[test]
    fn random_numbers_are_between_zero_and_one_and_differ() {
        let numbers = [(); 8].map(|()| random());
        assert!(numbers.iter().all(|number| (0.0..=1.0).contains(number)), "{numbers:?}");
        assert!(numbers.windows(2).any(|pair| pair[0].to_bits() != pair[1].to_bits()), "{numbers:?}");
    }
}
