//! `[anomaly]`: when the traffic of a topic is unusual.

use super::reader::Reader;

/// `[anomaly]`
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Anomaly {
    /// Traffic is an anomaly if its distance from the usual traffic is this many times the usual distance.
    pub score: f64,
    /// Records per second. Traffic below this rate is never an anomaly, and a smaller usual distance counts as this one.
    pub min_rate: f64,
}

impl Anomaly {
    pub(super) fn read(mut anomaly: Reader<'_>) -> Self {
        let mut positive = |key: &str| {
            let number: f64 = anomaly.parsed(key, "a number above 0");
            if number.is_nan() || number <= 0.0 {
                anomaly.expected(key, "a number above 0");
            }
            number
        };
        Self { score: positive("score"), min_rate: positive("min.rate") }
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_support::{cluster, errors};

    #[test]
    fn score_and_min_rate_are_numbers_above_zero() {
        let anomaly = cluster(&[("anomaly", "min.rate", "0.5")]).anomaly;
        assert_eq!((anomaly.score, anomaly.min_rate), (4.0, 0.5));
        for wrong in ["0", "-1", "NaN", "much"] {
            let errors = errors(&[("anomaly", "score", wrong)]);
            assert!(errors.contains("[anomaly] score: expected a number above 0"), "{errors}");
        }
    }
}
