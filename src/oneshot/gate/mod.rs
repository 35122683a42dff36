//! `gate`: asks a running service whether the next broker may be stopped, and waits until it may.

mod reply;
mod service;
mod wait;

pub use reply::{Cluster, Reason, Reply};
pub use service::{Question, Service, Trouble};
pub use wait::{Ended, wait};
