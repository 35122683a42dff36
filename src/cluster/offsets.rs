//! Partitions, offsets, and the clock of timestamps.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use crate::clock::now_ms;

/// A timestamp that lies further in the future than this comes from a producer whose clock is wrong.
pub(crate) const MAX_SKEW: Duration = Duration::from_secs(60);

/// Partitions and offsets, by topic.
pub(crate) type OffsetSet = BTreeMap<Arc<str>, BTreeSet<(i32, i64)>>;

/// Both ends of a log, as far as they are known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ends {
    /// The log start offset: the first offset that can be read.
    pub start: Option<i64>,
    /// The log end offset, which the next record gets: the high watermark, or the last stable offset.
    pub end: Option<i64>,
}

/// Where the log of a tiered topic lies, as far as it is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tiers {
    /// The first offset that the leader has on its own disk. Earlier ones are in remote storage alone.
    pub earliest_local: Option<i64>,
    /// The last offset that was copied to remote storage. Absent if none was.
    pub latest_tiered: Option<i64>,
}

/// The newest credible timestamp, in milliseconds since 1970: later ones come from a wrong clock.
pub(crate) fn latest_ms() -> i64 {
    now_ms() + i64::try_from(MAX_SKEW.as_millis()).unwrap_or(0)
}
