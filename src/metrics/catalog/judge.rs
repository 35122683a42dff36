//! Families of judgements: who is alive, who gets on, and which traffic is odd.

use crate::metrics::{Description, Family, Kind, family};

pub static VERDICT: Family<3> = family(
    "kafka_consumergroup_verdict",
    Kind::Gauge,
    &["cluster_name", "group", "verdict"],
    "1 for the worst verdict of the group's partitions, else 0: ok, warn, stall, stop, rewind, reset or lost. Absent while nothing is known.",
);

pub static VERDICT_SINCE: Family<2> = family(
    "kafka_consumergroup_verdict_since_timestamp_seconds",
    Kind::Gauge,
    &["cluster_name", "group"],
    "When the group got its verdict.",
);

pub static PARTITION_VERDICT: Family<5> = family(
    "kafka_consumergroup_partition_verdict",
    Kind::Gauge,
    &["cluster_name", "group", "topic", "partition", "verdict"],
    "1 for the verdict of a partition that is not ok. Absent for those that are.",
);

pub static STATUS: Family<4> = family(
    "kafka_consumergroup_status",
    Kind::Gauge,
    &["cluster_name", "group", "topic", "status"],
    "1 for what the group is on the topic, else 0: online, offline (there is something to read, and nothing moves) or recovering.",
);

pub static STATUS_SINCE: Family<3> = family(
    "kafka_consumergroup_status_since_timestamp_seconds",
    Kind::Gauge,
    &["cluster_name", "group", "topic"],
    "When the group got its status on the topic.",
);

pub static STUCK: Family<3> = family(
    "kafka_consumergroup_stuck_partitions",
    Kind::Gauge,
    &["cluster_name", "group", "topic"],
    "Partitions on which the group stands still with something to read: those with verdict stall or stop.",
);

pub static RATE: Family<2> = family(
    "kafka_topic_rate_records_per_second",
    Kind::Gauge,
    &["kafka_cluster", "topic"],
    "Records appended a second, over the last ten minutes. Absent until it is known what is usual.",
);

pub static RATE_EXPECTED: Family<2> = family(
    "kafka_topic_rate_expected_records_per_second",
    Kind::Gauge,
    &["kafka_cluster", "topic"],
    "What is usual: the median of such hours of the last five weeks; until a week is known, of the same hours of all days.",
);

pub static RATE_SCORE: Family<2> = family(
    "kafka_topic_rate_anomaly_score",
    Kind::Gauge,
    &["kafka_cluster", "topic"],
    "How far the rate is from the expected one, in the distance that is usual (1.48 times the median of distances). Negative if it is less.",
);

pub static RATE_ODD: Family<3> = family(
    "kafka_topic_rate_anomaly",
    Kind::Gauge,
    &["kafka_cluster", "topic", "kind"],
    "1 while the rate is odd, by kind: high, low, or drop for a topic that has fallen silent.",
);

pub static DELETED: Family<1> = family(
    "heartbeat_deleted_groups",
    Kind::Gauge,
    &["kafka_cluster"],
    "Number of consumer groups that Kafka does not list any more and that stay in the report: at most [history] absent_group_limit, for absent_group_retention_seconds.",
);

/// All of them, in the order in which they are served.
pub static ALL: [&Description; 11] = [
    &VERDICT.description,
    &VERDICT_SINCE.description,
    &PARTITION_VERDICT.description,
    &STATUS.description,
    &STATUS_SINCE.description,
    &STUCK.description,
    &RATE.description,
    &RATE_EXPECTED.description,
    &RATE_SCORE.description,
    &RATE_ODD.description,
    &DELETED.description,
];
