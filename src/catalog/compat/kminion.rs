//! Names of kminion's end-to-end probe.

use crate::catalog::{Family, Kind, family::family};

families! {
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
}
