//! The configuration of the cc-heartbeat program, in our words: its files run unchanged.

use super::layer::Entries;

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
        "log.level" => ("log".to_owned(), "level".to_owned(), level(&value)),
        // Consumer groups are watched by another task, on its own schedule.
        "check.consumer.group.period.seconds" => (IGNORED.to_owned(), key, value),
        _ => (section, key, value),
    }
}

/// Python's names of the levels, in ours.
fn level(value: &str) -> String {
    match value.to_lowercase().as_str() {
        "warning" => "warn".to_owned(),
        "critical" | "fatal" => "error".to_owned(),
        "notset" => "trace".to_owned(),
        other => other.to_owned(),
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
