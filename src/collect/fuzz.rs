//! Entry points for fuzzing: record batches as the time lag uses them, and files of names.

use bytes::{Buf, Bytes};

use super::heads;
pub(crate) use super::{excluded::fuzz as names, store::fuzz::rows};
use crate::kafka::admin;

/// Reads record batches from the bytes of a Fetch answer and asks them everything. The first 24 bytes are the offset
/// that was asked for, the log end offset and the time.
pub(crate) fn batches(bytes: &[u8]) {
    let Some((numbers, records)) = bytes.split_first_chunk::<24>() else { return };
    let number = |at: usize| (&numbers[at..]).get_i64();
    let (offset, end, now_ms) = (number(0), number(8), number(16));
    let batches = admin::heads(Bytes::copy_from_slice(records), offset);
    assert!(batches.len() <= records.len() / 61 + 1, "each batch has a header of 61 bytes");
    assert!(batches.iter().all(|batch| batch.first <= batch.last));
    // A clock shows a time from 1970 to the year 3084.
    heads::fuzz(batches, offset, end, now_ms & ((1 << 45) - 1));
}
