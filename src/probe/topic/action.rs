//! One change of the heartbeat topic.

use std::{collections::BTreeMap, fmt};

use crate::{closed_enum::closed_enum, kafka::BrokerId};

/// A change of the heartbeat topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Create the topic.
    Create {
        /// The number of partitions.
        partitions: i32,
        /// The number of replicas of each partition; -1 leaves it to the cluster.
        replication_factor: i16,
        /// The settings of the topic, by Kafka's names.
        configs: BTreeMap<&'static str, String>,
    },
    /// Add partitions.
    Expand {
        /// The number of partitions now.
        from: i32,
        /// The number of partitions afterwards.
        to: i32,
    },
    /// Add or move replicas, because a partition has too few or a broker leads no partition. Only with `topic.rebalance`.
    Reassign {
        /// The partition.
        partition: i32,
        /// The new replicas, the preferred leader first.
        replicas: Vec<BrokerId>,
    },
    /// Elect the preferred replica as the leader. Only with `topic.rebalance`.
    ElectPreferred {
        /// The partition.
        partition: i32,
    },
    /// Change settings of the topic. Only with `topic.rebalance`.
    Configure {
        /// The settings of the topic, by Kafka's names.
        configs: BTreeMap<&'static str, String>,
    },
}

closed_enum! {
    /// The kind of a change of the heartbeat topic.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum ActionKind {
        /// Create the topic.
        Create = "create",
        /// Add partitions.
        Expand = "expand",
        /// Add or move replicas.
        Reassign = "reassign",
        /// Elect the preferred replica as the leader.
        ElectPreferred = "elect_preferred",
        /// Change settings of the topic.
        Configure = "configure",
    }
}

impl Action {
    /// The kind of the change.
    pub fn kind(&self) -> ActionKind {
        match self {
            Action::Create { .. } => ActionKind::Create,
            Action::Expand { .. } => ActionKind::Expand,
            Action::Reassign { .. } => ActionKind::Reassign,
            Action::ElectPreferred { .. } => ActionKind::ElectPreferred,
            Action::Configure { .. } => ActionKind::Configure,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |configs: &BTreeMap<&str, String>| {
            configs.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
        };
        match self {
            Action::Create { partitions, replication_factor, configs } => {
                write!(f, "create the topic: {partitions} partitions, ")?;
                match replication_factor {
                    -1 => write!(f, "the cluster's default replication"),
                    factor => write!(f, "replication factor {factor}"),
                }?;
                write!(f, ", {}", list(configs))
            }
            Action::Expand { from, to } => write!(f, "add partitions: {from} to {to}"),
            Action::Reassign { partition, replicas } => {
                let replicas: Vec<_> = replicas.iter().map(ToString::to_string).collect();
                write!(f, "move partition {partition} to brokers {}", replicas.join(", "))
            }
            Action::ElectPreferred { partition } => {
                write!(f, "make the preferred replica of partition {partition} its leader")
            }
            Action::Configure { configs } => write!(f, "set {}", list(configs)),
        }
    }
}
