//! The verdict on a cluster: one state for all that is known of it, with the reasons and since when.

mod affected;
mod brokers;
mod changes;
mod comparisons;
mod connect;
mod controller;
mod elsewhere;
mod evidence;
mod history;
mod mirrors;
mod observer;
mod registry;
mod replicas;
mod state;
mod task;
mod window;

pub use state::{State, Verdict};
pub use task::{Inputs, run};
