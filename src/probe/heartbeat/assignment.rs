//! What the reading thread is to read.

use std::collections::BTreeMap;

/// What the consumer shall read besides what it reads already.
pub(super) struct Assignment {
    /// From where on, by partition.
    pub(super) offsets: BTreeMap<i32, i64>,
    /// Partitions have other leaders: the client should ask for them now.
    pub(super) moved: bool,
    /// The topic is another one under the same name: a client that knew the old one never finds the new.
    pub(super) anew: bool,
    /// The number of the client that shall read.
    pub(super) consumer: u32,
}
