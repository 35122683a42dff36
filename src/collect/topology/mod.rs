//! The health of every partition, and what has changed in the cluster.
//!
//! Most of this comes from the metadata that another task asks for. Settings of topics are asked for once in ten minutes, and
//! reassignments while a replica is out of sync. The first answer is the baseline. A topic or broker that one answer lacks does
//! not count as deleted.

mod change;
mod kept;
mod watched;

pub use change::Change;
pub(crate) use change::Changed;
pub(crate) use kept::{KeptTopic, TopicRow};
pub(crate) use watched::WatchedTopology;
pub use watched::{Health, Topology};
