//! Facts about the process: memory, processor time, descriptors, busy workers, and what it exported.

mod build;
mod descriptors;
mod environment;
mod facts;
mod memory;
mod monitor;

#[cfg(feature = "gssapi")]
pub use self::environment::keep_tickets_in_memory;
pub use self::{
    build::{librdkafka, revision},
    descriptors::{http_connections, raise_descriptor_limit},
    environment::environment,
    facts::{ConfigFacts, Exports, Process, Published, Traces},
    memory::{give_memory_back, keep_giving_memory_back},
    monitor::Monitor,
};
