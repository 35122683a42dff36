//! Rules across keys, one function each.

use std::time::Duration;

use super::{
    Cluster, Config,
    error::{Errors, Problem},
};

/// Labels that our series carry, or that Prometheus gives a meaning.
const RESERVED_LABELS: [&str; 44] = [
    "producer_id",
    "transactional_id",
    "log_dir",
    "status",
    "verdict",
    "member_host",
    "compaction_detected",
    "data_loss_detected",
    "consumergroup",
    "partition_id",
    "id",
    "address",
    "consumer_id",
    "client_id",
    "kafka_cluster",
    "partition",
    "broker",
    "broker_ip",
    "cluster_id",
    "cluster_name",
    "outcome",
    "kind",
    "fault",
    "filter",
    "stage",
    "api",
    "host",
    "port",
    "rack",
    "action",
    "reason",
    "state",
    "topic",
    "group",
    "method",
    "type",
    "task",
    "ending",
    "le",
    "quantile",
    "version",
    "revision",
    "librdkafka",
    "use",
];

/// The smallest record that holds a heartbeat.
const SMALLEST_PAYLOAD: usize = 64;
/// Larger records would measure throughput, and many brokers refuse them.
const LARGEST_PAYLOAD: usize = 512 * 1024;
/// Kafka's own limit.
const LONGEST_TOPIC: usize = 249;

/// Checks everything that concerns more than one key.
pub(super) fn check(config: &Config, errors: &mut Errors) {
    let mut refuse = |message: String| errors.add(Problem { place: String::new(), message });
    for cluster in &config.clusters {
        let name = &cluster.name;
        let rules = [times(cluster), topic(cluster), payload(cluster), replication(cluster)];
        for message in rules.into_iter().flatten() {
            refuse(if config.clusters.len() > 1 { format!("cluster {name}: {message}") } else { message });
        }
    }
    for message in config.labels.keys().filter_map(|name| label(name)) {
        refuse(message);
    }
}

/// A heartbeat's verdict comes before its outcome, and both within the time an entry is kept in 32 bits.
fn times(cluster: &Cluster) -> Option<String> {
    let heartbeat = &cluster.heartbeat;
    if heartbeat.horizon <= heartbeat.deadline {
        return Some("[heartbeat] horizon must be longer than the deadline".to_owned());
    }
    if heartbeat.horizon > Duration::from_secs(3600) {
        return Some("[heartbeat] horizon must be at most 1h".to_owned());
    }
    (heartbeat.interval < Duration::from_millis(1))
        .then(|| "[heartbeat] interval must be at least 1ms".to_owned())
}

/// Kafka's rule for names.
fn topic(cluster: &Cluster) -> Option<String> {
    let name = &cluster.heartbeat.topic;
    let legal = name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    let legal = legal && (1..=LONGEST_TOPIC).contains(&name.len()) && name != "." && name != "..";
    (!legal)
        .then(|| format!("[heartbeat] topic: {name:?} is no legal topic name: letters, digits, . _ and -"))
}

fn payload(cluster: &Cluster) -> Option<String> {
    let size = cluster.heartbeat.payload_bytes;
    (!(SMALLEST_PAYLOAD..=LARGEST_PAYLOAD).contains(&size))
        .then(|| format!("[heartbeat] payload.bytes must be from {SMALLEST_PAYLOAD} to {LARGEST_PAYLOAD}"))
}

fn replication(cluster: &Cluster) -> Option<String> {
    if cluster.topic.replication_factor.is_some_and(|factor| factor == 0 || factor < -1) {
        return Some("[topic] replication.factor must be auto, -1 or at least 1".to_owned());
    }
    let partitions = cluster.topic.partitions;
    partitions
        .is_some_and(|partitions| partitions < 1)
        .then(|| "[topic] partitions must be auto or at least 1".to_owned())
}

/// A constant label must be one that Prometheus takes, and not one of ours.
fn label(name: &str) -> Option<String> {
    if RESERVED_LABELS.contains(&name) {
        return Some(format!("[labels] {name}: our series carry this label already; choose another"));
    }
    let begins = |c: char| c.is_ascii_alphabetic() || c == '_';
    let legal = name.starts_with(begins)
        && name.chars().all(|c| begins(c) || c.is_ascii_digit())
        && !name.starts_with("__");
    (!legal).then(|| {
        format!("[labels] {name}: a label is letters, digits and _, and does not begin with a digit or __")
    })
}
