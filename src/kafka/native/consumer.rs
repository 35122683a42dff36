//! The heartbeat consumer: reads partitions from given offsets.
//!
//! It is librdkafka's simple consumer, which has no `group.id`. A client with a group requests the coordinator of the group
//! as long as it lives, even if it never joins the group. The principal needs a permission for that request, and while no
//! broker is connected the request opens connections dozens of times a second.

use std::{
    collections::BTreeMap,
    ffi::CString,
    ptr,
    sync::Arc,
    time::{Duration, Instant},
};

use rdkafka::{
    Message,
    bindings::{
        rd_kafka_consume_start_queue, rd_kafka_consume_stop, rd_kafka_last_error, rd_kafka_queue_destroy,
        rd_kafka_queue_get_main, rd_kafka_topic_destroy, rd_kafka_topic_new,
    },
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaError,
};

use super::{
    context::Context,
    describe::describe,
    errors::{fault, refused},
    listener::Listener,
    login_feed::LoginFeed,
    settings::consumer_config,
};
use crate::{
    config::{self, Properties},
    kafka::{Access, Error, Fault, access::is_same_tls},
};

/// The heartbeat consumer.
pub struct Consumer<L: Listener> {
    native: Arc<BaseConsumer<Context<L>>>,
    login: LoginFeed,
    topic: String,
    /// The properties of `[kafka]` with which the client was made.
    properties: Arc<Properties>,
    /// The partitions that are read, each with the offset before the first record to return. `None` once there was an event
    /// of the partition.
    skipped_offsets: BTreeMap<i32, Option<i64>>,
}

/// An event of the consumer.
#[derive(Debug)]
pub enum ConsumerEvent<'a> {
    /// A record.
    Record(ReceivedRecord<'a>),
    /// A fetch of this partition was answered without a new record. The next record will be read as soon as it is written.
    Answered(i32),
    /// A read failed. The client tries again.
    Failed {
        /// The instant right after librdkafka returned the error.
        at: Instant,
        /// The kind of the failure.
        fault: Fault,
    },
}

/// A record that the consumer read.
#[derive(Debug)]
pub struct ReceivedRecord<'a> {
    /// The partition of the record.
    pub partition: i32,
    /// The offset of the record.
    pub offset: i64,
    /// The instant right after librdkafka returned the record.
    pub at: Instant,
    /// The key of the record, which any client may have written; empty if it has none.
    pub key: &'a [u8],
    /// The value of the record, which any client may have written.
    pub payload: &'a [u8],
}

impl<L: Listener> Consumer<L> {
    /// Makes a client that reads no partition yet.
    ///
    /// # Errors
    /// Settings that librdkafka refuses. [`check`](fn@super::check) has checked them at the start.
    pub fn new(cluster: &config::Cluster, access: &Access, listener: Arc<L>) -> Result<Self, Error> {
        Self::of_topic(&cluster.heartbeat.topic, cluster, access, listener)
    }

    /// The same for another topic of the cluster.
    ///
    /// # Errors
    /// Settings that librdkafka refuses.
    pub fn of_topic(
        topic: &str,
        cluster: &config::Cluster,
        access: &Access,
        listener: Arc<L>,
    ) -> Result<Self, Error> {
        let context = Context::new(cluster, "fetch", listener);
        let login = LoginFeed::new(cluster, access, &cluster.consumer);
        let config = consumer_config(&access.newest(cluster));
        let native: Result<BaseConsumer<_>, _> = config.create_with_context(context);
        let native = native.map_err(|error| refused("the heartbeat consumer", &error))?;
        login.push(native.client());
        Ok(Self {
            native: Arc::new(native),
            login,
            topic: topic.to_owned(),
            properties: access.properties(),
            skipped_offsets: BTreeMap::new(),
        })
    }

    /// Whether the certificates and keys of the client are the newest. If not, another client is needed for new connections.
    pub fn has_newest_certificates(&self, access: &Access) -> bool {
        is_same_tls(&self.properties, &access.properties())
    }

    /// A closure that makes the client request the leaders of the topic now. It blocks at most for `limit`, so it is for
    /// another thread. Without this request, a consumer waits for a frozen broker although other brokers have become
    /// leaders.
    pub fn relearn(&self) -> impl Fn(Duration) -> Result<(), Error> + Send + 'static + use<L> {
        let (native, topic) = (self.native.clone(), self.topic.clone());
        move |limit| describe(native.client(), &topic, limit).map(|_| ())
    }

    /// Reads these partitions from now on, from these offsets. Other partitions are read as before.
    ///
    /// Reading begins one offset earlier, where there may be a record. Kafka answers a fetch at the log end only after
    /// `fetch.wait.max.ms`, and a fetch before the log end at once.
    ///
    /// # Errors
    /// When librdkafka refuses a partition.
    pub fn assign(&mut self, offsets: &BTreeMap<i32, i64>) -> Result<(), Error> {
        for (partition, offset) in offsets {
            if self.skipped_offsets.remove(partition).is_some() {
                stop(&self.native, &self.topic, *partition)?;
            }
            let before = offset.saturating_sub(1);
            start(&self.native, &self.topic, *partition, before.max(0))?;
            self.skipped_offsets.insert(*partition, Some(before));
        }
        Ok(())
    }

    /// Waits for the next event and hands it to `take`. Returns false if no event came within `limit`.
    pub fn next(&mut self, limit: Duration, take: impl FnOnce(ConsumerEvent<'_>)) -> bool {
        self.login.push(self.native.client());
        let Some(polled) = self.native.poll(limit) else { return false };
        let at = Instant::now();
        match polled {
            Ok(message) => {
                let (partition, offset) = (message.partition(), message.offset());
                // Only the first record is skipped. If the log was truncated, later records have lower offsets.
                if self.skipped_offsets.get_mut(&partition).and_then(Option::take) == Some(offset) {
                    take(ConsumerEvent::Answered(partition));
                } else {
                    let (key, payload) =
                        (message.key().unwrap_or_default(), message.payload().unwrap_or_default());
                    take(ConsumerEvent::Record(ReceivedRecord { partition, offset, at, key, payload }));
                }
            }
            Err(KafkaError::PartitionEOF(partition)) => take(ConsumerEvent::Answered(partition)),
            Err(error) => {
                let context = self.native.context();
                context.complaints.note(fault(&error), &error.to_string());
                take(ConsumerEvent::Failed { at, fault: fault(&error) });
            }
        }
        true
    }
}

impl<L: Listener> Drop for Consumer<L> {
    fn drop(&mut self) {
        for partition in self.skipped_offsets.keys() {
            if let Err(error) = stop(&self.native, &self.topic, *partition) {
                tracing::debug!(partition, "{error}");
            }
        }
    }
}

/// Begins to read a partition. Its records come through the queue of all partitions.
fn start<L: Listener>(
    native: &BaseConsumer<Context<L>>,
    topic: &str,
    partition: i32,
    offset: i64,
) -> Result<(), Error> {
    with_topic(native, topic, |topic| {
        let client = native.client().native_ptr();
        #[expect(unsafe_code, reason = "rdkafka has no safe function for reading without a group")]
        // SAFETY: client and topic are alive. The reference to the queue is given back, and the client keeps its own.
        unsafe {
            let queue = rd_kafka_queue_get_main(client);
            let started = rd_kafka_consume_start_queue(topic, partition, offset, queue);
            rd_kafka_queue_destroy(queue);
            started
        }
    })
}

/// Stops reading a partition. Records that were fetched already are not returned any more.
fn stop<L: Listener>(native: &BaseConsumer<Context<L>>, topic: &str, partition: i32) -> Result<(), Error> {
    with_topic(native, topic, |topic| {
        #[expect(unsafe_code, reason = "rdkafka has no safe function for reading without a group")]
        // SAFETY: the topic is alive.
        unsafe {
            rd_kafka_consume_stop(topic, partition)
        }
    })
}

/// Calls `act` with librdkafka's handle of a topic. A result below 0 is an error.
fn with_topic<L: Listener>(
    native: &BaseConsumer<Context<L>>,
    name: &str,
    act: impl FnOnce(*mut rdkafka::bindings::rd_kafka_topic_t) -> i32,
) -> Result<(), Error> {
    let what = "to read the heartbeat topic";
    let name = CString::new(name).map_err(|error| refused(what, &error.into()))?;
    #[expect(unsafe_code, reason = "rdkafka has no safe function for reading without a group")]
    // SAFETY: the client is alive, each call gets the handle that the first call returned, and the handle is given back.
    let (done, error) = unsafe {
        let topic = rd_kafka_topic_new(native.client().native_ptr(), name.as_ptr(), ptr::null_mut());
        if topic.is_null() {
            (-1, rd_kafka_last_error())
        } else {
            let done = act(topic);
            let error = rd_kafka_last_error();
            rd_kafka_topic_destroy(topic);
            (done, error)
        }
    };
    if done < 0 { Err(refused(what, &KafkaError::Global(error.into()))) } else { Ok(()) }
}
