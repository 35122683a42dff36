//! The names of older programs, for existing dashboards. They are never pushed, because a push can be renamed on its way.

mod cc_heartbeat;
mod kafka_exporter;
mod kminion;

pub use cc_heartbeat::cc_heartbeat;
pub use kafka_exporter::{brokers, consumer_lag, kafka_exporter};
pub use kminion::Kminion;
