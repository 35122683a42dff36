//! Records for others to read: findings and numbers, on topics that the user names.

use std::time::Duration;

use rdkafka::{
    ClientContext,
    config::{FromClientConfigAndContext, RDKafkaLogLevel},
    producer::{FutureProducer, FutureRecord},
};

use super::{fault, refused, settings::producer_config};
use crate::{
    config,
    kafka::{Error, Fault},
};

/// A producer that waits for each acknowledgement.
pub struct Publisher(FutureProducer<Quiet>);

/// What fails is told with each record; the client's own words are for whoever looks closely.
#[derive(Clone)]
struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, words: &str) {
        tracing::debug!(facility, "the publisher: {words}");
    }

    fn error(&self, error: rdkafka::error::KafkaError, words: &str) {
        tracing::debug!("the publisher: {error}: {words}");
    }
}

impl Publisher {
    /// Makes a client; does not connect yet. A record that is not acknowledged within `limit` has failed.
    ///
    /// # Errors
    /// Settings that librdkafka refuses.
    pub fn new(cluster: &config::Cluster, limit: Duration) -> Result<Self, Error> {
        let mut settings = producer_config(cluster);
        settings.set("message.timeout.ms", limit.as_millis().to_string());
        // A topic that is missing is known to be after a moment, not after half a minute.
        settings.set("topic.metadata.propagation.max.ms", "5000");
        settings.set("statistics.interval.ms", "0");
        settings.remove("linger.ms");
        let native = FutureProducer::from_config_and_context(&settings, Quiet);
        native.map(Self).map_err(|error| refused("the publisher of findings", &error))
    }

    /// Publishes a record, and waits until it is acknowledged.
    ///
    /// # Errors
    /// Why it was not.
    pub async fn publish(&self, topic: &str, key: &str, payload: &str) -> Result<(), Fault> {
        let record = FutureRecord::to(topic).key(key).payload(payload);
        let sent = self.0.send_result(record).map_err(|(error, _)| fault(&error))?;
        match sent.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err((error, _))) => Err(fault(&error)),
            // The client was dropped.
            Err(_) => Err(Fault::Other),
        }
    }
}
