//! How heartbeats end, and what is counted beside.

use crate::closed_enum::closed_enum;

closed_enum! {
    /// How a heartbeat ended. Exactly one for each that was scheduled.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Outcome {
        /// Acknowledged and received, both by the deadline.
        Ok = "ok",
        /// Acknowledged and received, one of them after the deadline.
        Late = "late",
        /// Acknowledged and not received by the horizon.
        Lost = "lost",
        /// Refused for certain, and nothing was written.
        Rejected = "rejected",
        /// Received although the acknowledgement failed.
        UnackedReceived = "unacked_received",
        /// Neither acknowledged nor received.
        UnackedMissing = "unacked_missing",
        /// Never handed to the client: its queue was full, or it knew no partition yet.
        Unsent = "unsent",
        /// Not sent, or not judged, because of ourselves: stalled, without a descriptor, or stopping.
        Skipped = "skipped",
    }
}

impl Outcome {
    /// Whether the outcome speaks against the cluster. `Ok` and `Skipped` do not.
    pub fn is_bad(self) -> bool {
        !matches!(self, Outcome::Ok | Outcome::Skipped)
    }
}

closed_enum! {
    /// Counted beside outcomes; none of them changes one.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Anomaly {
        /// The same heartbeat again, at another offset.
        Duplicate = "duplicate",
        /// A heartbeat older than one already seen on its partition.
        OutOfOrder = "out_of_order",
        /// Checksum or shape wrong.
        Corrupt = "corrupt",
        /// Not ours: another instance, another program.
        Foreign = "foreign",
        /// Ours, of an earlier run.
        StaleEpoch = "stale_epoch",
        /// An acknowledgement or a record that came after the outcome was final.
        AfterHorizon = "after_horizon",
        /// A record of another instance that runs at the same time under our own name.
        SameName = "same_name",
    }
}
