//! librdkafka: the client that carries heartbeats.
//!
//! Settings become a producer and a consumer here; nothing else in the program touches librdkafka.
//! The two handles never share a connection. Nothing blocks but [`Consumer::next`], which belongs to a
//! thread of its own, and no admin call is ever made: librdkafka's abort the process when a broker is
//! sick. The `unsafe` calls ask a message whether it may have been written, and read partitions without a group.

mod consumer;
mod publish;
mod settings;
mod words;

use std::{
    collections::BTreeSet,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext, Message,
    bindings::{rd_kafka_message_status, rd_kafka_msg_status_t},
    client::Client,
    config::RDKafkaLogLevel,
    consumer::ConsumerContext,
    error::{KafkaError, RDKafkaErrorCode as Code},
    message::{BorrowedMessage, Header, OwnedHeaders},
    producer::{BaseRecord, DeliveryResult, Producer as _, ProducerContext, PurgeConfig, ThreadedProducer},
    statistics::Statistics,
};

pub use consumer::{Consumer, Read, Received};
pub use publish::Publisher;
use settings::producer_config;
pub use settings::{check, check_together, warnings};
use words::Words;

use super::{Error, Fault};
use crate::{config, text::plain};

/// What librdkafka's log calls an error after which a client does nothing any more.
const FATAL: &str = "FATAL";

/// Between two attempts to connect to a leader.
const CONNECT_AGAIN: Duration = Duration::from_millis(50);

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

/// What a client learns of a topic it keeps: partitions and leaders.
fn describe<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    limit: Duration,
) -> Result<BTreeSet<i32>, Error> {
    let answer = client.fetch_metadata(Some(topic), limit);
    let answer = answer.map_err(|error| refused("to describe the topic", &error))?;
    let described = answer.topics().iter().filter(|described| described.name() == topic);
    Ok(described.flat_map(|described| described.partitions()).map(|partition| partition.id()).collect())
}

/// Why librdkafka gave a client up for good; `None` while the client works.
fn describe_failure<C: ClientContext>(client: &Client<C>) -> Option<String> {
    let (code, reason) = client.fatal_error()?;
    Some(format!("librdkafka reports the fatal error {code:?}: {}", plain(&reason)))
}

fn refused(what: &str, error: &KafkaError) -> Error {
    match error {
        KafkaError::ClientConfig(_, _, key, _) => {
            Error::new(Fault::Other, format!("librdkafka refuses {what}: property {key}"))
        }
        error => Error::new(fault(error), format!("librdkafka refuses {what}")).because(error.to_string()),
    }
}

/// Callbacks of one client.
struct Context<L: Listener> {
    api: &'static str,
    listener: Arc<L>,
    words: Words,
    fatal: Fatal,
}

impl<L: Listener> Context<L> {
    fn new(cluster: &config::Cluster, api: &'static str, listener: Arc<L>) -> Self {
        let words = Words::new(cluster.name.clone(), api);
        Self { api, listener, words, fatal: Fatal::default() }
    }
}

impl<L: Listener> ClientContext for Context<L> {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, words: &str) {
        // What goes wrong is told by outcomes and by the connectivity probe; these are the details.
        let cluster = self.words.cluster();
        if facility == FATAL {
            self.fatal.raised.store(true, Ordering::Release);
            self.listener.failed();
            tracing::debug!(cluster, client = self.api, facility, "{words}");
        } else if (level as i32) <= (RDKafkaLogLevel::Critical as i32) {
            tracing::error!(cluster, client = self.api, facility, "{words}");
        } else {
            tracing::debug!(cluster, client = self.api, facility, "{words}");
        }
    }

    fn stats(&self, statistics: Statistics) {
        for broker in statistics.brokers.values() {
            let longest = broker.throttle.as_ref().map(|window| window.max).filter(|max| *max > 0);
            if let Some(millis) = longest.and_then(|max| u64::try_from(max).ok()) {
                self.listener.throttled(self.api, Duration::from_millis(millis));
            }
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // The end of a partition is an event of the consumer, which librdkafka delivers as an error.
        if error.rdkafka_error_code() == Some(Code::PartitionEOF) {
            return;
        }
        if self.fatal.raised.load(Ordering::Acquire) {
            // The first one after it is the fatal error itself, under the code of its cause.
            let cause = self.fatal.cause.get_or_init(|| fault(&error)).as_str();
            return tracing::debug!(client = self.api, cause, "of a client that failed: {reason}");
        }
        self.words.note(fault(&error), reason);
    }
}

impl<L: Listener> ConsumerContext for Context<L> {}

impl<L: Listener> ProducerContext for Context<L> {
    type DeliveryOpaque = Box<u64>;

    fn delivery(&self, result: &DeliveryResult<'_>, token: Self::DeliveryOpaque) {
        let at = Instant::now();
        let (partition, result) = match result {
            Ok(message) => (message.partition(), Ok(())),
            Err((error, message)) => {
                // What is left in the queue of a client that failed is dropped from there. A record that timed out and
                // waits there to be sent again may be written.
                let (purged, definite) =
                    (error.rdkafka_error_code() == Some(Code::PurgeQueue), !maybe_written(message));
                let fault = if purged { self.fatal.cause() } else { fault(error) };
                (message.partition(), Err(Undelivered { fault, sent: !(purged && definite), definite }))
            }
        };
        self.listener.delivered(Report { partition, token: *token, at, result });
    }
}

/// Does what may block on a thread of its own. Where the system has no thread left, the work is not done, and dropped here.
pub fn aside(work: impl FnOnce() + Send + 'static) {
    if let Err(error) = thread::Builder::new().spawn(work) {
        tracing::warn!("no thread can be started beside the heartbeats: {error}");
    }
}

/// Whether the record may be in the log although its delivery failed.
fn maybe_written(message: &BorrowedMessage<'_>) -> bool {
    #[expect(unsafe_code, reason = "rdkafka has no safe name for this question")]
    // SAFETY: the message lives as long as the reference, and the call only reads it.
    let status = unsafe { rd_kafka_message_status(message.ptr()) };
    status != rd_kafka_msg_status_t::RD_KAFKA_MSG_STATUS_NOT_PERSISTED
}

/// Whether librdkafka gave a client up for good.
#[derive(Default)]
struct Fatal {
    raised: AtomicBool,
    cause: OnceLock<Fault>,
}

impl Fatal {
    fn cause(&self) -> Fault {
        self.cause.get().copied().unwrap_or(Fault::Other)
    }
}

/// librdkafka's error as a fault.
fn fault(error: &KafkaError) -> Fault {
    let Some(code) = error.rdkafka_error_code() else { return Fault::Other };
    match code {
        Code::Resolve => Fault::Dns,
        Code::MessageTimedOut | Code::OperationTimedOut | Code::RequestTimedOut | Code::TimedOutQueue => {
            Fault::Timeout
        }
        Code::BrokerTransportFailure
        | Code::AllBrokersDown
        | Code::NetworkException
        | Code::BrokerDestroy => Fault::Disconnected,
        Code::SSL => Fault::Tls,
        Code::Authentication | Code::SaslAuthenticationFailed | Code::UnsupportedSASLMechanism => {
            Fault::Authentication
        }
        Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::TransactionalIdAuthorizationFailed => Fault::Authorization,
        Code::UnknownTopic
        | Code::UnknownTopicOrPartition
        | Code::UnknownPartition
        | Code::UnknownTopicId => Fault::UnknownTopic,
        Code::LeaderNotAvailable | Code::NotLeaderForPartition | Code::FencedLeaderEpoch => Fault::NoLeader,
        Code::NotEnoughReplicas | Code::NotEnoughReplicasAfterAppend => Fault::NotEnoughReplicas,
        Code::PolicyViolation | Code::ThrottlingQuotaExceeded => Fault::Policy,
        Code::QueueFull => Fault::QueueFull,
        Code::UnsupportedFeature | Code::UnsupportedVersion => Fault::Unsupported,
        Code::BadMessage | Code::InvalidMessage => Fault::Protocol,
        _ => Fault::Other,
    }
}
