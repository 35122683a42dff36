//! The partitions and offsets that the reading thread is to read.

use std::collections::BTreeMap;

/// Partitions that the consumer is to read besides those that it reads already.
pub(super) struct Assignment {
    /// The offset to begin at, by partition.
    pub(super) offsets: BTreeMap<i32, i64>,
    /// True if partitions have other leaders: the consumer should ask for the leaders now.
    pub(super) leaders_moved: bool,
    /// True if the topic was deleted and created again. A consumer that knew the old topic never finds the new one, so
    /// it is replaced.
    pub(super) topic_recreated: bool,
    /// The number of the consumer that is to read.
    pub(super) consumer: u32,
}
