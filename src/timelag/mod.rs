//! From an offset to a time: how old the record at an offset is.
//!
//! Three sources give the age: our own samples of the log end ([`crate::collect::history`]), the headers of record batches,
//! and a search by timestamp. `best` takes the most exact of them.

pub(crate) mod batches;
pub(crate) mod best;
pub(crate) mod search;
