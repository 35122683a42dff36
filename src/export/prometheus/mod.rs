//! What Prometheus reads: its text format, OpenMetrics and protobuf, written from the same series.
//!
//! Families appear in the order of the catalog, each once and whole, whatever order the series come in.

mod blocks;
mod encode;
mod format;
mod parts;
mod protobuf;
mod text;

pub use blocks::{Block, Blocks, Storage};
pub use encode::{encode, encode_probe};
pub use format::Format;
pub use parts::{Parts, count, pack};
