//! The publisher of findings and reports, on topics that the user configures.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext,
    config::{FromClientConfigAndContext, RDKafkaLogLevel},
    producer::{FutureProducer, FutureRecord, Producer as _},
};

use super::{
    background::run_aside,
    describe::describe_failure,
    errors::{fault, refused},
    login_feed::LoginFeed,
    settings::producer_config,
};
use crate::{
    config::{self, Properties},
    kafka::{Access, Error, Fault, access::is_same_tls},
    sync::lock,
    text::Chain,
};

/// The longest time for which a record waits for the first token.
const TOKEN_LIMIT: Duration = Duration::from_secs(5);

/// The shortest time between two replacements of a client that had a fatal error.
const REPLACEMENT_INTERVAL: Duration = Duration::from_secs(60);

/// A producer whose caller waits for each acknowledgement.
pub struct Publisher {
    access: Access,
    cluster: config::Cluster,
    /// A record that is not acknowledged within this time has failed.
    limit: Duration,
    current: Mutex<CurrentClient>,
}

/// The client, and when it was last replaced.
struct CurrentClient {
    client: FutureProducer<QuietContext>,
    login: LoginFeed,
    /// The properties that the client was made with.
    properties: Arc<Properties>,
    /// The last attempt to replace the client. `None` if there was none.
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

impl CurrentClient {
    /// Makes a client with the newest properties. It does not connect yet.
    fn new(access: &Access, cluster: &config::Cluster, limit: Duration) -> Result<Self, Error> {
        let login = LoginFeed::new(cluster, access, &cluster.producer);
        let properties = access.properties();
        let mut settings = producer_config(&access.newest(cluster));
        settings.set("message.timeout.ms", limit.as_millis().to_string());
        // A missing topic is reported after five seconds instead of librdkafka's 30 seconds.
        settings.set("topic.metadata.propagation.max.ms", "5000");
        settings.set("statistics.interval.ms", "0");
        settings.remove("linger.ms");
        let client = FutureProducer::from_config_and_context(&settings, QuietContext)
            .map_err(|error| refused("the publisher of findings", &error))?;
        login.push(client.client());
        Ok(Self { client, login, properties, replaced_at: None })
    }

    /// Why the client has to be replaced. `None` if it can go on.
    fn reason(&self, access: &Access) -> Option<String> {
        let failure = describe_failure(self.client.client());
        failure.map(|failure| format!("replaces the one that failed: {failure}")).or_else(|| {
            let is_same = is_same_tls(&self.properties, &access.properties());
            (!is_same).then(|| "uses the renewed certificates".to_owned())
        })
    }
}

impl Publisher {
    /// Makes a client, which does not connect yet. A record that is not acknowledged within `limit` has failed.
    ///
    /// # Errors
    /// Settings that librdkafka refuses.
    pub fn new(cluster: &config::Cluster, access: Access, limit: Duration) -> Result<Self, Error> {
        let current = Mutex::new(CurrentClient::new(&access, cluster, limit)?);
        Ok(Self { access, cluster: cluster.clone(), limit, current })
    }

    /// The client. A client with a fatal error, or with older certificates, is replaced first.
    fn client(&self) -> FutureProducer<QuietContext> {
        let mut current = lock(&self.current);
        current.login.push(current.client.client());
        let is_recent = current.replaced_at.is_some_and(|at| at.elapsed() < REPLACEMENT_INTERVAL);
        let Some(reason) = current.reason(&self.access).filter(|_| !is_recent) else {
            return current.client.clone();
        };
        let cluster = &self.cluster.name;
        match CurrentClient::new(&self.access, &self.cluster, self.limit) {
            Ok(fresh) => {
                tracing::info!(cluster, "another publisher of findings {reason}");
                let old = std::mem::replace(&mut *current, fresh).client;
                let limit = self.limit;
                // Closing a client may block, and its records in flight are not lost.
                run_aside(move || {
                    if let Err(error) = old.flush(limit) {
                        tracing::debug!("the publisher: {error}");
                    }
                });
            }
            Err(error) => {
                tracing::error!(cluster, "another publisher of findings cannot be made: {}", Chain(&error));
            }
        }
        current.replaced_at = Some(Instant::now());
        current.client.clone()
    }

    /// Hands over the newest credentials, if the client does not have them yet. A client without records keeps its
    /// connections, and logs in again when they end.
    pub fn renew_credentials(&self) {
        drop(self.client());
    }

    /// Publishes a record, and waits until it is acknowledged.
    ///
    /// # Errors
    /// Why the record was not acknowledged.
    pub async fn publish(&self, topic: &str, key: &str, payload: &str) -> Result<(), Fault> {
        if let Some(tokens) = self.access.tokens() {
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
