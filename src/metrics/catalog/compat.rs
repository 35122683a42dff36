//! Names that older programs have, served where `[compat]` wants them, and how they follow from ours.

use super::{Description, Family, Kind, collect, family};

pub static CC_CONTROLLER: Family<1> = family(
    "heartbeat_controller",
    Kind::Gauge,
    &["cluster_id"],
    "Compatibility. Use heartbeat_quorum_leader_info. Broker id of the quorum leader, or the controller of the metadata if the quorum leader is not known. Absent while neither is known.",
);

pub static CC_PRODUCED: Family<1> = family(
    "heartbeat_messages_produced",
    Kind::LegacyCounter,
    &["cluster_id"],
    "Compatibility. Use heartbeat_outcomes_total. Heartbeats acknowledged since the start of the service.",
);

pub static CC_PRODUCE_MS: Family<1> = family(
    "heartbeat_avg_produce_latency_ms",
    Kind::Gauge,
    &["cluster_id"],
    "Compatibility. Use heartbeat_produce_duration_seconds. Mean produce time of heartbeats acknowledged in time in the last minute, in ms. Absent without such heartbeats.",
);

pub static CC_CONSUMED: Family<1> = family(
    "heartbeat_messages_consumed",
    Kind::LegacyCounter,
    &["cluster_id"],
    "Compatibility. Use heartbeat_outcomes_total. Heartbeats read back since the start of the service.",
);

pub static CC_CONSUME_MS: Family<1> = family(
    "heartbeat_avg_consume_latency_ms",
    Kind::Gauge,
    &["cluster_id"],
    "Compatibility. Use heartbeat_end_to_end_duration_seconds. Mean time until heartbeats were read back in the last minute, late ones excluded, in ms. Absent without any.",
);

pub static CC_BROKERS: Family<1> = family(
    "heartbeat_broker_count",
    Kind::LegacyCounter,
    &["cluster_id"],
    "Compatibility. Use heartbeat_brokers. Number of brokers in the cluster metadata. Absent while the metadata is not known.",
);

pub static CC_CHECKS: Family<1> = family(
    "heartbeat_connection_check_count",
    Kind::LegacyCounter,
    &["cluster_id"],
    "Compatibility. Use heartbeat_broker_checks_total. Attempts to open a new session, summed over the brokers in the current metadata.",
);

pub static CC_CONNECT_MS: Family<3> = family(
    "heartbeat_connection_latency_ms",
    Kind::Gauge,
    &["broker", "cluster_id", "broker_ip"],
    "Compatibility. Use heartbeat_broker_connect_duration_seconds. Mean time to open a new session in the last minute, in ms. Absent if no session could be opened.",
);

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

pub static CONSUMER_LAG: Family<4> = family(
    "kafka_consumer_lag",
    Kind::Gauge,
    &["kafka_cluster", "group", "topic", "partition"],
    "Compatibility. Use kafka_consumergroup_group_lag. Lag in records: log end offset minus committed offset. Absent if the lag is not known.",
);

pub static KM_IN_FLIGHT: Family<2> = family(
    "kminion_end_to_end_messages_produced_in_flight",
    Kind::Gauge,
    &["kafka_cluster", "partition_id"],
    "Compatibility. Use heartbeat_in_flight. Heartbeats that are scheduled and have no outcome yet.",
);

pub static KM_PRODUCED: Family<2> = family(
    "kminion_end_to_end_messages_produced_total",
    Kind::Counter,
    &["kafka_cluster", "partition_id"],
    "Compatibility. Use heartbeat_scheduled_total. Heartbeats that have an outcome other than skipped.",
);

pub static KM_FAILED: Family<2> = family(
    "kminion_end_to_end_messages_produced_failed_total",
    Kind::Counter,
    &["kafka_cluster", "partition_id"],
    "Compatibility. Use heartbeat_outcomes_total. Heartbeats that ended as rejected, as unsent or without an acknowledgement.",
);

pub static KM_RECEIVED: Family<2> = family(
    "kminion_end_to_end_messages_received_total",
    Kind::Counter,
    &["kafka_cluster", "partition_id"],
    "Compatibility. Use heartbeat_outcomes_total. Heartbeats with outcome ok or unacked_received.",
);

pub static KM_LOST: Family<2> = family(
    "kminion_end_to_end_messages_lost_total",
    Kind::Counter,
    &["kafka_cluster", "partition_id"],
    "Compatibility. Use heartbeat_outcomes_total. Heartbeats with outcome late or lost: acknowledged, but not read back by their deadline.",
);

pub static KM_PRODUCE: Family<2> = family(
    "kminion_end_to_end_produce_latency_seconds",
    Kind::Histogram,
    &["kafka_cluster", "partition_id"],
    "Compatibility. Use heartbeat_produce_duration_seconds. Produce time of heartbeats on the partition, over all brokers that led the partition.",
);

pub static KM_ROUNDTRIP: Family<2> = family(
    "kminion_end_to_end_roundtrip_latency_seconds",
    Kind::Histogram,
    &["kafka_cluster", "partition_id"],
    "Compatibility. Use heartbeat_end_to_end_duration_seconds. Time until heartbeats on the partition were read back, over all its leaders.",
);

pub static MEMBER_OFFSET: Family<7> = with_members(
    &collect::GROUP_OFFSET,
    &["cluster_name", "group", "topic", "partition", "member_host", "consumer_id", "client_id"],
);

pub static MEMBER_LAG: Family<7> = with_members(
    &collect::GROUP_LAG,
    &["cluster_name", "group", "topic", "partition", "member_host", "consumer_id", "client_id"],
);

pub static MEMBER_LAG_SECONDS: Family<9> = with_members(
    &collect::GROUP_LAG_SECONDS,
    &[
        "cluster_name",
        "group",
        "topic",
        "partition",
        "member_host",
        "consumer_id",
        "client_id",
        "compaction_detected",
        "data_loss_detected",
    ],
);

pub static MEMBER_LOST: Family<7> = with_members(
    &collect::GROUP_LOST,
    &["cluster_name", "group", "topic", "partition", "member_host", "consumer_id", "client_id"],
);

pub static MEMBER_MARGIN: Family<7> = with_members(
    &collect::GROUP_MARGIN,
    &["cluster_name", "group", "topic", "partition", "member_host", "consumer_id", "client_id"],
);

pub static MEMBER_RATIO: Family<7> = with_members(
    &collect::GROUP_RATIO,
    &["cluster_name", "group", "topic", "partition", "member_host", "consumer_id", "client_id"],
);

/// The same family with klag-exporter's labels: served in its place.
const fn with_members<const N: usize>(of: &Family<4>, labels: &'static [&'static str; N]) -> Family<N> {
    family(of.description.name, of.description.kind, labels, of.description.help)
}

/// All of them, in the order in which they are served, but those that take another's place.
pub static ALL: [&Description; 31] = [
    &CC_CONTROLLER.description,
    &CC_PRODUCED.description,
    &CC_PRODUCE_MS.description,
    &CC_CONSUMED.description,
    &CC_CONSUME_MS.description,
    &CC_BROKERS.description,
    &CC_CHECKS.description,
    &CC_CONNECT_MS.description,
    &KE_BROKERS.description,
    &KE_BROKER_INFO.description,
    &KE_PARTITIONS.description,
    &KE_CURRENT.description,
    &KE_OLDEST.description,
    &KE_LEADER.description,
    &KE_PREFERRED.description,
    &KE_REPLICAS.description,
    &KE_IN_SYNC.description,
    &KE_UNDER.description,
    &KE_COMMITTED.description,
    &KE_COMMITTED_SUM.description,
    &KE_LAG.description,
    &KE_LAG_SUM.description,
    &KE_MEMBERS.description,
    &CONSUMER_LAG.description,
    &KM_IN_FLIGHT.description,
    &KM_PRODUCED.description,
    &KM_FAILED.description,
    &KM_RECEIVED.description,
    &KM_LOST.description,
    &KM_PRODUCE.description,
    &KM_ROUNDTRIP.description,
];

/// Families that take another's place, with more labels.
pub static MEMBERS: [&Description; 6] = [
    &MEMBER_OFFSET.description,
    &MEMBER_LAG.description,
    &MEMBER_LAG_SECONDS.description,
    &MEMBER_LOST.description,
    &MEMBER_MARGIN.description,
    &MEMBER_RATIO.description,
];

/// A program whose names are kept.
#[derive(Debug)]
pub struct Set {
    /// The key of `[compat]`.
    pub switch: &'static str,
    /// Whose they are.
    pub program: &'static str,
    /// What to know before they are used.
    pub note: &'static str,
    /// The families.
    pub families: &'static [&'static Description],
}

/// By program.
pub static SETS: [Set; 4] = [
    Set {
        switch: "cc_heartbeat",
        program: "cc-heartbeat",
        note: "Means are of the last minute; counters never go back. `cluster_id` is Kafka's own id of the cluster.",
        families: &[
            &CC_CONTROLLER.description,
            &CC_PRODUCED.description,
            &CC_PRODUCE_MS.description,
            &CC_CONSUMED.description,
            &CC_CONSUME_MS.description,
            &CC_BROKERS.description,
            &CC_CHECKS.description,
            &CC_CONNECT_MS.description,
        ],
    },
    Set {
        switch: "kafka_exporter",
        program: "kafka_exporter",
        note: "What is not known is absent, never -1 and never 0. Groups are described, for their members. Without `granularity = partition` what is of partitions is absent.",
        families: &[
            &KE_BROKERS.description,
            &KE_BROKER_INFO.description,
            &KE_PARTITIONS.description,
            &KE_CURRENT.description,
            &KE_OLDEST.description,
            &KE_LEADER.description,
            &KE_PREFERRED.description,
            &KE_REPLICAS.description,
            &KE_IN_SYNC.description,
            &KE_UNDER.description,
            &KE_COMMITTED.description,
            &KE_COMMITTED_SUM.description,
            &KE_LAG.description,
            &KE_LAG_SUM.description,
            &KE_MEMBERS.description,
        ],
    },
    Set {
        switch: "kafka_consumer_lag",
        program: "the Prometheus monitoring solution",
        note: "Its other names are served whether this is on or not.",
        families: &[&CONSUMER_LAG.description],
    },
    Set {
        switch: "kminion",
        program: "kminion's end-to-end probe",
        note: "Buckets have our bounds, and a heartbeat that misses its deadline counts just above it. Nothing is committed, so there is nothing of commits.",
        families: &[
            &KM_IN_FLIGHT.description,
            &KM_PRODUCED.description,
            &KM_FAILED.description,
            &KM_RECEIVED.description,
            &KM_LOST.description,
            &KM_PRODUCE.description,
            &KM_ROUNDTRIP.description,
        ],
    },
];
