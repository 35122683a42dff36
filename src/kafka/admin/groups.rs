//! Consumer groups: which there are, which broker coordinates them, and what they have committed.
//!
//! No group is joined and no offset committed. One group that cannot be read spoils none of the others.

use std::{collections::BTreeMap, sync::Arc};

use futures_util::{StreamExt, future::join_all, stream};
use kafka_protocol::{
    messages::{
        self, FindCoordinatorRequest, GroupId, ListGroupsRequest, OffsetFetchRequest, TopicName,
        offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopic},
    },
    protocol::StrBytes,
};

use super::{check, known, topic_name};
use crate::{
    closed_enum::closed_enum,
    kafka::{BrokerId, Error, Fault, wire},
    text::{Chain, plain},
};

/// From version 4 on (Kafka 3.0, KIP-699) one request names many groups.
const FIND_MANY: wire::Range = wire::Range { lowest: 4, highest: 6 };
const FIND_ONE: wire::Range = wire::Range { lowest: 1, highest: 3 };

const LIST_GROUPS: wire::Range = wire::Range { lowest: 0, highest: 5 };
/// From version 8 on (Kafka 3.0, KIP-709) one request names many groups; from 10 on topics have ids alone.
const FETCH_MANY: wire::Range = wire::Range { lowest: 8, highest: 9 };
const FETCH_ONE: wire::Range = wire::Range { lowest: 2, highest: 7 };

/// Answers stay below a few megabytes even where groups read thousands of partitions, or have hundreds of members.
pub(super) const GROUPS_A_REQUEST: usize = 50;

/// Kafka's number for a consumer group among what has a coordinator.
const GROUP: i8 = 0;

/// Older brokers are asked for one group after the other, but for so many at the same time.
const AT_ONCE: usize = 16;

/// The brokers to ask about these groups, or why one cannot be named: [`Fault::NoLeader`] while its
/// partition of `__consumer_offsets` has none.
///
/// # Errors
/// When no broker answered.
pub async fn coordinators(
    cluster: &wire::Cluster,
    groups: &[&str],
) -> Result<BTreeMap<String, Result<BrokerId, Error>>, Error> {
    let keys = groups.iter().map(|group| StrBytes::from_string((*group).to_owned())).collect();
    let request = FindCoordinatorRequest::default().with_key_type(GROUP).with_coordinator_keys(keys);
    let answer = match cluster.ask_any(&request, FIND_MANY).await {
        Err(error) if error.fault() == Fault::Unsupported => return one_by_one(cluster, groups).await,
        answer => answer?,
    };
    let told = answer.coordinators.into_iter().map(|told| {
        let group = told.key.to_string();
        let coordinator = coordinator(&group, told.node_id, told.error_code, told.error_message);
        (group, coordinator)
    });
    let mut told: BTreeMap<_, _> = told.collect();
    let asked = groups.iter().map(|group| {
        let forgotten = || Err(Error::new(Fault::Protocol, what(group)).because("not in the answer"));
        ((*group).to_owned(), told.remove(*group).unwrap_or_else(forgotten))
    });
    Ok(asked.collect())
}

async fn one_by_one(
    cluster: &wire::Cluster,
    groups: &[&str],
) -> Result<BTreeMap<String, Result<BrokerId, Error>>, Error> {
    let asked: Vec<_> = groups.iter().map(|group| find_one(cluster, group)).collect();
    Ok(stream::iter(asked).buffer_unordered(AT_ONCE).collect().await)
}

async fn find_one(cluster: &wire::Cluster, group: &str) -> (String, Result<BrokerId, Error>) {
    let key = StrBytes::from_string(group.to_owned());
    let request = FindCoordinatorRequest::default().with_key_type(GROUP).with_key(key);
    let answer = cluster.ask_any(&request, FIND_ONE).await;
    let found = answer.and_then(|told| coordinator(group, told.node_id, told.error_code, told.error_message));
    (group.to_owned(), found)
}

fn coordinator(
    group: &str,
    node: messages::BrokerId,
    code: i16,
    words: Option<StrBytes>,
) -> Result<BrokerId, Error> {
    check(code, &what(group), words)?;
    known(node).ok_or_else(|| Error::new(Fault::NoLeader, what(group)))
}

fn what(group: &str) -> String {
    format!("the coordinator of group {}", plain(group))
}

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

/// Committed offsets of a group, by topic and partition. What a group never committed is not there; a
/// partition whose commit cannot be read has the fault.
pub type Offsets = BTreeMap<Arc<str>, BTreeMap<i32, Result<i64, Fault>>>;

/// The committed offsets of groups, asked of the brokers that coordinate them, all brokers at once.
/// A group that cannot be read has the fault. Of everything that a group has committed, or of these partitions.
pub async fn group_offsets(
    cluster: &wire::Cluster,
    by_coordinator: &BTreeMap<BrokerId, Vec<Arc<str>>>,
    partitions: Option<&BTreeMap<Arc<str>, Vec<i32>>>,
) -> BTreeMap<Arc<str>, Result<Offsets, Fault>> {
    let asked = by_coordinator.iter().map(async |(broker, groups)| {
        let mut found = BTreeMap::new();
        if partitions.is_some() {
            return ask_one_by_one(cluster, *broker, groups, partitions).await;
        }
        for chunk in groups.chunks(GROUPS_A_REQUEST) {
            found.extend(ask_coordinator(cluster, *broker, chunk).await);
        }
        found
    });
    join_all(asked).await.into_iter().flatten().collect()
}

async fn ask_coordinator(
    cluster: &wire::Cluster,
    broker: BrokerId,
    groups: &[Arc<str>],
) -> BTreeMap<Arc<str>, Result<Offsets, Fault>> {
    let wanted = groups.iter().map(|group| {
        OffsetFetchRequestGroup::default()
            .with_group_id(group_id(group))
            .with_topics(None)
            .with_member_epoch(-1)
    });
    let request = OffsetFetchRequest::default().with_groups(wanted.collect());
    let answer = match cluster.ask(broker, &request, FETCH_MANY).await {
        Ok(answer) => answer,
        Err(error) if error.fault() == Fault::Unsupported => {
            return ask_one_by_one(cluster, broker, groups, None).await;
        }
        Err(error) => {
            tracing::debug!(%broker, "committed offsets: {}", Chain(&error));
            return groups.iter().map(|group| (group.clone(), Err(error.fault()))).collect();
        }
    };
    let mut found: BTreeMap<_, _> =
        groups.iter().map(|group| (group.clone(), Err(Fault::Protocol))).collect();
    for told in answer.groups {
        if let Some(group) = found.get_mut(told.group_id.0.as_str()) {
            *group = check(told.error_code, "", None).map_err(|error| error.fault()).map(|()| {
                let topics = told.topics.into_iter().map(|topic| {
                    let partitions = topic.partitions.into_iter();
                    let partitions =
                        partitions.map(|p| (p.partition_index, p.committed_offset, p.error_code));
                    (topic.name, partitions.collect::<Vec<_>>())
                });
                committed(topics)
            });
        }
    }
    found
}

/// Before Kafka 3.0 a request names one group.
async fn ask_one_by_one(
    cluster: &wire::Cluster,
    broker: BrokerId,
    groups: &[Arc<str>],
    partitions: Option<&BTreeMap<Arc<str>, Vec<i32>>>,
) -> BTreeMap<Arc<str>, Result<Offsets, Fault>> {
    let each: Vec<_> = groups.iter().map(|group| ask_for_one(cluster, broker, group, partitions)).collect();
    stream::iter(each).buffer_unordered(AT_ONCE).collect().await
}

async fn ask_for_one(
    cluster: &wire::Cluster,
    broker: BrokerId,
    group: &Arc<str>,
    partitions: Option<&BTreeMap<Arc<str>, Vec<i32>>>,
) -> (Arc<str>, Result<Offsets, Fault>) {
    let topics = partitions.map(|topics| {
        let topic = |(name, partitions): (&Arc<str>, &Vec<i32>)| {
            OffsetFetchRequestTopic::default()
                .with_name(topic_name(name))
                .with_partition_indexes(partitions.clone())
        };
        topics.iter().map(topic).collect()
    });
    let request = OffsetFetchRequest::default().with_group_id(group_id(group)).with_topics(topics);
    let answer = cluster.ask(broker, &request, FETCH_ONE).await;
    let answer = answer.and_then(|answer| check(answer.error_code, "", None).map(|()| answer.topics));
    let offsets = answer.map_err(|error| error.fault()).map(|topics| {
        committed(topics.into_iter().map(|topic| {
            let partitions = topic.partitions.into_iter();
            let partitions = partitions.map(|p| (p.partition_index, p.committed_offset, p.error_code));
            (topic.name, partitions.collect::<Vec<_>>())
        }))
    });
    (group.clone(), offsets)
}

/// Kafka writes -1 for a partition without a commit.
fn committed(topics: impl Iterator<Item = (TopicName, Vec<(i32, i64, i16)>)>) -> Offsets {
    let mut found = Offsets::new();
    for (name, partitions) in topics {
        let offsets =
            partitions.into_iter().filter_map(|(partition, offset, code)| match check(code, "", None) {
                Err(error) => Some((partition, Err(error.fault()))),
                Ok(()) if offset < 0 => None,
                Ok(()) => Some((partition, Ok(offset))),
            });
        let offsets: BTreeMap<_, _> = offsets.collect();
        if !offsets.is_empty() {
            found.insert(name.0.as_str().into(), offsets);
        }
    }
    found
}

pub(super) fn group_id(group: &str) -> GroupId {
    GroupId(StrBytes::from_string(group.to_owned()))
}
