//! The publisher of findings and reports, on topics that the user configures.

use std::{
    sync::{Arc, Mutex},
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
    token_feed::TokenFeed,
};
use crate::{
    config,
    kafka::{Error, Fault, TokenSource},
    sync::lock,
    text::Chain,
};

/// The longest time for which a record waits for the first token.
const TOKEN_LIMIT: Duration = Duration::from_secs(5);

/// The shortest time between two replacements of a client that had a fatal error.
const REPLACEMENT_INTERVAL: Duration = Duration::from_secs(60);

/// A producer whose caller waits for each acknowledgement.
pub struct Publisher {
    tokens: Option<Arc<TokenSource>>,
    settings: ClientConfig,
    cluster: String,
    current: Mutex<CurrentClient>,
}

/// The client, and when it was last replaced.
struct CurrentClient {
    client: FutureProducer<QuietContext>,
    feed: TokenFeed,
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
    pub fn new(
        cluster: &config::Cluster,
        tokens: Option<Arc<TokenSource>>,
        limit: Duration,
    ) -> Result<Self, Error> {
        let mut settings = producer_config(cluster);
        settings.set("message.timeout.ms", limit.as_millis().to_string());
        // A missing topic is reported after five seconds instead of librdkafka's 30 seconds.
        settings.set("topic.metadata.propagation.max.ms", "5000");
        settings.set("statistics.interval.ms", "0");
        settings.remove("linger.ms");
        let client = make(&settings).map_err(|error| refused("the publisher of findings", &error))?;
        let feed = TokenFeed::new(tokens.as_deref());
        let current = Mutex::new(CurrentClient { client, feed, replaced_at: None });
        Ok(Self { tokens, settings, cluster: cluster.name.clone(), current })
    }

    /// The client. A client with a fatal error is replaced first.
    fn client(&self) -> FutureProducer<QuietContext> {
        let mut current = lock(&self.current);
        current.feed.push(current.client.client());
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
                current.feed = TokenFeed::new(self.tokens.as_deref());
                current.feed.push(current.client.client());
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

    /// Sets the newest token, if the client does not have it yet. A client without records keeps its connections, and logs
    /// in again when they end.
    pub fn renew_token(&self) {
        drop(self.client());
    }

    /// Publishes a record, and waits until it is acknowledged.
    ///
    /// # Errors
    /// Why the record was not acknowledged.
    pub async fn publish(&self, topic: &str, key: &str, payload: &str) -> Result<(), Fault> {
        if let Some(tokens) = &self.tokens {
            // Without a token the record would wait in the client until its deadline.
            tokens.token((Instant::now() + TOKEN_LIMIT).into()).await.map_err(|error| error.fault())?;
        }
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
