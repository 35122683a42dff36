//! Snapshots to series: one pure function for each kind of snapshot.
//!
//! What is not known is absent. A set of labels with known values (outcomes, anomalies, faults) is exposed from the start
//! with 0, so that the first event is an increase. Topics, partitions and brokers are exposed only while the cluster has
//! them. A snapshot older than three intervals is not rendered.

mod capped;
mod connect;
mod connectivity;
mod coordinators;
mod credentials;
mod diagnosis;
mod durability;
mod everything;
mod freshness;
mod groups;
mod heartbeats;
mod judge;
mod lag;
mod liveness;
mod log_dirs;
mod metadata;
mod mirrors;
mod negative_checks;
mod process;
mod remote_reads;
mod replicas;
mod requests;
mod schema_registry;
mod target;
mod tasks;
mod topic;
mod topics_and_groups;
mod topology;
mod transaction_probe;
mod transactions;

pub use everything::{Exposed, changing, everything};
pub use target::target;
pub use topics_and_groups::topics_and_groups;
