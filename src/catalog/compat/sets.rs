//! The older programs, and the switch of each.

use super::{cc_heartbeat, consumer_lag, kafka_exporter, kminion};
use crate::catalog::Description;

/// A program whose names are kept.
#[derive(Debug)]
pub struct Set {
    /// The key of `[compat]`.
    pub switch: &'static str,
    /// The name of the program.
    pub program: &'static str,
    /// What to know before they are used.
    pub note: &'static str,
    /// The families.
    pub families: &'static [&'static Description],
}

/// The programs whose metric names can be exposed too.
pub static SETS: [Set; 4] = [
    Set {
        switch: "cc_heartbeat",
        program: "cc-heartbeat",
        note: "Means cover the last minute; counters never decrease. `cluster_id` is Kafka's own id of the cluster.",
        families: cc_heartbeat::ALL,
    },
    Set {
        switch: "kafka_exporter",
        program: "kafka_exporter",
        note: "A number that is not known is absent, never -1 and never 0. Groups are described, because the number of their members is exposed. Without `granularity = partition`, series of partitions are absent.",
        families: kafka_exporter::ALL,
    },
    Set {
        switch: "kafka_consumer_lag",
        program: "the Prometheus monitoring solution",
        note: "Its other names are ours, and are served with and without this switch.",
        families: consumer_lag::ALL,
    },
    Set {
        switch: "kminion",
        program: "kminion's end-to-end probe",
        note: "Buckets have our bounds, and a heartbeat that misses its deadline counts just above the deadline. Heartbeats use no group and commit no offsets, so the names about commits are absent.",
        families: kminion::ALL,
    },
];

/// Every name of an older program, in the order in which they are served. Families that take the place of ours are not
/// among them: [`super::klag_exporter`].
pub fn all() -> impl Iterator<Item = &'static Description> {
    SETS.iter().flat_map(|set| set.families.iter().copied())
}
