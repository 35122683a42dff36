//! Topics and groups to look at: one topic that lives and one that went stale; one group that keeps up, one
//! that falls behind, and one that lost data.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::Duration,
};

use crate::clock::now_ms;
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
    error::KafkaError,
    producer::{BaseProducer, BaseRecord, Producer},
};

/// Topics and their partitions.
pub(super) const TOPICS: [(&str, i32); 3] = [(ORDERS, 1), (AUDIT, 1), (CLICKS, 1)];
/// Written to all the time.
const ORDERS: &str = "orders";
/// Nobody has written to it for hours.
const AUDIT: &str = "audit";
/// Written to so much that its oldest records are gone.
const CLICKS: &str = "clicks";

/// Keeps up; falls behind; lost data.
pub(super) const GROUPS: [&str; 3] = ["billing", "reports", "archive"];

/// The embedded brokers keep 5 MiB of a partition.
const CLICK: usize = 50_000;
const CLICKS_WRITTEN: i64 = 150;
/// A commit before the first record that is left.
const CLICKS_READ: i64 = 10;

const HOUR_MS: i64 = 3_600_000;
/// Orders that were there before: one in five seconds, for half an hour.
const ORDERS_BEFORE: i64 = 360;
/// So often something happens.
const TICK: Duration = Duration::from_millis(250);
const PATIENCE: Duration = Duration::from_secs(10);

/// Who writes and commits.
pub(super) struct Traffic {
    producer: BaseProducer,
    keeps_up: BaseConsumer,
    falls_behind: BaseConsumer,
    lost: BaseConsumer,
}

impl Traffic {
    pub(super) fn new(bootstrap: &str) -> Result<Self, KafkaError> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", bootstrap).set("log_level", "0");
        // One record a batch: what the brokers drop, they drop in batches.
        let producer = config.clone().set("batch.num.messages", "1").create()?;
        let committer = |group| config.clone().set("group.id", group).create();
        let [keeps_up, falls_behind, lost] = GROUPS.map(committer);
        Ok(Self { producer, keeps_up: keeps_up?, falls_behind: falls_behind?, lost: lost? })
    }

    /// Writes what looks as if it had been there before.
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
        commit(&self.falls_behind, ORDERS, ORDERS_BEFORE / 2, CommitMode::Sync)?;
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
            // What was written a moment ago is read; the other one reads every second order.
            for (group, offset) in [(&self.keeps_up, written - 1), (&self.falls_behind, written / 2)] {
                if let Err(error) = commit(group, ORDERS, offset, CommitMode::Async) {
                    tracing::debug!("demo: a commit failed: {error}");
                }
                // Takes the answers to commits in; there are no records.
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
