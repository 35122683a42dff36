//! `[metadata]`: how often brokers, topics and leaders are asked for.

use std::time::Duration;

use super::reader::Reader;

/// `[metadata]`
#[derive(Debug, Clone, PartialEq)]
pub struct Metadata {
    /// The number of brokers that the cluster should have; `None` for the number that the service has seen.
    pub expected_brokers: Option<usize>,
    /// The time from one cycle to the next.
    pub interval: Duration,
    /// The longest time of one cycle, at most `interval`.
    pub timeout: Duration,
}

impl Metadata {
    pub(super) fn read(mut metadata: Reader<'_>) -> Self {
        Self {
            expected_brokers: metadata.automatic("expected.brokers"),
            interval: metadata.duration("interval"),
            timeout: metadata.timeout(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_support::{cluster, errors};

    #[test]
    fn expected_brokers_is_auto_or_a_number() {
        let brokers = |text| cluster(&[("metadata", "expected.brokers", text)]).metadata.expected_brokers;
        assert_eq!(["auto", "3"].map(brokers), [None, Some(3)]);
        let wrong = errors(&[("metadata", "expected.brokers", "few")]);
        assert!(
            wrong.contains("[metadata] expected.brokers: expected auto or a number, found \"few\""),
            "{wrong}"
        );
    }
}
