//! Families of the checks of the coordinators of consumer groups.

use super::{Family, Kind, family::family};

families! {
    pub static PARTITIONS: Family<2> = family(
        "heartbeat_coordinator_partitions",
        Kind::Gauge,
        &["kafka_cluster", "broker"],
        "Partitions of __consumer_offsets whose groups the broker coordinates, or coordinated last, by their last check. broker is unknown where no coordinator was ever named. Absent without checks.",
    );

    pub static FAILING: Family<2> = family(
        "heartbeat_coordinator_partitions_failing",
        Kind::Gauge,
        &["kafka_cluster", "broker"],
        "Partitions of __consumer_offsets whose last check failed, by the broker that coordinates their groups or did so last. broker is unknown where no coordinator was ever named. Absent without checks.",
    );

    pub static UNCHECKED: Family<1> = family(
        "heartbeat_coordinator_partitions_unchecked",
        Kind::Gauge,
        &["kafka_cluster"],
        "Partitions of __consumer_offsets whose coordinator has no check yet: all partitions if the principal lacks a permission. Absent if the topic is not visible.",
    );

    pub static CHECKS: Family<2> = family(
        "heartbeat_coordinator_checks_total",
        Kind::Counter,
        &["kafka_cluster", "broker"],
        "Checks of the broker as the coordinator of consumer groups: one offset is committed and read again. Absent before the first check.",
    );

    pub static FAILURES: Family<4> = family(
        "heartbeat_coordinator_check_failures_total",
        Kind::Counter,
        &["kafka_cluster", "broker", "api", "fault"],
        "Checks of the broker as the coordinator of consumer groups that failed, by request and fault. Common combinations are exposed from the start, rare combinations after their first failure.",
    );

    pub static DURATION: Family<3> = family(
        "heartbeat_coordinator_request_duration_seconds",
        Kind::Histogram,
        &["kafka_cluster", "broker", "api"],
        "Time from sending OffsetCommit or OffsetFetch to the coordinator until its complete answer, once for each partition. Failed requests are not counted.",
    );
}
