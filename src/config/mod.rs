//! The validated configuration: what it means, not how it was typed.
//!
//! `config.example.ini` is the only home of defaults. Nothing after this module parses a string, and no
//! secret leaves it but as a property for a client.

mod alerts;
mod collect;
mod error;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzz;
mod http;
mod ini;
mod judge;
mod layer;
mod legacy;
mod load;
mod log;
mod otlp;
mod print;
mod rules;
pub mod secret;
mod slo;
mod sources;

use std::{collections::BTreeMap, fmt, net::SocketAddr, path::PathBuf, time::Duration};

pub use alerts::Alerts;
pub use collect::{Filter, Freshness, Lag, LogDirs, Transactions};
pub use error::{Errors, Problem};
pub use judge::{Anomaly, Liveness, Report};
pub use layer::did_you_mean;
pub use load::{load, read};
pub use otlp::{Headers, Metrics, Otlp, Target, Traces};
pub use slo::{Slo, promise};
pub use sources::Sources;

/// Everything the service was told.
#[derive(Debug, Clone)]
pub struct Config {
    /// At least one; `[kafka]` alone gives one.
    pub clusters: Vec<Cluster>,
    /// `[history]` path
    pub history: Option<PathBuf>,
    /// `[report]` path
    pub report: Option<Report>,
    /// `[alerts]`
    pub alerts: Alerts,
    /// `[slo]`
    pub slo: Slo,
    /// `[http]`
    pub http: Http,
    /// `[otlp]`
    pub otlp: Otlp,
    /// What was ignored, and why.
    pub warnings: Vec<String>,
    /// `[labels]`: constant labels on every series.
    pub labels: BTreeMap<String, String>,
    /// `[log]`
    pub log: Log,
    /// `[compat]`
    pub compat: Compat,
    /// `[shutdown]`
    pub shutdown: Shutdown,
}

/// One cluster and what is done with it.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// The label `kafka_cluster`.
    pub name: String,
    /// Client properties by librdkafka's names, for both clients.
    pub kafka: Properties,
    /// Overrides for the heartbeat producer.
    pub producer: Properties,
    /// Overrides for the heartbeat consumer.
    pub consumer: Properties,
    /// `[heartbeat]`
    pub heartbeat: Heartbeat,
    /// `[topic]`
    pub topic: Topic,
    /// `[connectivity]`
    pub connectivity: Connectivity,
    /// `[metadata]`
    pub metadata: Metadata,
    /// `[lag]`
    pub lag: Lag,
    /// `[freshness]`
    pub freshness: Freshness,
    /// `[log_dirs]`
    pub log_dirs: LogDirs,
    /// `[transactions]`
    pub transactions: Transactions,
    /// `[history]`
    pub liveness: Liveness,
    /// `[anomaly]`
    pub anomaly: Anomaly,
}

/// Client properties by librdkafka's names.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Properties(pub BTreeMap<String, Property>);

/// A client property and where it was set.
#[derive(Clone, PartialEq, Eq)]
pub struct Property {
    /// The value as it was written: may be a secret.
    pub value: String,
    /// `config.ini:14`, `environment`, `-X`, …
    pub place: String,
}

impl Properties {
    /// A property's value.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(|property| property.value.as_str())
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// `[heartbeat]`
#[derive(Debug, Clone)]
pub struct Heartbeat {
    /// Whether heartbeats are sent at all.
    pub enabled: bool,
    /// The topic.
    pub topic: String,
    /// From one heartbeat to the next on a partition.
    pub interval: Duration,
    /// A heartbeat not acknowledged and received by then is bad.
    pub deadline: Duration,
    /// A heartbeat not received by then is lost.
    pub horizon: Duration,
    /// Size of a record's value in bytes, at least 64.
    pub payload_bytes: usize,
    /// Latency objectives: each becomes an exact bucket bound.
    pub objectives: Vec<Duration>,
    /// Who we are on the topic; two instances must not share it.
    pub instance: String,
    /// Ends after so many on each partition; a service never ends.
    pub limit: Option<u64>,
}

/// `[topic]`
#[derive(Debug, Clone)]
pub struct Topic {
    /// Create the topic if it is missing.
    pub create: bool,
    /// Add partitions when there are fewer than wanted.
    pub expand: bool,
    /// Spread leaders and correct settings.
    pub rebalance: bool,
    /// At least this many partitions; `None` means as many as brokers.
    pub partitions: Option<i32>,
    /// Replicas of each; `None` means three, or as many as brokers.
    pub replication_factor: Option<i16>,
    /// From one look to the next.
    pub interval: Duration,
    /// For one look and what it does.
    pub timeout: Duration,
}

/// `[connectivity]`
#[derive(Debug, Clone)]
pub struct Connectivity {
    /// Whether sessions are tried at all.
    pub enabled: bool,
    /// From one check to the next.
    pub interval: Duration,
    /// For one check of one broker.
    pub timeout: Duration,
}

/// `[metadata]`
#[derive(Debug, Clone)]
pub struct Metadata {
    /// How many brokers the cluster should have; absent where the service goes by what it has seen.
    pub expected_brokers: Option<usize>,
    /// From one look to the next.
    pub interval: Duration,
    /// For one look.
    pub timeout: Duration,
}

/// `[http]`
#[derive(Debug, Clone)]
pub struct Http {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Serve over TLS.
    pub tls: Option<ServerTls>,
    /// Ask who is there.
    pub basic: Option<Basic>,
    /// Connections at the same time; a few more are answered on the health paths.
    pub connections: usize,
    /// Counters say since when they count.
    pub created_timestamps: bool,
}

/// PEM files.
#[derive(Debug, Clone)]
pub struct ServerTls {
    /// The server's certificate, then those between it and the root.
    pub certificate: PathBuf,
    /// Its private key, not encrypted.
    pub key: PathBuf,
}

/// Name and password of basic authentication.
#[derive(Clone)]
pub struct Basic {
    /// Holds no colon.
    pub username: String,
    /// Never printed.
    pub password: String,
}

impl fmt::Debug for Basic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Basic({})", self.username)
    }
}

/// `[log]`
#[derive(Debug, Clone)]
pub struct Log {
    /// Text or JSON.
    pub format: LogFormat,
    /// A tracing filter: `info`, `debug`, `kafka_heartbeat=trace,warn`.
    pub level: String,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one object a line.
    Json,
}

/// `[compat]`: names that other programs have for metrics.
#[derive(Debug, Clone, Copy, Default)]
pub struct Compat {
    /// Those of the cc-heartbeat program.
    pub cc_heartbeat: bool,
    /// Those of kafka_exporter.
    pub kafka_exporter: bool,
    /// The one of the Prometheus monitoring solution that is not ours.
    pub kafka_consumer_lag: bool,
    /// Those of kminion's end-to-end probe.
    pub kminion: bool,
    /// klag-exporter's labels on lags.
    pub member_labels: bool,
}

impl Compat {
    /// Whether it has to be known who is in a group.
    pub fn needs_members(&self) -> bool {
        self.kafka_exporter || self.member_labels
    }
}

/// `[shutdown]`
#[derive(Debug, Clone)]
pub struct Shutdown {
    /// From the signal to the end, at most.
    pub grace: Duration,
}
