//! Everything that speaks Kafka.
//!
//! Two clients share this folder and nothing else: `native` wraps librdkafka, which carries the
//! heartbeats because it is the client real applications run; `wire` is our own thin client for
//! questions, because librdkafka cannot time the stages of a connection and its admin calls abort
//! the process when a broker is sick. `admin` words the questions, and `capability` remembers which of
//! them the cluster refuses. `fault` names what went wrong, and `classify` finds that name.
//! `descriptors` says whether this process can connect at all.

pub mod admin;
pub mod capability;
mod classify;
pub mod descriptors;
pub mod fault;
pub mod native;
pub mod wire;

use std::fmt;

pub use capability::{Capability, Permission, Request};
pub use fault::{Error, Fault, Stage};

/// A broker's id as the cluster's metadata gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BrokerId(pub i32);

impl fmt::Display for BrokerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A topic's unique id (Kafka 2.8 and later): a deleted and recreated topic has another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicId(pub u128);
