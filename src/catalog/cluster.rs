//! Families of what the cluster says of itself: its brokers, its metadata and its quorum.

use super::{Family, Kind, family::family};

families! {
    pub static BROKER_UP: Family<2> = family(
        "heartbeat_broker_up",
        Kind::Gauge,
        &["kafka_cluster", "broker"],
        "1 if the last attempt to open a new session with the broker succeeded, 0 if it failed. Absent for a broker that left the metadata.",
    );

    pub static BROKER_CHECKS: Family<2> = family(
        "heartbeat_broker_checks_total",
        Kind::Counter,
        &["kafka_cluster", "broker"],
        "Attempts to open a new session with the broker.",
    );

    pub static BROKER_CHECK_FAILURES: Family<4> = family(
        "heartbeat_broker_check_failures_total",
        Kind::Counter,
        &["kafka_cluster", "broker", "stage", "fault"],
        "Attempts to open a new session with the broker that failed, by stage and fault. Common combinations are exposed from the start, rare combinations after their first failure.",
    );

    pub static BROKER_CONNECT: Family<3> = family(
        "heartbeat_broker_connect_duration_seconds",
        Kind::Histogram,
        &["kafka_cluster", "broker", "stage"],
        "Duration of each completed stage of opening a new session with the broker. The stage total covers successful sessions only.",
    );

    pub static CERTIFICATE_EXPIRY: Family<2> = family(
        "heartbeat_broker_certificate_expiry_timestamp_seconds",
        Kind::Gauge,
        &["kafka_cluster", "broker"],
        "Unix time of the earliest expiry in the certificate chain that the broker presents. Absent without TLS.",
    );

    pub static METADATA_DIFFERS: Family<2> = family(
        "heartbeat_broker_metadata_differs",
        Kind::Gauge,
        &["kafka_cluster", "broker"],
        "1 if the metadata of the broker differ from those of the other brokers, or if another broker answers at its address, 0 if not. Absent if the broker, or every other broker, does not answer.",
    );

    pub static BROKER_INFO: Family<5> = family(
        "heartbeat_broker_info",
        Kind::Info,
        &["kafka_cluster", "broker", "host", "port", "rack"],
        "Address that the broker advertises; the value is always 1. The label rack is empty for a broker without a rack.",
    );

    pub static BROKERS: Family<1> = family(
        "heartbeat_brokers",
        Kind::Gauge,
        &["kafka_cluster"],
        "Number of brokers in the cluster metadata. Absent while the metadata is not known.",
    );

    pub static TOPICS: Family<1> = family(
        "heartbeat_topics",
        Kind::Gauge,
        &["kafka_cluster"],
        "Number of topics in the cluster metadata that the service may see. Absent while the metadata is not known.",
    );

    pub static PARTITIONS: Family<1> = family(
        "heartbeat_partitions",
        Kind::Gauge,
        &["kafka_cluster"],
        "Number of partitions of all topics that the service may see. Absent while the metadata is not known.",
    );

    pub static QUORUM_LEADER: Family<2> = family(
        "heartbeat_quorum_leader_info",
        Kind::Info,
        &["kafka_cluster", "broker"],
        "Leader of the KRaft quorum; the value is always 1. Absent without the permission to ask, or if the cluster does not support the request.",
    );

    pub static QUORUM_EPOCH: Family<1> = family(
        "heartbeat_quorum_epoch",
        Kind::Gauge,
        &["kafka_cluster"],
        "Epoch of the leader of the KRaft quorum. Absent without the permission to ask, or if the cluster does not support the request.",
    );

    pub static METADATA: Family<1> = family(
        "heartbeat_metadata_duration_seconds",
        Kind::Histogram,
        &["kafka_cluster"],
        "Time from sending a metadata request until its complete answer. Requests without an answer are not counted.",
    );

    pub static CLUSTER_INFO: Family<2> = family(
        "heartbeat_cluster_info",
        Kind::Info,
        &["kafka_cluster", "cluster_id"],
        "Cluster id as Kafka reports it; the value is always 1. Absent while the metadata is not known.",
    );
}
