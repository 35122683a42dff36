//! `[alerts]`: findings that are published to topics of Kafka itself.

use std::time::Duration;

use super::{load::Reader, print::time};

/// `[alerts]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alerts {
    /// The topic of findings, keyed by type; nothing is published without.
    pub topic: Option<String>,
    /// The topic of numbers, keyed by name; none are published without.
    pub metrics: Option<String>,
    /// From one look at the findings to the next.
    pub interval: Duration,
    /// Records on a partition from which on a group's lag is worth a warning.
    pub warning: u64,
    /// From which on it is critical.
    pub critical: u64,
}

impl Reader {
    pub(super) fn alerts(&mut self) -> Alerts {
        let topic = |key: &str| Some(self.text("alerts", key)).filter(|topic| !topic.is_empty());
        let (topic, metrics) = (topic("topic"), topic("metrics.topic"));
        let warning = self.parsed("alerts", "lag.warning", "a number of records");
        let critical = self.parsed("alerts", "lag.critical", "a number of records");
        if critical < warning {
            self.problem("alerts", "lag.critical", "is below lag.warning: the warning would never be seen");
        }
        Alerts { topic, metrics, interval: self.duration("alerts", "interval"), warning, critical }
    }
}

impl Alerts {
    /// As INI.
    pub(super) fn lines(&self) -> Vec<String> {
        let topic = |topic: &Option<String>| topic.clone().unwrap_or_default();
        vec![
            format!("topic = {}", topic(&self.topic)),
            format!("metrics.topic = {}", topic(&self.metrics)),
            format!("interval = {}", time(self.interval)),
            format!("lag.warning = {}", self.warning),
            format!("lag.critical = {}", self.critical),
        ]
    }
}
