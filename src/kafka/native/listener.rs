//! What the heartbeat clients report, and to which listener.

use std::time::{Duration, Instant};

use crate::kafka::Fault;

/// What happened to a record that was handed to the producer.
#[derive(Debug)]
pub struct Report {
    /// Its partition.
    pub partition: i32,
    /// The token it was sent with.
    pub token: u64,
    /// The instant the client reported it.
    pub at: Instant,
    /// Acknowledged, or why not.
    pub result: Result<(), Undelivered>,
}

/// Why a record was not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Undelivered {
    /// The kind.
    pub fault: Fault,
    /// The client may have sent it to a broker. A record that was never sent is no evidence against Kafka.
    pub sent: bool,
    /// The client is certain that nothing was written.
    pub definite: bool,
}

/// Who hears of deliveries. Runs on librdkafka's polling thread: must not block.
pub trait Listener: Send + Sync + 'static {
    /// A delivery succeeded or failed.
    fn delivered(&self, report: Report);
    /// librdkafka gave the client up for good: the client does nothing any more.
    fn failed(&self);
    /// Records could not be read; the client goes on trying.
    fn unread(&self, at: Instant, fault: Fault);
    /// Within the last statistics interval a broker throttled us, at most for this long at once.
    fn throttled(&self, api: &'static str, time: Duration);
}
