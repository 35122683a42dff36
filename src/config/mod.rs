//! The validated configuration: what it means, not how it was typed.
//!
//! `config.example.ini` is the only home of defaults. No module outside of this one parses a string of the
//! configuration, and a secret leaves this module only as a property for a client or as a credential for the part that
//! sends it.
//!
//! The sources are read into settings (section, key, value, place) by `file`, `environment`, `otel`, `legacy`
//! and `sources`. `layers` lays them over each other. Each section of the INI file has a file here with its struct,
//! its parser and its tests; its fields are named like its keys. `import` writes files of older programs again as a file of this one.

mod alerts;
mod anomaly;
mod aws_region;
mod cluster;
mod compat;
mod connect;
mod connectivity;
mod coordinators;
mod directory;
mod durability;
mod environment;
mod error;
mod file;
mod filter;
mod freshness;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzz;
mod ha;
mod heartbeat;
mod history;
mod http;
mod import;
mod ini;
mod kafka;
mod known;
mod labels;
mod lag;
mod layers;
mod legacy;
mod load;
mod log;
mod log_dirs;
mod metadata;
mod mirror;
mod module;
mod msk_iam;
mod negative_checks;
mod otel;
mod otlp;
mod place;
mod print;
mod reader;
mod reference;
mod remote_reads;
mod replicas;
mod report;
mod rule;
mod schema_registry;
pub mod secret;
mod secret_file;
mod service;
mod settings;
mod shutdown;
mod slo;
mod sources;
#[cfg(test)]
mod test_support;
mod topic;
mod transaction_probe;
mod transactions;

pub use alerts::Alerts;
pub use anomaly::Anomaly;
pub use aws_region::{aws_region, is_aws_region};
pub use cluster::Cluster;
pub use compat::Compat;
pub use connect::{Connect, ConnectCluster};
pub use connectivity::Connectivity;
pub use coordinators::Coordinators;
pub use durability::Durability;
pub use error::{Errors, Problem};
pub use filter::Filter;
pub use freshness::Freshness;
pub use ha::{Ha, KafkaGroup, KubernetesLease, Provider};
pub use heartbeat::Heartbeat;
pub use history::History;
pub use http::{Basic, Http, ServerTls, Token};
pub use import::{Imported, Tool, import};
pub use kafka::{Properties, Property};
pub use known::did_you_mean;
pub use lag::{Granularity, Isolation, Lag, SumOver};
pub use load::{Config, load, read};
pub use log::{Log, LogFormat};
pub use log_dirs::LogDirs;
pub use metadata::Metadata;
pub use mirror::{Checkpoints, Mirror, Mirrors};
pub use module::{Brokers, Module, Targets};
pub use negative_checks::NegativeChecks;
pub use otlp::{
    ClientTls, Compression, Headers, HeadersFile, Histograms, Metrics, Otlp, Protocol, Target, Temporality,
    Traces,
};
pub use reference::{ReferenceEntry, ReferenceSection, reference};
pub use remote_reads::RemoteReads;
pub use replicas::Replicas;
pub use report::Report;
pub use schema_registry::SchemaRegistry;
pub use secret_file::SecretFiles;
pub use service::{Login, Service};
pub use shutdown::Shutdown;
pub use slo::{LimitedObjective, Slo, promise};
pub use sources::{FlagSetting, Sources};
pub use topic::Topic;
pub use transaction_probe::TransactionProbe;
pub use transactions::Transactions;
