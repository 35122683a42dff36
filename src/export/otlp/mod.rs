//! Series pushed to an OpenTelemetry collector, or to any other server that speaks its protocol.
//!
//! An export is encoded once and sent in requests of bounded size. A request that fails in a way that may pass is tried
//! again, behind the other requests, until the next export is due. Then the next export holds newer numbers, and the old
//! export is dropped. A request that is refused for good does not stop the other requests. A request that is too large
//! for the collector is cut. So nothing piles up, however long the collector is away or refuses, and with delta
//! temporality nothing is lost or sent twice: see [`Sent`].

pub(super) mod answer;
pub(super) mod attempts;
mod encode;
mod exporter;
mod longest;
pub mod names;
mod points;
pub(super) mod renewed;
mod requests;
mod sent;
pub(super) mod settings;
pub(super) mod transport;

pub use encode::Encoder;
pub use exporter::{Exporter, Report, Source, check};
pub use requests::Request;
pub use sent::Sent;
pub use settings::{Settings, Temporality};
