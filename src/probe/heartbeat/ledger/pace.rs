//! How long the heartbeats of a partition usually take, and how unlikely it is that a late one is still to come.
//!
//! The φ accrual failure detector of Hayashibara, Défago, Yared and Katayama (2004): φ is the negative decimal logarithm of the
//! probability that an answer takes longer than it has taken already. The latencies are taken as normally distributed.

use std::time::Duration;

/// A heartbeat whose φ is at least this is overdue: one of 100 million would be later.
const OVERDUE: f64 = 8.0;

/// So many latencies are needed before anything can be said.
const LEAST: u32 = 5;

/// The weight of a new latency in the mean. About 30 heartbeats make it.
const WEIGHT: f64 = 1.0 / 16.0;

/// The least standard deviation, in seconds. A broker that is always fast may pause for a collection of garbage.
const LEAST_DEVIATION: f64 = 0.1;

/// A latency counts as at most this many standard deviations above the mean, so that an outage does not teach patience.
const MOST_DEVIATIONS: f64 = 3.0;

/// The mean and the variance of the latencies of one partition. Recent latencies weigh more.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pace {
    /// In seconds.
    mean: f64,
    /// In square seconds.
    variance: f64,
    /// The number of latencies, up to [`LEAST`].
    count: u32,
}

impl Pace {
    /// Learns the latency of a heartbeat that was read back.
    pub(super) fn learn(&mut self, latency: Duration) {
        let mut latency = latency.as_secs_f64();
        if self.count >= LEAST {
            latency = latency.min(self.mean + MOST_DEVIATIONS * self.deviation());
        }
        let weight = if self.count < LEAST { 1.0 / f64::from(self.count + 1) } else { WEIGHT };
        let difference = latency - self.mean;
        self.mean += weight * difference;
        self.variance = (1.0 - weight) * (self.variance + weight * difference * difference);
        self.count = (self.count + 1).min(LEAST);
    }

    /// Whether a heartbeat that has waited for so long is overdue. False until enough latencies are known.
    pub(super) fn is_overdue(&self, waited: Duration) -> bool {
        self.phi(waited).is_some_and(|phi| phi >= OVERDUE)
    }

    /// φ of a heartbeat that has waited for so long; `None` until enough latencies are known.
    fn phi(&self, waited: Duration) -> Option<f64> {
        if self.count < LEAST {
            return None;
        }
        let deviations = (waited.as_secs_f64() - self.mean) / self.deviation();
        // The logistic approximation of the normal distribution (Bowling and others, 2009), whose error is below 0.00014.
        let exponent = deviations * (1.5976 + 0.070_566 * deviations * deviations);
        Some((1.0 + exponent.exp()).log10())
    }

    /// The standard deviation in seconds.
    fn deviation(&self) -> f64 {
        self.variance.sqrt().max(LEAST_DEVIATION)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learned(latencies: impl IntoIterator<Item = u64>) -> Pace {
        let mut pace = Pace::default();
        latencies.into_iter().for_each(|ms| pace.learn(Duration::from_millis(ms)));
        pace
    }

    #[test]
    fn nothing_is_overdue_before_five_latencies_are_known() {
        let waited = Duration::from_secs(60);
        assert!(!learned([5; 4]).is_overdue(waited));
        assert!(learned([5; 5]).is_overdue(waited));
    }

    #[test]
    fn fast_partition_is_overdue_within_a_second_and_slow_one_later() {
        let first_overdue = |pace: Pace| {
            (0..60_000).step_by(10).find(|ms| pace.is_overdue(Duration::from_millis(*ms))).expect("overdue")
        };
        let fast = first_overdue(learned([5; 100]));
        assert!((400..700).contains(&fast), "{fast} ms");
        let slow = first_overdue(learned([1000, 3000].into_iter().cycle().take(100)));
        assert!((4_000..9_000).contains(&slow), "{slow} ms");
    }

    #[test]
    fn outage_does_not_teach_patience() {
        let calm = learned([5; 100]);
        let after_an_outage = learned([5; 100].into_iter().chain([10_000; 3]));
        assert!(calm.is_overdue(Duration::from_secs(1)));
        assert!(after_an_outage.is_overdue(Duration::from_secs(2)));
    }
}
