//! Families of the service itself: its runtime, what it exposes and exports, its process.

use crate::metrics::{Description, Family, Kind, family};

pub static BUILD_INFO: Family<3> =
    family("heartbeat_build_info", Kind::Info, &["version", "revision", "librdkafka"], "What is running.");

pub static BUSY: Family<0> = family(
    "heartbeat_runtime_busy_seconds_total",
    Kind::Counter,
    &[],
    "Time the async workers were busy, all added up.",
);

pub static WORKERS: Family<0> = family("heartbeat_runtime_workers", Kind::Gauge, &[], "Async workers.");

pub static EXPOSED_SERIES: Family<0> = family(
    "heartbeat_exposed_series",
    Kind::Gauge,
    &[],
    "Series in this answer, without this one; buckets of a histogram are not counted.",
);

pub static SCRAPE: Family<0> = family(
    "heartbeat_scrape_duration_seconds",
    Kind::Histogram,
    &[],
    "How long answers of /metrics took to put together. Sending them is not in it.",
);

pub static EXPORTS: Family<1> = family(
    "heartbeat_exports_total",
    Kind::Counter,
    &["ending"],
    "Exports to the collector of [otlp], by how they ended: ok, failed, timed_out or panicked. Absent where nothing is pushed.",
);

pub static EXPORT_DURATION: Family<0> = family(
    "heartbeat_last_export_duration_seconds",
    Kind::Gauge,
    &[],
    "How long the last export took, with the attempts that were repeated. Absent before there was one.",
);

pub static EXPORT_REQUESTS: Family<0> =
    family("heartbeat_export_requests_total", Kind::Counter, &[], "Requests that the collector took.");

pub static EXPORT_BYTES: Family<0> = family(
    "heartbeat_export_bytes_total",
    Kind::Counter,
    &[],
    "Bytes of these requests, before they were packed.",
);

pub static EXPORT_RETRIES: Family<0> = family(
    "heartbeat_export_retries_total",
    Kind::Counter,
    &[],
    "Requests that were sent again after a failure that may pass.",
);

pub static EXPORT_REJECTED: Family<0> = family(
    "heartbeat_export_rejected_points_total",
    Kind::Counter,
    &[],
    "Points that the collector did not take, by its own word.",
);

pub static TRACES: Family<1> = family(
    "heartbeat_traces_total",
    Kind::Counter,
    &["ending"],
    "Heartbeats that were to be told in traces: exported, failed (the collector would not take them) or dropped (too many waited). Absent without an endpoint.",
);

pub static ALERTS: Family<2> = family(
    "heartbeat_alerts_total",
    Kind::Counter,
    &["kafka_cluster", "ending"],
    "Records of findings and numbers to the topics of [alerts]: ok (acknowledged) or failed. Findings are tried again. Absent where nothing is published.",
);

pub static OWN_CERTIFICATE: Family<2> = family(
    "heartbeat_own_certificate_expiry_timestamp_seconds",
    Kind::Gauge,
    &["kafka_cluster", "use"],
    "The earliest expiry in the chain of a certificate that this service itself shows, by use: kafka, http, otlp_metrics or otlp_traces. Absent where none is configured.",
);

pub static PROCESS_CPU: Family<0> = family(
    "process_cpu_seconds_total",
    Kind::Counter,
    &[],
    "User and system time of the process. Absent where the system does not tell.",
);

pub static PROCESS_MEMORY: Family<0> = family(
    "process_resident_memory_bytes",
    Kind::Gauge,
    &[],
    "Resident memory. Absent where the system does not tell.",
);

pub static PROCESS_FDS: Family<0> = family(
    "process_open_fds",
    Kind::Gauge,
    &[],
    "Open file descriptors. Absent where the system does not tell.",
);

pub static PROCESS_MOST_FDS: Family<0> = family(
    "process_max_fds",
    Kind::Gauge,
    &[],
    "Number of file descriptors that the process may open. Absent where the system does not tell.",
);

pub static PROCESS_START: Family<0> =
    family("process_start_time_seconds", Kind::Gauge, &[], "When the process started.");

/// All of them, in the order in which they are served.
pub static ALL: [&Description; 19] = [
    &BUILD_INFO.description,
    &BUSY.description,
    &WORKERS.description,
    &EXPOSED_SERIES.description,
    &SCRAPE.description,
    &EXPORTS.description,
    &EXPORT_DURATION.description,
    &EXPORT_REQUESTS.description,
    &EXPORT_BYTES.description,
    &EXPORT_RETRIES.description,
    &EXPORT_REJECTED.description,
    &TRACES.description,
    &ALERTS.description,
    &OWN_CERTIFICATE.description,
    &PROCESS_CPU.description,
    &PROCESS_MEMORY.description,
    &PROCESS_FDS.description,
    &PROCESS_MOST_FDS.description,
    &PROCESS_START.description,
];
