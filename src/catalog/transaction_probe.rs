//! Families of the transactions that the service runs.

use super::{Family, Kind, family::family};

families! {
    pub static BEGUN: Family<1> = family(
        "heartbeat_transactions_begun_total",
        Kind::Counter,
        &["kafka_cluster"],
        "Transactions that the transaction probe has begun: the sum of all outcomes and of the transactions in flight.",
    );

    pub static OUTCOMES: Family<2> = family(
        "heartbeat_transaction_outcomes_total",
        Kind::Counter,
        &["kafka_cluster", "outcome"],
        "Transactions of the transaction probe by outcome. Each transaction has exactly one outcome. fenced means that another instance uses the same transactional id.",
    );

    pub static IN_FLIGHT: Family<1> = family(
        "heartbeat_transactions_in_flight",
        Kind::Gauge,
        &["kafka_cluster"],
        "Transactions of the transaction probe that have no outcome yet.",
    );

    pub static FAILURES: Family<3> = family(
        "heartbeat_transaction_failures_total",
        Kind::Counter,
        &["kafka_cluster", "step", "fault"],
        "Steps of transactions of the transaction probe that failed, by step and fault. Common combinations are exposed from the start, rare combinations after their first failure.",
    );

    pub static FAILING: Family<1> = family(
        "heartbeat_transactions_failing",
        Kind::Gauge,
        &["kafka_cluster"],
        "Transactions of the transaction probe that failed since the last good one; 0 if the last one was good. Absent before the first, without the permission, and while another instance has the id.",
    );

    pub static DURATION: Family<2> = family(
        "heartbeat_transaction_step_duration_seconds",
        Kind::Histogram,
        &["kafka_cluster", "step"],
        "Duration of the steps of transactions. visible is the time from the end of a transaction until a read_committed consumer gets its record or skips it. Failed steps are not counted.",
    );

    pub static EXPOSED: Family<1> = family(
        "heartbeat_transaction_aborted_visible_total",
        Kind::Counter,
        &["kafka_cluster"],
        "Records of aborted transactions that a read_committed consumer got, at once or in a later cycle. Each record is counted once. Any value above 0 is an incident.",
    );

    pub static LEFT_OPEN: Family<1> = family(
        "heartbeat_transactions_left_open_total",
        Kind::Counter,
        &["kafka_cluster"],
        "Open transactions of the transaction probe's own transactional id that an earlier producer had left, and that ended when the producer took the id.",
    );

    pub static FENCED: Family<1> = family(
        "heartbeat_transaction_probe_fenced",
        Kind::Gauge,
        &["kafka_cluster"],
        "1 while the transaction probe begins no transaction because another instance took its transactional id, else 0.",
    );
}
