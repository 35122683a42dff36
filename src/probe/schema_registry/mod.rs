//! The Schema Registry beside the cluster: whether each of its nodes answers, and whether a write reaches Kafka and all nodes.
//!
//! A node answers reads from its memory, also while the Kafka of the registry is down. So only a write shows that the registry
//! works: the probe changes the compatibility level of a subject of its own, and reads it again from each node. The key of such
//! a record is always the same, so that the topic of the registry does not grow. The probe registers no schema, deletes nothing, and
//! writes only with `write = true`.
//!
//! - `api` words the requests, with `level` and `mode` as the registry writes them.
//! - `subjects` are the names of the subjects of a node, and what a node lacks.
//! - `state` keeps what was measured, `snapshot` is what the task publishes, and `probe` is the task.

mod api;
mod level;
mod mode;
mod probe;
mod snapshot;
mod state;
mod subjects;

pub use mode::Mode;
pub use probe::{Probe, check};
pub use snapshot::{Node, Operation, Snapshot, State};
