//! A producer whose deliveries and errors a thread of its own reports.
//!
//! rdkafka has such a producer, `ThreadedProducer`. Its thread polls for 100 ms at a time, and rdkafka does not block within the last
//! millisecond of a poll: an idle client takes nearly one percent of a processor. Here a poll lasts five times as long.

use std::{
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use rdkafka::{
    ClientConfig,
    config::FromClientConfigAndContext,
    error::{KafkaError, KafkaResult},
    producer::{BaseProducer, Producer as _, ProducerContext, PurgeConfig},
};

/// The time of one poll, which no event ends early. Dropping the producer waits for its end.
const POLL: Duration = Duration::from_millis(500);

/// The longest wait for the reports of the records that are dropped with the producer.
const LAST_REPORTS: Duration = Duration::from_millis(500);

/// The producer. Dropping it reports the records in flight as dropped, and blocks for up to a second.
pub(super) struct PolledProducer<C: ProducerContext + 'static> {
    producer: Arc<BaseProducer<C>>,
    should_stop: Arc<AtomicBool>,
    /// `None` once the thread was told to stop.
    thread: Option<JoinHandle<()>>,
}

impl<C: ProducerContext + 'static> PolledProducer<C> {
    /// Makes a client and starts its thread.
    ///
    /// # Errors
    /// Settings that librdkafka refuses, or that the system has no thread left.
    pub(super) fn new(config: &ClientConfig, context: C) -> KafkaResult<Self> {
        let producer = Arc::new(BaseProducer::from_config_and_context(config, context)?);
        let should_stop = Arc::<AtomicBool>::default();
        let (polled, stops) = (producer.clone(), should_stop.clone());
        let poll = move || {
            while !stops.load(Relaxed) {
                polled.poll(POLL);
            }
        };
        let thread = thread::Builder::new().name("deliveries".to_owned()).spawn(poll);
        let missing = |error| KafkaError::ClientCreation(format!("no thread is left: {error}"));
        Ok(Self { producer, should_stop, thread: Some(thread.map_err(missing)?) })
    }
}

impl<C: ProducerContext + 'static> Deref for PolledProducer<C> {
    type Target = BaseProducer<C>;

    fn deref(&self) -> &Self::Target {
        &self.producer
    }
}

impl<C: ProducerContext + 'static> Drop for PolledProducer<C> {
    fn drop(&mut self) {
        self.should_stop.store(true, Relaxed);
        self.producer.purge(PurgeConfig::default().queue().inflight());
        if let Err(error) = self.producer.flush(LAST_REPORTS) {
            tracing::debug!("the last records of a producer were not reported: {error}");
        }
        // A client must not outlive the process: OpenSSL is torn down at its end.
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that reports deliveries has panicked");
        }
    }
}
