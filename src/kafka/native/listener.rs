//! The reports of the heartbeat clients, and the trait of their receiver.

use std::time::{Duration, Instant};

use crate::kafka::Fault;

/// The outcome of a record that was handed to the producer.
#[derive(Debug)]
pub struct Delivery<'a> {
    /// The partition of the record.
    pub partition: i32,
    /// The token with which the record was sent.
    pub token: u64,
    /// When the client reported the outcome.
    pub at: Instant,
    /// The value of the record.
    pub payload: &'a [u8],
    /// `Ok` if the broker acknowledged the record, with the offset of the record. The offset is `None` if the broker did not report
    /// it, as with `acks=0`.
    pub result: Result<Option<i64>, DeliveryFailure>,
}

/// Why a record was not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryFailure {
    /// The kind of the failure.
    pub fault: Fault,
    /// Whether the client may have sent the record to a broker. A record that was never sent is no evidence against Kafka.
    pub sent: bool,
    /// Whether it is certain that no broker has written the record.
    pub definite: bool,
}

/// Receives the reports of a client. The methods run on librdkafka's polling thread and must not block.
pub trait Listener: Send + Sync + 'static {
    /// A record was acknowledged, or its delivery failed.
    fn delivered(&self, delivery: Delivery<'_>);
    /// librdkafka reported a fatal error: the client does nothing any more.
    fn failed(&self);
    /// A broker throttled the client within the last statistics interval. `time` is the longest throttling.
    fn throttled(&self, api: &'static str, time: Duration);
}
