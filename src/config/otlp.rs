//! `[otlp]`: where metrics and traces are pushed, and how. The variables that OpenTelemetry has for it are understood too.

use std::{collections::BTreeMap, fmt, path::PathBuf, time::Duration};

use super::{
    layer::Entries,
    load::Reader,
    secret::{self, decoded},
};

/// `[otlp]`: what has an endpoint, and is not switched off, is pushed.
#[derive(Debug, Clone, Default)]
pub struct Otlp {
    /// Series.
    pub metrics: Option<Metrics>,
    /// Single heartbeats.
    pub traces: Option<Traces>,
}

/// How series are pushed.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Where to.
    pub target: Target,
    /// From one export to the next.
    pub interval: Duration,
    /// What came since the last request, instead of everything since the start.
    pub delta: bool,
    /// Exponential buckets, else the classic ones.
    pub exponential: bool,
}

/// How heartbeats are pushed.
#[derive(Debug, Clone)]
pub struct Traces {
    /// Where to.
    pub target: Target,
    /// Of the heartbeats that nothing else speaks for, this share: from 0 to 1.
    pub share: f64,
}

/// A collector, and how it is spoken to.
#[derive(Clone)]
pub struct Target {
    /// The URL of the signal: whole for HTTP, for gRPC the server's. The part that says who may use it is not in it,
    /// but among the headers. Its query may be secret.
    pub endpoint: String,
    /// gRPC, else protobuf over HTTP.
    pub grpc: bool,
    /// Sent with every request.
    pub headers: Headers,
    /// For one request.
    pub timeout: Duration,
    /// Requests are packed.
    pub gzip: bool,
    /// Authorities to trust beside the system's: a PEM file.
    pub ca: Option<PathBuf>,
    /// Our own certificate and its key: PEM files.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Who we are, by the semantic conventions.
    pub resource: BTreeMap<String, String>,
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

/// Names and values: these may be secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(pub Vec<(String, String)>);

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl Reader {
    pub(super) fn otlp(&mut self) -> Otlp {
        let name = Some(self.text("otlp", "service.name")).filter(|name| !name.is_empty());
        let mut resource = vec![("service.name".to_owned(), env!("CARGO_PKG_NAME").to_owned())];
        resource.extend(self.pairs("otlp", "resource"));
        resource.extend(name.map(|name| ("service.name".to_owned(), name)));
        let resource: BTreeMap<_, _> = resource.into_iter().collect();
        let (interval, delta, exponential) = (
            self.duration("otlp", "interval"),
            self.is_first("otlp", "temporality", "delta", "cumulative"),
            self.is_first("otlp", "histograms", "exponential", "explicit"),
        );
        let share = self.parsed("otlp", "traces.share", "a share from 0 to 1, such as 0.01");
        if !(0.0..=1.0).contains(&share) {
            self.expected("otlp", "traces.share", "a share from 0 to 1, such as 0.01");
        }
        let metrics = self.target("metrics", &resource);
        let traces = self.target("traces", &resource);
        Otlp {
            metrics: metrics.map(|target| Metrics { target, interval, delta, exponential }),
            traces: traces.map(|target| Traces { target, share }),
        }
    }

    /// Where a signal goes; `None` where it is not to be pushed.
    fn target(&mut self, signal: &str, resource: &BTreeMap<String, String>) -> Option<Target> {
        let enabled: bool = self.parsed("otlp", &format!("{signal}.enabled"), "true or false");
        // What is set for the signal wins.
        let key = |reader: &Self, key: &str| {
            let own = format!("{signal}.{key}");
            if reader.text("otlp", &own).is_empty() { key.to_owned() } else { own }
        };
        let grpc = self.is_first("otlp", &key(self, "protocol"), "grpc", "http/protobuf");
        let address = key(self, "endpoint");
        let mut endpoint = self.text("otlp", &address);
        if address == "endpoint" && !endpoint.is_empty() && !grpc {
            endpoint = format!("{}/v1/{signal}", endpoint.trim_end_matches('/'));
        }
        let file = |path: String| Some(path).filter(|path| !path.is_empty()).map(PathBuf::from);
        let identity = self.pair("otlp", &key(self, "tls.certificate"), &key(self, "tls.key"));
        let (endpoint, user) = without_user(endpoint);
        let mut headers = self.pairs("otlp", &key(self, "headers"));
        if let Some(user) = user
            && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"))
        {
            headers.push(("authorization".to_owned(), format!("Basic {}", secret::basic(&user))));
        }
        let target = Target {
            grpc,
            headers: Headers(headers),
            timeout: self.duration("otlp", &key(self, "timeout")),
            gzip: self.is_first("otlp", &key(self, "compression"), "gzip", "none"),
            ca: file(self.text("otlp", &key(self, "tls.ca"))),
            identity: identity.map(|(certificate, key)| (certificate.into(), key.into())),
            resource: resource.clone(),
            endpoint,
        };
        if !enabled || target.endpoint.is_empty() {
            return None;
        }
        if !target.endpoint.starts_with("http://") && !target.endpoint.starts_with("https://") {
            self.expected("otlp", &address, "a URL such as http://collector:4318");
        }
        Some(target)
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

/// A URL without the part before the `@`, and that part. It must not be in a URL that is handed on, because HTTP
/// libraries log URLs.
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

/// The standard variables as settings, and what is to be said of those that are ignored. An empty one is as good as
/// none, and one with a wrong value is no error: the specification wants it so.
pub(super) fn variables(env: &BTreeMap<String, String>) -> (Entries, Vec<String>) {
    let (mut entries, mut warnings) = (Entries::new(), Vec::new());
    let get = |name: &str| env.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
    let is = |name: &str, wanted: &str| get(name).is_some_and(|value| value.eq_ignore_ascii_case(wanted));
    let mut set = |name: &str, key: &str, value: String| {
        entries.insert(("otlp".to_owned(), key.to_owned()), (value, format!("environment {name}")));
    };
    for (variable, signal) in [("", ""), ("METRICS_", "metrics."), ("TRACES_", "traces.")] {
        for (suffix, key, takes) in TRANSPORT {
            let name = format!("OTEL_EXPORTER_OTLP_{variable}{suffix}");
            let Some(value) = get(&name) else { continue };
            match takes(value) {
                Some(value) => set(&name, &format!("{signal}{key}"), value),
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
    let disabled = [
        ("OTEL_SDK_DISABLED", "true", &["metrics.enabled", "traces.enabled"][..]),
        ("OTEL_METRICS_EXPORTER", "none", &["metrics.enabled"]),
        ("OTEL_TRACES_EXPORTER", "none", &["traces.enabled"]),
    ];
    for (name, _, keys) in disabled.into_iter().filter(|(name, value, _)| is(name, value)) {
        keys.iter().for_each(|key| set(name, key, false.to_string()));
    }
    for name in ["OTEL_METRICS_EXPORTER", "OTEL_TRACES_EXPORTER"] {
        let known = |value: &str| ["otlp", "none", "prometheus"].contains(&value.to_lowercase().as_str());
        if get(name).is_some_and(|value| !value.split(',').map(str::trim).all(known)) {
            warnings.push(format!("{name} is ignored: there is no such exporter here"));
        }
    }
    // The share is the argument of one sampler; the others say it by their name. A parent there never is.
    let sampler = get("OTEL_TRACES_SAMPLER").map(|sampler| sampler.trim_start_matches("parentbased_"));
    let (name, argument) = ("OTEL_TRACES_SAMPLER", get("OTEL_TRACES_SAMPLER_ARG").unwrap_or("1"));
    match sampler {
        None => {}
        Some("always_on") => set(name, "traces.share", "1".to_owned()),
        Some("always_off") => set(name, "traces.enabled", false.to_string()),
        Some("traceidratio") if argument.parse().is_ok_and(|share: f64| (0.0..=1.0).contains(&share)) => {
            set(name, "traces.share", argument.to_owned());
        }
        Some(_) => {
            warnings.push(format!("{name} is ignored: it or its argument is not one that is known here"))
        }
    }
    (entries, warnings)
}

/// What a variable's value is in our words; `None` if it is none that may be.
type Takes = fn(&str) -> Option<String>;

/// For all signals, or with `METRICS_` or `TRACES_` for one alone.
const TRANSPORT: &[(&str, &str, Takes)] = &[
    ("ENDPOINT", "endpoint", url),
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

fn url(value: &str) -> Option<String> {
    (value.starts_with("http://") || value.starts_with("https://")).then(|| value.to_owned())
}

fn any(value: &str) -> Option<String> {
    Some(value.to_owned())
}

fn among(value: &str, words: &[&str]) -> Option<String> {
    words.iter().find(|word| value.eq_ignore_ascii_case(word)).map(|word| (*word).to_owned())
}

fn milliseconds(value: &str) -> Option<String> {
    value.parse::<u64>().ok().filter(|value| *value > 0).map(|value| format!("{value}ms"))
}
