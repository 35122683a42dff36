//! A finding: its severity, its subject and its fields.

use serde_json::{Map, Value};

use crate::{closed_enum::closed_enum, diagnosis::Kind};

closed_enum! {
    /// How urgent a finding is.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Severity {
        /// Someone should see to it within days.
        Warning = "warning",
        /// Someone should see to it now.
        Critical = "critical",
    }
}

/// What a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// The verdict on the cluster is down or degraded.
    Heartbeats,
    /// The diagnosis blames a component.
    Suspect {
        /// The kind of the component.
        kind: Kind,
        /// Which one; empty for a kind of which there is only one.
        subject: String,
    },
    /// No session can be opened with this broker.
    Broker(String),
    /// Partitions of this topic have no leader.
    Offline(String),
    /// Partitions of this topic refuse writes.
    UnderMinIsr(String),
    /// Partitions of this topic lack in-sync replicas, and not because of a reassignment.
    UnderReplicated(String),
    /// The rate of records of this topic is not as usual.
    Rate(String),
    /// The lag of a group on a partition is above a limit.
    Lag {
        /// The name of the group.
        group: String,
        /// The name of the topic.
        topic: String,
        /// The number of the partition.
        partition: i32,
    },
}

impl Key {
    /// The type of the finding, which is the key of its record.
    pub fn kind(&self) -> &'static str {
        match self {
            Key::Heartbeats => "cluster_unwell",
            Key::Suspect { .. } => "suspect",
            Key::Broker(_) => "broker_unreachable",
            Key::Offline(_) => "offline_partitions",
            Key::UnderMinIsr(_) => "under_min_isr_partitions",
            Key::UnderReplicated(_) => "under_replicated_partitions",
            Key::Rate(_) => "message_rate_anomaly",
            Key::Lag { .. } => "consumer_lag",
        }
    }

    /// The subject of the finding within its type; a part of its id.
    pub(super) fn subject(&self) -> String {
        match self {
            Key::Heartbeats => String::new(),
            Key::Suspect { kind, subject } if subject.is_empty() => kind.as_str().to_owned(),
            Key::Suspect { kind, subject } => format!("{}/{subject}", kind.as_str()),
            Key::Broker(name)
            | Key::Offline(name)
            | Key::UnderMinIsr(name)
            | Key::UnderReplicated(name)
            | Key::Rate(name) => name.clone(),
            Key::Lag { group, topic, partition } => format!("{group}/{topic}/{partition}"),
        }
    }
}

/// A problem that exists now.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Finding {
    pub(super) severity: Severity,
    /// The problem in one sentence, without a capital letter and a full stop.
    pub(super) message: String,
    /// What depends on the type of the finding.
    pub(super) metadata: Map<String, Value>,
}

impl Finding {
    /// Whether this has to be published although the same problem was published before: its severity differs, or the confidence
    /// in a suspect.
    pub(super) fn differs(&self, before: &Self) -> bool {
        let confidence = |finding: &Self| finding.metadata.get("confidence").cloned();
        self.severity != before.severity || confidence(self) != confidence(before)
    }
}

/// Fields of a JSON object.
pub(super) fn fields<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
