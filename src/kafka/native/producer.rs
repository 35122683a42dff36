//! The heartbeat producer.

use std::{
    collections::BTreeSet,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    error::RDKafkaErrorCode as Code,
    message::{Header, OwnedHeaders},
    producer::{BaseRecord, Producer as _, PurgeConfig, ThreadedProducer},
};

use super::{
    context::Context,
    describe::{describe, describe_failure},
    errors::{fault, refused},
    listener::Listener,
    settings::producer_config,
};
use crate::{
    config,
    kafka::{Error, Fault},
};

/// Between two attempts to connect to a leader.
const CONNECT_AGAIN: Duration = Duration::from_millis(50);

/// What is sent.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Where.
    pub topic: &'a str,
    /// Where.
    pub partition: i32,
    /// Its name and its value.
    pub header: Option<(&'a str, &'a str)>,
    /// What.
    pub payload: &'a [u8],
}

/// The heartbeat producer: cheap to send to, reports on a thread of its own.
pub struct Producer<L: Listener> {
    native: ThreadedProducer<Context<L>>,
}

impl<L: Listener> Producer<L> {
    /// Makes a client; does not connect yet.
    ///
    /// # Errors
    /// Settings that librdkafka refuses; they were checked by [`check`] before.
    pub fn new(cluster: &config::Cluster, listener: Arc<L>) -> Result<Self, Error> {
        let context = Context::new(cluster, "produce", listener);
        let native = producer_config(cluster).create_with_context(context);
        Ok(Self { native: native.map_err(|error| refused("the heartbeat producer", &error))? })
    }

    /// Hands a record over, without waiting. Every record that is taken is reported exactly once.
    ///
    /// # Errors
    /// Why the client did not take it.
    pub fn send(&self, record: &Record<'_>, token: u64) -> Result<(), Fault> {
        let mut native = BaseRecord::<(), [u8], Box<u64>>::with_opaque_to(record.topic, Box::new(token))
            .partition(record.partition)
            .payload(record.payload);
        native.headers = record.header.map(|(key, value)| {
            OwnedHeaders::new_with_capacity(1).insert(Header { key, value: Some(value) })
        });
        self.native.send(native).map_err(|(error, _)| {
            let context = self.native.context();
            if error.rdkafka_error_code() == Some(Code::Fatal) {
                context.fatal.cause()
            } else {
                fault(&error)
            }
        })
    }

    /// Why librdkafka gave this client up for good; `None` while the client works.
    pub fn failure(&self) -> Option<String> {
        describe_failure(self.native.client())
    }

    /// Asks for the topic's partitions, so that the client knows where to send before it has to; blocks, at
    /// most for `limit`. Without, partitions that were added are refused until the client looks by itself.
    ///
    /// # Errors
    /// When no broker answered in time.
    pub fn learn(&self, topic: &str, limit: Duration) -> Result<BTreeSet<i32>, Error> {
        describe(self.native.client(), topic, limit)
    }

    /// Connects to the leader of a partition, by asking the leader for the partition's offsets; blocks, at most
    /// for `limit`. The connection is the one that records travel on.
    ///
    /// # Errors
    /// Why there was no answer.
    pub fn connect(&self, topic: &str, partition: i32, limit: Duration) -> Result<(), Error> {
        let end = Instant::now() + limit;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let Err(error) = self.native.client().fetch_watermarks(topic, partition, left) else {
                return Ok(());
            };
            if left <= CONNECT_AGAIN {
                return Err(refused("to connect to a leader", &error));
            }
            // A leader that was just elected may refuse at first.
            thread::park_timeout(CONNECT_AGAIN);
        }
    }

    /// Waits for what is under way, then drops what is left; both are reported.
    pub fn finish(&self, limit: Duration) {
        if self.native.flush(limit).is_err() {
            self.native.purge(PurgeConfig::default().queue().inflight());
        }
    }
}
