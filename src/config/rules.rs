//! Rules across keys, one function each.

use std::time::Duration;

use super::{Cluster, Heartbeat, Topic};
use crate::catalog;

/// Labels of histograms and summaries, which Prometheus gives a meaning.
const PROMETHEUS_LABELS: [&str; 2] = ["le", "quantile"];

/// The smallest record that holds a heartbeat.
const SMALLEST_PAYLOAD: usize = 64;
/// Larger records would measure throughput, and many brokers refuse them.
const LARGEST_PAYLOAD: usize = 512 * 1024;
/// Kafka's own limit.
const LONGEST_TOPIC: usize = 249;

/// A rule that a cluster's settings break.
pub(super) struct Broken {
    pub(super) section: &'static str,
    /// The keys that the rule is about. The first of them that was set is the place of the error.
    pub(super) keys: &'static [&'static str],
    pub(super) message: String,
}

/// The rules that the settings of a cluster break, at most one of each kind.
pub(super) fn check(cluster: &Cluster) -> impl Iterator<Item = Broken> {
    [times(cluster), topic(cluster), payload(cluster), replication(cluster)].into_iter().flatten()
}

fn broken(
    section: &'static str,
    keys: &'static [&'static str],
    message: impl Into<String>,
) -> Option<Broken> {
    Some(Broken { section, keys, message: message.into() })
}

/// A heartbeat is judged before its horizon, and an entry of the ledger keeps times of at most an hour.
fn times(cluster: &Cluster) -> Option<Broken> {
    let Heartbeat { interval, deadline, horizon, .. } = &cluster.heartbeat;
    if horizon <= deadline {
        let [horizon, deadline] = [horizon, deadline].map(|time| humantime::format_duration(*time));
        return broken(
            "heartbeat",
            &["horizon", "deadline"],
            format!("horizon ({horizon}) must be longer than the deadline ({deadline})"),
        );
    }
    if *horizon > Duration::from_secs(3600) {
        return broken("heartbeat", &["horizon"], "horizon must be at most 1h");
    }
    if *interval < Duration::from_millis(1) {
        return broken("heartbeat", &["interval"], "interval must be at least 1ms");
    }
    None
}

/// Kafka's rule for names.
fn topic(cluster: &Cluster) -> Option<Broken> {
    let name = &cluster.heartbeat.topic;
    let legal = name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if legal && (1..=LONGEST_TOPIC).contains(&name.len()) && name != "." && name != ".." {
        return None;
    }
    let message = format!("topic: {name:?} is no legal topic name: letters, digits, . _ and -");
    broken("heartbeat", &["topic"], message)
}

fn payload(cluster: &Cluster) -> Option<Broken> {
    if (SMALLEST_PAYLOAD..=LARGEST_PAYLOAD).contains(&cluster.heartbeat.payload_bytes) {
        return None;
    }
    let message = format!("payload.bytes must be from {SMALLEST_PAYLOAD} to {LARGEST_PAYLOAD}");
    broken("heartbeat", &["payload.bytes"], message)
}

fn replication(cluster: &Cluster) -> Option<Broken> {
    let Topic { partitions, replication_factor, .. } = &cluster.topic;
    if replication_factor.is_some_and(|factor| factor == 0 || factor < -1) {
        return broken("topic", &["replication.factor"], "replication.factor must be auto, -1 or at least 1");
    }
    if partitions.is_some_and(|partitions| partitions < 1) {
        return broken("topic", &["partitions"], "partitions must be auto or at least 1");
    }
    None
}

/// The constant labels that cannot be used, and why: a label must be one that Prometheus takes, and not one of ours.
pub(super) fn labels<'a>(names: impl Iterator<Item = &'a String>) -> Vec<(String, &'static str)> {
    names.filter_map(|name| Some((name.clone(), label(name)?))).collect()
}

fn label(name: &str) -> Option<&'static str> {
    if catalog::labels().chain(PROMETHEUS_LABELS).any(|reserved| reserved == name) {
        return Some("our series carry this label already; choose another");
    }
    let begins = |c: char| c.is_ascii_alphabetic() || c == '_';
    let legal = name.starts_with(begins)
        && name.chars().all(|c| begins(c) || c.is_ascii_digit())
        && !name.starts_with("__");
    (!legal).then_some("a label is letters, digits and _, and does not begin with a digit or __")
}
