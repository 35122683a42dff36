//! One change of the heartbeat topic.

use std::{collections::BTreeMap, fmt};

use crate::{closed_enum::closed_enum, kafka::BrokerId};

/// One thing to do, or to see done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Create the topic. `replication_factor` -1 leaves it to the cluster.
    Create {
        /// How many partitions.
        partitions: i32,
        /// How many replicas each.
        replication_factor: i16,
        /// Topic settings, in Kafka's words.
        configs: BTreeMap<&'static str, String>,
    },
    /// Add partitions.
    Expand {
        /// How many there are.
        from: i32,
        /// How many there should be.
        to: i32,
    },
    /// Add or move replicas: too few of them, or a broker that leads no partition. Only with `topic.rebalance`.
    Reassign {
        /// The partition.
        partition: i32,
        /// Its new replicas, the preferred leader first.
        replicas: Vec<BrokerId>,
    },
    /// Make the preferred replica the leader. Only with `topic.rebalance`.
    ElectPreferred {
        /// The partition.
        partition: i32,
    },
    /// Change topic settings. Only with `topic.rebalance`.
    Configure {
        /// Topic settings, in Kafka's words.
        configs: BTreeMap<&'static str, String>,
    },
}

closed_enum! {
    /// The kinds of actions.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum ActionKind {
        /// [`Action::Create`]
        Create = "create",
        /// [`Action::Expand`]
        Expand = "expand",
        /// [`Action::Reassign`]
        Reassign = "reassign",
        /// [`Action::ElectPreferred`]
        ElectPreferred = "elect_preferred",
        /// [`Action::Configure`]
        Configure = "configure",
    }
}

impl Action {
    /// The kind of the action.
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
