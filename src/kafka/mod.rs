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
mod ids;
pub mod native;
pub mod wire;

pub use capability::{Capability, Permission, Request};
pub use fault::{Error, Fault, Stage};
pub use ids::{BrokerId, TopicId};
