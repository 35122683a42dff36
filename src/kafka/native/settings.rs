//! The two heartbeat clients' settings, each with its reason, and their check by librdkafka itself.

use std::time::Duration;

use rdkafka::{ClientConfig, config::RDKafkaLogLevel, error::KafkaError};

use crate::{
    config::{self, Properties},
    kafka::wire::PropertyError,
};

/// Of both heartbeat clients. Order: these < `[kafka]` < the client's own < the user's overrides.
const BOTH: [(&str, &str); 9] = [
    ("socket.nagle.disable", "true"),
    ("socket.keepalive.enable", "true"),
    // librdkafka's own maximum of ten seconds makes every recovery look ten seconds slow.
    ("reconnect.backoff.ms", "50"),
    ("reconnect.backoff.max.ms", "1000"),
    // New leaders and brokers are noticed within half a minute even without an error.
    ("topic.metadata.refresh.interval.ms", "30000"),
    ("enable.metrics.push", "false"),
    ("statistics.interval.ms", "15000"),
    ("log.connection.close", "false"),
    ("allow.auto.create.topics", "false"),
];

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
const CONSUMER: [(&str, &str); 5] = [
    // librdkafka wants one even for a consumer that is assigned; no group is ever joined.
    ("group.id", "kafka-heartbeat"),
    ("fetch.min.bytes", "1"),
    ("fetch.error.backoff.ms", "50"),
    ("fetch.queue.backoff.ms", "10"),
    ("queued.min.messages", "100"),
];

/// Of the heartbeat consumer, whatever the user says: the accounting rests on them.
const CONSUMER_ALWAYS: [(&str, &str); 2] = [
    ("enable.auto.commit", "false"),
    // A position that is gone means the log was cut: read on from its beginning, so that nothing is missed.
    ("auto.offset.reset", "earliest"),
];

/// Checks every property of a cluster with librdkafka itself.
pub fn check(cluster: &config::Cluster) -> Vec<PropertyError> {
    let sections = [&cluster.kafka, &cluster.producer, &cluster.consumer];
    let properties = sections.into_iter().flat_map(|properties| &properties.0);
    // One by one: librdkafka stops at the first it does not like.
    let refused = properties.filter_map(|(key, property)| {
        let refusal = ClientConfig::new().set(key, &property.value).create_native_config().err()?;
        // The value stays out of the message: it may be a secret.
        let message = match refusal {
            KafkaError::ClientConfig(_, reason, ..) => in_our_words(&reason),
            _ => None,
        };
        let message = message.unwrap_or("librdkafka refuses the value").to_owned();
        Some(PropertyError { key: key.clone(), place: property.place.clone(), message })
    });
    refused.collect()
}

/// librdkafka's reason, if it is one that never quotes the value.
fn in_our_words(reason: &str) -> Option<&'static str> {
    if reason.starts_with("No such configuration property") {
        Some("librdkafka knows no such property")
    } else if reason.contains("is read-only") || reason.contains("not supported in this build") {
        Some("this build of librdkafka does not support it")
    } else {
        None
    }
}

pub(super) fn producer_config(cluster: &config::Cluster) -> ClientConfig {
    let deadline = cluster.heartbeat.deadline.as_millis().to_string();
    let mut config = base_config(cluster, &PRODUCER);
    // After the deadline an acknowledgement is worth nothing; without this it might come minutes later.
    config.set("message.timeout.ms", deadline);
    lay_over(&mut config, &cluster.producer);
    config
}

pub(super) fn consumer_config(cluster: &config::Cluster) -> ClientConfig {
    let mut config = base_config(cluster, &CONSUMER);
    // A fetch is answered within half a second, data or not: a broker that takes much longer hangs, and by
    // then another one may lead.
    let hung = (cluster.heartbeat.deadline / 2).clamp(Duration::from_secs(2), Duration::from_secs(60));
    config.set("socket.timeout.ms", hung.as_millis().to_string());
    lay_over(&mut config, &cluster.consumer);
    for (key, value) in CONSUMER_ALWAYS {
        config.set(key, value);
    }
    config
}

fn base_config(cluster: &config::Cluster, own: &[(&str, &str)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    for (key, value) in BOTH {
        config.set(key, value);
    }
    config.set("client.id", format!("kafka-heartbeat/{}", cluster.heartbeat.instance));
    let timeout = cluster.heartbeat.deadline.clamp(Duration::from_secs(1), Duration::from_secs(300));
    config.set("socket.connection.setup.timeout.ms", timeout.as_millis().to_string());
    lay_over(&mut config, &cluster.kafka);
    for (key, value) in own {
        config.set(*key, *value);
    }
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
        config.set(key, &property.value);
    }
}
