//! The environment variables that OpenTelemetry standardizes, such as `OTEL_EXPORTER_OTLP_ENDPOINT`, as settings of
//! `[otlp]`.
//!
//! A variable that is empty counts as absent. A variable with a wrong value is a warning and no error, because
//! OpenTelemetry's specification demands it.

use std::collections::BTreeMap;

use super::{
    place::Place,
    settings::{Setting, Settings},
};

/// What the standard variables say.
#[derive(Default)]
pub(super) struct StandardVariables {
    pub(super) settings: Settings,
    /// Sentences about the variables that are ignored.
    pub(super) warnings: Vec<String>,
}

/// A variable's value in our words; `None` if the value is not one that the service knows.
type Translation = fn(&str) -> Option<String>;

struct Variable {
    name: &'static str,
    key: &'static str,
    translation: Translation,
}

const fn variable(name: &'static str, key: &'static str, translation: Translation) -> Variable {
    Variable { name, key, translation }
}

/// The ends of the names of variables that hold for all signals, or with `METRICS_` or `TRACES_` before the end for one
/// signal.
const TRANSPORT: [Variable; 8] = [
    variable("ENDPOINT", "endpoint", url),
    variable("PROTOCOL", "protocol", |value| among(value, &["grpc", "http/protobuf"])),
    variable("HEADERS", "headers", any),
    variable("TIMEOUT", "timeout", milliseconds),
    variable("COMPRESSION", "compression", |value| among(value, &["gzip", "none"])),
    variable("CERTIFICATE", "tls.ca", any),
    variable("CLIENT_CERTIFICATE", "tls.certificate", any),
    variable("CLIENT_KEY", "tls.key", any),
];

const OTHERS: [Variable; 5] = [
    variable("OTEL_METRIC_EXPORT_INTERVAL", "interval", milliseconds),
    variable("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "temporality", |value| {
        among(value, &["cumulative", "delta", "lowmemory"]).map(|value| value.replace("lowmemory", "delta"))
    }),
    variable("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "histograms", |value| {
        among(value, &["explicit_bucket_histogram", "base2_exponential_bucket_histogram"])
            .map(|value| if value.starts_with("base2") { "exponential" } else { "explicit" }.to_owned())
    }),
    variable("OTEL_SERVICE_NAME", "service.name", any),
    variable("OTEL_RESOURCE_ATTRIBUTES", "resource", any),
];

/// Reads the standard variables of the environment.
pub(super) fn variables(env: &BTreeMap<String, String>) -> StandardVariables {
    let mut found = StandardVariables::default();
    for (infix, signal) in [("", ""), ("METRICS_", "metrics."), ("TRACES_", "traces.")] {
        for Variable { name, key, translation } in TRANSPORT {
            let name = format!("OTEL_EXPORTER_OTLP_{infix}{name}");
            found.translate(env, &name, &format!("{signal}{key}"), translation);
        }
    }
    for Variable { name, key, translation } in OTHERS {
        found.translate(env, name, key, translation);
    }
    found.switches(env);
    found.sampler(env);
    found
}

/// The value of a variable without the blanks around it; `None` if it is empty or absent.
fn value<'a>(env: &'a BTreeMap<String, String>, name: &str) -> Option<&'a str> {
    env.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
}

impl StandardVariables {
    fn set(&mut self, name: &str, key: &str, value: impl Into<String>) {
        let place = Place::Environment(name.to_owned());
        self.settings.set("otlp", key, Setting::new(value, place));
    }

    fn translate(&mut self, env: &BTreeMap<String, String>, name: &str, key: &str, translation: Translation) {
        let Some(value) = value(env, name) else { return };
        match translation(value) {
            Some(value) => self.set(name, key, value),
            None => self.warnings.push(format!("{name} is ignored: its value is not one that is known here")),
        }
    }

    /// The variables that switch signals off.
    fn switches(&mut self, env: &BTreeMap<String, String>) {
        let switches = [
            ("OTEL_SDK_DISABLED", "true", &["metrics.enabled", "traces.enabled"][..]),
            ("OTEL_METRICS_EXPORTER", "none", &["metrics.enabled"]),
            ("OTEL_TRACES_EXPORTER", "none", &["traces.enabled"]),
        ];
        for (name, off, keys) in switches {
            if value(env, name).is_some_and(|value| value.eq_ignore_ascii_case(off)) {
                keys.iter().for_each(|key| self.set(name, key, "false"));
            }
        }
        for name in ["OTEL_METRICS_EXPORTER", "OTEL_TRACES_EXPORTER"] {
            let known = |value: &str| ["otlp", "none", "prometheus"].contains(&value.to_lowercase().as_str());
            if value(env, name).is_some_and(|value| !value.split(',').map(str::trim).all(known)) {
                self.warnings.push(format!("{name} is ignored: there is no such exporter here"));
            }
        }
    }

    /// The share of heartbeats that are exported as traces. It is the argument of one sampler; the names of the other
    /// samplers say it. A heartbeat never has a parent span, so `parentbased_` changes nothing.
    fn sampler(&mut self, env: &BTreeMap<String, String>) {
        let name = "OTEL_TRACES_SAMPLER";
        let argument = value(env, "OTEL_TRACES_SAMPLER_ARG").unwrap_or("1");
        match value(env, name).map(|sampler| sampler.trim_start_matches("parentbased_")) {
            None => {}
            Some("always_on") => self.set(name, "traces.share", "1"),
            Some("always_off") => self.set(name, "traces.enabled", "false"),
            Some("traceidratio") if argument.parse().is_ok_and(|share: f64| (0.0..=1.0).contains(&share)) => {
                self.set(name, "traces.share", argument);
            }
            Some(_) => self
                .warnings
                .push(format!("{name} is ignored: it or its argument is not one that is known here")),
        }
    }
}

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
