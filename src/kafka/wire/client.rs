//! The wire client of one cluster: its settings, and the state that all its connections share.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::sync::Semaphore;

use super::{Endpoint, counters::Counters, settings::Settings};
use crate::{
    config::Properties,
    kafka::{Credential, PropertyError, TokenSource},
};

/// The largest number of name lookups of one cluster at the same time. Each lookup blocks one of the runtime's 512
/// threads for blocking work, and with a resolver that hangs it blocks the thread for a long time.
const MAX_LOOKUPS: usize = 16;

/// The wire client of one cluster: its settings, and the state that all its connections share.
#[derive(Debug)]
pub struct Client {
    pub(super) settings: Settings,
    /// One permit for each name lookup that may run at the same time.
    pub(super) lookups: Arc<Semaphore>,
    pub(super) counters: Arc<Counters>,
}

impl Client {
    /// Reads the properties of a client, and the files that the properties name. Does not connect. The name of the cluster
    /// is for the log.
    ///
    /// # Errors
    /// Every property that cannot be used.
    pub fn from_properties(cluster: &str, properties: &Properties) -> Result<Self, Vec<PropertyError>> {
        let settings = Settings::parse(cluster, properties)?;
        Ok(Self { settings, lookups: Arc::new(Semaphore::new(MAX_LOOKUPS)), counters: Arc::default() })
    }

    /// The bootstrap servers, in the order of the configuration.
    pub fn bootstrap(&self) -> &[Endpoint] {
        &self.settings.bootstrap
    }

    /// The source of the tokens with which both Kafka clients log in. `None` for a login without tokens.
    pub fn tokens(&self) -> Option<&Arc<TokenSource>> {
        self.settings.sasl.as_ref()?.tokens()
    }

    /// The credential that is renewed while the client runs, with what is counted of it. `None` for a login without one.
    pub fn credential(&self) -> Option<Credential> {
        self.settings.sasl.as_ref()?.credential()
    }

    /// The earliest expiry in the chain of the client's own certificate. `None` if the client has no certificate.
    pub fn own_certificate_expiry(&self) -> Option<SystemTime> {
        self.settings.tls.as_ref()?.own_expiry()
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
