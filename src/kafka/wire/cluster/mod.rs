//! The brokers of one cluster: one connection to each, and the choice of the broker for a request.
//!
//! - `sessions` keeps the connections and sends a request to a named broker.
//! - `any` sends a request to brokers in turn until one of them responds.
//! - `candidates` is the order of these brokers, and `failures` adds up their errors.

mod any;
mod candidates;
mod failures;
mod sessions;

pub use sessions::Cluster;
