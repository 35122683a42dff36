//! Whether brokers can read what they keep in remote storage alone (tiered storage, KIP-405).
//!
//! - `probe` is the task: it reads one record of the heartbeat topic from each leader that has such records.
//! - `read` sends its requests.
//! - `snapshot` is what the task publishes, by broker.

mod probe;
mod read;
mod snapshot;

pub use probe::Probe;
pub use snapshot::{Failing, Reads, Snapshot};
