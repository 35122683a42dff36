//! Our own thin client: sockets, stages, versions, routing. It asks; it never produces, fetches or deletes.
//!
//! `settings` understands librdkafka's property names, `tls` and `sasl` turn them into sessions, `stages`
//! opens one and times every step, `connection` is the open socket, `guard` stands between hostile bytes and
//! the decoder, `kinds` knows what each kind of request may cost, `cluster` keeps connections and knows which broker to
//! ask. What is asked is worded in `admin`.

mod cluster;
mod connection;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzz;
mod guard;
mod kinds;
mod limits;
mod sasl;
mod settings;
mod stages;
mod tls;
mod versions;

pub use cluster::Cluster;
pub use connection::Connection;
pub use settings::{Endpoint, PropertyError, Settings};
pub use stages::{Opening, open};
pub use tls::{earliest_expiry, unverified};
pub use versions::Range;
