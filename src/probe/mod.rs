//! The probes: tasks that use the cluster as a client does, and measure it.
//!
//! A new probe gets a file or a folder here. The page `docs/contributing.md` lists the other places that it needs. A task that
//! reads the topics or groups of applications belongs in [`crate::collect`]. `target` is no
//! task: it checks a broker when a request asks for it.

pub mod agreement;
pub mod connect;
pub mod connectivity;
pub mod coordinators;
pub mod durability;
pub mod extra_sessions;
pub mod heartbeat;
pub mod mirrors;
pub mod negative_checks;
pub mod remote_reads;
pub mod replicas;
pub mod schema_registry;
pub mod target;
pub mod topic;
pub mod transaction_probe;
pub mod usual;
