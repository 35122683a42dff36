//! Facts about the process and about what it has exported, to be rendered.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use crate::{certificates::OwnCertificate, latency::Buckets};

/// Facts about the process at one moment.
#[derive(Debug, Clone, Default)]
pub struct Process {
    /// The version of the program.
    pub version: &'static str,
    /// The revision of its source.
    pub revision: &'static str,
    /// The version of librdkafka.
    pub librdkafka: String,
    /// When the process started. Absent if the operating system does not report it.
    pub started: Option<SystemTime>,
    /// Time that the worker threads of the asynchronous runtime were busy, summed over all workers.
    pub busy: Duration,
    /// Number of worker threads of the asynchronous runtime.
    pub workers: usize,
    /// User and system CPU time. Absent if the operating system does not report it.
    pub cpu: Option<Duration>,
    /// Resident memory in bytes. Absent if the operating system does not report it.
    pub memory: Option<u64>,
    /// Number of open file descriptors. Absent if the operating system does not report it.
    pub fds: Option<u64>,
    /// Number of file descriptors that the process may open. Absent if the operating system does not report it.
    pub most_fds: Option<u64>,
    /// Exports of metrics over OTLP. Absent without an endpoint for metrics.
    pub exports: Option<Exports>,
    /// Heartbeats exported as traces. Absent without an endpoint for traces.
    pub traces: Option<Traces>,
    /// Records produced to the topics of `[alerts]`, by cluster. Empty where no topic is configured.
    pub published: Vec<Published>,
    /// The certificates that the service itself presents.
    pub certificates: Vec<OwnCertificate>,
    /// The configuration that was last read. Absent in a process that is no service.
    pub config: Option<ConfigFacts>,
    /// Time to build each answer of `/metrics`. Absent before the first scrape.
    pub scrapes: Option<Buckets>,
}

/// The configuration that was last read and could be used as a whole, and how the last attempt to read it ended.
#[derive(Debug, Clone, Copy)]
pub struct ConfigFacts {
    /// Whether the configuration could be used as a whole when it was last read.
    pub last_was_successful: bool,
    /// When the configuration was read.
    pub read: SystemTime,
    /// The CRC-32C of the listing of the configuration, which holds no secrets.
    pub hash: u32,
}

impl ConfigFacts {
    /// The facts of a configuration with this listing, which was read now and can be used.
    pub fn of(listing: &str) -> Self {
        let hash = crc32c::crc32c(listing.as_bytes());
        Self { last_was_successful: true, read: SystemTime::now(), hash }
    }
}

/// Records of findings and numbers of one cluster, since the start.
#[derive(Debug, Clone, Default)]
pub struct Published {
    /// The cluster that the records are about and whose topics they go to.
    pub cluster: Arc<str>,
    /// Number of records that the cluster acknowledged.
    pub sent: u64,
    /// Number of records that it did not acknowledge.
    pub failed: u64,
}

/// Heartbeats that were to be exported as traces, since the start.
#[derive(Debug, Clone, Copy, Default)]
pub struct Traces {
    /// Number of heartbeats that the collector accepted.
    pub exported: u64,
    /// Number of heartbeats that the collector did not accept.
    pub failed: u64,
    /// Number of heartbeats that were dropped because too many were waiting.
    pub dropped: u64,
}

/// Exports of metrics over OTLP, since the start.
#[derive(Debug, Clone, Copy, Default)]
pub struct Exports {
    /// Number of exports by ending, in the order of [`Ending::ALL`](crate::task::Ending::ALL).
    pub cycles: [u64; 4],
    /// Duration of the last export. Absent before the first export.
    pub duration: Option<Duration>,
    /// Number of requests that the collector accepted.
    pub requests: u64,
    /// Bytes of the accepted requests, before compression.
    pub bytes: u64,
    /// Number of attempts that were repeated.
    pub retries: u64,
    /// Number of data points that the collector reported as rejected.
    pub rejected: u64,
}
