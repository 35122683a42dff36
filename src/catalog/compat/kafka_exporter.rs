//! Names of kafka_exporter.

use crate::catalog::{Family, Kind, family::family};

families! {
    pub static KE_BROKERS: Family<1> = family(
        "kafka_brokers",
        Kind::Gauge,
        &["kafka_cluster"],
        "Compatibility. Use heartbeat_brokers. Number of brokers in the cluster metadata.",
    );

    pub static KE_BROKER_INFO: Family<3> = family(
        "kafka_broker_info",
        Kind::Info,
        &["kafka_cluster", "id", "address"],
        "Compatibility. Use heartbeat_broker_info. Address that a broker in the cluster metadata advertises; the value is always 1.",
    );

    pub static KE_PARTITIONS: Family<2> = family(
        "kafka_topic_partitions",
        Kind::Gauge,
        &["kafka_cluster", "topic"],
        "Compatibility. Use kafka_topic_partition_count. Number of partitions of the topic.",
    );

    pub static KE_CURRENT: Family<3> = family(
        "kafka_topic_partition_current_offset",
        Kind::Gauge,
        &["kafka_cluster", "topic", "partition"],
        "Compatibility. Use kafka_partition_latest_offset. High watermark of the partition.",
    );

    pub static KE_OLDEST: Family<3> = family(
        "kafka_topic_partition_oldest_offset",
        Kind::Gauge,
        &["kafka_cluster", "topic", "partition"],
        "Compatibility. Use kafka_partition_earliest_offset. Log start offset of the partition.",
    );

    pub static KE_LEADER: Family<3> = family(
        "kafka_topic_partition_leader",
        Kind::Gauge,
        &["kafka_cluster", "topic", "partition"],
        "Compatibility. Use kafka_offline_partitions. Broker id of the partition's leader. Absent while the partition has no leader.",
    );

    pub static KE_PREFERRED: Family<3> = family(
        "kafka_topic_partition_leader_is_preferred",
        Kind::Gauge,
        &["kafka_cluster", "topic", "partition"],
        "Compatibility. Use kafka_preferred_leader_imbalance. 1 if the leader of the partition is the preferred replica, else 0.",
    );

    pub static KE_REPLICAS: Family<3> = family(
        "kafka_topic_partition_replicas",
        Kind::Gauge,
        &["kafka_cluster", "topic", "partition"],
        "Compatibility. Use kafka_under_replicated_partitions. Number of replicas of the partition.",
    );

    pub static KE_IN_SYNC: Family<3> = family(
        "kafka_topic_partition_in_sync_replica",
        Kind::Gauge,
        &["kafka_cluster", "topic", "partition"],
        "Compatibility. Use kafka_under_replicated_partitions. Number of in-sync replicas of the partition.",
    );

    pub static KE_UNDER: Family<3> = family(
        "kafka_topic_partition_under_replicated_partition",
        Kind::Gauge,
        &["kafka_cluster", "topic", "partition"],
        "Compatibility. Use kafka_under_replicated_partitions. 1 if the partition has fewer in-sync replicas than replicas, else 0.",
    );

    pub static KE_COMMITTED: Family<4> = family(
        "kafka_consumergroup_current_offset",
        Kind::Gauge,
        &["kafka_cluster", "consumergroup", "topic", "partition"],
        "Compatibility. Use kafka_consumergroup_group_offset. Committed offset of the group on the partition. Absent if the group has committed nothing.",
    );

    pub static KE_COMMITTED_SUM: Family<3> = family(
        "kafka_consumergroup_current_offset_sum",
        Kind::Gauge,
        &["kafka_cluster", "consumergroup", "topic"],
        "Compatibility. Use kafka_consumergroup_group_offset. Sum of the group's committed offsets on the topic.",
    );

    pub static KE_LAG: Family<4> = family(
        "kafka_consumergroup_lag",
        Kind::Gauge,
        &["kafka_cluster", "consumergroup", "topic", "partition"],
        "Compatibility. Use kafka_consumergroup_group_lag. Lag in records: log end offset minus committed offset. Absent if the lag is not known, and never -1.",
    );

    pub static KE_LAG_SUM: Family<3> = family(
        "kafka_consumergroup_lag_sum",
        Kind::Gauge,
        &["kafka_cluster", "consumergroup", "topic"],
        "Compatibility. Use kafka_consumergroup_group_topic_sum_lag. Lag of the group on the topic in records. Absent while the lag of a partition is not known.",
    );

    pub static KE_MEMBERS: Family<2> = family(
        "kafka_consumergroup_members",
        Kind::Gauge,
        &["kafka_cluster", "consumergroup"],
        "Compatibility. Use kafka_consumergroup_member_info. Number of members of the group. Absent without the permission to describe the group.",
    );
}
