//! The replicas of the heartbeat topic: whether each of them has the records that the leader has, and how soon.
//!
//! A follower that lags behind, or whose disk has damaged a record, is not noticed before it becomes the leader. Since KIP-392
//! followers serve consumers as well. So the task reads the newest record of each partition from every replica, and the whole log a
//! few kilobytes at a time, and compares the checksums.
//!
//! - `read` sends the requests of a cycle.
//! - `state` keeps what was found at each replica.
//! - `snapshot` is what the task publishes, and `probe` is the task.

mod probe;
mod read;
mod snapshot;
mod state;

pub use probe::Probe;
pub use snapshot::{Damage, Replica, Snapshot};
