//! Ways out: series to bytes.

pub mod prometheus;
