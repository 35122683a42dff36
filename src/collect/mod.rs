//! What is asked each cycle: offsets, groups, topics, the topology, transactions and log directories. Facts, no judgement.
//!
//! Nothing is joined or committed. One topic, group, partition or broker that cannot be asked is absent and counted.

pub mod freshness;
pub(crate) mod groups;
pub mod history;
pub mod log_dirs;
pub mod time_lag;
pub mod topics;
pub mod topology;
pub mod transactions;
pub(crate) mod visibility;
