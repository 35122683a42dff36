//! Families of the checks of the coordinators of transactions.

use super::{Family, Kind, family::family};

families! {
    pub static PARTITIONS: Family<2> = family(
        "heartbeat_transaction_coordinator_partitions",
        Kind::Gauge,
        &["kafka_cluster", "broker"],
        "Partitions of __transaction_state whose transactions the broker coordinates, or coordinated last, by their last check. broker is unknown where no coordinator was ever named. Absent without checks.",
    );

    pub static FAILING: Family<2> = family(
        "heartbeat_transaction_coordinator_partitions_failing",
        Kind::Gauge,
        &["kafka_cluster", "broker"],
        "Partitions of __transaction_state whose last check failed, by the broker that is their coordinator or was the last. broker is unknown where none was ever named. Absent without checks.",
    );

    pub static UNCHECKED: Family<1> = family(
        "heartbeat_transaction_coordinator_partitions_unchecked",
        Kind::Gauge,
        &["kafka_cluster"],
        "Partitions of __transaction_state whose coordinator has no check yet: all partitions if the principal lacks a permission. Absent if the topic is not visible.",
    );

    pub static CHECKS: Family<2> = family(
        "heartbeat_transaction_coordinator_checks_total",
        Kind::Counter,
        &["kafka_cluster", "broker"],
        "Checks of the broker as the coordinator of transactions: it is asked for one producer id. Absent before the first check.",
    );

    pub static FAILURES: Family<4> = family(
        "heartbeat_transaction_coordinator_check_failures_total",
        Kind::Counter,
        &["kafka_cluster", "broker", "api", "fault"],
        "Checks of the broker as the coordinator of transactions that failed, by request and fault. Common combinations are exposed from the start, rare combinations after their first failure.",
    );

    pub static DURATION: Family<3> = family(
        "heartbeat_transaction_coordinator_request_duration_seconds",
        Kind::Histogram,
        &["kafka_cluster", "broker", "api"],
        "Time from sending InitProducerId to the coordinator until its complete answer. Failed requests are not counted.",
    );
}
