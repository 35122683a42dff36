//! The election by a Lease in Kubernetes, as its own components elect their leaders.
//!
//! - `record` is the Lease as it is stored.
//! - `candidate` acquires, renews and releases it.

mod candidate;
mod record;

pub use candidate::{Lease, Place};
