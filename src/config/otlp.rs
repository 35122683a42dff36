//! `[otlp]`: where metrics and traces are pushed by OpenTelemetry's protocol, and how.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    reader::Reader,
    secret::{self, decoded},
    secret_file::SecretFiles,
};

/// `[otlp]`: a signal that has an endpoint and is enabled is pushed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Otlp {
    /// How series are pushed; `None` if they are not pushed.
    pub metrics: Option<Metrics>,
    /// How single heartbeats are pushed; `None` if they are not pushed.
    pub traces: Option<Traces>,
}

/// How series are pushed.
#[derive(Debug, Clone, PartialEq)]
pub struct Metrics {
    /// The collector of the series.
    pub target: Target,
    /// The time from one export to the next.
    pub interval: Duration,
    /// What the value of a counter is.
    pub temporality: Temporality,
    /// The form of histograms.
    pub histograms: Histograms,
}

/// `[otlp] temporality`: what the exported value of a counter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Temporality {
    /// The sum since the start of the service.
    Cumulative,
    /// The sum since the export before.
    Delta,
}

/// `[otlp] histograms`: the form in which histograms are exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Histograms {
    /// Buckets whose bounds grow exponentially.
    Exponential,
    /// The classic buckets.
    Explicit,
}

/// How heartbeats are pushed.
#[derive(Debug, Clone, PartialEq)]
pub struct Traces {
    /// The collector of the traces.
    pub target: Target,
    /// The share of ordinary heartbeats that is exported, from 0 to 1. Bad heartbeats and one heartbeat a minute for
    /// each latency bucket are always exported.
    pub share: f64,
}

/// A collector, and how requests are sent to it.
#[derive(Clone, PartialEq)]
pub struct Target {
    /// The URL: for HTTP the whole URL of the signal, for gRPC the URL of the server. The user and password of the URL
    /// are not in it, but among the headers. The query of the URL may be secret.
    pub endpoint: String,
    /// The protocol.
    pub protocol: Protocol,
    /// The headers of every request.
    pub headers: Headers,
    /// The file of the headers, and what the endpoint adds to them; `None` if the headers are not read from a file.
    pub headers_file: Option<HeadersFile>,
    /// The longest time of one request.
    pub timeout: Duration,
    /// How requests are compressed.
    pub compression: Compression,
    /// A PEM file of authorities to trust beside the system's; `None` for the system's alone.
    pub tls_ca: Option<PathBuf>,
    /// The client certificate; `None` for none.
    pub tls_identity: Option<ClientTls>,
    /// The attributes of the resource by the semantic conventions: `service.name` and the like.
    pub resource: BTreeMap<String, String>,
}

/// The file of the headers of a collector.
#[derive(Clone, PartialEq)]
pub struct HeadersFile {
    /// The key of the headers, and the file.
    key: String,
    files: SecretFiles,
    /// The user and password of the endpoint's URL, which the headers hold as well; `None` if the URL has none.
    user: Option<String>,
}

/// `[otlp] protocol`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// gRPC.
    Grpc,
    /// Protobuf over HTTP.
    HttpProtobuf,
}

/// `[otlp] compression`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Requests are compressed with gzip.
    Gzip,
    /// Requests are not compressed.
    None,
}

/// `[otlp] tls.certificate` and `tls.key`: PEM files.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientTls {
    /// The client certificate.
    pub certificate: PathBuf,
    /// The private key of the certificate.
    pub key: PathBuf,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoint = secret::shown("endpoint", &self.endpoint);
        f.debug_struct("Target")
            .field("endpoint", &endpoint)
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}

/// Names and values of headers. The values may be secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(pub Vec<(String, String)>);

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl Otlp {
    pub(super) fn read(mut otlp: Reader<'_>) -> Self {
        let resource = resource(&mut otlp);
        let interval = otlp.duration("interval");
        let temporality = otlp.choice(
            "temporality",
            ("delta", Temporality::Delta),
            ("cumulative", Temporality::Cumulative),
        );
        let histograms = otlp.choice(
            "histograms",
            ("exponential", Histograms::Exponential),
            ("explicit", Histograms::Explicit),
        );
        let share = otlp.parsed("traces.share", "a share from 0 to 1, such as 0.01");
        if !(0.0..=1.0).contains(&share) {
            otlp.expected("traces.share", "a share from 0 to 1, such as 0.01");
        }
        let metrics = Target::read(&mut otlp, "metrics", &resource);
        let traces = Target::read(&mut otlp, "traces", &resource);
        Self {
            metrics: metrics.map(|target| Metrics { target, interval, temporality, histograms }),
            traces: traces.map(|target| Traces { target, share }),
        }
    }
}

/// The attributes of the resource: `service.name` wins over the same name among the attributes.
fn resource(otlp: &mut Reader<'_>) -> BTreeMap<String, String> {
    let mut resource = BTreeMap::from([("service.name".to_owned(), env!("CARGO_PKG_NAME").to_owned())]);
    resource.extend(pairs(otlp, "resource"));
    if let Some(name) = otlp.optional("service.name") {
        resource.insert("service.name".to_owned(), name.to_owned());
    }
    resource
}

impl Target {
    /// The files that the settings name.
    pub fn paths(&self) -> Vec<PathBuf> {
        let identity = self.tls_identity.iter().flat_map(|tls| [&tls.certificate, &tls.key]);
        let headers = self.headers_file.iter().filter_map(|headers| headers.files.get(&headers.key));
        self.tls_ca.iter().chain(identity).cloned().chain(headers.map(Path::to_owned)).collect()
    }

    /// The settings with the headers that their file holds now.
    ///
    /// # Errors
    /// Why the headers cannot be used.
    pub fn reread(&self) -> Result<Self, String> {
        let Some(HeadersFile { key, files, user }) = &self.headers_file else { return Ok(self.clone()) };
        let text = files.reread(key).unwrap_or_else(|| Ok(String::new()));
        let text = text.map_err(|reason| format!("{key}.file: {reason}"))?;
        let pairs = parse_pairs(&text).ok_or_else(|| format!("{key}: {MALFORMED_PAIRS}"))?;
        Ok(Self { headers: Headers(with_authorization(pairs, user.clone())), ..self.clone() })
    }

    /// The collector of a signal; `None` if the signal is not pushed.
    fn read(otlp: &mut Reader<'_>, signal: &str, resource: &BTreeMap<String, String>) -> Option<Self> {
        let enabled = otlp.switch(&format!("{signal}.enabled"));
        // A key of the signal that is not empty wins over the key for all signals.
        let key = |otlp: &Reader<'_>, key: &str| {
            let own = format!("{signal}.{key}");
            if otlp.text(&own).is_empty() { key.to_owned() } else { own }
        };
        let protocol = otlp.choice(
            &key(otlp, "protocol"),
            ("grpc", Protocol::Grpc),
            ("http/protobuf", Protocol::HttpProtobuf),
        );
        let endpoint_key = key(otlp, "endpoint");
        let mut endpoint = otlp.text(&endpoint_key).to_owned();
        if endpoint_key == "endpoint" && !endpoint.is_empty() && protocol == Protocol::HttpProtobuf {
            endpoint = format!("{}/v1/{signal}", endpoint.trim_end_matches('/'));
        }
        let tls = otlp.pair(&key(otlp, "tls.certificate"), &key(otlp, "tls.key"));
        let (endpoint, user) = without_user(endpoint);
        let headers_key = key(otlp, "headers");
        let headers = pairs(otlp, &headers_key);
        let files = otlp.secret_files();
        let has_file = files.get(&headers_key).is_some();
        let headers_file = has_file.then(|| HeadersFile { key: headers_key, files, user: user.clone() });
        let target = Self {
            endpoint,
            protocol,
            headers: Headers(with_authorization(headers, user)),
            headers_file,
            timeout: otlp.duration(&key(otlp, "timeout")),
            compression: otlp.choice(
                &key(otlp, "compression"),
                ("gzip", Compression::Gzip),
                ("none", Compression::None),
            ),
            tls_ca: otlp.path(&key(otlp, "tls.ca")),
            tls_identity: tls
                .map(|(certificate, key)| ClientTls { certificate: certificate.into(), key: key.into() }),
            resource: resource.clone(),
        };
        if !enabled || target.endpoint.is_empty() {
            return None;
        }
        if !target.endpoint.starts_with("http://") && !target.endpoint.starts_with("https://") {
            otlp.expected(&endpoint_key, "a URL such as http://collector:4318");
        }
        Some(target)
    }
}

/// Headers with the user of a URL as basic authentication, unless the headers hold an authorization.
fn with_authorization(mut headers: Vec<(String, String)>, user: Option<String>) -> Vec<(String, String)> {
    let has_own = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    if let Some(user) = user
        && !has_own
    {
        headers.push(("authorization".to_owned(), format!("Basic {}", secret::basic(&user))));
    }
    headers
}

/// `NAME=VALUE`, separated by commas, with values that are percent-encoded.
fn pairs(otlp: &mut Reader<'_>, key: &str) -> Vec<(String, String)> {
    parse_pairs(otlp.text(key)).unwrap_or_else(|| {
        otlp.problem(key, MALFORMED_PAIRS);
        Vec::new()
    })
}

/// What is wrong with a list of pairs. The text may be a part of a secret, so the message does not quote it.
const MALFORMED_PAIRS: &str = "must be NAME=VALUE,…, with values percent-encoded";

/// The names and values of a list of pairs; `None` if a pair is malformed.
fn parse_pairs(text: &str) -> Option<Vec<(String, String)>> {
    let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        let name = Some(name.trim()).filter(|name| !name.is_empty())?;
        Some((name.to_owned(), decoded(value.trim())?))
    };
    pairs.map(pair).collect()
}

/// A URL without the part before the `@`, and that part. HTTP libraries log URLs, so no URL with a password is given to
/// them.
fn without_user(url: String) -> (String, Option<String>) {
    let begin = url.find("://").map_or(0, |at| at + 3);
    let end = url[begin..].find(['/', '?', '#']).map_or(url.len(), |at| begin + at);
    match url[begin..end].rsplit_once('@') {
        Some((user, host)) => (
            format!("{}{host}{}", &url[..begin], &url[end..]),
            Some(user.to_owned()).filter(|user| !user.is_empty()),
        ),
        None => (url, None),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::test_support::config, *};

    const ENDPOINT: (&str, &str, &str) = ("otlp", "endpoint", "http://c:4318/");

    #[test]
    fn key_of_a_signal_wins_over_the_key_of_all_signals() {
        let set = [ENDPOINT, ("otlp", "traces.timeout", "1s"), ("otlp", "traces.protocol", "grpc")];
        let Otlp { metrics: Some(metrics), traces: Some(traces) } = config(&set).otlp else {
            panic!("both signals have an endpoint")
        };
        let target = metrics.target;
        assert_eq!(
            (target.endpoint.as_str(), target.protocol),
            ("http://c:4318/v1/metrics", Protocol::HttpProtobuf)
        );
        assert_eq!(target.timeout, Duration::from_secs(10));
        let target = traces.target;
        assert_eq!((target.endpoint.as_str(), target.protocol), ("http://c:4318/", Protocol::Grpc));
        assert_eq!(target.timeout, Duration::from_secs(1));
    }

    #[test]
    fn user_of_a_url_is_a_header_unless_there_is_an_authorization() {
        assert_eq!(
            without_user("https://me:p@ss@c:4318/v1?x=a@b".to_owned()),
            ("https://c:4318/v1?x=a@b".to_owned(), Some("me:p@ss".to_owned()))
        );
        assert_eq!(without_user("http://c/a@b".to_owned()), ("http://c/a@b".to_owned(), None));
        let headers = with_authorization(Vec::new(), Some("me:hush".to_owned()));
        assert_eq!(headers, [("authorization".to_owned(), "Basic bWU6aHVzaA==".to_owned())]);
        let own = vec![("Authorization".to_owned(), "Bearer x".to_owned())];
        assert_eq!(with_authorization(own.clone(), Some("me:hush".to_owned())), own);
    }
}
