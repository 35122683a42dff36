//! Findings: what is wrong with a cluster now. A finding is published when it starts, when its severity changes and when it
//! is over.
//!
//! A finding ends only when it is known that the problem is over: data that could not be read end nothing. The fields are
//! those of the monitor that had findings first, with a state, an id and the time of the start in addition.

mod find;
mod finding;
mod findings;
mod known;

pub use finding::{Key, Severity};
pub use findings::{Findings, Message};
