//! `[otlp]`: where metrics are pushed, and how. The variables that OpenTelemetry has for it are understood too.

use std::{collections::BTreeMap, fmt, path::PathBuf, time::Duration};

use super::{layer::Entries, load::Reader};

/// `[otlp]`, with an endpoint.
#[derive(Debug, Clone)]
pub struct Otlp {
    /// The URL of metrics: whole for HTTP, for gRPC the server's.
    pub endpoint: String,
    /// gRPC, else protobuf over HTTP.
    pub grpc: bool,
    /// Sent with every request.
    pub headers: Headers,
    /// From one export to the next.
    pub interval: Duration,
    /// For one request.
    pub timeout: Duration,
    /// Requests are packed.
    pub gzip: bool,
    /// Authorities to trust beside the system's: a PEM file.
    pub ca: Option<PathBuf>,
    /// Our own certificate and its key: PEM files.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// What came since the last request, instead of everything since the start.
    pub delta: bool,
    /// Exponential buckets, else the classic ones.
    pub exponential: bool,
    /// Who we are, by the semantic conventions.
    pub resource: BTreeMap<String, String>,
}

/// Names and values: these may be secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(pub Vec<(String, String)>);

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl Reader {
    /// `None` where nothing is to be pushed.
    pub(super) fn otlp(&mut self) -> Option<Otlp> {
        let (base, exact) = (self.text("otlp", "endpoint"), self.text("otlp", "metrics.endpoint"));
        let grpc = self.is_first("otlp", "protocol", "grpc", "http/protobuf");
        let key = if exact.is_empty() { "endpoint" } else { "metrics.endpoint" };
        let endpoint = match (exact.is_empty(), grpc) {
            (false, _) => exact,
            (true, true) => base,
            (true, false) if base.is_empty() => base,
            (true, false) => format!("{}/v1/metrics", base.trim_end_matches('/')),
        };
        let file = |path: String| Some(path).filter(|path| !path.is_empty()).map(PathBuf::from);
        let identity = self.pair("otlp", "tls.certificate", "tls.key");
        let name = Some(self.text("otlp", "service.name")).filter(|name| !name.is_empty());
        let mut resource = vec![("service.name".to_owned(), env!("CARGO_PKG_NAME").to_owned())];
        resource.extend(self.pairs("otlp", "resource"));
        resource.extend(name.map(|name| ("service.name".to_owned(), name)));
        let otlp = Otlp {
            grpc,
            headers: Headers(self.pairs("otlp", "headers")),
            interval: self.duration("otlp", "interval"),
            timeout: self.duration("otlp", "timeout"),
            gzip: self.is_first("otlp", "compression", "gzip", "none"),
            ca: file(self.text("otlp", "tls.ca")),
            identity: identity.map(|(certificate, key)| (certificate.into(), key.into())),
            delta: self.is_first("otlp", "temporality", "delta", "cumulative"),
            exponential: self.is_first("otlp", "histograms", "exponential", "explicit"),
            resource: resource.into_iter().collect(),
            endpoint,
        };
        if otlp.endpoint.is_empty() {
            return None;
        }
        if !otlp.endpoint.starts_with("http://") && !otlp.endpoint.starts_with("https://") {
            self.expected("otlp", key, "a URL such as http://collector:4318");
        }
        Some(otlp)
    }

    /// `NAME=VALUE`, separated by commas; values are percent-encoded.
    fn pairs(&mut self, section: &str, key: &str) -> Vec<(String, String)> {
        let text = self.text(section, key);
        let mut pairs = Vec::new();
        for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            match pair.split_once('=').and_then(|(name, value)| Some((name.trim(), decoded(value.trim())?))) {
                Some((name, value)) if !name.is_empty() => pairs.push((name.to_owned(), value)),
                // What is wrong may be a piece of a secret.
                _ => {
                    self.problem(section, key, "must be NAME=VALUE,…, with values percent-encoded");
                    break;
                }
            }
        }
        pairs
    }
}

/// What `%41` stands for.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let (high, low) = (digit(rest.next())?, digit(rest.next())?);
        bytes.push(u8::try_from(16 * high + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

/// The standard variables as settings, and what is to be said of those that are ignored. An empty one is as good as
/// none, and one with a wrong value is no error: the specification wants it so.
pub(super) fn variables(env: &BTreeMap<String, String>) -> (Entries, Vec<String>) {
    let (mut entries, mut warnings) = (Entries::new(), Vec::new());
    let get = |name: &str| env.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
    let is = |name: &str, wanted: &str| get(name).is_some_and(|value| value.eq_ignore_ascii_case(wanted));
    let mut set = |name: &str, key: &str, value: String| {
        entries.insert(("otlp".to_owned(), key.to_owned()), (value, format!("environment {name}")));
    };
    // Of the two variables of a setting, the one for metrics alone wins.
    for signal in ["", "METRICS_"] {
        for (suffix, key, takes) in TRANSPORT {
            let name = format!("OTEL_EXPORTER_OTLP_{signal}{suffix}");
            let Some(value) = get(&name) else { continue };
            let key = if (signal, *key) == ("METRICS_", "endpoint") { "metrics.endpoint" } else { key };
            match takes(value) {
                Some(value) => set(&name, key, value),
                None => warnings.push(format!("{name} is ignored: its value is not one that is known here")),
            }
        }
    }
    for (name, key, takes) in OTHERS {
        let Some(value) = get(name) else { continue };
        match takes(value) {
            Some(value) => set(name, key, value),
            None => warnings.push(format!("{name} is ignored: its value is not one that is known here")),
        }
    }
    let disabled = [("OTEL_SDK_DISABLED", "true"), ("OTEL_METRICS_EXPORTER", "none")];
    for (name, _) in disabled.into_iter().filter(|(name, value)| is(name, value)) {
        set(name, "endpoint", String::new());
        set(name, "metrics.endpoint", String::new());
    }
    (entries, warnings)
}

/// What a variable's value is in our words; `None` if it is none that may be.
type Takes = fn(&str) -> Option<String>;

/// For all signals, or with `METRICS_` for metrics alone.
const TRANSPORT: &[(&str, &str, Takes)] = &[
    ("ENDPOINT", "endpoint", any),
    ("PROTOCOL", "protocol", |value| among(value, &["grpc", "http/protobuf"])),
    ("HEADERS", "headers", any),
    ("TIMEOUT", "timeout", milliseconds),
    ("COMPRESSION", "compression", |value| among(value, &["gzip", "none"])),
    ("CERTIFICATE", "tls.ca", any),
    ("CLIENT_CERTIFICATE", "tls.certificate", any),
    ("CLIENT_KEY", "tls.key", any),
];

const OTHERS: &[(&str, &str, Takes)] = &[
    ("OTEL_METRIC_EXPORT_INTERVAL", "interval", milliseconds),
    ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "temporality", |value| {
        among(value, &["cumulative", "delta", "lowmemory"]).map(|value| value.replace("lowmemory", "delta"))
    }),
    ("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "histograms", |value| {
        among(value, &["explicit_bucket_histogram", "base2_exponential_bucket_histogram"])
            .map(|value| if value.starts_with("base2") { "exponential" } else { "explicit" }.to_owned())
    }),
    ("OTEL_SERVICE_NAME", "service.name", any),
    ("OTEL_RESOURCE_ATTRIBUTES", "resource", any),
];

fn any(value: &str) -> Option<String> {
    Some(value.to_owned())
}

fn among(value: &str, words: &[&str]) -> Option<String> {
    words.iter().find(|word| value.eq_ignore_ascii_case(word)).map(|word| (*word).to_owned())
}

fn milliseconds(value: &str) -> Option<String> {
    value.parse::<u64>().ok().filter(|value| *value > 0).map(|value| format!("{value}ms"))
}
