//! Aborted records that consumers of committed records got.

use std::time::SystemTime;

use crate::newest::Newest;

/// A record in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) partition: i32,
    pub(super) offset: i64,
    /// The value of the record.
    pub(super) value: Vec<u8>,
}

/// An aborted record that a consumer of committed records got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exposed {
    /// The partition of the record.
    pub partition: i32,
    /// The offset of the record.
    pub offset: i64,
    /// When it was read.
    pub at: SystemTime,
}

impl Exposed {
    /// The incident as a sentence.
    pub fn sentence(&self, topic: &str) -> String {
        let Self { partition, offset, .. } = self;
        format!(
            "A consumer of committed records got an aborted record of the transaction probe: topic {topic}, partition \
             {partition}, offset {offset}."
        )
    }
}

/// The newest aborted records that consumers of committed records got, and how many there were since the start.
pub type ExposedRecords = Newest<Exposed, 20>;
