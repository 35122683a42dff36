//! The partitions and offsets that the reading thread is to read.

use std::collections::{BTreeMap, BTreeSet};

use super::renewal::Renewal;

/// Partitions that the consumer is to read besides those that it reads already.
pub(super) struct Assignment {
    /// The offset to begin at, by partition.
    pub(super) offsets: BTreeMap<i32, i64>,
    /// The partitions that have a leader. No consumer can read the others.
    pub(super) led: BTreeSet<i32>,
    /// True if partitions have other leaders: the consumer should ask for the leaders now.
    pub(super) leaders_moved: bool,
    /// The reason for which the consumer is replaced; `None` if it goes on. A consumer that knew a topic which was deleted
    /// and created again never finds the new one. A consumer with older certificates reads until the new one reads as well.
    pub(super) renewal: Option<Renewal>,
    /// The number of the consumer that is to read.
    pub(super) consumer: u32,
}
