//! The probes: tasks that use the cluster as a client does, and measure it.

pub mod connectivity;
pub mod heartbeat;
pub mod topic;
