//! The plan for the heartbeat topic.

mod steps;
#[cfg(test)]
mod tests;

pub(super) use steps::USUAL_REPLICAS;
pub use steps::{CONFIG_KEYS, Policy, plan};
