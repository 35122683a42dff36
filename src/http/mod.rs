//! HTTP: `/metrics`, the page, the health checks and the API.
//!
//! Every answer is made from the latest snapshots on the boards: no HTTP request causes a request to Kafka, and only
//! `POST /-/reload` changes anything. Work that takes processor time is done off the async workers, so that a scrape does not delay the
//! heartbeats.

mod access;
mod api;
mod certificate;
mod connections;
mod events;
mod form;
mod health;
pub mod listen;
mod metrics;
mod offload;
mod page;
mod paths;
mod reload;
mod renewal;
mod router;
mod state;
mod written;

pub use metrics::write_ahead;
pub use renewal::renew_credentials;
pub use router::router;
pub use state::{ReadProcess, Reloads, State};
