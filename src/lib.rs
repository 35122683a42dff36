//! Tells, from a client's seat, whether a Kafka cluster works for the people who depend on it.
//!
//! Tasks look at the cluster and publish immutable snapshots; readers turn the latest snapshots into
//! series, pages and JSON. Nothing flows back. In reading order, each module naming only those before it:

pub mod board;
pub mod export;
pub mod metrics;

pub mod cli;
pub mod config;
pub mod kafka;
pub mod latency;
pub mod logs;
pub mod probe;
pub mod task;
pub mod verdict;
