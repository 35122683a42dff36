//! librdkafka's property names, as far as the wire client goes by them.
//!
//! A security property that is not understood here is an error that names it: two clients that secure
//! themselves differently would measure two different clusters. Everything else is librdkafka's business.

use std::{
    collections::BTreeMap,
    fmt, fs,
    net::IpAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use tokio::sync::Semaphore;

use super::{
    kinds,
    sasl::{Credentials, Mechanism},
    tls::Tls,
};
use crate::{config::Properties, sync::lock, text::plain};

/// Where a broker listens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// A name or an address.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A host may be one that a broker advertises.
        let (host, port) = (plain(&self.host), self.port);
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// A client property that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PropertyError {
    /// The property.
    pub key: String,
    /// Where it was set; empty if it is missing.
    pub place: String,
    /// What is wrong with it and what to do, without its value.
    pub message: String,
}

impl fmt::Display for PropertyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, place, message } = self;
        if place.is_empty() { write!(f, "{key}: {message}") } else { write!(f, "{place}: {key}: {message}") }
    }
}

/// A password: never printed.
#[derive(Clone)]
pub(super) struct Secret(String);

impl Secret {
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Addresses that may be connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Any,
    V4,
    V6,
}

impl Family {
    pub(super) fn allows(self, address: IpAddr) -> bool {
        match self {
            Family::Any => true,
            Family::V4 => address.is_ipv4(),
            Family::V6 => address.is_ipv6(),
        }
    }
}

/// Everything the wire client needs to open sessions.
#[derive(Debug, Clone)]
pub struct Settings {
    pub(super) bootstrap: Vec<Endpoint>,
    pub(super) client_id: String,
    pub(super) family: Family,
    pub(super) tls: Option<Tls>,
    pub(super) sasl: Option<Credentials>,
    /// Name lookups that may be under way for this cluster.
    pub(super) lookups: Arc<Semaphore>,
    pub(super) counts: Arc<Counts>,
}

/// Counts of all connections of a cluster, since the start.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) requests: AtomicU64,
    pub(super) violations: AtomicU64,
    /// How long brokers throttled us, by the key of the request.
    throttled: Mutex<BTreeMap<i16, Duration>>,
}

impl Counts {
    pub(super) fn throttled(&self, key: i16, time: Duration) {
        let mut throttled = lock(&self.throttled);
        *throttled.entry(key).or_default() += time;
    }
}

/// Of the 512 threads that block, a cluster with a resolver that hangs may hold so many.
const MOST_LOOKUPS: usize = 16;

/// Security properties that are understood. Others that begin with `ssl.` or `sasl.` are errors.
const UNDERSTOOD: [&str; 13] = [
    "ssl.ca.location",
    "ssl.ca.pem",
    "ssl.certificate.location",
    "ssl.certificate.pem",
    "ssl.key.location",
    "ssl.key.pem",
    "ssl.key.password",
    "ssl.endpoint.identification.algorithm",
    "enable.ssl.certificate.verification",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.username",
    "sasl.password",
];

impl Settings {
    /// Reads properties, and the files they name.
    ///
    /// # Errors
    /// Every property that cannot be used.
    pub fn parse(properties: &Properties) -> Result<Self, Vec<PropertyError>> {
        let mut reader = Reader { properties, errors: Vec::new() };
        let bootstrap = reader.bootstrap();
        let (tls, sasl) = reader.protocol();
        reader.refuse_unknown_security();
        let family = reader.family();
        let tls = if tls { Tls::read(&mut reader) } else { None };
        let sasl = if sasl { reader.credentials() } else { None };
        let client_id = reader.get("client.id").unwrap_or("kafka-heartbeat").to_owned();
        if reader.errors.is_empty() {
            let lookups = Arc::new(Semaphore::new(MOST_LOOKUPS));
            Ok(Self { bootstrap, client_id, family, tls, sasl, lookups, counts: Arc::default() })
        } else {
            Err(reader.errors)
        }
    }

    /// Connections that ended because the peer broke the protocol, whether somebody waited for an answer or not.
    pub fn violations(&self) -> u64 {
        self.counts.violations.load(Ordering::Relaxed)
    }

    /// Requests sent, the first ones of sessions included.
    pub fn requests(&self) -> u64 {
        self.counts.requests.load(Ordering::Relaxed)
    }

    /// The earliest expiry in the chain of our own certificate; `None` if we show brokers none.
    pub fn own_certificate_expiry(&self) -> Option<SystemTime> {
        self.tls.as_ref()?.own_expiry()
    }

    /// The time for which brokers throttled the connections of this client since the start, by Kafka's name of the
    /// request that was throttled. Requests that were never throttled are absent.
    pub fn throttled(&self) -> BTreeMap<String, Duration> {
        let throttled = lock(&self.counts.throttled);
        throttled.iter().map(|(key, time)| (kinds::name(*key), *time)).collect()
    }

    /// The brokers to ask first.
    pub fn bootstrap(&self) -> &[Endpoint] {
        &self.bootstrap
    }
}

/// Reads properties and collects what is wrong with them.
pub(super) struct Reader<'a> {
    properties: &'a Properties,
    errors: Vec<PropertyError>,
}

impl<'a> Reader<'a> {
    pub(super) fn get(&self, key: &str) -> Option<&'a str> {
        self.properties.get(key).filter(|value| !value.is_empty())
    }

    pub(super) fn error(&mut self, key: &str, message: impl Into<String>) {
        let place = self.properties.0.get(key).map_or_else(String::new, |property| property.place.clone());
        self.errors.push(PropertyError { key: key.to_owned(), place, message: message.into() });
    }

    /// The text of `KEY.pem`, or of the file that `KEY.location` names; `None` if neither is set.
    pub(super) fn pem(&mut self, key: &str) -> Option<Vec<u8>> {
        if let Some(text) = self.get(&format!("{key}.pem")) {
            return Some(text.as_bytes().to_vec());
        }
        let location = format!("{key}.location");
        let path = self.get(&location)?;
        match fs::read(path) {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                self.error(&location, format!("cannot read {path}: {error}"));
                None
            }
        }
    }

    fn bootstrap(&mut self) -> Vec<Endpoint> {
        let alias = "metadata.broker.list";
        let key = if self.get(alias).is_some() { alias } else { "bootstrap.servers" };
        let listed = self.get(key).unwrap_or_default();
        let mut endpoints = Vec::new();
        for entry in listed.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            // librdkafka allows `PROTOCOL://` in front.
            let address = entry.rsplit_once("://").map_or(entry, |(_, address)| address);
            match endpoint(address) {
                Some(endpoint) => endpoints.push(endpoint),
                None => self.error(key, format!("expected host:port, found {entry:?}")),
            }
        }
        if endpoints.is_empty() && self.errors.is_empty() {
            self.error(key, "name at least one broker as host:port, in [kafka] or with --bootstrap-servers");
        }
        endpoints
    }

    /// Whether sessions use TLS, and whether they use SASL.
    fn protocol(&mut self) -> (bool, bool) {
        let key = "security.protocol";
        match self.get(key).unwrap_or("plaintext").to_lowercase().as_str() {
            "plaintext" => (false, false),
            "ssl" => (true, false),
            "sasl_plaintext" => (false, true),
            "sasl_ssl" => (true, true),
            _ => {
                self.error(key, "expected plaintext, ssl, sasl_plaintext or sasl_ssl");
                (false, false)
            }
        }
    }

    fn family(&mut self) -> Family {
        let key = "broker.address.family";
        match self.get(key).unwrap_or("any") {
            "any" => Family::Any,
            "v4" => Family::V4,
            "v6" => Family::V6,
            _ => {
                self.error(key, "expected any, v4 or v6");
                Family::Any
            }
        }
    }

    fn refuse_unknown_security(&mut self) {
        let security = |key: &str| {
            ["ssl.", "sasl.", "enable.sasl.", "enable.ssl.", "https.ca."]
                .iter()
                .any(|prefix| key.starts_with(prefix))
        };
        let properties = self.properties;
        for key in properties.0.keys().filter(|key| security(key) && !UNDERSTOOD.contains(&key.as_str())) {
            let remedy = if key.contains("keystore") || key.contains("truststore") {
                "give the certificates as PEM files in ssl.ca.location, ssl.certificate.location and ssl.key.location"
            } else if key.contains("oauthbearer") || key.contains("kerberos") {
                "use PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or a client certificate"
            } else {
                "the checks of connectivity and metadata could not honour it; remove it"
            };
            self.error(key, format!("is not supported: {remedy}"));
        }
    }

    fn credentials(&mut self) -> Option<Credentials> {
        let named = ["sasl.mechanism", "sasl.mechanisms"].into_iter().find(|key| self.get(key).is_some());
        let wanted = named.and_then(|key| self.get(key));
        let mechanism = Mechanism::ALL.into_iter().find(|known| Some(known.as_str()) == wanted);
        if mechanism.is_none() {
            let problem = if named.is_some() { "expected" } else { "is missing: set it to" };
            let message = format!("{problem} PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512");
            self.error(named.unwrap_or("sasl.mechanism"), message);
        }
        if mechanism.is_none() && named.is_some() {
            // Which other properties are needed depends on the mechanism.
            return None;
        }
        for key in ["sasl.username", "sasl.password"] {
            if self.get(key).is_none() {
                self.error(
                    key,
                    format!("is missing: {} wants one", mechanism.map_or("SASL", Mechanism::as_str)),
                );
            }
        }
        let username = self.get("sasl.username")?.to_owned();
        let password = Secret(self.get("sasl.password")?.to_owned());
        Some(Credentials { mechanism: mechanism?, username, password })
    }
}

/// `host:port`, `[v6]:port`, or `host` for librdkafka's default port.
fn endpoint(text: &str) -> Option<Endpoint> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            (host, rest.strip_prefix(':').unwrap_or("9092"))
        }
        None => text.rsplit_once(':').unwrap_or((text, "9092")),
    };
    let port = port.parse().ok().filter(|port| *port != 0)?;
    (!host.is_empty() && !host.contains(char::is_whitespace))
        .then(|| Endpoint { host: host.to_owned(), port })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Property;

    fn properties(pairs: &[(&str, &str)]) -> Properties {
        let pairs = pairs.iter().enumerate();
        Properties(
            pairs
                .map(|(line, (key, value))| {
                    let place = format!("config.ini:{line}");
                    ((*key).to_owned(), Property { value: (*value).to_owned(), place })
                })
                .collect(),
        )
    }

    fn errors(pairs: &[(&str, &str)]) -> Vec<String> {
        let errors = Settings::parse(&properties(pairs)).err().unwrap_or_default();
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn endpoints_are_read_as_librdkafka_reads_them() {
        let settings = Settings::parse(&properties(&[("bootstrap.servers", "a:1, SSL://b:2,[::1]:3,c")]));
        let endpoints = settings.map(|s| s.bootstrap.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(endpoints.expect("valid"), ["a:1", "b:2", "[::1]:3", "c:9092"]);
        for bad in ["a:x", "a:0", ":1", "a b:1", "[::1:3"] {
            assert_eq!(errors(&[("bootstrap.servers", bad)]).len(), 1, "{bad}");
        }
    }

    #[test]
    fn a_security_property_that_is_not_understood_is_refused_with_a_remedy() {
        let errors = errors(&[
            ("bootstrap.servers", "a:1"),
            ("ssl.keystore.location", "/x.jks"),
            ("sasl.oauthbearer.config", "hush"),
            ("linger.ms", "3"),
        ]);
        assert_eq!(errors.len(), 2, "{errors:?}");
        assert!(errors[0].starts_with("config.ini:2: sasl.oauthbearer.config: is not supported: use PLAIN"));
        assert!(errors[1].contains("as PEM files"));
        assert!(!errors.concat().contains("hush"));
    }

    #[test]
    fn sasl_without_credentials_names_everything_that_is_missing() {
        let errors = errors(&[("bootstrap.servers", "a:1"), ("security.protocol", "SASL_SSL")]);
        let keys = ["sasl.mechanism: is missing", "sasl.username: is missing", "sasl.password: is missing"];
        assert_eq!(errors.len(), 3, "{errors:?}");
        assert!(keys.iter().all(|key| errors.iter().any(|error| error.contains(key))), "{errors:?}");
    }

    #[test]
    fn sasl_mechanism_not_supported_is_the_only_error() {
        let errors = errors(&[
            ("bootstrap.servers", "a:1"),
            ("security.protocol", "SASL_PLAINTEXT"),
            ("sasl.mechanism", "GSSAPI"),
        ]);
        assert_eq!(errors, ["config.ini:2: sasl.mechanism: expected PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"]);
    }

    #[test]
    fn pem_file_missing_is_named_with_its_path() {
        let errors = errors(&[
            ("bootstrap.servers", "a:1"),
            ("security.protocol", "SSL"),
            ("ssl.ca.location", "/nowhere/ca.pem"),
        ]);
        assert_eq!(errors.len(), 1, "{errors:?}");
        let expected = "config.ini:2: ssl.ca.location: cannot read /nowhere/ca.pem: ";
        assert!(errors[0].starts_with(expected), "{errors:?}");
    }

    #[test]
    fn a_password_is_never_printed() {
        let settings = Settings::parse(&properties(&[
            ("bootstrap.servers", "a:1"),
            ("security.protocol", "sasl_plaintext"),
            ("sasl.mechanisms", "PLAIN"),
            ("sasl.username", "me"),
            ("sasl.password", "hush"),
        ]));
        let printed = format!("{:?}", settings.expect("valid"));
        assert!(printed.contains("me") && !printed.contains("hush"), "{printed}");
    }
}
