//! Configurations of older programs in our keys: the file of cc-heartbeat and the environment of the topic freshness
//! exporter work unchanged.

use std::collections::BTreeMap;

use super::{
    place::Place,
    settings::{Setting, Settings},
};

/// What a key of cc-heartbeat's section `[admin]` means here.
pub(super) enum AdminKey {
    /// A key of ours with this value.
    Ours { section: &'static str, key: &'static str, value: String },
    /// The host of the HTTP listener. Host and port are one key here.
    ListenerHost,
    /// The port of the HTTP listener.
    ListenerPort,
    /// The key has no counterpart here and is ignored.
    Ignored,
}

/// Translates a key of `[admin]`; `None` if cc-heartbeat has no such key.
pub(super) fn admin_key(key: &str, value: &str) -> Option<AdminKey> {
    let ours = |section, key, value| Some(AdminKey::Ours { section, key, value });
    let interval = |section| ours(section, "interval", format!("{value}s"));
    match key {
        "heartbeat.topic" => ours("heartbeat", "topic", value.to_owned()),
        "produce.period.seconds" => interval("heartbeat"),
        "check.topic.period.seconds" => interval("topic"),
        "check.metadata.period.seconds" => interval("metadata"),
        "check.connectivity.period.seconds" => interval("connectivity"),
        "metrics.listener.host" => Some(AdminKey::ListenerHost),
        "metrics.listener.port" => Some(AdminKey::ListenerPort),
        "log.level" => ours("log", "level", level(value).to_lowercase()),
        // Another task watches consumer groups, on its own schedule.
        "check.consumer.group.period.seconds" => Some(AdminKey::Ignored),
        _ => None,
    }
}

/// The name of a section of cc-heartbeat's file here.
pub(super) fn section(name: &str) -> &str {
    if name == "default" { "kafka" } else { name }
}

/// `[http] listen` of cc-heartbeat's host and port; `None` if neither is set.
pub(super) fn listener(host: Option<Setting>, port: Option<Setting>) -> Option<Setting> {
    let place = host.as_ref().or(port.as_ref())?.place.clone();
    let host = host.map_or_else(|| "localhost".to_owned(), |host| host.value);
    let port = port.map_or_else(|| "8080".to_owned(), |port| port.value);
    Some(Setting::new(format!("{host}:{port}"), place))
}

/// A log level with our name, where Python has another name for it.
pub(super) fn level(value: &str) -> String {
    match value.to_lowercase().as_str() {
        "warning" => "warn".to_owned(),
        "critical" | "fatal" => "error".to_owned(),
        "notset" => "trace".to_owned(),
        _ => value.to_owned(),
    }
}

/// A variable of the topic freshness exporter. The value of our key is the value of the variable between `before` and
/// `after`.
struct ExporterVariable {
    name: &'static str,
    section: &'static str,
    key: &'static str,
    before: &'static str,
    after: &'static str,
}

const EXPORTER_VARIABLES: [ExporterVariable; 5] = [
    variable("KAFKA_BOOTSTRAP_SERVERS", "kafka", "bootstrap.servers", "", ""),
    variable("KAFKA_SECURITY_PROTOCOL", "kafka", "security.protocol", "", ""),
    variable("TOPIC_PREFIX", "freshness", "topics.prefix", "", ""),
    variable("SCRAPE_INTERVAL_SECONDS", "freshness", "interval", "", "s"),
    variable("METRICS_PORT", "http", "listen", "0.0.0.0:", ""),
];

const fn variable(
    name: &'static str,
    section: &'static str,
    key: &'static str,
    before: &'static str,
    after: &'static str,
) -> ExporterVariable {
    ExporterVariable { name, section, key, before, after }
}

/// The settings that the environment of the topic freshness exporter stands for. Only that program has the variable
/// `TOPIC_PREFIX`: with it the service watches topics and nothing else, as the exporter did; without it there are no
/// settings.
pub(super) fn freshness_exporter(env: &BTreeMap<String, String>) -> Settings {
    let mut settings = Settings::default();
    if !env.contains_key("TOPIC_PREFIX") {
        return settings;
    }
    let mut set = |section: &str, key: &str, value: String, variable: &str| {
        let place = Place::Environment(variable.to_owned());
        settings.set(section, key, Setting::new(value, place));
    };
    for (section, key, value) in [
        ("kafka", "security.protocol", "SASL_SSL"),
        ("http", "listen", "0.0.0.0:8000"),
        ("heartbeat", "enabled", "false"),
        ("lag", "enabled", "false"),
    ] {
        set(section, key, value.to_owned(), "TOPIC_PREFIX");
    }
    // The exporter signs in at MSK with IAM, unless its protocol has no login.
    let protocol = env.get("KAFKA_SECURITY_PROTOCOL").map_or("SASL_SSL", String::as_str);
    if protocol.to_uppercase().starts_with("SASL_") {
        set("kafka", "sasl.mechanism", "AWS_MSK_IAM".to_owned(), "TOPIC_PREFIX");
    }
    for ExporterVariable { name, section, key, before, after } in EXPORTER_VARIABLES {
        if let Some(value) = env.get(name) {
            set(section, key, format!("{before}{value}{after}"), name);
        }
    }
    settings
}
