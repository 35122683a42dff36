//! What is known of the logs of a topic, for dating and for lag.

use std::time::Duration;

use super::memory::TopicMemory;
use crate::{
    cluster::Ends,
    collect::{history::History, time_lag::TimeLag},
    config::Isolation,
};

/// The logs of a topic.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Logs<'a> {
    pub(super) topic: &'a TopicMemory,
    /// Whether lag counts to the high watermark or to the last stable offset.
    pub(super) isolation: Isolation,
}

impl<'a> Logs<'a> {
    /// The log of a partition; absent if the partition is not known.
    pub(crate) fn log(self, partition: i32) -> Option<Log<'a>> {
        let known = self.topic.partitions.get(&partition)?;
        let high_watermark = known.ends.end;
        let end = match self.isolation {
            Isolation::ReadUncommitted => high_watermark,
            // Both are asked for at the same time: the last stable offset may be from a moment later, and larger.
            Isolation::ReadCommitted => {
                known.stable.map(|stable| stable.min(high_watermark.unwrap_or(stable)))
            }
        };
        let ends = Ends { end, ..known.ends };
        Some(Log { ends, high: high_watermark, history: &known.history, compacted: self.topic.compacted })
    }
}

/// The log of a partition.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Log<'a> {
    /// The log start offset, and the offset that lag counts to.
    pub(crate) ends: Ends,
    /// The high watermark.
    pub(crate) high: Option<i64>,
    history: &'a History,
    compacted: bool,
}

impl Log<'_> {
    /// The ends for a group with this committed offset. A group that reads uncommitted records may be past the last stable
    /// offset, and has nothing left to read.
    pub(crate) fn ends_for(&self, committed: i64) -> Ends {
        let read = self.high.map(|high| committed.min(high));
        Ends { end: self.ends.end.map(|end| end.max(read.unwrap_or(end))), ..self.ends }
    }

    /// How old the record at an offset is by our own samples, and whether that is as exact as wanted. In a compacted log it is
    /// never exact: the record may have been removed, and the next record to be read may be a younger one.
    pub(crate) fn age(&self, offset: i64, now: Duration, max_error: Duration) -> Option<(TimeLag, bool)> {
        let age = self.history.age(offset, now)?;
        let error = if self.compacted { None } else { age.error };
        Some((TimeLag { error, ..age }, error.is_some_and(|error| error <= max_error)))
    }
}
