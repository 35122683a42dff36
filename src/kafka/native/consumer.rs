//! The heartbeat consumer: reads partitions from given offsets.
//!
//! It is librdkafka's simple consumer, which has no `group.id`. A client with one asks for the coordinator of its
//! group for as long as it lives, although nobody joins the group: a principal needs a permission for that
//! request, and while no broker is connected the request opens connections dozens of times a second.

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
    settings::consumer_config,
};
use crate::{config, kafka::Error};

/// The heartbeat consumer.
pub struct Consumer<L: Listener> {
    native: Arc<BaseConsumer<Context<L>>>,
    topic: String,
    /// The offset of the first record that is wanted, by partition.
    begins: BTreeMap<i32, i64>,
}

/// What a consumer read.
#[derive(Debug)]
pub enum Read<'a> {
    /// A record.
    Record(Received<'a>),
    /// Nothing, but a fetch of this partition was answered: the next record will be there as soon as it is written.
    Answered(i32),
}

/// A record read back.
#[derive(Debug)]
pub struct Received<'a> {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// The instant right after the client returned it.
    pub at: Instant,
    /// Its value: anybody's bytes.
    pub payload: &'a [u8],
}

impl<L: Listener> Consumer<L> {
    /// Makes a client that reads nothing yet.
    ///
    /// # Errors
    /// Settings that librdkafka refuses; [`check`](super::check) looked at them before.
    pub fn new(cluster: &config::Cluster, listener: Arc<L>) -> Result<Self, Error> {
        let native = consumer_config(cluster).create_with_context(Context::new(cluster, "fetch", listener));
        let native = native.map_err(|error| refused("the heartbeat consumer", &error))?;
        Ok(Self { native: Arc::new(native), topic: cluster.heartbeat.topic.clone(), begins: BTreeMap::new() })
    }

    /// Makes the client ask for the topic's leaders now; blocks, at most for `limit`, so it is a closure for
    /// another thread. Without, a consumer waits for a frozen broker while others have long taken over.
    pub fn relearn(&self) -> impl Fn(Duration) -> Result<(), Error> + Send + 'static + use<L> {
        let (native, topic) = (self.native.clone(), self.topic.clone());
        move |limit| describe(native.client(), &topic, limit).map(|_| ())
    }

    /// Reads these partitions from now on, from these offsets; partitions not named go on where they are.
    ///
    /// Reading begins one record earlier where there may be one. Kafka answers a fetch at the log end only after
    /// `fetch.wait.max.ms`, and one before the log end at once.
    ///
    /// # Errors
    /// librdkafka's refusal.
    pub fn assign(&mut self, offsets: &BTreeMap<i32, i64>) -> Result<(), Error> {
        for (partition, offset) in offsets {
            if self.begins.remove(partition).is_some() {
                stop(&self.native, &self.topic, *partition)?;
            }
            start(&self.native, &self.topic, *partition, (offset - 1).max(0))?;
            self.begins.insert(*partition, *offset);
        }
        Ok(())
    }

    /// Waits for the next record and hands it to `take`; returns false if none came in time.
    pub fn next(&mut self, limit: Duration, take: impl FnOnce(Read<'_>)) -> bool {
        let Some(polled) = self.native.poll(limit) else { return false };
        let at = Instant::now();
        match polled {
            Ok(message) => {
                let (partition, offset) = (message.partition(), message.offset());
                if self.begins.get(&partition).is_some_and(|begin| offset < *begin) {
                    take(Read::Answered(partition));
                } else {
                    let payload = message.payload().unwrap_or_default();
                    take(Read::Record(Received { partition, offset, at, payload }));
                }
            }
            Err(KafkaError::PartitionEOF(partition)) => take(Read::Answered(partition)),
            Err(error) => {
                let context = self.native.context();
                context.listener.unread(at, fault(&error));
                context.words.note(fault(&error), &error.to_string());
            }
        }
        true
    }
}

impl<L: Listener> Drop for Consumer<L> {
    fn drop(&mut self) {
        for partition in self.begins.keys() {
            if let Err(error) = stop(&self.native, &self.topic, *partition) {
                tracing::debug!(partition, "{error}");
            }
        }
    }
}

/// Begins to read a partition; its records come with those of the others.
fn start<L: Listener>(
    native: &BaseConsumer<Context<L>>,
    topic: &str,
    partition: i32,
    offset: i64,
) -> Result<(), Error> {
    with_topic(native, topic, |topic| {
        let client = native.client().native_ptr();
        #[expect(unsafe_code, reason = "rdkafka has no safe name for reading without a group")]
        // SAFETY: client and topic are alive; the queue is a reference that is given back, and the client keeps its own.
        unsafe {
            let queue = rd_kafka_queue_get_main(client);
            let started = rd_kafka_consume_start_queue(topic, partition, offset, queue);
            rd_kafka_queue_destroy(queue);
            started
        }
    })
}

/// Ends reading a partition; what was fetched already is not returned any more.
fn stop<L: Listener>(native: &BaseConsumer<Context<L>>, topic: &str, partition: i32) -> Result<(), Error> {
    with_topic(native, topic, |topic| {
        #[expect(unsafe_code, reason = "rdkafka has no safe name for reading without a group")]
        // SAFETY: the topic is alive.
        unsafe {
            rd_kafka_consume_stop(topic, partition)
        }
    })
}

/// Calls `act` with librdkafka's handle of a topic; a result below 0 is an error.
fn with_topic<L: Listener>(
    native: &BaseConsumer<Context<L>>,
    name: &str,
    act: impl FnOnce(*mut rdkafka::bindings::rd_kafka_topic_t) -> i32,
) -> Result<(), Error> {
    let what = "to read the heartbeat topic";
    let name = CString::new(name).map_err(|error| refused(what, &error.into()))?;
    #[expect(unsafe_code, reason = "rdkafka has no safe name for reading without a group")]
    // SAFETY: the client is alive; each call gets what the one before returned, and the handle is given back.
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
