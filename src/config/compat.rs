//! `[compat]`: names that other programs have for metrics.

use super::reader::Reader;

/// `[compat]`: whether metrics are also exposed under the names of each of these programs.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Compat {
    /// The names of cc-heartbeat.
    pub cc_heartbeat: bool,
    /// The names of kafka_exporter.
    pub kafka_exporter: bool,
    /// The name `kafka_consumer_lag` of the Prometheus monitoring solution.
    pub kafka_consumer_lag: bool,
    /// The names of kminion's end-to-end probe.
    pub kminion: bool,
    /// The labels of klag-exporter on lag.
    pub member_labels: bool,
}

impl Compat {
    pub(super) fn read(mut compat: Reader<'_>) -> Self {
        Self {
            cc_heartbeat: compat.switch("cc_heartbeat"),
            kafka_exporter: compat.switch("kafka_exporter"),
            kafka_consumer_lag: compat.switch("kafka_consumer_lag"),
            kminion: compat.switch("kminion"),
            member_labels: compat.switch("member_labels"),
        }
    }

    /// Whether the members of consumer groups have to be known.
    pub fn needs_members(&self) -> bool {
        self.kafka_exporter || self.member_labels
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_support::config;

    #[test]
    fn switch_that_needs_members_makes_every_cluster_ask_for_them() {
        for (key, asked) in [("kminion", false), ("kafka_exporter", true), ("member_labels", true)] {
            let config = config(&[("compat", key, "true")]);
            assert_eq!(
                (config.clusters[0].lag.members, config.compat.needs_members()),
                (asked, asked),
                "{key}"
            );
        }
    }
}
