//! Families of the Schema Registry beside a cluster.

use super::{Family, Kind, family::family};

families! {
    pub static STATE: Family<2> = family(
        "heartbeat_schema_registry_state",
        Kind::Gauge,
        &["kafka_cluster", "state"],
        "1 for the state of the Schema Registry, else 0. The state writes_fail means that nodes answer reads from their memory, and that writes do not reach Kafka.",
    );

    pub static UP: Family<2> = family(
        "heartbeat_schema_registry_node_up",
        Kind::Gauge,
        &["kafka_cluster", "node"],
        "1 if the node of the Schema Registry returned its subjects in the last cycle, else 0.",
    );

    pub static OPERATIONS: Family<3> = family(
        "heartbeat_schema_registry_operations_total",
        Kind::Counter,
        &["kafka_cluster", "node", "operation"],
        "Operations at the node of the Schema Registry that ended, failed ones included: read of the subjects, write of a compatibility level, read_back of that level.",
    );

    pub static FAILURES: Family<4> = family(
        "heartbeat_schema_registry_failures_total",
        Kind::Counter,
        &["kafka_cluster", "node", "operation", "fault"],
        "Failed operations at the node of the Schema Registry, by fault. The fault stale is a level that was written and that the node did not return in time.",
    );

    pub static DURATION: Family<3> = family(
        "heartbeat_schema_registry_duration_seconds",
        Kind::Histogram,
        &["kafka_cluster", "node", "operation"],
        "Duration of successful operations at the node of the Schema Registry. For read_back it is the time from the answer to the write until the node returned the written level.",
    );

    pub static MODE: Family<3> = family(
        "heartbeat_schema_registry_mode_info",
        Kind::Info,
        &["kafka_cluster", "node", "mode"],
        "The mode that the node of the Schema Registry reports. Absent if the node reports none.",
    );

    pub static SUBJECTS: Family<2> = family(
        "heartbeat_schema_registry_subjects",
        Kind::Gauge,
        &["kafka_cluster", "node"],
        "Subjects that the node of the Schema Registry lists. Absent if the last read failed.",
    );

    pub static MISSING: Family<2> = family(
        "heartbeat_schema_registry_subjects_missing",
        Kind::Gauge,
        &["kafka_cluster", "node"],
        "Subjects that another node of the Schema Registry listed in the last two cycles and this node did not list. Absent if the last read failed.",
    );
}
