//! The outcomes of heartbeats in the target of a mirror, and the states of a mirror.

use crate::closed_enum::closed_enum;

closed_enum! {
    /// What became of a heartbeat in the target. Each heartbeat that the source acknowledged has exactly one outcome.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Outcome {
        /// It was read in the target by the deadline.
        Mirrored = "mirrored",
        /// It was read in the target after the deadline.
        Late = "late",
        /// It was not in the target when its time ran out.
        Lost = "lost",
        /// Not judged: its time ran out while this service did not read the target.
        Unknown = "unknown",
    }
}

closed_enum! {
    /// Records of the mirrored topic that have no outcome of their own.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Anomaly {
        /// A heartbeat that was read before, at another offset.
        Duplicate = "duplicate",
        /// A heartbeat that was read after its outcome.
        AfterOutcome = "after_outcome",
        /// A heartbeat that the source did not acknowledge, or that was not expected for another reason.
        Unexpected = "unexpected",
        /// A heartbeat that was damaged.
        Corrupt = "corrupt",
        /// A record of another instance, of another cluster or of another program.
        Foreign = "foreign",
    }
}

closed_enum! {
    /// Whether an offset that the mirror translated for a consumer group is right.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Translation {
        /// The group misses no heartbeat in the target.
        Right = "right",
        /// The group never reads some heartbeats in the target that it has not read in the source.
        Skips = "skips",
        /// Not judged: the heartbeats around the offset are not known.
        Unknown = "unknown",
    }
}

closed_enum! {
    /// Whether the mirrored topic is read.
    #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
    pub enum State {
        /// The topic was not read so far.
        #[default]
        Starting = "starting",
        /// The topic is read to its end.
        Reading = "reading",
        /// The target has no topic with heartbeats of the source.
        TopicMissing = "topic_missing",
        /// The principal lacks a permission in the target.
        Denied = "denied",
        /// The target does not answer, or the reading does not keep up.
        Unreadable = "unreadable",
    }
}
