//! Families of the heartbeat topic.

use super::{Family, Kind, family::family};

families! {
    pub static TOPIC_READY: Family<1> = family(
        "heartbeat_topic_ready",
        Kind::Gauge,
        &["kafka_cluster"],
        "1 if the heartbeat topic exists and has partitions, else 0. Absent while the state of the topic is not known.",
    );

    pub static TOPIC_PENDING: Family<2> = family(
        "heartbeat_topic_pending_actions",
        Kind::Gauge,
        &["kafka_cluster", "action"],
        "Actions that the heartbeat topic still needs, by kind of action. Absent while the state of the topic is not known; configure also while the topic's settings may not be read.",
    );

    pub static TOPIC_BLOCKED: Family<2> = family(
        "heartbeat_topic_blocked",
        Kind::Gauge,
        &["kafka_cluster", "reason"],
        "1 for each reason for which the service does not change the heartbeat topic although it is needed, else 0. Absent while not known; reassigning also while reassignments may not be listed.",
    );

    pub static TOPIC_UNCOVERED: Family<1> = family(
        "heartbeat_topic_uncovered_brokers",
        Kind::Gauge,
        &["kafka_cluster"],
        "Number of brokers that lead no partition of the heartbeat topic. Absent while the state of the topic is not known.",
    );
}
