//! Configurations of older programs, in our words: cc-heartbeat's files and the environment of the topic
//! freshness exporter run unchanged.

use std::collections::BTreeMap;

use super::layer::{Entries, Place};

/// Where what has no meaning here is put.
const IGNORED: &str = "ignored";

/// Section, key and value as we know them.
pub(super) fn translate(section: String, key: String, value: String) -> (String, String, String) {
    let section = if section == "default" { "kafka".to_owned() } else { section };
    if section != "admin" {
        return (section, key, value);
    }
    let seconds = |section: &str, key: &str| (section.to_owned(), key.to_owned(), format!("{value}s"));
    match key.as_str() {
        "heartbeat.topic" => ("heartbeat".to_owned(), "topic".to_owned(), value),
        "produce.period.seconds" => seconds("heartbeat", "interval"),
        "check.topic.period.seconds" => seconds("topic", "interval"),
        "check.metadata.period.seconds" => seconds("metadata", "interval"),
        "check.connectivity.period.seconds" => seconds("connectivity", "interval"),
        "metrics.listener.host" => ("http".to_owned(), "listen.host".to_owned(), value),
        "metrics.listener.port" => ("http".to_owned(), "listen.port".to_owned(), value),
        "log.level" => ("log".to_owned(), "level".to_owned(), level(&value).to_lowercase()),
        // Consumer groups are watched by another task, on its own schedule.
        "check.consumer.group.period.seconds" => (IGNORED.to_owned(), key, value),
        _ => (section, key, value),
    }
}

/// Python's names of the levels, in ours.
pub(super) fn level(value: &str) -> String {
    match value.to_lowercase().as_str() {
        "warning" => "warn".to_owned(),
        "critical" | "fatal" => "error".to_owned(),
        "notset" => "trace".to_owned(),
        _ => value.to_owned(),
    }
}

/// Host and port of the listener, two keys there and one here; what has no meaning here is dropped.
pub(super) fn join_listener(entries: &mut Entries) {
    entries.retain(|(section, _), _| section != IGNORED);
    let mut take = |key: &str| entries.remove(&("http".to_owned(), key.to_owned()));
    let (host, port) = (take("listen.host"), take("listen.port"));
    let Some(place) = host.as_ref().or(port.as_ref()).map(|(_, place)| place.clone()) else { return };
    let or =
        |found: Option<(String, String)>, default: &str| found.map_or(default.to_owned(), |(value, _)| value);
    let listen = format!("{}:{}", or(host, "localhost"), or(port, "8080"));
    entries.insert(("http".to_owned(), "listen".to_owned()), (listen, place));
}

/// The topic freshness exporter was told everything by its environment. `TOPIC_PREFIX` gives it away: then
/// topics are watched and nothing else, as it did.
pub(super) fn freshness_exporter(env: &BTreeMap<String, String>) -> Entries {
    let mut entries = Entries::new();
    if !env.contains_key("TOPIC_PREFIX") {
        return entries;
    }
    let mut set = |section: &str, key: &str, value: String, place: Place| {
        entries.insert((section.to_owned(), key.to_owned()), (value, place));
    };
    let own = || "environment TOPIC_PREFIX".to_owned();
    set("kafka", "security.protocol", "SASL_SSL".to_owned(), own());
    set("http", "listen", "0.0.0.0:8000".to_owned(), own());
    for section in ["heartbeat", "lag"] {
        set(section, "enabled", "false".to_owned(), own());
    }
    // (variable, section, key, before the value, behind it)
    let names = [
        ("KAFKA_BOOTSTRAP_SERVERS", "kafka", "bootstrap.servers", "", ""),
        ("KAFKA_SECURITY_PROTOCOL", "kafka", "security.protocol", "", ""),
        ("TOPIC_PREFIX", "freshness", "topics.prefix", "", ""),
        ("SCRAPE_INTERVAL_SECONDS", "freshness", "interval", "", "s"),
        ("METRICS_PORT", "http", "listen", "0.0.0.0:", ""),
    ];
    for (name, section, key, before, behind) in names {
        if let Some(value) = env.get(name) {
            set(section, key, format!("{before}{value}{behind}"), format!("environment {name}"));
        }
    }
    entries
}
