//! Heartbeats as traces, exported by `opentelemetry-otlp` over the same transport as metrics.
//!
//! A trace is written when its heartbeat has ended, because the outcome decides whether the trace is sent. So spans are
//! not recorded but made, and the part of OpenTelemetry's SDK that samples and collects spans is not needed.

mod client;
mod exporter;
mod spans;

pub use exporter::Exporter;
