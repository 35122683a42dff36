//! The committed offsets of groups, from OffsetFetch requests.

use std::{collections::BTreeMap, sync::Arc};

use futures_util::{StreamExt, future::join_all, stream};
use kafka_protocol::messages::{
    OffsetFetchRequest, TopicName,
    offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopic},
};

use super::protocol::{check, group_id, topic_name};
use crate::{
    kafka::{BrokerId, Fault, wire},
    text::Chain,
};

/// From version 8 on (Kafka 3.0, KIP-709) one request names many groups; from 10 on topics have ids alone.
const FETCH_MANY: wire::VersionRange = wire::VersionRange { lowest: 8, highest: 9 };
const FETCH_ONE: wire::VersionRange = wire::VersionRange { lowest: 2, highest: 7 };

/// The number of groups that one request names. Responses stay below a few megabytes, even if groups read thousands of
/// partitions or have hundreds of members.
pub(super) const GROUPS_PER_REQUEST: usize = 50;

/// The number of requests at the same time to brokers whose requests name only one group.
const REQUESTS_AT_ONCE: usize = 16;

/// The committed offsets of a group, by topic and partition. A partition without a committed offset is absent, and a
/// partition whose committed offset cannot be read has the fault.
pub type CommittedOffsets = BTreeMap<Arc<str>, BTreeMap<i32, Result<i64, Fault>>>;

/// The committed offsets of groups, from all coordinators at the same time. A group whose offsets cannot be read has the
/// fault. With `partitions`, only the committed offsets of these partitions are requested.
pub async fn group_offsets(
    cluster: &wire::Cluster,
    by_coordinator: &BTreeMap<BrokerId, Vec<Arc<str>>>,
    partitions: Option<&BTreeMap<Arc<str>, Vec<i32>>>,
) -> BTreeMap<Arc<str>, Result<CommittedOffsets, Fault>> {
    let asked = by_coordinator.iter().map(async |(broker, groups)| {
        let mut found = BTreeMap::new();
        if partitions.is_some() {
            return ask_one_by_one(cluster, *broker, groups, partitions).await;
        }
        for chunk in groups.chunks(GROUPS_PER_REQUEST) {
            found.extend(ask_coordinator(cluster, *broker, chunk).await);
        }
        found
    });
    join_all(asked).await.into_iter().flatten().collect()
}

/// The committed offsets of groups with the same coordinator, from one request.
async fn ask_coordinator(
    cluster: &wire::Cluster,
    broker: BrokerId,
    groups: &[Arc<str>],
) -> BTreeMap<Arc<str>, Result<CommittedOffsets, Fault>> {
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
    for fetched in answer.groups {
        if let Some(group) = found.get_mut(fetched.group_id.0.as_str()) {
            *group = check(fetched.error_code, "", None).map_err(|error| error.fault()).map(|()| {
                let topics = fetched.topics.into_iter().map(|topic| {
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

/// The committed offsets of groups with the same coordinator. Before Kafka 3.0 a request names one group, so each group
/// needs a request of its own.
async fn ask_one_by_one(
    cluster: &wire::Cluster,
    broker: BrokerId,
    groups: &[Arc<str>],
    partitions: Option<&BTreeMap<Arc<str>, Vec<i32>>>,
) -> BTreeMap<Arc<str>, Result<CommittedOffsets, Fault>> {
    let each: Vec<_> = groups.iter().map(|group| ask_for_one(cluster, broker, group, partitions)).collect();
    stream::iter(each).buffer_unordered(REQUESTS_AT_ONCE).collect().await
}

async fn ask_for_one(
    cluster: &wire::Cluster,
    broker: BrokerId,
    group: &Arc<str>,
    partitions: Option<&BTreeMap<Arc<str>, Vec<i32>>>,
) -> (Arc<str>, Result<CommittedOffsets, Fault>) {
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

/// Collects the committed offsets of a response. Each partition has a number, an offset and an error code. The offset −1
/// means that the group has not committed one.
fn committed(topics: impl Iterator<Item = (TopicName, Vec<(i32, i64, i16)>)>) -> CommittedOffsets {
    let mut found = CommittedOffsets::new();
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
