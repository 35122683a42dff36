//! The verdict on a cluster: one state for all that is known of it, with the reasons and since when.

mod affected;
mod brokers;
mod changes;
mod evidence;
mod history;
mod observer;
mod replicas;
mod state;
mod task;
mod window;

pub use state::{State, Verdict};
pub use task::{Inputs, run};
