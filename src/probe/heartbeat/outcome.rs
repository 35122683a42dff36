//! How heartbeats end, and what is counted beside.

/// How a heartbeat ended. Exactly one for each that was scheduled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Acknowledged and received, both by the deadline.
    Ok,
    /// Acknowledged and received, one of them after the deadline.
    Late,
    /// Acknowledged and not received by the horizon.
    Lost,
    /// Refused for certain, and nothing was written.
    Rejected,
    /// Received although the acknowledgement failed.
    UnackedReceived,
    /// Neither acknowledged nor received.
    UnackedMissing,
    /// Never handed to the client: its queue was full, or it knew no partition yet.
    Unsent,
    /// Not sent, or not judged, because of ourselves: stalled, without a descriptor, or stopping.
    Skipped,
}

impl Outcome {
    /// Every outcome, in the order of the labels.
    pub const ALL: [Outcome; 8] = [
        Outcome::Ok,
        Outcome::Late,
        Outcome::Lost,
        Outcome::Rejected,
        Outcome::UnackedReceived,
        Outcome::UnackedMissing,
        Outcome::Unsent,
        Outcome::Skipped,
    ];

    /// The outcome as a label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::Late => "late",
            Outcome::Lost => "lost",
            Outcome::Rejected => "rejected",
            Outcome::UnackedReceived => "unacked_received",
            Outcome::UnackedMissing => "unacked_missing",
            Outcome::Unsent => "unsent",
            Outcome::Skipped => "skipped",
        }
    }

    /// Whether the outcome speaks against the cluster. `Ok` and `Skipped` do not.
    pub fn is_bad(self) -> bool {
        !matches!(self, Outcome::Ok | Outcome::Skipped)
    }
}

/// Counted beside outcomes; none of them changes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Anomaly {
    /// The same heartbeat again, at another offset.
    Duplicate,
    /// A heartbeat older than one already seen on its partition.
    OutOfOrder,
    /// Checksum or shape wrong.
    Corrupt,
    /// Not ours: another instance, another program.
    Foreign,
    /// Ours, of an earlier run.
    StaleEpoch,
    /// An acknowledgement or a record that came after the outcome was final.
    AfterHorizon,
    /// A record of another instance that runs at the same time under our own name.
    SameName,
}

impl Anomaly {
    /// Every anomaly, in the order of the labels.
    pub const ALL: [Anomaly; 7] = [
        Anomaly::Duplicate,
        Anomaly::OutOfOrder,
        Anomaly::Corrupt,
        Anomaly::Foreign,
        Anomaly::StaleEpoch,
        Anomaly::AfterHorizon,
        Anomaly::SameName,
    ];

    /// The anomaly as a label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Anomaly::Duplicate => "duplicate",
            Anomaly::OutOfOrder => "out_of_order",
            Anomaly::Corrupt => "corrupt",
            Anomaly::Foreign => "foreign",
            Anomaly::StaleEpoch => "stale_epoch",
            Anomaly::AfterHorizon => "after_horizon",
            Anomaly::SameName => "same_name",
        }
    }
}
