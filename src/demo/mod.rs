//! An embedded cluster of three brokers, for a first look without any Kafka.
//!
//! The cluster is librdkafka's mock: real sockets, the real protocol, no disk. The mock answers an empty fetch only after
//! `fetch.wait.max.ms`, so the demo sets that to 5 ms; latencies of the demo say nothing about Kafka. A few topics and
//! groups are written and read (`traffic`), so that lag and freshness have something to show.

mod configuration;
mod embedded;
mod mock;
mod script;
mod traffic;

pub use self::{configuration::configuration, embedded::Demo};
