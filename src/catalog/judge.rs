//! Families of judgements: the status and the progress of groups, and unusual traffic.

use super::{Family, Kind, family::family};

families! {
    pub static VERDICT: Family<3> = family(
        "kafka_consumergroup_verdict",
        Kind::Gauge,
        &["cluster_name", "group", "verdict"],
        "1 for the worst judgement of the group's partitions, else 0: ok, warn, stall, stop, rewind, reset or lost. Absent while no partition can be judged.",
    );

    pub static VERDICT_SINCE: Family<2> = family(
        "kafka_consumergroup_verdict_since_timestamp_seconds",
        Kind::Gauge,
        &["cluster_name", "group"],
        "Unix time since which the group has its current verdict.",
    );

    pub static PARTITION_VERDICT: Family<5> = family(
        "kafka_consumergroup_partition_verdict",
        Kind::Gauge,
        &["cluster_name", "group", "topic", "partition", "verdict"],
        "1 for the verdict of the group on a partition: warn, stall, stop, rewind, reset or lost. Absent for partitions with verdict ok.",
    );

    pub static STATUS: Family<4> = family(
        "kafka_consumergroup_status",
        Kind::Gauge,
        &["cluster_name", "group", "topic", "status"],
        "1 for the status of the group on the topic, else 0: online, offline (records are left to read, and no committed offset moves) or recovering.",
    );

    pub static STATUS_SINCE: Family<3> = family(
        "kafka_consumergroup_status_since_timestamp_seconds",
        Kind::Gauge,
        &["cluster_name", "group", "topic"],
        "Unix time since which the group has its current status on the topic.",
    );

    pub static STUCK: Family<3> = family(
        "kafka_consumergroup_stuck_partitions",
        Kind::Gauge,
        &["cluster_name", "group", "topic"],
        "Number of partitions of the topic with verdict stall or stop: records are left to read, and the group's committed offset does not move.",
    );

    pub static RATE: Family<2> = family(
        "kafka_topic_rate_records_per_second",
        Kind::Gauge,
        &["kafka_cluster", "topic"],
        "Records appended to the topic per second, over the last ten minutes. Absent until the expected rate is known.",
    );

    pub static RATE_EXPECTED: Family<2> = family(
        "kafka_topic_rate_expected_records_per_second",
        Kind::Gauge,
        &["kafka_cluster", "topic"],
        "Expected append rate: median of the same hour of the week over the last five weeks. Until a week is known, median of the same hour of all days.",
    );

    pub static RATE_SCORE: Family<2> = family(
        "kafka_topic_rate_anomaly_score",
        Kind::Gauge,
        &["kafka_cluster", "topic"],
        "Distance of the append rate from the expected rate, in units of the usual deviation (1.48 times the median absolute deviation). Negative if the rate is lower than expected.",
    );

    pub static RATE_ODD: Family<3> = family(
        "kafka_topic_rate_anomaly",
        Kind::Gauge,
        &["kafka_cluster", "topic", "kind"],
        "1 while the append rate of the topic is unusual, by kind: high, low, or drop for a topic to which no more records are appended.",
    );

    pub static DELETED: Family<1> = family(
        "heartbeat_deleted_groups",
        Kind::Gauge,
        &["kafka_cluster"],
        "Number of consumer groups that Kafka does not list any more and that stay in the report: at most [history] absent_group_limit, for absent_group_retention_seconds.",
    );
}
