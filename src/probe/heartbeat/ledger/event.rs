//! The events that the ledger books.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::{
    kafka::{BrokerId, Fault},
    probe::heartbeat::{
        id::HeartbeatId,
        period::Period,
        record::{NotAHeartbeat, Record},
        renewal::Renewal,
    },
};

/// Something that happened to heartbeats. Instants are of the process's monotonic clock.
#[derive(Debug, Clone)]
pub enum Event {
    /// The metadata were read: the partitions of the topic and their leaders, valid from now on.
    Partitions {
        /// The leader of every partition of the topic.
        leaders: BTreeMap<i32, Leader>,
        /// The instant at which this process learned of them.
        at: Instant,
    },
    /// A heartbeat is about to be handed to the client.
    Sent {
        /// The heartbeat. Its sequence is one more than the last one of the partition.
        id: HeartbeatId,
        /// The instant at which the heartbeat was due.
        intended: Instant,
        /// The instant of the hand-over.
        at: Instant,
        /// The leader of the partition; `None` if no leader is known.
        broker: Option<BrokerId>,
    },
    /// The client refused the heartbeat, or no client was ready for it. Nothing was sent.
    Refused {
        /// The heartbeat.
        id: HeartbeatId,
        /// The instant of the refusal.
        at: Instant,
        /// The reason.
        fault: Fault,
    },
    /// A slot of the schedule passed without a heartbeat.
    Skipped {
        /// The partition of the slot.
        partition: i32,
        /// The leader of the partition; `None` if no leader is known.
        broker: Option<BrokerId>,
        /// The instant at which the sending thread noticed it.
        at: Instant,
    },
    /// The broker acknowledged the heartbeat.
    Acked {
        /// The heartbeat.
        id: HeartbeatId,
        /// The instant of the acknowledgement.
        at: Instant,
        /// The record that the broker stored; `None` if the broker did not report the offset.
        stored: Option<Stored>,
    },
    /// The delivery failed.
    Failed {
        /// The heartbeat.
        id: HeartbeatId,
        /// The instant of the delivery report.
        at: Instant,
        /// The reason.
        fault: Fault,
        /// True if the client is certain that the record was not written.
        definite: bool,
    },
    /// The consumer read a record of the topic.
    Received {
        /// The partition of the record.
        partition: i32,
        /// The offset of the record.
        offset: i64,
        /// The instant at which the record was read.
        at: Instant,
        /// The decoded value of the record.
        record: Result<Record, NotAHeartbeat>,
    },
    /// The consumer could not read records. It goes on trying.
    ReadFailed {
        /// The instant of the error.
        at: Instant,
        /// The reason.
        fault: Fault,
    },
    /// A broker reported that it throttled this process.
    Throttled {
        /// The request that was throttled: `produce` or `fetch`.
        api: &'static str,
        /// The length of the delay.
        time: Duration,
    },
    /// Heartbeats are scheduled on every partition, for the first time since the clients were started or renewed.
    Started {
        /// The time since the start or the renewal.
        took: Duration,
    },
    /// A client was replaced by another client.
    Renewed(Renewal),
    /// This process did not run from the first to the last instant of the period. The event must be applied before
    /// any event that happened after the stall.
    Stalled(Period),
    /// This process could open no file descriptor during the period, so a client without a connection could not
    /// connect. The event is repeated while the shortage lasts.
    NoDescriptors(Period),
    /// This process had no usable credential during the period, so a client without a session could not log in. The
    /// event is repeated while the lack lasts.
    NoCredential(Period),
    /// The service stops. Heartbeats in flight end as skipped, because Kafka is not to blame for them.
    Stopped,
}

/// A record that a broker acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// The offset of the record.
    pub offset: i64,
    /// The checksum at the end of the record's value.
    pub checksum: u32,
}

/// The leader of a partition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Leader {
    /// The broker; `None` while the partition has no leader.
    pub broker: Option<BrokerId>,
    /// The broker's rack; `None` if no rack is set.
    pub rack: Option<String>,
}
