//! The gate for upgrades: whether the next broker may be stopped, and the reasons if not.
//!
//! What is not known closes the gate. What the cluster does not offer, and a probe that is switched off, is listed as not checked.

mod answer;
mod condition;
mod coordinators;
mod examine;
mod facts;
mod history;
mod metadata;
mod question;
mod task;
#[cfg(test)]
mod tests;

pub use answer::{Answer, Reason};
pub use condition::Condition;
pub use facts::Inputs;
pub use question::Gate;
pub use task::Memory;
