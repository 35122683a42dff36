//! A cluster's brokers: where each one is, one connection to each, and which of them to ask.

mod any;
mod failures;
mod order;
mod sessions;

pub use sessions::Cluster;
