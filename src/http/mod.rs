//! HTTP: `/metrics`, the page, the health checks and the API.
//!
//! Answers are made from the latest snapshots on the boards. Only `/api/v1/gate` and `/probe` cause requests to Kafka, each under
//! limits of its own, and only `POST /-/reload` changes anything. `/mcp` gives the answers of the API to assistants. Work that takes processor time is done off the async workers, so that a scrape does not delay the
//! heartbeats.

mod access;
mod api;
mod certificate;
mod connections;
mod drawings;
mod events;
mod form;
mod health;
pub mod listen;
mod mcp;
mod metrics;
mod offload;
mod page;
mod paths;
mod probe;
mod reload;
mod renewal;
mod router;
mod state;
mod written;

pub use metrics::write_ahead;
pub use renewal::renew_credentials;
pub use router::router;
pub use state::{ReadProcess, Reloads, State};
