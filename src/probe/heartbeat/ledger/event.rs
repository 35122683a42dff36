//! What the ledger is told.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::{
    kafka::{BrokerId, Fault},
    probe::heartbeat::{
        record::{NotAHeartbeat, Record},
        renewal::Renewal,
    },
};

/// Something that happened to heartbeats, at an instant of the process's monotonic clock.
#[derive(Debug, Clone)]
pub enum Event {
    /// The topic's partitions and their leaders, as known from now on.
    Partitions {
        /// All there are.
        leaders: BTreeMap<i32, Leader>,
        /// When we learnt it.
        at: Instant,
    },
    /// A heartbeat is about to be handed to the client.
    Sent {
        /// Where.
        partition: i32,
        /// Its number: one more than the partition's last.
        sequence: u64,
        /// When it was due.
        intended: Instant,
        /// The instant of the hand-over.
        at: Instant,
        /// The partition's leader, if known.
        broker: Option<BrokerId>,
    },
    /// The client would not take it after all, or could not be asked.
    Refused {
        /// Which.
        partition: i32,
        /// Which.
        sequence: u64,
        /// When.
        at: Instant,
        /// Why.
        fault: Fault,
    },
    /// Its slot went by unused.
    Skipped {
        /// Where.
        partition: i32,
        /// The partition's leader, if known.
        broker: Option<BrokerId>,
        /// When we noticed.
        at: Instant,
    },
    /// The broker acknowledged it.
    Acked {
        /// Which.
        partition: i32,
        /// Which.
        sequence: u64,
        /// When.
        at: Instant,
    },
    /// The delivery failed.
    Failed {
        /// Which.
        partition: i32,
        /// Which.
        sequence: u64,
        /// When.
        at: Instant,
        /// Why.
        fault: Fault,
        /// The client is certain that nothing was written.
        definite: bool,
    },
    /// A record came back from the topic.
    Received {
        /// From where.
        partition: i32,
        /// At which offset.
        offset: i64,
        /// When.
        at: Instant,
        /// What it held.
        record: Result<Record, NotAHeartbeat>,
    },
    /// Records could not be read back.
    Unread {
        /// When.
        at: Instant,
        /// Why.
        fault: Fault,
    },
    /// A broker said that it throttles us.
    Throttled {
        /// `produce` or `fetch`.
        api: &'static str,
        /// For how long.
        time: Duration,
    },
    /// Heartbeats are scheduled on every partition, for the first time since the clients were started or renewed.
    Started {
        /// How long that took.
        took: Duration,
    },
    /// A client was replaced by another one.
    Renewed(Renewal),
    /// This process did not run. To be told before anything that happened after the stall.
    Stalled {
        /// The last instant at which the process was known to run.
        from: Instant,
        /// The first instant at which the process ran again.
        to: Instant,
    },
    /// This process could open no descriptor, so that a client without a connection could not connect. To be told while
    /// the shortage lasts.
    NoDescriptors {
        /// The instant at which a descriptor was tried for before.
        from: Instant,
        /// The last instant at which the process was known to have none.
        to: Instant,
    },
    /// We stop: what is still open ends now, and nothing of it is Kafka's fault.
    Stopped,
}

/// A partition's leader.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Leader {
    /// The broker; `None` while there is none.
    pub broker: Option<BrokerId>,
    /// Its rack, where one is set.
    pub rack: Option<String>,
}
