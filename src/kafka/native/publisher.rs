//! The publisher of findings and reports, on topics that the user configures.

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
    background::run_aside,
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

/// The shortest time between two replacements of a client that had a fatal error.
const REPLACEMENT_INTERVAL: Duration = Duration::from_secs(60);

/// A producer whose caller waits for each acknowledgement.
pub struct Publisher {
    settings: ClientConfig,
    cluster: String,
    current: Mutex<CurrentClient>,
}

/// The client, and when it was last replaced.
struct CurrentClient {
    client: FutureProducer<QuietContext>,
    /// `None` if the first client is still in use.
    replaced_at: Option<Instant>,
}

/// The callbacks of the client. Each record reports its own failure, so the log lines of librdkafka are details.
#[derive(Clone)]
struct QuietContext;

impl ClientContext for QuietContext {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, line: &str) {
        tracing::debug!(facility, "the publisher: {line}");
    }

    fn error(&self, error: rdkafka::error::KafkaError, reason: &str) {
        tracing::debug!("the publisher: {error}: {reason}");
    }
}

fn make(settings: &ClientConfig) -> KafkaResult<FutureProducer<QuietContext>> {
    FutureProducer::from_config_and_context(settings, QuietContext)
}

impl Publisher {
    /// Makes a client, which does not connect yet. A record that is not acknowledged within `limit` has failed.
    ///
    /// # Errors
    /// Settings that librdkafka refuses.
    pub fn new(cluster: &config::Cluster, limit: Duration) -> Result<Self, Error> {
        let mut settings = producer_config(cluster);
        settings.set("message.timeout.ms", limit.as_millis().to_string());
        // A missing topic is reported after five seconds instead of librdkafka's 30 seconds.
        settings.set("topic.metadata.propagation.max.ms", "5000");
        settings.set("statistics.interval.ms", "0");
        settings.remove("linger.ms");
        let client = make(&settings).map_err(|error| refused("the publisher of findings", &error))?;
        let current = Mutex::new(CurrentClient { client, replaced_at: None });
        Ok(Self { settings, cluster: cluster.name.clone(), current })
    }

    /// The client. A client with a fatal error is replaced first.
    fn client(&self) -> FutureProducer<QuietContext> {
        let mut current = lock(&self.current);
        let Some(failure) = describe_failure(current.client.client()) else { return current.client.clone() };
        if current.replaced_at.is_some_and(|at| at.elapsed() < REPLACEMENT_INTERVAL) {
            return current.client.clone();
        }
        current.replaced_at = Some(Instant::now());
        let cluster = &self.cluster;
        match make(&self.settings) {
            Ok(fresh) => {
                tracing::warn!(
                    cluster,
                    "another publisher of findings replaces the one that failed: {failure}"
                );
                let old = std::mem::replace(&mut current.client, fresh);
                // Closing a client may block.
                run_aside(move || drop(old));
            }
            Err(error) => {
                let error = refused("the publisher of findings", &error);
                tracing::error!(cluster, "another publisher of findings cannot be made: {}", Chain(&error));
            }
        }
        current.client.clone()
    }

    /// Publishes a record, and waits until it is acknowledged.
    ///
    /// # Errors
    /// Why the record was not acknowledged.
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
