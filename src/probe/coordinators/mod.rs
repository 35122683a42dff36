//! The coordinators of consumer groups and of transactions: whether each of them works.
//!
//! The leader of a partition of `__consumer_offsets` coordinates the groups whose names hash to the partition. While it does
//! not work, these groups can neither commit offsets nor gain members, and heartbeats are good all the same. So the task
//! commits an offset for one group of its own for each of these partitions, and reads the offset again. In the same way, the
//! leader of a partition of `__transaction_state` coordinates the transactions of transactional ids. A second task, which is off
//! by default, asks for a producer id for one transactional id of its own for each of these partitions.
//!
//! - `names` finds a name for each partition, by Kafka's hash.
//! - `turns` chooses the partitions of a cycle, so that the checks send at most six requests a second.
//! - `check` sends the requests of a cycle.
//! - `history` keeps the last check of each partition and the counts of each broker.
//! - `identity` is the text beside a committed offset.
//! - `snapshot` is what the task publishes, and `probe` is the task.

mod check;
mod history;
mod identity;
mod names;
mod probe;
mod snapshot;
mod turns;

pub use names::{names, partition_of};
pub use probe::{COMMITTED_PARTITION, Probe};
pub use snapshot::{Check, Counts, Failing, Failure, Snapshot};
