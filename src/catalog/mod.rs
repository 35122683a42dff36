//! Every family: name, kind, labels, help. Nothing else.
//!
//! Names are a contract with dashboards and alerts. A name in an alert is found here with a text search.

#![expect(missing_docs, reason = "every family's help says it")]

#[macro_use]
mod family;

mod all;
pub mod cluster;
pub mod collect;
pub mod compat;
pub mod connect;
pub mod coordinators;
pub mod credentials;
pub mod diagnosis;
pub mod durability;
pub mod heartbeat;
pub mod judge;
pub mod log_dirs;
pub mod mirrors;
pub mod negative_checks;
pub mod process;
pub mod remote_reads;
pub mod replicas;
pub mod requests;
pub mod schema_registry;
pub mod target;
pub mod tasks;
pub mod topic;
pub mod transaction_coordinators;
pub mod transaction_probe;
pub mod transactions;

pub use all::{all, labels};
pub use family::{Description, Family, Kind};
