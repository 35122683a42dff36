//! Families of the Kafka Connect clusters beside a cluster.

use super::{Family, Kind, family::family};

families! {
    pub static STATE: Family<3> = family(
        "kafka_connect_state",
        Kind::Gauge,
        &["kafka_cluster", "connect", "state"],
        "1 for the state of the Connect cluster, else 0. The state failing means that workers answer, and that none is healthy or none returns the connectors.",
    );

    pub static WORKER_UP: Family<3> = family(
        "kafka_connect_worker_up",
        Kind::Gauge,
        &["kafka_cluster", "connect", "worker"],
        "1 if the worker of the configuration answered in the last cycle, else 0.",
    );

    pub static WORKER_HEALTHY: Family<3> = family(
        "kafka_connect_worker_healthy",
        Kind::Gauge,
        &["kafka_cluster", "connect", "worker"],
        "1 if the worker says that it is healthy, else 0. Absent if it does not answer, and before Kafka 3.9.",
    );

    pub static WORKER_INFO: Family<4> = family(
        "kafka_connect_worker_info",
        Kind::Info,
        &["kafka_cluster", "connect", "worker", "version"],
        "The version that the worker reports. Absent before its first answer.",
    );

    pub static WORKER_TASKS: Family<3> = family(
        "kafka_connect_worker_tasks",
        Kind::Gauge,
        &["kafka_cluster", "connect", "worker"],
        "Tasks that are assigned to the worker, by the name that the workers use for it. Absent if the connectors are not known. At most 100 workers have a series.",
    );

    pub static CONNECTORS: Family<3> = family(
        "kafka_connect_connectors",
        Kind::Gauge,
        &["kafka_cluster", "connect", "state"],
        "Connectors of the Connect cluster by state. Absent if no worker returned them in the last cycle.",
    );

    pub static TASKS: Family<3> = family(
        "kafka_connect_tasks",
        Kind::Gauge,
        &["kafka_cluster", "connect", "state"],
        "Tasks of all connectors of the Connect cluster by state. Absent if no worker returned the connectors in the last cycle.",
    );

    pub static CONNECTOR_STATE: Family<4> = family(
        "kafka_connect_connector_state",
        Kind::Gauge,
        &["kafka_cluster", "connect", "connector", "state"],
        "1 for the state of the connector, else 0. The tasks of the connector may have other states. Absent if the connectors are not known, and beyond [connect] max.connectors.",
    );

    pub static CONNECTOR_TASKS: Family<4> = family(
        "kafka_connect_connector_tasks",
        Kind::Gauge,
        &["kafka_cluster", "connect", "connector", "state"],
        "Tasks of the connector by state. Absent if the connectors are not known, and beyond [connect] max.connectors.",
    );

    pub static CHANGES: Family<3> = family(
        "kafka_connect_connector_state_changes_total",
        Kind::Counter,
        &["kafka_cluster", "connect", "connector"],
        "How often the connector or one of its tasks had another state than in the cycle before. Absent if the connectors are not known, and beyond [connect] max.connectors.",
    );

    pub static FAILURES: Family<3> = family(
        "kafka_connect_connector_failures_total",
        Kind::Counter,
        &["kafka_cluster", "connect", "connector"],
        "How often the connector or one of its tasks was failed and had not been failed in the cycle before. Absent if the connectors are not known, and beyond [connect] max.connectors.",
    );

    pub static WITHOUT_SERIES: Family<2> = family(
        "kafka_connect_connectors_without_series",
        Kind::Gauge,
        &["kafka_cluster", "connect"],
        "Connectors without series of their own because of [connect] max.connectors. Absent if the connectors are not known.",
    );

    pub static REQUESTS: Family<4> = family(
        "kafka_connect_requests_total",
        Kind::Counter,
        &["kafka_cluster", "connect", "worker", "request"],
        "Requests of this service to the worker that ended, failed ones included: worker (its version), health, or connectors (the states of all).",
    );

    pub static REQUEST_FAILURES: Family<5> = family(
        "kafka_connect_request_failures_total",
        Kind::Counter,
        &["kafka_cluster", "connect", "worker", "request", "fault"],
        "Failed requests of this service to the worker, by fault. The fault conflict means that the workers rebalance.",
    );

    pub static DURATION: Family<4> = family(
        "kafka_connect_request_duration_seconds",
        Kind::Histogram,
        &["kafka_cluster", "connect", "worker", "request"],
        "Duration of successful requests of this service to the worker.",
    );
}
