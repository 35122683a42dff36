//! The consumer groups of a cluster, from ListGroups requests.

use std::{collections::BTreeMap, sync::Arc};

use futures_util::future::join_all;
use kafka_protocol::messages::ListGroupsRequest;

use super::protocol::check;
use crate::{
    closed_enum::closed_enum,
    kafka::{BrokerId, Fault, wire},
    text::Chain,
};

const LIST_GROUPS: wire::VersionRange = wire::VersionRange { lowest: 0, highest: 5 };

closed_enum! {
    /// The state of a group, for classic groups and those of KIP-848 alike.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum GroupState {
        /// Every member has its partitions.
        Stable = "stable",
        /// Members join or leave the group.
        Rebalancing = "rebalancing",
        /// The group has committed offsets and no members.
        Empty = "empty",
        /// The coordinator is about to remove the group.
        Dead = "dead",
        /// The configuration names the group, and Kafka does not know it.
        Missing = "missing",
        /// The broker does not report a state, or reports one that this program does not know.
        Unknown = "unknown",
    }
}

impl GroupState {
    fn parse(state: &str) -> Self {
        match state {
            "Stable" => GroupState::Stable,
            "PreparingRebalance" | "CompletingRebalance" | "Assigning" | "Reconciling" => {
                GroupState::Rebalancing
            }
            "Empty" => GroupState::Empty,
            "Dead" => GroupState::Dead,
            _ => GroupState::Unknown,
        }
    }
}

closed_enum! {
    /// The protocol that a group speaks.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum GroupKind {
        /// The classic protocol, and groups without members that only commit offsets.
        Classic = "classic",
        /// The consumer protocol of KIP-848.
        Consumer = "consumer",
        /// A share group of KIP-932, which has no committed offsets.
        Share = "share",
        /// Any other protocol, such as that of Kafka Connect.
        Other = "other",
    }
}

impl GroupKind {
    fn parse(kind: &str, protocol: &str) -> Self {
        match kind.to_ascii_lowercase().as_str() {
            "consumer" => GroupKind::Consumer,
            "share" => GroupKind::Share,
            // Brokers before 3.8 do not report the kind. Groups of Kafka Connect and others have another protocol type.
            "classic" | "" if ["consumer", ""].contains(&protocol) => GroupKind::Classic,
            _ => GroupKind::Other,
        }
    }
}

/// A group in the answers of brokers to ListGroups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedGroup {
    /// The brokers that listed the group. A broker lists the groups that it coordinates. While a group moves to another
    /// coordinator, more than one broker may list it.
    pub brokers: Vec<BrokerId>,
    /// The state of the group. Unknown before Kafka 2.6.
    pub state: GroupState,
    /// The protocol of the group.
    pub kind: GroupKind,
}

/// The groups that the brokers listed.
#[derive(Debug, Default)]
pub struct GroupListing {
    /// The groups of all brokers that answered, by name.
    pub groups: BTreeMap<Arc<str>, ListedGroup>,
    /// The brokers that did not answer, with the fault. Their groups are unknown, which does not mean that the groups are
    /// missing.
    pub failed: BTreeMap<BrokerId, Fault>,
}

/// Lists the groups that these brokers coordinate, from all brokers at the same time.
pub async fn list_groups(cluster: &wire::Cluster, brokers: &[BrokerId]) -> GroupListing {
    let asked = brokers.iter().map(async |broker| {
        let answer = cluster.ask(*broker, &ListGroupsRequest::default(), LIST_GROUPS).await;
        (*broker, answer.and_then(|answer| check(answer.error_code, "groups", None).map(|()| answer.groups)))
    });
    let mut listing = GroupListing::default();
    for (broker, answer) in join_all(asked).await {
        match answer {
            Ok(groups) => {
                for group in groups {
                    let kind = GroupKind::parse(&group.group_type, &group.protocol_type);
                    let state = GroupState::parse(&group.group_state);
                    let listed = listing.groups.entry(group.group_id.0.as_str().into());
                    listed.or_insert(ListedGroup { brokers: Vec::new(), state, kind }).brokers.push(broker);
                }
            }
            Err(error) => {
                tracing::debug!(%broker, "groups: {}", Chain(&error));
                listing.failed.insert(broker, error.fault());
            }
        }
    }
    listing
}
