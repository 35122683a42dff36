//! The project's own thin Kafka client: sockets, stages of a session, versions and routing.
//!
//! The client sends every request except those that carry heartbeats: metadata, offsets, consumer groups, the headers
//! of record batches, and the changes that topic assurance makes. It never produces records and never deletes anything.
//! `admin` words the requests.
//!
//! - `settings` reads librdkafka's property names, with `endpoint`.
//! - `client` holds the settings and the state that all connections of a cluster share, such as `counters`.
//! - `stages` opens a session and times every stage; `tls` and `sasl` are two of the stages.
//! - `connection` is an open session, `pending` its requests without a response, and `socket` reads and writes its
//!   frames.
//! - `guard` protects the decoder against hostile bytes, and `request_kind` knows what each kind of request may cost.
//! - `variants` are clients that come to the same brokers in another way.
//! - `cluster` keeps one connection to each broker and chooses the broker for a request.

mod client;
mod cluster;
mod connection;
mod counters;
mod endpoint;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzz;
mod guard;
mod pending;
mod request_kind;
mod request_limits;
mod sasl;
mod settings;
mod socket;
mod stages;
mod tls;
mod variants;
mod version_range;

pub use client::Client;
pub use cluster::Cluster;
pub use connection::Connection;
pub use endpoint::Endpoint;
pub use stages::{Opening, open, open_until};
pub use tls::{earliest_expiry, of_service, unverified};
pub use version_range::VersionRange;
