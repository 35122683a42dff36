//! What the service sends by itself, with the same loop that runs every periodic task: metrics and traces over OTLP, the
//! report as a file, and findings to topics of Kafka.

mod alerts;
mod metrics;
mod report;
mod results;
mod start;
mod traces;

pub use results::Results;
pub use start::Push;
