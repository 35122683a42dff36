//! What the cluster is: its metadata, places in its logs, and the requests that failed.

mod brokers;
mod faults;
pub mod metadata;
mod offsets;
pub mod sections;

pub(crate) use brokers::AskedBrokers;
pub use faults::Api;
pub(crate) use faults::Faults;
pub use offsets::{Ends, Tiers};
pub(crate) use offsets::{MAX_SKEW, OffsetSet, latest_ms};
