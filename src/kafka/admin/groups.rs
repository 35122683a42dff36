//! Consumer groups: which there are, which broker coordinates them, and what they have committed.
//!
//! No group is joined and no offset committed. One group that cannot be read spoils none of the others.

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
    /// Of classic groups and of those of KIP-848, in one list.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum GroupState {
        /// Members have their partitions.
        Stable = "stable",
        /// Members join or leave.
        Rebalancing = "rebalancing",
        /// Commits, but no members.
        Empty = "empty",
        /// About to be removed.
        Dead = "dead",
        /// Named in the configuration, and Kafka does not know the group.
        Missing = "missing",
        /// The broker does not say, or says a word we do not know.
        Unknown = "unknown",
    }
}

impl GroupState {
    fn parse(word: &str) -> Self {
        match word {
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
    /// Which protocol a group speaks.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum GroupKind {
        /// The old one, and whoever only commits.
        Classic = "classic",
        /// KIP-848.
        Consumer = "consumer",
        /// KIP-932: it has no committed offsets.
        Share = "share",
        /// Anything else.
        Other = "other",
    }
}

impl GroupKind {
    fn parse(kind: &str, protocol: &str) -> Self {
        match kind.to_ascii_lowercase().as_str() {
            "consumer" => GroupKind::Consumer,
            "share" => GroupKind::Share,
            // Brokers before 3.8 do not say; of connectors and the like the protocol is another one.
            "classic" | "" if ["consumer", ""].contains(&protocol) => GroupKind::Classic,
            _ => GroupKind::Other,
        }
    }
}

/// A group as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Who listed it, which is who coordinates it; more than one while it moves.
    pub brokers: Vec<BrokerId>,
    /// Its state; unknown before Kafka 2.6.
    pub state: GroupState,
    /// Its protocol.
    pub kind: GroupKind,
}

/// The groups of all brokers that answered.
#[derive(Debug, Default)]
pub struct Listing {
    /// By name.
    pub groups: BTreeMap<Arc<str>, Listed>,
    /// Brokers that did not answer, and why: their groups are not known, which is not the same as gone.
    pub failed: BTreeMap<BrokerId, Fault>,
}

/// Asks every broker of the metadata for the groups it coordinates, all at once.
pub async fn list_groups(cluster: &wire::Cluster, brokers: &[BrokerId]) -> Listing {
    let asked = brokers.iter().map(async |broker| {
        let answer = cluster.ask(*broker, &ListGroupsRequest::default(), LIST_GROUPS).await;
        (*broker, answer.and_then(|answer| check(answer.error_code, "groups", None).map(|()| answer.groups)))
    });
    let mut listing = Listing::default();
    for (broker, answer) in join_all(asked).await {
        match answer {
            Ok(groups) => {
                for group in groups {
                    let kind = GroupKind::parse(&group.group_type, &group.protocol_type);
                    let state = GroupState::parse(&group.group_state);
                    let listed = listing.groups.entry(group.group_id.0.as_str().into());
                    listed.or_insert(Listed { brokers: Vec::new(), state, kind }).brokers.push(broker);
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
