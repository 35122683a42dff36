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
    producer::{BaseRecord, Producer as _, PurgeConfig},
};

use super::{
    context::Context,
    describe::{describe, describe_failure},
    errors::{fault, refused},
    listener::Listener,
    login_feed::LoginFeed,
    polled::PolledProducer,
    settings::producer_config,
};
use crate::{
    config,
    kafka::{Access, Error, Fault},
};

/// The pause between two attempts to connect to a leader.
const CONNECT_AGAIN: Duration = Duration::from_millis(50);

/// A record to send.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// The topic of the record.
    pub topic: &'a str,
    /// The partition of the record.
    pub partition: i32,
    /// The name and the value of the record's only header. `None` for a record without a header.
    pub header: Option<(&'a str, &'a str)>,
    /// The value of the record.
    pub payload: &'a [u8],
}

/// The heartbeat producer. Sending never waits, and deliveries are reported on a thread of its own.
pub struct Producer<L: Listener> {
    native: PolledProducer<Context<L>>,
    login: LoginFeed,
}

impl<L: Listener> Producer<L> {
    /// Makes a client, which does not connect yet.
    ///
    /// # Errors
    /// Settings that librdkafka refuses. [`check`](fn@super::check) has checked them at the start.
    pub fn new(cluster: &config::Cluster, access: &Access, listener: Arc<L>) -> Result<Self, Error> {
        let context = Context::new(cluster, "produce", listener);
        let login = LoginFeed::new(cluster, access, &cluster.producer);
        let config = producer_config(&access.newest(cluster));
        let native = PolledProducer::new(&config, context);
        let native = native.map_err(|error| refused("the heartbeat producer", &error))?;
        login.push(native.client());
        Ok(Self { native, login })
    }

    /// Hands a record to the client without waiting. Every record that the client accepts is reported exactly once.
    ///
    /// # Errors
    /// Why the client did not accept the record.
    pub fn send(&self, record: &Record<'_>, token: u64) -> Result<(), Fault> {
        self.login.push(self.native.client());
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

    /// The fatal error of this client. `None` while the client works.
    pub fn failure(&self) -> Option<String> {
        describe_failure(self.native.client())
    }

    /// Requests the partitions of a topic, so that the client knows their leaders before it sends. Blocks at most for
    /// `limit`. Without this request, the client refuses records to new partitions until its next metadata refresh.
    ///
    /// # Errors
    /// When no broker answered in time.
    pub fn learn(&self, topic: &str, limit: Duration) -> Result<BTreeSet<i32>, Error> {
        let left = self.login.push_first(self.native.client(), limit);
        describe(self.native.client(), topic, left)
    }

    /// Connects to the leader of a partition by requesting the partition's offsets from it. Blocks at most for `limit`. The
    /// client sends records on the same connection.
    ///
    /// # Errors
    /// Why the leader did not answer.
    pub fn connect(&self, topic: &str, partition: i32, limit: Duration) -> Result<(), Error> {
        let end = Instant::now() + limit;
        loop {
            self.login.push(self.native.client());
            let left = end.saturating_duration_since(Instant::now());
            let Err(error) = self.native.client().fetch_watermarks(topic, partition, left) else {
                return Ok(());
            };
            if left <= CONNECT_AGAIN {
                return Err(refused("to connect to a leader", &error));
            }
            // A leader that was just elected may refuse the request at first.
            thread::park_timeout(CONNECT_AGAIN);
        }
    }

    /// Waits for the records in flight, at most for `limit`, and then drops those that are left. All of them are reported.
    pub fn finish(&self, limit: Duration) {
        if self.native.flush(limit).is_err() {
            self.native.purge(PurgeConfig::default().queue().inflight());
        }
    }
}
