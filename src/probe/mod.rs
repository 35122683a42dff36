//! The probes: tasks that use the cluster as a client does, and measure it.
//!
//! A new probe gets a file or a folder here. The page `docs/contributing.md` lists the other places that it needs. A task that
//! reads the topics or groups of applications belongs in [`crate::collect`].

pub mod connectivity;
pub mod coordinators;
pub mod extra_sessions;
pub mod heartbeat;
pub mod topic;
