//! Records for others to read: findings and numbers, on topics that the user names.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, ClientContext,
    config::{FromClientConfigAndContext, RDKafkaLogLevel},
    error::KafkaResult,
    producer::{FutureProducer, FutureRecord, Producer as _},
};

use super::{
    background::aside,
    describe::describe_failure,
    errors::{fault, refused},
    settings::producer_config,
};
use crate::{
    config,
    kafka::{Error, Fault},
    sync::lock,
    text::Chain,
};

/// A client that failed for good is replaced at most this often.
const RENEW_EVERY: Duration = Duration::from_secs(60);

/// A producer that waits for each acknowledgement.
pub struct Publisher {
    settings: ClientConfig,
    cluster: String,
    native: Mutex<Native>,
}

/// The client, and when it was last replaced.
struct Native {
    client: FutureProducer<Quiet>,
    renewed: Option<Instant>,
}

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

fn make(settings: &ClientConfig) -> KafkaResult<FutureProducer<Quiet>> {
    FutureProducer::from_config_and_context(settings, Quiet)
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
        let client = make(&settings).map_err(|error| refused("the publisher of findings", &error))?;
        let native = Mutex::new(Native { client, renewed: None });
        Ok(Self { settings, cluster: cluster.name.clone(), native })
    }

    /// The client, or another one if librdkafka gave the client up for good.
    fn client(&self) -> FutureProducer<Quiet> {
        let mut native = lock(&self.native);
        let Some(failure) = describe_failure(native.client.client()) else { return native.client.clone() };
        if native.renewed.is_some_and(|renewed| renewed.elapsed() < RENEW_EVERY) {
            return native.client.clone();
        }
        native.renewed = Some(Instant::now());
        let cluster = &self.cluster;
        match make(&self.settings) {
            Ok(fresh) => {
                tracing::warn!(
                    cluster,
                    "another publisher of findings replaces the one that failed: {failure}"
                );
                let old = std::mem::replace(&mut native.client, fresh);
                // Closing a client may block.
                aside(move || drop(old));
            }
            Err(error) => {
                let error = refused("the publisher of findings", &error);
                tracing::error!(cluster, "another publisher of findings cannot be made: {}", Chain(&error));
            }
        }
        native.client.clone()
    }

    /// Publishes a record, and waits until it is acknowledged.
    ///
    /// # Errors
    /// Why it was not.
    pub async fn publish(&self, topic: &str, key: &str, payload: &str) -> Result<(), Fault> {
        let record = FutureRecord::to(topic).key(key).payload(payload);
        let sent = self.client().send_result(record).map_err(|(error, _)| fault(&error))?;
        match sent.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err((error, _))) => Err(fault(&error)),
            // The client was dropped.
            Err(_) => Err(Fault::Other),
        }
    }
}
