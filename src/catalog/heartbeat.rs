//! Families of heartbeats: their outcomes, their latencies and the clients that carry them.

use super::{Family, Kind, family::family};

families! {
    pub static SCHEDULED: Family<2> = family(
        "heartbeat_scheduled_total",
        Kind::Counter,
        &["kafka_cluster", "partition"],
        "Heartbeats that became due on a partition. The total always equals the heartbeats with an outcome plus the heartbeats in flight.",
    );

    pub static OUTCOMES: Family<4> = family(
        "heartbeat_outcomes_total",
        Kind::Counter,
        &["kafka_cluster", "partition", "broker", "outcome"],
        "Heartbeats that ended, by outcome. The label broker is the leader of the partition when the heartbeat was sent, or unknown if the partition had no leader.",
    );

    pub static ANOMALIES: Family<3> = family(
        "heartbeat_anomalies_total",
        Kind::Counter,
        &["kafka_cluster", "partition", "kind"],
        "Records read from the heartbeat topic that are counted but not judged, by kind: duplicate, out_of_order, corrupt, foreign, stale_epoch, after_horizon or same_name.",
    );

    pub static IN_FLIGHT: Family<2> = family(
        "heartbeat_in_flight",
        Kind::Gauge,
        &["kafka_cluster", "partition"],
        "Heartbeats that are scheduled and have no outcome yet.",
    );

    pub static SLO_EVENTS: Family<1> = family(
        "heartbeat_slo_events_total",
        Kind::Counter,
        &["kafka_cluster"],
        "Heartbeats judged good or bad, each at its deadline at the latest. Denominator of an availability objective.",
    );

    pub static SLO_BAD_EVENTS: Family<1> = family(
        "heartbeat_slo_bad_events_total",
        Kind::Counter,
        &["kafka_cluster"],
        "Heartbeats judged bad. Numerator of an availability objective; heartbeat_slo_events_total is the denominator.",
    );

    pub static SLO_UNACKNOWLEDGED_EVENTS: Family<1> = family(
        "heartbeat_slo_unacknowledged_events_total",
        Kind::Counter,
        &["kafka_cluster"],
        "Heartbeats judged bad that Kafka had not acknowledged by their deadline.",
    );

    pub static PRODUCE: Family<3> = family(
        "heartbeat_produce_duration_seconds",
        Kind::Histogram,
        &["kafka_cluster", "partition", "broker"],
        "Time from the scheduled instant of a sent heartbeat to its acknowledgement. A heartbeat without an acknowledgement by its deadline counts just above the deadline.",
    );

    pub static END_TO_END: Family<3> = family(
        "heartbeat_end_to_end_duration_seconds",
        Kind::Histogram,
        &["kafka_cluster", "partition", "broker"],
        "Time from the scheduled instant of a heartbeat until it was read back. A heartbeat not read back by its deadline counts just above the deadline. Skipped heartbeats are not counted.",
    );

    pub static DELIVERY: Family<3> = family(
        "heartbeat_delivery_duration_seconds",
        Kind::Histogram,
        &["kafka_cluster", "partition", "broker"],
        "Time from sending a heartbeat until it was read back. Heartbeats that were not read back are not counted.",
    );

    pub static STARTUP: Family<1> = family(
        "heartbeat_startup_duration_seconds",
        Kind::Gauge,
        &["kafka_cluster"],
        "Time from the start or the last renewal of the heartbeat clients until heartbeats were scheduled on every partition. Absent before the first heartbeats are scheduled.",
    );

    pub static CLIENT_RENEWALS: Family<3> = family(
        "heartbeat_client_renewals_total",
        Kind::Counter,
        &["kafka_cluster", "client", "reason"],
        "Heartbeat clients of librdkafka that were replaced: after a fatal error (fatal_error), for a recreated heartbeat topic (topic_recreated), or with renewed certificates (certificate_renewed).",
    );

    pub static SCHEDULE_DELAY: Family<1> = family(
        "heartbeat_schedule_delay_seconds",
        Kind::Histogram,
        &["kafka_cluster"],
        "Time from the scheduled instant of a heartbeat until the service sent it. A delay is caused by the service or its machine, not by Kafka.",
    );

    pub static LAST_SUCCESS: Family<2> = family(
        "heartbeat_last_success_timestamp_seconds",
        Kind::Gauge,
        &["kafka_cluster", "partition"],
        "Unix time at which a heartbeat last ended with outcome ok. Absent before the first such heartbeat.",
    );

    pub static PARTITION_LEADER: Family<4> = family(
        "heartbeat_partition_leader_info",
        Kind::Info,
        &["kafka_cluster", "partition", "broker", "rack"],
        "Leader of a heartbeat partition; the value is always 1. Absent while the partition has no leader or the leader is not known. The label rack is empty for a broker without a rack.",
    );

    pub static PROBER_HEALTHY: Family<1> = family(
        "heartbeat_prober_healthy",
        Kind::Gauge,
        &["kafka_cluster"],
        "1 if the prober itself works, 0 for half a minute after its process stalled or had no free file descriptor. With 0, measurements say little about Kafka.",
    );

    pub static PRODUCE_ERRORS: Family<2> = family(
        "heartbeat_produce_errors_total",
        Kind::Counter,
        &["kafka_cluster", "fault"],
        "Heartbeats that the Kafka client refused to send or could not deliver, by fault.",
    );

    pub static FETCH_ERRORS: Family<2> = family(
        "heartbeat_fetch_errors_total",
        Kind::Counter,
        &["kafka_cluster", "fault"],
        "Errors of the consumer that reads heartbeats back, by fault.",
    );

    pub static THROTTLE: Family<2> = family(
        "heartbeat_throttle_seconds",
        Kind::Histogram,
        &["kafka_cluster", "api"],
        "Longest throttle time that a broker imposed on the heartbeat clients within 5 s, by api. Intervals of 5 s without throttling are not counted.",
    );
}
