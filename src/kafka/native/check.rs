//! The check of the heartbeat clients' properties by librdkafka itself.

use rdkafka::{ClientConfig, consumer::BaseConsumer, error::KafkaError, producer::BaseProducer};

use super::settings::{consumer_config, producer_config};
use crate::{
    config::{self, Property, did_you_mean},
    kafka::{
        PropertyError,
        credentials::{concerns_tokens, token_keys},
    },
    text::plain,
};

/// A property that is refused. A producer with it sends records only in transactions, and heartbeats are sent one by one.
const TRANSACTIONAL_ID: &str = "transactional.id";

/// The properties that users set most, for the hint after a misspelt name.
const COMMON: [&str; 41] = [
    "acks",
    "batch.size",
    "bootstrap.servers",
    "broker.address.family",
    "client.dns.lookup",
    "client.id",
    "client.rack",
    "compression.type",
    "connections.max.idle.ms",
    "debug",
    "enable.idempotence",
    "enable.ssl.certificate.verification",
    "fetch.max.bytes",
    "fetch.min.bytes",
    "fetch.wait.max.ms",
    "group.id",
    "isolation.level",
    "linger.ms",
    "message.max.bytes",
    "message.timeout.ms",
    "metadata.max.age.ms",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "request.timeout.ms",
    "retries",
    "retry.backoff.ms",
    "sasl.mechanism",
    "sasl.password",
    "sasl.username",
    "security.protocol",
    "session.timeout.ms",
    "socket.keepalive.enable",
    "socket.timeout.ms",
    "ssl.ca.location",
    "ssl.ca.pem",
    "ssl.certificate.location",
    "ssl.cipher.suites",
    "ssl.endpoint.identification.algorithm",
    "ssl.key.location",
    "ssl.key.password",
    "topic.metadata.refresh.interval.ms",
];

/// Checks each property of a cluster with librdkafka itself. Returns the errors of those that librdkafka refuses.
pub fn check(cluster: &config::Cluster) -> Vec<PropertyError> {
    let sections = [(&cluster.kafka, true), (&cluster.producer, false), (&cluster.consumer, false)];
    let properties = sections
        .into_iter()
        .flat_map(|(properties, shared)| properties.0.iter().map(move |property| (property, shared)));
    properties.filter_map(|((key, property), shared)| check_property(key, property, shared)).collect()
}

/// Checks each property of a module of `GET /probe` with librdkafka itself, so that a misspelt name is noticed. Returns the
/// errors of those that librdkafka refuses.
pub fn check_module(module: &config::Module) -> Vec<PropertyError> {
    module.kafka.0.iter().filter_map(|(key, property)| check_property(key, property, true)).collect()
}

/// Checks one property alone, because librdkafka stops at the first that it refuses. `shared` is whether both clients use the
/// property. `None` if librdkafka accepts the property.
fn check_property(key: &String, property: &Property, shared: bool) -> Option<PropertyError> {
    if concerns_tokens(key) {
        let message = "set it in [kafka]: both clients use the tokens of one source".to_owned();
        let place = property.place.clone();
        return (!shared).then(|| PropertyError { key: key.clone(), place, message });
    }
    if key == TRANSACTIONAL_ID {
        let message = "heartbeats are not transactional: remove the property".to_owned();
        return Some(PropertyError { key: key.clone(), place: property.place.clone(), message });
    }
    if let Some(remedy) = remedy_for_java(key, &property.value) {
        let message = format!("is a property of Java clients: {remedy}");
        return Some(PropertyError { key: key.clone(), place: property.place.clone(), message });
    }
    let refusal = ClientConfig::new().set(key, &property.value).create_native_config().err()?;
    // The message does not hold the value, which may be a secret.
    let message = match refusal {
        KafkaError::ClientConfig(_, reason, ..) => reworded(key, &reason),
        _ => None,
    };
    let message = message.unwrap_or_else(|| format!("librdkafka refuses the value{}", allowed_values(key)));
    Some(PropertyError { key: key.clone(), place: property.place.clone(), message })
}

/// What stands for a property of Java clients that signs in. `None` for other properties.
fn remedy_for_java(key: &str, value: &str) -> Option<&'static str> {
    let msk_iam = value.contains("msk.auth.iam");
    match key {
        "sasl.jaas.config" if msk_iam => Some(
            "set sasl.mechanism to AWS_MSK_IAM; awsProfileName is aws.profile, awsRoleArn is aws.role.arn, \
             awsRoleSessionName is aws.role.session.name, awsRoleExternalId is aws.role.external.id and awsStsRegion \
             is aws.sts.region",
        ),
        "sasl.login.callback.handler.class" | "sasl.client.callback.handler.class" if msk_iam => {
            Some("set sasl.mechanism to AWS_MSK_IAM instead")
        }
        "sasl.jaas.config" => Some(
            "set sasl.username and sasl.password, or sasl.oauthbearer.client.id, sasl.oauthbearer.client.secret and \
             sasl.oauthbearer.scope; extension_logicalCluster is logicalCluster in sasl.oauthbearer.extensions; for \
             Krb5LoginModule, principal is sasl.kerberos.principal and keyTab is sasl.kerberos.keytab",
        ),
        "sasl.login.callback.handler.class" | "sasl.client.callback.handler.class" => {
            Some("set sasl.oauthbearer.method to oidc, or sasl.mechanism to AWS_MSK_IAM")
        }
        _ => None,
    }
}

/// Words librdkafka's reason for a refusal. `None` if the reason may quote the value, which may be a secret.
fn reworded(key: &str, reason: &str) -> Option<String> {
    if reason.starts_with("No such configuration property") {
        Some(format!(
            "librdkafka knows no such property{}",
            did_you_mean(key, COMMON.into_iter().chain(token_keys()))
        ))
    } else if reason.contains("is read-only") || reason.contains("not supported in this build") {
        Some("this build of librdkafka does not support it".to_owned())
    } else {
        None
    }
}

/// Words that librdkafka accepts as the value of some property.
const VALUE_WORDS: [&str; 40] = [
    "true",
    "false",
    "all",
    "plaintext",
    "ssl",
    "sasl_plaintext",
    "sasl_ssl",
    "any",
    "v4",
    "v6",
    "none",
    "https",
    "default",
    "oidc",
    "read_uncommitted",
    "read_committed",
    "gzip",
    "snappy",
    "lz4",
    "zstd",
    "fifo",
    "lifo",
    "earliest",
    "latest",
    "error",
    "use_all_dns_ips",
    "resolve_canonical_bootstrap_servers_only",
    "classic",
    "consumer",
    "rebootstrap",
    "broker",
    "topic",
    "metadata",
    "queue",
    "msg",
    "protocol",
    "cgrp",
    "security",
    "fetch",
    "eos",
];

/// The words and numbers that librdkafka accepts as the value of a property, as the end of a message. Empty if there are
/// none.
fn allowed_values(key: &str) -> String {
    let refusal = |value: &str| ClientConfig::new().set(key, value).create_native_config().err();
    let words: Vec<_> = VALUE_WORDS.into_iter().filter(|word| refusal(word).is_none()).collect();
    let lowest = match refusal(&i32::MIN.to_string()) {
        Some(KafkaError::ClientConfig(_, reason, ..)) => reason,
        _ => String::new(),
    };
    let range =
        lowest.trim_end().rsplit_once("outside allowed range ").and_then(|(_, range)| range.split_once(".."));
    let numbers = range.map(|(from, to)| format!("a number from {from} to {to}"));
    let takes: Vec<_> = words.into_iter().map(str::to_owned).chain(numbers).collect();
    match takes.split_last() {
        None => String::new(),
        Some((only, [])) => format!(": expected {only}"),
        Some((last, others)) => format!(": expected {} or {last}", others.join(", ")),
    }
}

/// Checks that the properties fit together by making both clients, neither of which connects. Call it after [`check`],
/// which finds properties that are wrong alone.
pub fn check_together(cluster: &config::Cluster) -> Vec<PropertyError> {
    let without_brokers = |mut config: ClientConfig| {
        config.remove("bootstrap.servers");
        config
    };
    let producer = without_brokers(producer_config(cluster)).create::<BaseProducer>().err();
    let consumer = without_brokers(consumer_config(cluster)).create::<BaseConsumer>().err();
    let refused = [("producer", &cluster.producer, producer), ("consumer", &cluster.consumer, consumer)];
    let refused = refused.into_iter().filter_map(|(client, own, error)| {
        let reason = match error? {
            KafkaError::ClientCreation(reason) => reason,
            other => other.to_string(),
        };
        let named = own.0.iter().chain(&cluster.kafka.0).find(|(key, _)| reason.contains(key.as_str()));
        let (key, place) = named.map_or((client, ""), |(key, property)| (key, &property.place));
        // librdkafka's reasons name properties and no values, except for this property, whose text it quotes.
        let message = if reason.contains("sasl.oauthbearer.config") {
            "librdkafka cannot read it".to_owned()
        } else {
            format!("librdkafka refuses the {client}: {}", plain(&reason))
        };
        Some(PropertyError { key: key.to_owned(), place: place.to_owned(), message })
    });
    refused.collect()
}

#[cfg(test)]
mod tests {
    use super::{super::settings::ALIASES, *};

    #[test]
    fn refused_value_names_the_allowed_ones() {
        let expected = [
            ("security.protocol", ": expected plaintext, ssl, sasl_plaintext or sasl_ssl"),
            ("isolation.level", ": expected read_uncommitted or read_committed"),
            ("compression.type", ": expected none, gzip, snappy, lz4 or zstd"),
            ("broker.address.family", ": expected any, v4 or v6"),
            ("enable.idempotence", ": expected true or false"),
            ("linger.ms", ": expected a number from 0 to 900000"),
        ];
        for (key, words) in expected {
            assert_eq!(allowed_values(key), words, "{key}");
        }
    }

    #[test]
    fn property_of_java_clients_is_refused_with_the_key_that_stands_for_it() {
        let env = [("KAFKA_HEARTBEAT__KAFKA__SASL_JAAS_CONFIG", "hush")];
        let env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let sources = config::Sources { bootstrap: Some("b:1".to_owned()), env, ..Default::default() };
        let clusters = config::load(&sources).expect("a configuration").clusters;
        let refused = check(&clusters[0]);
        assert_eq!(refused.len(), 1, "{refused:?}");
        let words = refused[0].to_string();
        assert!(
            words.contains("extension_logicalCluster is logicalCluster in sasl.oauthbearer.extensions"),
            "{words}"
        );
        assert!(!words.contains("hush"), "{words}");
    }

    #[test]
    fn librdkafka_knows_every_proposed_name_and_every_alias() {
        let known = |key: &str| {
            let config = ClientConfig::new().set(key, "").create_native_config();
            !matches!(config, Err(KafkaError::ClientConfig(_, reason, ..)) if reason.starts_with("No such"))
        };
        assert!(!known("boostrap.servers"), "otherwise this test could not fail");
        let aliases = ALIASES.iter().flat_map(|(alias, name)| [alias, name]);
        let unknown: Vec<_> = COMMON.iter().chain(aliases).filter(|name| !known(name)).collect();
        assert_eq!(unknown, Vec::<&&str>::new());
    }
}
