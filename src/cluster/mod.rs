//! What the cluster is: its metadata, places in its logs, and the requests that failed.

mod faults;
pub mod metadata;
mod offsets;

pub use faults::Api;
pub(crate) use faults::Faults;
pub use offsets::Ends;
pub(crate) use offsets::{MAX_SKEW, OffsetSet, latest_ms};
