//! Several instances of the service as one: which of them collects.
//!
//! Each instance sends heartbeats, because two places in the network are better evidence than one. What would only be done twice is
//! done by one instance: it collects groups and topics, publishes findings and writes the report.
//!
//! - `standing` is what an instance may do now, and `permit` asks that for one cluster, before each step of the work.
//! - `election` is the loop that finds out, whoever is asked: `group` is a member of a group in Kafka, whose members divide the
//!   work as `shares` says, and `lease` is a Lease in Kubernetes.
//!
//! An instance stops its work before another one may begin: the work has an end on the monotonic clock, which passes also while the
//! process is stopped, and which is always before the end that Kafka or Kubernetes knows.

mod election;
mod group;
mod lease;
mod permit;
mod shares;
mod standing;

pub use election::{Candidate, elect};
pub use group::Member;
pub use lease::{Lease, Place};
pub use permit::{Leadership, Permit};
pub use standing::{EVERY_CLUSTER, Role, Scope, Standing};
