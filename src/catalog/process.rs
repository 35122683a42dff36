//! Families of the service itself: its runtime, what it exposes and exports, its process.

use super::{Family, Kind, family::family};

families! {
    pub static BUILD_INFO: Family<3> = family(
        "heartbeat_build_info",
        Kind::Info,
        &["version", "revision", "librdkafka"],
        "Version of the service, revision of its source and version of librdkafka; the value is always 1.",
    );

    pub static BUSY: Family<0> = family(
        "heartbeat_runtime_busy_seconds_total",
        Kind::Counter,
        &[],
        "Time that the worker threads of the asynchronous runtime were busy, summed over all workers.",
    );

    pub static WORKERS: Family<0> = family(
        "heartbeat_runtime_workers",
        Kind::Gauge,
        &[],
        "Number of worker threads of the asynchronous runtime.",
    );

    pub static CONFIG_SUCCESSFUL: Family<0> = family(
        "heartbeat_config_last_reload_successful",
        Kind::Gauge,
        &[],
        "1 if the configuration could be used as a whole when it was last read, otherwise 0.",
    );

    pub static CONFIG_READ: Family<0> = family(
        "heartbeat_config_last_reload_success_timestamp_seconds",
        Kind::Gauge,
        &[],
        "Unix time at which a configuration was last read that could be used as a whole.",
    );

    pub static CONFIG_HASH: Family<0> = family(
        "heartbeat_config_hash",
        Kind::Gauge,
        &[],
        "CRC-32C of what --print-config prints for the configuration that was last read and could be used, also for sections that are used after a restart. Secrets do not change it.",
    );

    pub static EXPOSED_SERIES: Family<0> = family(
        "heartbeat_exposed_series",
        Kind::Gauge,
        &[],
        "Number of series in the current answer of /metrics, without heartbeat_exposed_series itself. A histogram's buckets are not counted.",
    );

    pub static SCRAPE: Family<0> = family(
        "heartbeat_scrape_duration_seconds",
        Kind::Histogram,
        &[],
        "Time to build an answer of /metrics. The time to send the answer is not included.",
    );

    pub static EXPORTS: Family<1> = family(
        "heartbeat_exports_total",
        Kind::Counter,
        &["ending"],
        "Exports to the collector of [otlp], by how the export ended: ok, failed, timed_out or panicked. Absent without an endpoint for metrics.",
    );

    pub static EXPORT_DURATION: Family<0> = family(
        "heartbeat_last_export_duration_seconds",
        Kind::Gauge,
        &[],
        "Duration of the last export to the collector of [otlp], repeated attempts included. Absent before the first export.",
    );

    pub static EXPORT_REQUESTS: Family<0> = family(
        "heartbeat_export_requests_total",
        Kind::Counter,
        &[],
        "Export requests that the collector of [otlp] accepted.",
    );

    pub static EXPORT_BYTES: Family<0> = family(
        "heartbeat_export_bytes_total",
        Kind::Counter,
        &[],
        "Bytes of the export requests that the collector of [otlp] accepted, before compression.",
    );

    pub static EXPORT_RETRIES: Family<0> = family(
        "heartbeat_export_retries_total",
        Kind::Counter,
        &[],
        "Export requests that were sent again after a failure that may be temporary.",
    );

    pub static EXPORT_REJECTED: Family<0> = family(
        "heartbeat_export_rejected_points_total",
        Kind::Counter,
        &[],
        "Data points that the collector of [otlp] reported as rejected.",
    );

    pub static TRACES: Family<1> = family(
        "heartbeat_traces_total",
        Kind::Counter,
        &["ending"],
        "Heartbeats to be exported as traces: exported, failed (the collector did not accept the trace) or dropped (too many traces were waiting). Absent without an endpoint for traces.",
    );

    pub static ALERTS: Family<2> = family(
        "heartbeat_alerts_total",
        Kind::Counter,
        &["kafka_cluster", "ending"],
        "Records of findings and numbers produced to the topics of [alerts]: ok (acknowledged) or failed. Failed findings are sent again. Absent where no topic is configured.",
    );

    pub static OWN_CERTIFICATE: Family<2> = family(
        "heartbeat_own_certificate_expiry_timestamp_seconds",
        Kind::Gauge,
        &["kafka_cluster", "use"],
        "Unix time of the earliest expiry in a certificate chain that the service itself presents, by use: kafka, http, otlp_metrics or otlp_traces. Absent if no certificate is configured.",
    );

    pub static PROCESS_CPU: Family<0> = family(
        "process_cpu_seconds_total",
        Kind::Counter,
        &[],
        "User and system CPU time of the process. Absent if the operating system does not report it.",
    );

    pub static PROCESS_MEMORY: Family<0> = family(
        "process_resident_memory_bytes",
        Kind::Gauge,
        &[],
        "Resident memory of the process. Absent if the operating system does not report it.",
    );

    pub static PROCESS_FDS: Family<0> = family(
        "process_open_fds",
        Kind::Gauge,
        &[],
        "Number of open file descriptors of the process. Absent if the operating system does not report it.",
    );

    pub static PROCESS_MOST_FDS: Family<0> = family(
        "process_max_fds",
        Kind::Gauge,
        &[],
        "Number of file descriptors that the process may open. Absent if the operating system does not report it.",
    );

    pub static PROCESS_START: Family<0> =
        family("process_start_time_seconds", Kind::Gauge, &[], "Unix time at which the process started.");
}
