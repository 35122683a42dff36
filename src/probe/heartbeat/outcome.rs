//! The outcomes of heartbeats, and the anomalies that are counted beside them.

use crate::closed_enum::closed_enum;

closed_enum! {
    /// How a heartbeat ended. Every scheduled heartbeat has exactly one outcome.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Outcome {
        /// Acknowledged and received, both by the deadline.
        Ok = "ok",
        /// Acknowledged and received, but at least one of the two after the deadline.
        Late = "late",
        /// Acknowledged, but not received by the horizon.
        Lost = "lost",
        /// Refused by the broker or given up by the client. It is certain that nothing was written.
        Rejected = "rejected",
        /// Received although the acknowledgement failed.
        UnackedReceived = "unacked_received",
        /// Neither acknowledged nor received.
        UnackedMissing = "unacked_missing",
        /// Not taken by the client, because its queue was full or it did not know the partition yet.
        Unsent = "unsent",
        /// Not sent or not judged, because this process stalled, had no file descriptor left, had no valid
        /// token or ticket to log in with, or was stopping.
        Skipped = "skipped",
    }
}

impl Outcome {
    /// Whether the outcome is evidence against the cluster. `Ok` and `Skipped` are not.
    pub fn is_bad(self) -> bool {
        !matches!(self, Outcome::Ok | Outcome::Skipped)
    }
}

closed_enum! {
    /// A record or an event that should not be there. Anomalies are counted, and none of them changes an outcome.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Anomaly {
        /// A second record of the same heartbeat, at another offset.
        Duplicate = "duplicate",
        /// A heartbeat that was read after a later heartbeat of its partition.
        OutOfOrder = "out_of_order",
        /// A heartbeat whose checksum or size is wrong.
        Corrupt = "corrupt",
        /// A record of another instance or of another program.
        Foreign = "foreign",
        /// A heartbeat of an earlier run of this instance.
        StaleEpoch = "stale_epoch",
        /// An acknowledgement or a record that arrived after the outcome was final.
        AfterHorizon = "after_horizon",
        /// A heartbeat of another instance that runs at the same time with the same name.
        SameName = "same_name",
    }
}
