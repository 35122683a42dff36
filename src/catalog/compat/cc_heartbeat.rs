//! Names of cc-heartbeat.

use crate::catalog::{Family, Kind, family::family};

families! {
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
}
