//! The two heartbeat clients' settings, each with its reason, and their check by librdkafka itself.

use std::time::Duration;

use rdkafka::{ClientConfig, config::RDKafkaLogLevel};

use crate::config::{self, Properties};

/// Of both heartbeat clients. Order: these < the client's own < `[kafka]` < `[producer]` or `[consumer]`.
const BOTH: [(&str, &str); 10] = [
    ("socket.nagle.disable", "true"),
    ("socket.keepalive.enable", "true"),
    // A sparse client connects to a broker on demand, and each demand ends the pause between two attempts: without any
    // working broker it connects twenty times a second, for ever. The topic has a partition on every broker, so that
    // both clients need all connections anyway.
    ("enable.sparse.connections", "false"),
    // librdkafka's own maximum of ten seconds makes every recovery look ten seconds slow. The pause before an attempt is
    // the maximum less up to a quarter of it: a broker that is in trouble has one connection a second at most from each client.
    ("reconnect.backoff.ms", "50"),
    (LONGEST_PAUSE, "1500"),
    // New leaders and brokers are noticed within half a minute even without an error.
    ("topic.metadata.refresh.interval.ms", "30000"),
    ("enable.metrics.push", "false"),
    ("statistics.interval.ms", "15000"),
    ("log.connection.close", "false"),
    ("allow.auto.create.topics", "false"),
];

/// The longest pause between two attempts to connect, in milliseconds.
const LONGEST_PAUSE: &str = "reconnect.backoff.max.ms";

/// Of the heartbeat producer.
const PRODUCER: [(&str, &str); 5] = [
    ("linger.ms", "0"),
    ("acks", "all"),
    // A broker answers one request of a connection at a time. More of them in flight only fill socket
    // buffers with requests that nobody can take back; what waits here instead travels in one batch.
    ("max.in.flight.requests.per.connection", "5"),
    ("queue.buffering.max.messages", "20000"),
    ("retry.backoff.ms", "50"),
];

/// Of the heartbeat consumer.
const CONSUMER: [(&str, &str); 4] = [
    ("fetch.min.bytes", "1"),
    ("fetch.error.backoff.ms", "50"),
    ("fetch.queue.backoff.ms", "10"),
    ("queued.min.messages", "100"),
];

/// Of the heartbeat consumer, whatever the user says: the accounting rests on them.
const CONSUMER_ALWAYS: [(&str, &str); 3] = [
    ("enable.auto.commit", "false"),
    // A position that is gone means the log was cut: read on from its beginning, so that nothing is missed.
    ("auto.offset.reset", "earliest"),
    // The first heartbeat on a partition waits until a fetch was answered, also one without records.
    ("enable.partition.eof", "true"),
];

/// Never set for the heartbeat consumer: a client with a group asks for the group's coordinator for ever.
const GROUP: &str = "group.id";

/// The heartbeat consumer reads uncommitted records: heartbeats are not transactional, and with `read_committed`
/// a transaction that another client leaves open on the topic delays them. Above `[kafka]`, below `[consumer]`.
const ISOLATION: (&str, &str) = ("isolation.level", "read_uncommitted");

/// librdkafka's other names of a property, and the one we use: which of two wins would be chance.
pub(super) const ALIASES: [(&str, &str); 9] = [
    ("metadata.broker.list", "bootstrap.servers"),
    ("sasl.mechanisms", "sasl.mechanism"),
    ("max.in.flight", "max.in.flight.requests.per.connection"),
    ("queue.buffering.max.ms", "linger.ms"),
    ("request.required.acks", "acks"),
    ("delivery.timeout.ms", "message.timeout.ms"),
    ("message.send.max.retries", "retries"),
    ("compression.codec", "compression.type"),
    ("max.partition.fetch.bytes", "fetch.message.max.bytes"),
];

/// What a user may have chosen without knowing its consequence, as sentences for the log at the start.
pub fn warnings(cluster: &config::Cluster) -> Vec<String> {
    let chosen = cluster.consumer.0.get(ISOLATION.0).filter(|property| property.value != ISOLATION.1);
    let warning = chosen.map(|property| {
        format!(
            "{}: with [consumer] isolation.level = {} a transaction that another client leaves open on the topic {} \
             makes heartbeats late or lost although Kafka works; remove the property to read uncommitted records",
            property.place, property.value, cluster.heartbeat.topic
        )
    });
    warning.into_iter().collect()
}

pub(super) fn producer_config(cluster: &config::Cluster) -> ClientConfig {
    let deadline = cluster.heartbeat.deadline.as_millis().to_string();
    let mut config = base_config(cluster, &PRODUCER, &cluster.producer);
    // After the deadline an acknowledgement is worth nothing; without this it might come minutes later.
    config.set("message.timeout.ms", deadline);
    lay_over(&mut config, &cluster.kafka);
    lay_over(&mut config, &cluster.producer);
    config
}

pub(super) fn consumer_config(cluster: &config::Cluster) -> ClientConfig {
    let mut config = base_config(cluster, &CONSUMER, &cluster.consumer);
    // A fetch is answered within half a second, data or not: a broker that takes much longer hangs, and by
    // then another one may lead.
    let hung = (cluster.heartbeat.deadline / 2).clamp(Duration::from_secs(2), Duration::from_secs(60));
    config.set("socket.timeout.ms", hung.as_millis().to_string());
    lay_over(&mut config, &cluster.kafka);
    config.set(ISOLATION.0, ISOLATION.1);
    lay_over(&mut config, &cluster.consumer);
    for (key, value) in CONSUMER_ALWAYS {
        config.set(key, value);
    }
    config.remove(GROUP);
    config
}

/// Settings that `[kafka]` and the client's own section, `section`, are laid over.
fn base_config(cluster: &config::Cluster, own: &[(&str, &str)], section: &Properties) -> ClientConfig {
    let mut config = ClientConfig::new();
    for (key, value) in BOTH.iter().chain(own) {
        config.set(*key, *value);
    }
    let longest = config.get(LONGEST_PAUSE).and_then(|longest| longest.parse::<u64>().ok());
    let shortest =
        [section, &cluster.kafka].into_iter().find_map(|chosen| chosen.get("reconnect.backoff.ms"));
    if shortest.is_some_and(|shortest| shortest.parse().ok() > longest) {
        // The shortest pause that the user chose is longer than our longest: librdkafka's own maximum holds then.
        config.remove(LONGEST_PAUSE);
    }
    config.set("client.id", format!("kafka-heartbeat/{}", cluster.heartbeat.instance));
    let timeout = cluster.heartbeat.deadline.clamp(Duration::from_secs(1), Duration::from_secs(300));
    config.set("socket.connection.setup.timeout.ms", timeout.as_millis().to_string());
    let tls = cluster
        .kafka
        .get("security.protocol")
        .is_some_and(|protocol| protocol.to_lowercase().contains("ssl"));
    let ca = ["ssl.ca.location", "ssl.ca.pem", "ssl.keystore.location"];
    if tls && ca.iter().all(|key| cluster.kafka.get(key).is_none()) {
        // The bundled OpenSSL does not find the system's roots by itself.
        config.set("ssl.ca.location", "probe");
    }
    config.set_log_level(RDKafkaLogLevel::Notice);
    config
}

fn lay_over(config: &mut ClientConfig, properties: &Properties) {
    for (key, property) in &properties.0 {
        let alias = ALIASES.iter().find(|(alias, _)| alias == key);
        config.set(alias.map_or(key.as_str(), |(_, name)| name), &property.value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longest_pause_is_ours_unless_the_shortest_pause_of_the_user_is_longer() {
        for (shortest, longest) in [("100", Some("1500")), ("1500", Some("1500")), ("2000", None)] {
            let env = [("KAFKA_HEARTBEAT__KAFKA__RECONNECT_BACKOFF_MS", shortest)];
            let env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
            let sources = config::Sources { bootstrap: Some("b:1".to_owned()), env, ..Default::default() };
            let clusters = config::load(&sources).expect("a configuration").clusters;
            let settings = producer_config(&clusters[0]);
            assert_eq!(settings.get(LONGEST_PAUSE), longest, "{shortest}");
        }
    }
}
