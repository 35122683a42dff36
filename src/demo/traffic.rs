//! Topics and groups for the page to show: a topic with new records and a topic that went stale; a group that keeps up, a
//! group whose lag grows, and a group that lost records.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::Duration,
};

use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
    error::KafkaError,
    producer::{BaseProducer, BaseRecord, Producer},
};

use crate::clock::now_ms;

/// Topics and their partitions.
pub(super) const TOPICS: [(&str, i32); 3] = [(ORDERS, 1), (AUDIT, 1), (CLICKS, 1)];
/// The topic that always gets new records.
const ORDERS: &str = "orders";
/// The topic whose newest record is hours old.
const AUDIT: &str = "audit";
/// The topic with so many bytes that its oldest records were deleted.
const CLICKS: &str = "clicks";

/// The groups: one that keeps up, one whose lag grows, and one that lost records.
pub(super) const GROUPS: [&str; 3] = ["billing", "reports", "archive"];

/// The size of a click in bytes. The embedded brokers keep 5 MiB of a partition.
const CLICK: usize = 50_000;
const CLICKS_WRITTEN: i64 = 150;
/// The committed offset of the group that lost records: it is before the log start offset.
const CLICKS_READ: i64 = 10;

const HOUR_MS: i64 = 3_600_000;
/// The number of orders that are written at the start, one for every five seconds of the last half hour.
const ORDERS_BEFORE: i64 = 360;
/// The time between two orders.
const TICK: Duration = Duration::from_millis(250);
const PATIENCE: Duration = Duration::from_secs(10);

/// The producer, and a client for each group that commits offsets without reading.
pub(super) struct Traffic {
    producer: BaseProducer,
    keeps_up: BaseConsumer,
    slow: BaseConsumer,
    lost: BaseConsumer,
}

impl Traffic {
    pub(super) fn new(bootstrap: &str) -> Result<Self, KafkaError> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", bootstrap).set("log_level", "0");
        // One record in each batch, because the brokers delete whole batches.
        let producer = config.clone().set("batch.num.messages", "1").create()?;
        let committer = |group| config.clone().set("group.id", group).create();
        let [keeps_up, slow, lost] = GROUPS.map(committer);
        Ok(Self { producer, keeps_up: keeps_up?, slow: slow?, lost: lost? })
    }

    /// Writes the records and commits the offsets that the service finds at its start.
    pub(super) fn begin(&self) -> Result<(), KafkaError> {
        let now = now_ms();
        for age in (0..ORDERS_BEFORE).rev() {
            self.write(ORDERS, now - age * 5_000, b"order")?;
        }
        for minute in (0..20).rev() {
            self.write(AUDIT, now - 3 * HOUR_MS - minute * 60_000, b"audit")?;
        }
        let click = vec![b'c'; CLICK];
        for age in (0..CLICKS_WRITTEN).rev() {
            self.write(CLICKS, now - age * 1_000, &click)?;
        }
        self.producer.flush(PATIENCE)?;
        commit(&self.keeps_up, ORDERS, ORDERS_BEFORE, CommitMode::Sync)?;
        commit(&self.slow, ORDERS, ORDERS_BEFORE / 2, CommitMode::Sync)?;
        commit(&self.lost, CLICKS, CLICKS_READ, CommitMode::Sync)
    }

    /// Writes and commits until `until` is closed.
    pub(super) fn run(&self, until: &Receiver<()>) {
        let mut written = ORDERS_BEFORE;
        while until.recv_timeout(TICK) != Err(RecvTimeoutError::Disconnected) {
            match self.write(ORDERS, now_ms(), b"order") {
                Ok(()) => written += 1,
                Err(error) => tracing::debug!("demo: an order was not written: {error}"),
            }
            self.producer.poll(Duration::ZERO);
            // One group has read all orders but the last, the other group every second order.
            for (group, offset) in [(&self.keeps_up, written - 1), (&self.slow, written / 2)] {
                if let Err(error) = commit(group, ORDERS, offset, CommitMode::Async) {
                    tracing::debug!("demo: a commit failed: {error}");
                }
                // Processes the answers to commits; no partition is assigned, so no record arrives.
                _ = group.poll(Duration::ZERO);
            }
        }
    }

    fn write(&self, topic: &str, timestamp: i64, payload: &[u8]) -> Result<(), KafkaError> {
        let record = BaseRecord::<(), _>::to(topic).partition(0).timestamp(timestamp).payload(payload);
        self.producer.send(record).map_err(|(error, _)| error)
    }
}

fn commit(consumer: &BaseConsumer, topic: &str, offset: i64, mode: CommitMode) -> Result<(), KafkaError> {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Offset(offset))?;
    consumer.commit(&list, mode)
}
