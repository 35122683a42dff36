//! Families of the checks of what the cluster should refuse.

use super::{Family, Kind, family::family};

families! {
    pub static ACCEPTED: Family<3> = family(
        "heartbeat_negative_check_accepted",
        Kind::Gauge,
        &["kafka_cluster", "broker", "check"],
        "1 if the broker accepted at its last check what it should refuse, else 0. Absent if the broker did not answer, and without [negative_checks].",
    );

    pub static CHECKS: Family<3> = family(
        "heartbeat_negative_checks_total",
        Kind::Counter,
        &["kafka_cluster", "check", "answer"],
        "Attempts at brokers that should refuse them, by their answer: refused, accepted, or unknown if there was none in time. Absent before the first attempt.",
    );
}
