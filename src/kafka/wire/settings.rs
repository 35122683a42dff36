//! The settings of the wire client, by librdkafka's property names.
//!
//! A security property that the wire client does not understand is an error that names the property. Two clients that
//! secure themselves differently would measure two different clusters. All other unknown properties concern librdkafka
//! alone and are ignored here.

use std::sync::Arc;

use super::{Endpoint, endpoint::AddressFamily, tls::Tls};
use crate::{
    config::Properties,
    kafka::{
        PropertyError,
        credentials::{Credentials, concerns_tokens, is_kerberos},
        properties::PropertyReader,
    },
};

/// Security properties that are understood. All others that begin with one of [`SECURITY_PREFIXES`] are errors.
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

/// The remedy for a property of Kerberos that is not understood.
const KERBEROS_REMEDY: &str = if cfg!(feature = "gssapi") {
    "tickets are taken with sasl.kerberos.principal from sasl.kerberos.keytab, without kinit; remove it"
} else {
    "Kerberos is in the image of docker build --target kerberos, and in a build with --features gssapi"
};

/// The beginnings of the names of security properties.
const SECURITY_PREFIXES: [&str; 5] = ["ssl.", "sasl.", "enable.sasl.", "enable.ssl.", "https.ca."];

/// Everything that the wire client needs for opening sessions.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// The brokers that are asked first.
    pub(super) bootstrap: Vec<Endpoint>,
    pub(super) client_id: String,
    pub(super) family: AddressFamily,
    /// `None` for sessions in plain text.
    pub(super) tls: Option<Tls>,
    /// `None` for sessions without a login.
    pub(super) sasl: Option<Credentials>,
    /// The properties that were read, with the texts of the files of certificates and keys.
    pub(super) properties: Arc<Properties>,
}

impl Settings {
    /// Reads the properties of a cluster, and the files that the properties name.
    ///
    /// # Errors
    /// Every property that cannot be used.
    pub(super) fn parse(cluster: &str, properties: &Properties) -> Result<Self, Vec<PropertyError>> {
        let mut reader = PropertyReader::new(properties);
        let bootstrap = bootstrap(&mut reader);
        Self::read(cluster, bootstrap, reader)
    }

    /// As [`Settings::parse`] for a client without bootstrap servers.
    ///
    /// # Errors
    /// Every property that cannot be used.
    pub(super) fn without_bootstrap(name: &str, properties: &Properties) -> Result<Self, Vec<PropertyError>> {
        Self::read(name, Vec::new(), PropertyReader::new(properties))
    }

    fn read(
        cluster: &str,
        bootstrap: Vec<Endpoint>,
        mut reader: PropertyReader<'_>,
    ) -> Result<Self, Vec<PropertyError>> {
        let protocol = SecurityProtocol::read(&mut reader);
        refuse_unknown_security(&mut reader);
        let family = family(&mut reader);
        let tls = if protocol.has_tls { Tls::read(&mut reader) } else { None };
        let sasl = if protocol.has_sasl { Credentials::read(cluster, &mut reader) } else { None };
        let client_id = reader.get("client.id").unwrap_or("kafka-heartbeat").to_owned();
        if reader.has_errors() {
            return Err(reader.into_errors());
        }
        let properties = Arc::new(reader.in_memory());
        Ok(Self { bootstrap, client_id, family, tls, sasl, properties })
    }
}

fn bootstrap(reader: &mut PropertyReader<'_>) -> Vec<Endpoint> {
    let alias = "metadata.broker.list";
    let key = if reader.get(alias).is_some() { alias } else { "bootstrap.servers" };
    let listed = reader.get(key).unwrap_or_default();
    let mut endpoints = Vec::new();
    for entry in listed.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        // librdkafka allows `PROTOCOL://` before the address.
        let address = entry.rsplit_once("://").map_or(entry, |(_, address)| address);
        match Endpoint::parse(address) {
            Some(endpoint) => endpoints.push(endpoint),
            None => reader.error(key, format!("expected host:port, found {entry:?}")),
        }
    }
    if endpoints.is_empty() && !reader.has_errors() {
        let ways = "in [kafka], as KAFKA_HEARTBEAT__KAFKA__BOOTSTRAP_SERVERS in the environment, or with --bootstrap-servers";
        reader.error(key, format!("name at least one broker as host:port: {ways}"));
    }
    endpoints
}

/// The value of `security.protocol`.
#[derive(Clone, Copy)]
struct SecurityProtocol {
    has_tls: bool,
    has_sasl: bool,
}

impl SecurityProtocol {
    fn read(reader: &mut PropertyReader<'_>) -> Self {
        let key = "security.protocol";
        match reader.get(key).unwrap_or("plaintext").to_lowercase().as_str() {
            "plaintext" => Self { has_tls: false, has_sasl: false },
            "ssl" => Self { has_tls: true, has_sasl: false },
            "sasl_plaintext" => Self { has_tls: false, has_sasl: true },
            "sasl_ssl" => Self { has_tls: true, has_sasl: true },
            _ => {
                reader.error(key, "expected plaintext, ssl, sasl_plaintext or sasl_ssl");
                Self { has_tls: false, has_sasl: false }
            }
        }
    }
}

fn family(reader: &mut PropertyReader<'_>) -> AddressFamily {
    let key = "broker.address.family";
    match reader.get(key).unwrap_or("any") {
        "any" => AddressFamily::Any,
        "v4" => AddressFamily::V4,
        "v6" => AddressFamily::V6,
        _ => {
            reader.error(key, "expected any, v4 or v6");
            AddressFamily::Any
        }
    }
}

fn refuse_unknown_security(reader: &mut PropertyReader<'_>) {
    for key in reader.keys() {
        let is_security = SECURITY_PREFIXES.iter().any(|prefix| key.starts_with(prefix));
        if !is_security || UNDERSTOOD.contains(&key) || concerns_tokens(key) || is_kerberos(key) {
            continue;
        }
        let remedy = if key.contains("keystore") || key.contains("truststore") {
            "give the certificates as PEM files in ssl.ca.location, ssl.certificate.location and ssl.key.location"
        } else if key.contains("kerberos") {
            KERBEROS_REMEDY
        } else if key.contains("oauthbearer") {
            "use PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER with sasl.oauthbearer.method = oidc, or a client certificate"
        } else {
            "the checks of connectivity and metadata could not honour it; remove it"
        };
        reader.error(key, format!("is not supported: {remedy}"));
    }
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
        let errors = Settings::parse("k", &properties(pairs)).err().unwrap_or_default();
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn bootstrap_servers_are_read_as_librdkafka_reads_them() {
        let settings =
            Settings::parse("k", &properties(&[("bootstrap.servers", "a:1, SSL://b:2,[::1]:3,c")]));
        let endpoints = settings.map(|s| s.bootstrap.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(endpoints.expect("valid"), ["a:1", "b:2", "[::1]:3", "c:9092"]);
        for bad in ["a:x", "a:0", ":1", "a b:1", "[::1:3"] {
            assert_eq!(errors(&[("bootstrap.servers", bad)]).len(), 1, "{bad}");
        }
    }

    #[test]
    fn security_property_not_understood_is_refused_with_a_remedy() {
        let errors = errors(&[
            ("bootstrap.servers", "a:1"),
            ("ssl.keystore.location", "/x.jks"),
            ("sasl.oauthbearer.unknown", "hush"),
            ("linger.ms", "3"),
        ]);
        assert_eq!(errors.len(), 2, "{errors:?}");
        assert!(errors[0].starts_with("config.ini:2: sasl.oauthbearer.unknown: is not supported: use PLAIN"));
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
    #[cfg(not(feature = "gssapi"))]
    fn kerberos_without_its_build_names_the_build_as_the_only_error() {
        let errors = errors(&[
            ("bootstrap.servers", "a:1"),
            ("security.protocol", "SASL_PLAINTEXT"),
            ("sasl.mechanism", "GSSAPI"),
        ]);
        assert_eq!(errors.len(), 1, "{errors:?}");
        let expected = "config.ini:2: sasl.mechanism: GSSAPI (Kerberos) is not in this build: use the image";
        assert!(errors[0].starts_with(expected), "{errors:?}");
    }

    #[test]
    #[cfg(feature = "gssapi")]
    fn kerberos_takes_no_kinit_and_names_every_property_that_is_missing() {
        let errors = errors(&[
            ("bootstrap.servers", "a:1"),
            ("security.protocol", "SASL_PLAINTEXT"),
            ("sasl.mechanism", "GSSAPI"),
            ("sasl.kerberos.kinit.cmd", "kinit -k"),
        ]);
        let expected = [
            "sasl.kerberos.keytab: is missing",
            "sasl.kerberos.principal: is missing",
            "config.ini:3: sasl.kerberos.kinit.cmd: is not supported: tickets are taken with",
        ];
        assert_eq!(errors.len(), expected.len(), "{errors:?}");
        for words in expected {
            assert!(errors.iter().any(|error| error.starts_with(words)), "{words}: {errors:?}");
        }
    }

    #[test]
    fn sasl_mechanism_not_supported_is_the_only_error() {
        let errors = errors(&[
            ("bootstrap.servers", "a:1"),
            ("security.protocol", "SASL_PLAINTEXT"),
            ("sasl.mechanism", "NTLM"),
        ]);
        let expected = "expected PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER, AWS_MSK_IAM or GSSAPI";
        assert_eq!(errors, [format!("config.ini:2: sasl.mechanism: {expected}")]);
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
    fn password_is_never_printed() {
        let settings = Settings::parse(
            "k",
            &properties(&[
                ("bootstrap.servers", "a:1"),
                ("security.protocol", "sasl_plaintext"),
                ("sasl.mechanisms", "PLAIN"),
                ("sasl.username", "me"),
                ("sasl.password", "hush"),
            ]),
        );
        let printed = format!("{:?}", settings.expect("valid"));
        assert!(printed.contains("me") && !printed.contains("hush"), "{printed}");
    }
}
