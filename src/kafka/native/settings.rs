//! The settings of the two heartbeat clients, each with its reason.

use std::time::Duration;

use rdkafka::{ClientConfig, config::RDKafkaLogLevel};

use crate::{
    config::{self, Properties},
    kafka::credentials::{GSSAPI, Mechanism, concerns_tokens},
};

/// The defaults of both heartbeat clients. The defaults of one client are laid over these, then `[kafka]`, then `[producer]`
/// or `[consumer]`.
const BOTH_DEFAULTS: [(&str, &str); 10] = [
    ("socket.nagle.disable", "true"),
    ("socket.keepalive.enable", "true"),
    // A sparse client connects to a broker on demand, and each demand ends the pause between two attempts. Without any
    // working broker it would connect twenty times a second, for ever. The topic has a partition on every broker, so both
    // clients need all connections anyway.
    ("enable.sparse.connections", "false"),
    // With librdkafka's own maximum of ten seconds, every recovery would seem ten seconds slow. The pause before an attempt
    // is the maximum less up to a quarter of it, so a broker in trouble gets at most one connection a second from each
    // client.
    ("reconnect.backoff.ms", "50"),
    (MAX_PAUSE, "1500"),
    // New leaders and brokers are noticed within 30 seconds even without an error.
    ("topic.metadata.refresh.interval.ms", "30000"),
    ("enable.metrics.push", "false"),
    // The diagnosis learns of throttling from the statistics.
    ("statistics.interval.ms", "5000"),
    ("log.connection.close", "false"),
    ("allow.auto.create.topics", "false"),
];

/// The longest pause between two attempts to connect, in milliseconds.
const MAX_PAUSE: &str = "reconnect.backoff.max.ms";

/// The defaults of the heartbeat producer.
const PRODUCER_DEFAULTS: [(&str, &str); 5] = [
    ("linger.ms", "0"),
    ("acks", "all"),
    // A broker answers one request of a connection at a time. More requests in flight only fill socket buffers and cannot
    // be taken back. Records that wait in the client instead are sent in one batch.
    ("max.in.flight.requests.per.connection", "5"),
    ("queue.buffering.max.messages", "20000"),
    ("retry.backoff.ms", "50"),
];

/// The defaults of the heartbeat consumer.
const CONSUMER_DEFAULTS: [(&str, &str); 4] = [
    ("fetch.min.bytes", "1"),
    ("fetch.error.backoff.ms", "50"),
    ("fetch.queue.backoff.ms", "10"),
    ("queued.min.messages", "100"),
];

/// The settings of the heartbeat consumer that the user cannot change, because the accounting of heartbeats needs them.
const CONSUMER_FIXED: [(&str, &str); 3] = [
    ("enable.auto.commit", "false"),
    // If the next offset is missing, the log was truncated. Reading continues at the log start, so that no record is missed.
    ("auto.offset.reset", "earliest"),
    // The first heartbeat on a partition waits until a fetch was answered, even if the fetch had no records.
    ("enable.partition.eof", "true"),
];

/// A property that the heartbeat consumer never has: a client with a group requests the group's coordinator for ever.
const GROUP_ID: &str = "group.id";

/// The heartbeat consumer reads uncommitted records. Heartbeats are not transactional, and with `read_committed` a
/// transaction that another client leaves open on the topic delays them. This setting is laid over `[kafka]` and under
/// `[consumer]`.
const ISOLATION_LEVEL: (&str, &str) = ("isolation.level", "read_uncommitted");

/// librdkafka's aliases of properties, each with the name that this program uses. If both names of a property were set,
/// librdkafka would take one of them by chance.
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

/// Settings of the user that have consequences which are easy to miss, as sentences for the log at the start.
pub fn warnings(cluster: &config::Cluster) -> Vec<String> {
    let chosen =
        cluster.consumer.0.get(ISOLATION_LEVEL.0).filter(|property| property.value != ISOLATION_LEVEL.1);
    let warning = chosen.map(|property| {
        format!(
            "{}: with [consumer] isolation.level = {} a transaction that another client leaves open on the topic {} \
             makes heartbeats late or lost although Kafka works; remove the property to read uncommitted records",
            property.place, property.value, cluster.heartbeat.topic
        )
    });
    warning.into_iter().collect()
}

/// The settings of the heartbeat producer.
pub(super) fn producer_config(cluster: &config::Cluster) -> ClientConfig {
    let deadline = cluster.heartbeat.deadline.as_millis().to_string();
    let mut config = base_config(cluster, &PRODUCER_DEFAULTS, &cluster.producer);
    // After the deadline of a heartbeat its acknowledgement has no use. Without this limit it could come minutes later.
    config.set("message.timeout.ms", deadline);
    lay_over(&mut config, &cluster.kafka);
    lay_over(&mut config, &cluster.producer);
    forbid_kinit(&mut config);
    config
}

/// The settings of the producer of the transaction probe. Each of its requests takes at most `limit`. What the user has set for
/// the heartbeat producer holds as well, except where it would forbid transactions or hide what a record holds.
pub(super) fn transactional_config(cluster: &config::Cluster, id: &str, limit: Duration) -> ClientConfig {
    let mut config = producer_config(cluster);
    for key in ["enable.idempotence", "retries", "max.in.flight.requests.per.connection"] {
        // librdkafka chooses what transactions need.
        config.remove(key);
    }
    let ms = |limit: Duration| limit.as_millis().max(1000).to_string();
    for (key, value) in [
        ("transactional.id", id.to_owned()),
        // A transaction that this process leaves open holds back consumers for this time at most.
        ("transaction.timeout.ms", ms(limit * 2)),
        ("message.timeout.ms", ms(limit)),
        ("socket.timeout.ms", ms(limit)),
        ("acks", "all".to_owned()),
        // The probe compares what consumers read with what it has written.
        ("compression.type", "none".to_owned()),
        ("statistics.interval.ms", "0".to_owned()),
    ] {
        config.set(key, value);
    }
    config
}

/// The settings of the heartbeat consumer.
pub(super) fn consumer_config(cluster: &config::Cluster) -> ClientConfig {
    let mut config = base_config(cluster, &CONSUMER_DEFAULTS, &cluster.consumer);
    // A broker answers a fetch within half a second, even without records. A broker that takes much longer hangs, and
    // another broker may be the leader by then.
    let limit = (cluster.heartbeat.deadline / 2).clamp(Duration::from_secs(2), Duration::from_secs(60));
    config.set("socket.timeout.ms", limit.as_millis().to_string());
    lay_over(&mut config, &cluster.kafka);
    config.set(ISOLATION_LEVEL.0, ISOLATION_LEVEL.1);
    lay_over(&mut config, &cluster.consumer);
    for (key, value) in CONSUMER_FIXED {
        config.set(key, value);
    }
    config.remove(GROUP_ID);
    forbid_kinit(&mut config);
    config
}

/// The settings under `[kafka]` and under the client's own section, `section`. `own` are the defaults of the client.
fn base_config(cluster: &config::Cluster, own: &[(&str, &str)], section: &Properties) -> ClientConfig {
    let mut config = ClientConfig::new();
    for (key, value) in BOTH_DEFAULTS.iter().chain(own) {
        config.set(*key, *value);
    }
    let longest = config.get(MAX_PAUSE).and_then(|longest| longest.parse::<u64>().ok());
    let shortest =
        [section, &cluster.kafka].into_iter().find_map(|chosen| chosen.get("reconnect.backoff.ms"));
    if shortest.is_some_and(|shortest| shortest.parse().ok() > longest) {
        // The shortest pause of the user is longer than the longest pause here, so librdkafka's own maximum applies.
        config.remove(MAX_PAUSE);
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
        // The bundled OpenSSL does not find the CA certificates of the system by itself.
        config.set("ssl.ca.location", "probe");
    }
    config.set_log_level(RDKafkaLogLevel::Notice);
    config
}

/// Sets properties over those that are set already. Aliases are replaced by the names that this program uses.
fn lay_over(config: &mut ClientConfig, properties: &Properties) {
    for (key, property) in properties.0.iter().filter(|(key, _)| !concerns_tokens(key)) {
        let alias = ALIASES.iter().find(|(alias, _)| alias == key);
        config.set(alias.map_or(key.as_str(), |(_, name)| name), &property.value);
    }
    if config.get("sasl.mechanism") == Some(Mechanism::AwsMskIam.as_str()) {
        // librdkafka does not know MSK IAM. It gets the same tokens as the wire client.
        config.set("sasl.mechanism", Mechanism::OauthBearer.as_str());
    }
}

/// Keeps a client that logs in with Kerberos from calling `kinit` in a shell. The tickets are in the cache of this process.
fn forbid_kinit(config: &mut ClientConfig) {
    if cfg!(feature = "gssapi") && config.get("sasl.mechanism") == Some(GSSAPI) {
        config.set("sasl.kerberos.min.time.before.relogin", "0");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longest_pause_is_the_default_unless_the_shortest_pause_of_the_user_is_longer() {
        for (shortest, longest) in [("100", Some("1500")), ("1500", Some("1500")), ("2000", None)] {
            let env = [("KAFKA_HEARTBEAT__KAFKA__RECONNECT_BACKOFF_MS", shortest)];
            let env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
            let sources = config::Sources { bootstrap: Some("b:1".to_owned()), env, ..Default::default() };
            let clusters = config::load(&sources).expect("a configuration").clusters;
            let settings = producer_config(&clusters[0]);
            assert_eq!(settings.get(MAX_PAUSE), longest, "{shortest}");
        }
    }
}
