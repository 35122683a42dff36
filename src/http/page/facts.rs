//! Facts about the cluster and the heartbeat topic.

use super::words::{UNKNOWN, millis};
use crate::{
    board::Readings,
    collect::topology::{Health, Topology},
};

pub(super) struct Topic {
    pub(super) name: String,
    pub(super) words: &'static str,
    pub(super) good: bool,
    pub(super) pending: Vec<String>,
    pub(super) blocked: Vec<String>,
}

pub(super) fn facts(readings: &Readings) -> Vec<(&'static str, String)> {
    let metadata = readings.metadata.fresh();
    let known = |value: Option<String>| value.unwrap_or_else(|| UNKNOWN.to_owned());
    let quorum = metadata.and_then(|metadata| metadata.quorum).map(|quorum| quorum.leader.to_string());
    vec![
        ("cluster id", known(metadata.and_then(|metadata| metadata.cluster_id.clone()))),
        ("brokers", known(metadata.map(|metadata| metadata.brokers.len().to_string()))),
        ("quorum leader", known(quorum)),
        ("topics", known(metadata.map(|metadata| metadata.topics.len().to_string()))),
        ("partitions", known(metadata.map(|metadata| metadata.partitions().to_string()))),
        ("partitions not well", known(readings.collect.fresh().map(|collect| sick(&collect.topology)))),
        ("metadata took", known(metadata.map(|metadata| millis(metadata.duration)))),
    ]
}

pub(super) fn topic(readings: &Readings) -> Topic {
    let name = readings.settings.heartbeat.topic.clone();
    let Some(topic) = readings.topic.fresh() else {
        return Topic { name, words: "not known", good: false, pending: Vec::new(), blocked: Vec::new() };
    };
    let words = match (topic.ready, topic.pending.is_empty()) {
        (false, _) => "not ready",
        (true, true) => "as it should be",
        (true, false) => "works, but could be better",
    };
    Topic {
        name,
        words,
        good: topic.ready,
        pending: topic.pending.iter().map(ToString::to_string).collect(),
        blocked: topic.blocked.iter().map(|reason| reason.as_str().replace('_', " ")).collect(),
    }
}

/// What is wrong with partitions, in words.
fn sick(topology: &Topology) -> String {
    let sum = Health::sum(topology.health.values());
    let under_min_isr = topology.health.values().filter_map(|health| health.under_min_isr).sum();
    let counts = [
        (Some(sum.offline), "offline"),
        (Some(under_min_isr), "under min ISR"),
        (Some(sum.under_replicated), "under-replicated"),
        (sum.reassigning, "of these being moved"),
    ];
    let known =
        counts.into_iter().filter_map(|(count, what)| Some((count.filter(|count| *count > 0)?, what)));
    let mut words: Vec<_> = known.map(|(count, what)| format!("{count} {what}")).collect();
    if sum.under_min_isr.is_none() {
        let unknown = topology.health.values().filter(|health| health.under_min_isr.is_none()).count();
        words.push(format!("min.insync.replicas of {unknown} topics not known"));
    }
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}
