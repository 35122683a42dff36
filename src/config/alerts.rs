//! `[alerts]`: findings and numbers that are published to topics of Kafka itself.

use std::time::Duration;

use super::reader::Reader;

/// `[alerts]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alerts {
    /// The topic of findings, keyed by their type; `None` publishes no findings.
    pub topic: Option<String>,
    /// The topic of numbers, keyed by the metric's name; `None` publishes no numbers.
    pub metrics_topic: Option<String>,
    /// The time from one cycle to the next.
    pub interval: Duration,
    /// A group with a lag of more records than this on a partition is a warning.
    pub lag_warning: u64,
    /// A group with a lag of more records than this on a partition is critical. At least `lag_warning`.
    pub lag_critical: u64,
}

impl Alerts {
    pub(super) fn read(mut alerts: Reader<'_>) -> Self {
        let lag_warning = alerts.parsed("lag.warning", "a number of records");
        let lag_critical = alerts.parsed("lag.critical", "a number of records");
        if lag_critical < lag_warning {
            alerts.problem("lag.critical", "is below lag.warning: the warning would never be seen");
        }
        Self {
            topic: alerts.optional("topic").map(str::to_owned),
            metrics_topic: alerts.optional("metrics.topic").map(str::to_owned),
            interval: alerts.duration("interval"),
            lag_warning,
            lag_critical,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_support::{config, errors};

    #[test]
    fn topic_that_is_empty_publishes_nothing() {
        let alerts = config(&[]).alerts;
        assert_eq!((alerts.topic, alerts.metrics_topic), (None, None));
        let alerts = config(&[("alerts", "metrics.topic", "numbers")]).alerts;
        assert_eq!((alerts.topic, alerts.metrics_topic.as_deref()), (None, Some("numbers")));
    }

    #[test]
    fn critical_lag_below_the_warning_is_an_error() {
        let wrong = errors(&[("alerts", "lag.critical", "999")]);
        assert_eq!(
            wrong,
            "test: [alerts] lag.critical: is below lag.warning: the warning would never be seen"
        );
    }
}
