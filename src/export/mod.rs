//! Encoders: series, findings, reports and single heartbeats to bytes.

pub mod alerts;
pub mod gzip;
pub mod otlp;
pub mod prometheus;
mod proto;
pub mod reference;
pub mod report;
pub mod traces;
