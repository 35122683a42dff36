//! Mirrors: whether the heartbeats of one cluster arrive in another one, which a mirror copies them to.
//!
//! MirrorMaker 2, Cluster Linking and MSK Replicator copy the heartbeat topic like any other topic. So each heartbeat that the source
//! acknowledged has one outcome in the target. The task runs for the target cluster. It reads the mirrored topic without a consumer
//! group, and it never writes.
//!
//! - `peers` is what the clusters of the process know of each other.
//! - `outcome` has the outcomes of heartbeats and the states of a mirror.
//! - `ledger` is pure accounting. `unread` knows when the target was not read: the mirror is not to blame for that time.
//! - `reader` reads one topic on a thread of its own. `topic` is a topic that the mirror writes, `positions` knows how far it
//!   was read, and `log_end` asks whether that is the end.
//! - `offsets` knows where heartbeats are in both clusters, `checkpoint` decodes an offset that the mirror translated, and
//!   `checkpoints` judges them.
//! - `mirror` is one mirror, `snapshot` is what is published, and `probe` is the task.

mod checkpoint;
mod checkpoints;
mod ledger;
mod log_end;
mod mirror;
mod offsets;
mod outcome;
mod peers;
mod positions;
mod probe;
mod reader;
mod snapshot;
mod topic;
mod unread;

pub use outcome::{Anomaly, Outcome, State, Translation};
pub use peers::{Peers, Suspected};
pub use probe::{Inputs, Probe};
pub use snapshot::{Checkpoints, Counts, Snapshot, Status};
