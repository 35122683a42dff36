//! Ways out: series to bytes.

pub mod gzip;
pub mod otlp;
pub mod prometheus;
mod proto;
