//! The wire client of one cluster: its settings, and the state that all its connections share.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::sync::{Semaphore, watch};

use super::{Endpoint, counters::Counters, settings::Settings};
use crate::{
    config::Properties,
    kafka::{
        Access, Credential, PropertyError, TokenSource,
        credentials::{Credentials, FileRecords, concerns_tokens},
    },
};

/// The largest number of name lookups of one cluster at the same time. Each lookup blocks one of the runtime's 512
/// threads for blocking work, and with a resolver that hangs it blocks the thread for a long time.
const MAX_LOOKUPS: usize = 16;

/// The largest answer in a session with a broker that somebody else names, in bytes: a list of ten thousand brokers.
const SMALL_ANSWER: usize = 1 << 20;

/// The wire client of one cluster: its settings, and the state that all its connections share.
#[derive(Debug)]
pub struct Client {
    /// The name of the cluster.
    cluster: String,
    bootstrap: Vec<Endpoint>,
    /// The source of tokens, which stays the same when credentials are renewed.
    tokens: Option<Arc<TokenSource>>,
    /// The settings of the next session.
    settings: watch::Sender<Arc<Settings>>,
    /// The properties of librdkafka's clients.
    properties: watch::Sender<Arc<Properties>>,
    /// One permit for each name lookup that may run at the same time.
    pub(super) lookups: Arc<Semaphore>,
    pub(super) counters: Arc<Counters>,
    /// The limit of each answer, in bytes, where it is below the limit of the kind of request. `None` for no further limit.
    pub(super) largest_answer: Option<usize>,
    records: FileRecords,
}

impl Client {
    /// Reads the properties of a client, and the files that the properties name. Does not connect. The name of the cluster
    /// is for the log.
    ///
    /// # Errors
    /// Every property that cannot be used.
    pub fn from_properties(cluster: &str, properties: &Properties) -> Result<Self, Vec<PropertyError>> {
        let settings = Settings::parse(cluster, properties)?;
        Ok(Self::new(cluster, settings, Arc::new(Semaphore::new(MAX_LOOKUPS)), Arc::default()))
    }

    /// As [`Client::from_properties`] for a client without bootstrap servers: every session names its broker. `name` stands for
    /// the client in the log. Its sessions take no answer of more than 1 MiB.
    ///
    /// # Errors
    /// Every property that cannot be used.
    pub fn without_bootstrap(name: &str, properties: &Properties) -> Result<Self, Vec<PropertyError>> {
        let settings = Settings::without_bootstrap(name, properties)?;
        let client = Self::new(name, settings, Arc::new(Semaphore::new(MAX_LOOKUPS)), Arc::default());
        Ok(Self { largest_answer: Some(SMALL_ANSWER), ..client })
    }

    fn new(cluster: &str, settings: Settings, lookups: Arc<Semaphore>, counters: Arc<Counters>) -> Self {
        Self {
            cluster: cluster.to_owned(),
            bootstrap: settings.bootstrap.clone(),
            tokens: settings.sasl.as_ref().and_then(Credentials::tokens).cloned(),
            properties: watch::Sender::new(settings.properties.clone()),
            settings: watch::Sender::new(Arc::new(settings)),
            lookups,
            counters,
            largest_answer: None,
            records: FileRecords::default(),
        }
    }

    /// A client of the same cluster with other credentials, for trying them out. It shares the counters and the limits of
    /// this client. Reads the files that the properties name.
    ///
    /// # Errors
    /// Every property that cannot be used.
    pub(in crate::kafka) fn with(&self, properties: &Properties) -> Result<Self, Vec<PropertyError>> {
        let settings = Settings::parse(&self.cluster, properties)?;
        Ok(Self::new(&self.cluster, settings, self.lookups.clone(), self.counters.clone()))
    }

    /// A client of the same cluster with these settings, for sessions that brokers should refuse. They count nowhere.
    pub(super) fn variant(&self, settings: Settings) -> Self {
        Self::new(&self.cluster, settings, self.lookups.clone(), Arc::default())
    }

    /// Uses the credentials of another client of the same cluster for the next session. Open sessions go on.
    pub(in crate::kafka) fn adopt(&self, other: &Self) {
        let mut settings = other.settings().as_ref().clone();
        if let (Some(tokens), Some(fresh)) = (&self.tokens, &other.tokens) {
            let (used, newest) = (self.settings(), &settings.properties);
            if !is_same_oauth(&used.properties, newest) {
                tokens.adopt(fresh);
            }
            settings.sasl = Some(Credentials::Token(tokens.clone()));
        }
        let properties = settings.properties.clone();
        self.settings.send_replace(Arc::new(settings));
        self.properties.send_replace(properties);
    }

    /// The settings of the next session.
    pub(super) fn settings(&self) -> Arc<Settings> {
        self.settings.borrow().clone()
    }

    /// What librdkafka's clients log in with.
    pub fn access(&self) -> Access {
        Access::new(self.properties.subscribe(), self.tokens.clone())
    }

    /// Whether another client has the same properties, and the files of both held the same texts when they were read.
    pub fn is_configured_as(&self, other: &Self) -> bool {
        *self.properties.borrow() == *other.properties.borrow()
    }

    /// The bootstrap servers, in the order of the configuration.
    pub fn bootstrap(&self) -> &[Endpoint] {
        &self.bootstrap
    }

    /// The source of the tokens with which both Kafka clients log in. `None` for a login without tokens.
    pub fn tokens(&self) -> Option<&Arc<TokenSource>> {
        self.tokens.as_ref()
    }

    /// Whether there is a credential with which a client can log in now, or none is needed.
    pub(super) fn can_log_in(&self) -> bool {
        self.settings.borrow().sasl.as_ref().is_none_or(Credentials::are_usable)
    }

    /// The credential that is renewed while the client runs, with what is counted of it. `None` for a login without one.
    pub fn credential(&self) -> Option<Credential> {
        self.settings.borrow().sasl.as_ref()?.credential()
    }

    /// The credentials in files that are read again while the client runs, with what is counted of each. Empty if no file
    /// is watched.
    pub fn file_credentials(&self) -> Vec<Credential> {
        self.records.read()
    }

    /// Counts the renewals of credentials in files.
    pub(in crate::kafka) fn records(&self) -> &FileRecords {
        &self.records
    }

    /// The earliest expiry in the chain of the client's own certificate that is in use. `None` if the client has no
    /// certificate.
    pub fn own_certificate_expiry(&self) -> Option<SystemTime> {
        self.settings.borrow().tls.as_ref()?.own_expiry()
    }

    /// The number of connections that ended because the peer broke the protocol, since the start. Connections on which
    /// no request waited for its response count as well.
    pub fn violations(&self) -> u64 {
        self.counters.violations()
    }

    /// The number of requests that were sent since the start, including those that open a session.
    pub fn requests(&self) -> u64 {
        self.counters.requests()
    }

    /// The time for which brokers throttled the connections of this client since the start, by Kafka's name of the
    /// request that was throttled. Requests that were never throttled are absent.
    pub fn throttled(&self) -> BTreeMap<String, Duration> {
        self.counters.throttled()
    }
}

/// Whether two sets of properties get their tokens from the same source.
fn is_same_oauth(one: &Properties, other: &Properties) -> bool {
    fn oauth(properties: &Properties) -> impl Iterator<Item = (&str, &str)> {
        let all = properties.0.iter().map(|(key, property)| (key.as_str(), property.value.as_str()));
        all.filter(|(key, _)| concerns_tokens(key))
    }
    oauth(one).eq(oauth(other))
}
