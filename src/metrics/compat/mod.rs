//! The names of older programs, for dashboards that exist. Never pushed: who pushes can rename.

mod cc_heartbeat;
mod kafka_exporter;
mod kminion;

pub use cc_heartbeat::cc_heartbeat;
pub use kafka_exporter::{brokers, consumer_lag, kafka_exporter};
pub use kminion::Kminion;
