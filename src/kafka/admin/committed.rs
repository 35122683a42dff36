//! What groups have committed.

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

/// Answers stay below a few megabytes even where groups read thousands of partitions, or have hundreds of members.
pub(super) const GROUPS_A_REQUEST: usize = 50;

/// Older brokers are asked for one group after the other, but for so many at the same time.
const AT_ONCE: usize = 16;

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
