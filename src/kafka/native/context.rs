//! The callbacks of a client. librdkafka calls them with log lines, statistics, errors and deliveries.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext, Message,
    bindings::{rd_kafka_message_status, rd_kafka_msg_status_t},
    config::RDKafkaLogLevel,
    consumer::ConsumerContext,
    error::{KafkaError, RDKafkaErrorCode as Code},
    message::BorrowedMessage,
    producer::{DeliveryResult, ProducerContext},
    statistics::Statistics,
};

use super::{
    complaints::ComplaintLog,
    errors::fault,
    listener::{Delivery, DeliveryFailure, Listener},
};
use crate::{config, kafka::Fault};

/// The facility of the log lines of an error after which a client does nothing any more.
const FATAL: &str = "FATAL";

/// The callbacks of one client.
pub(super) struct Context<L: Listener> {
    pub(super) api: &'static str,
    pub(super) listener: Arc<L>,
    pub(super) complaints: ComplaintLog,
    pub(super) fatal: FatalError,
}

impl<L: Listener> Context<L> {
    pub(super) fn new(cluster: &config::Cluster, api: &'static str, listener: Arc<L>) -> Self {
        let complaints = ComplaintLog::new(cluster.name.clone(), api);
        Self { api, listener, complaints, fatal: FatalError::default() }
    }
}

impl<L: Listener> ClientContext for Context<L> {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        // Outcomes and the connectivity probe report failures. These log lines are the details.
        let cluster = self.complaints.cluster();
        if facility == FATAL {
            self.fatal.raised.store(true, Ordering::Release);
            self.listener.failed();
            tracing::debug!(cluster, client = self.api, facility, "{line}");
        } else if (level as i32) <= (RDKafkaLogLevel::Critical as i32) {
            tracing::error!(cluster, client = self.api, facility, "{line}");
        } else {
            tracing::debug!(cluster, client = self.api, facility, "{line}");
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
            // The first error after the fatal one has the code of its cause.
            let cause = self.fatal.cause.get_or_init(|| fault(&error)).as_str();
            return tracing::debug!(
                client = self.api,
                cause,
                "an error of a client that has failed: {reason}"
            );
        }
        self.complaints.note(fault(&error), reason);
    }
}

impl<L: Listener> ConsumerContext for Context<L> {}

impl<L: Listener> ProducerContext for Context<L> {
    type DeliveryOpaque = Box<u64>;

    fn delivery(&self, result: &DeliveryResult<'_>, token: Self::DeliveryOpaque) {
        let at = Instant::now();
        let (message, result) = match result {
            Ok(message) => (message, Ok(Some(message.offset()).filter(|offset| *offset >= 0))),
            Err((error, message)) => {
                // A client that failed drops the records in its queue. A record that timed out and waits in the queue to
                // be sent again may be written already.
                let purged = error.rdkafka_error_code() == Some(Code::PurgeQueue);
                let definite = !maybe_written(message);
                let fault = if purged { self.fatal.cause() } else { fault(error) };
                (message, Err(DeliveryFailure { fault, sent: !(purged && definite), definite }))
            }
        };
        let (partition, payload) = (message.partition(), message.payload().unwrap_or_default());
        self.listener.delivered(Delivery { partition, token: *token, at, payload, result });
    }
}

/// Whether a record may be in the log although its delivery failed.
fn maybe_written(message: &BorrowedMessage<'_>) -> bool {
    #[expect(unsafe_code, reason = "rdkafka has no safe function for this")]
    // SAFETY: the message lives as long as the reference, and the call only reads it.
    let status = unsafe { rd_kafka_message_status(message.ptr()) };
    status != rd_kafka_msg_status_t::RD_KAFKA_MSG_STATUS_NOT_PERSISTED
}

/// The fatal error of a client, after which the client does nothing any more.
#[derive(Default)]
pub(super) struct FatalError {
    /// Whether librdkafka has reported a fatal error.
    raised: AtomicBool,
    /// The fault of the fatal error. Empty until librdkafka has reported it.
    cause: OnceLock<Fault>,
}

impl FatalError {
    pub(super) fn cause(&self) -> Fault {
        self.cause.get().copied().unwrap_or(Fault::Other)
    }
}
