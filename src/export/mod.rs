//! Ways out: series to bytes.

pub mod gzip;
pub mod prometheus;
