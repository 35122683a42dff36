//! Names that older programs have, served where `[compat]` wants them, and how they follow from ours.

pub mod cc_heartbeat;
pub mod consumer_lag;
pub mod kafka_exporter;
pub mod klag_exporter;
pub mod kminion;
mod sets;

pub use sets::{SETS, Set, all};
