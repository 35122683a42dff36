//! Is every partition where it should be, and what has changed?
//!
//! Most of it is read from the metadata that is there anyway. Settings of topics are asked for once in ten minutes,
//! and what is being moved where a replica is missing. The first answer is the baseline; a topic or broker that
//! one answer leaves out is not gone.

mod change;
mod kept;
mod watched;

pub use change::Change;
pub(crate) use change::Changed;
pub(crate) use kept::TopicRow;
pub(crate) use watched::Watched;
pub use watched::{Health, Topology};
