//! One committed offset for each of several groups: an OffsetCommit without a member, and an OffsetFetch that reads it again.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use kafka_protocol::{
    messages::{
        OffsetCommitRequest, OffsetFetchRequest, TopicName,
        offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
        offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics},
    },
    protocol::StrBytes,
};

use super::protocol::{fault_of, group_id, text, topic_name};
use crate::kafka::{BrokerId, Error, Fault, TopicPartition, wire};

const COMMIT: wire::VersionRange = wire::VersionRange { lowest: 2, highest: 9 };

/// From version 8 on (Kafka 3.0, KIP-709) one request names many groups; from 10 on topics have ids alone.
const FETCH_MANY: wire::VersionRange = wire::VersionRange { lowest: 8, highest: 9 };
const FETCH_ONE: wire::VersionRange = wire::VersionRange { lowest: 2, highest: 7 };

/// Kafka's number for a commit outside of any generation: by a client that is no member of the group.
const NO_GENERATION: i32 = -1;

/// A committed offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The offset.
    pub offset: i64,
    /// The text beside the offset, which the client that committed chose. It is hostile text.
    pub metadata: String,
}

/// The committed offset of one group, as its coordinator returned it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadBack {
    /// The committed offset. `None` if the group has none, or the fault with which the coordinator refused it.
    pub commit: Result<Option<Commit>, Fault>,
    /// The time from sending the request to the whole response. Groups of the same request have the same time.
    pub duration: Duration,
}

/// Commits an offset for a group that has no members. Returns the time from sending the request to the whole response, or
/// the fault with which the coordinator refused the commit.
///
/// # Errors
/// When the broker did not answer.
pub async fn commit_offset(
    cluster: &wire::Cluster,
    coordinator: BrokerId,
    group: &str,
    at: &TopicPartition,
    commit: &Commit,
) -> Result<Result<Duration, Fault>, Error> {
    let partition = OffsetCommitRequestPartition::default()
        .with_partition_index(at.partition)
        .with_committed_offset(commit.offset)
        .with_committed_metadata(Some(text(&commit.metadata)));
    let topic =
        OffsetCommitRequestTopic::default().with_name(topic_name(&at.topic)).with_partitions(vec![partition]);
    let request = OffsetCommitRequest::default()
        .with_group_id(group_id(group))
        .with_generation_id_or_member_epoch(NO_GENERATION)
        .with_topics(vec![topic]);
    let (answer, duration) = cluster.ask_timed(coordinator, &request, COMMIT).await?;
    let topics = answer.topics.iter().filter(|topic| topic.name.0 == *at.topic);
    let mut partitions = topics.flat_map(|topic| &topic.partitions);
    let committed = partitions.find(|partition| partition.partition_index == at.partition);
    Ok(match committed {
        Some(partition) => fault_of(partition.error_code).map(|()| duration),
        None => Err(Fault::Protocol),
    })
}

/// The committed offsets of groups with the same coordinator for one partition. If the coordinator does not answer, an error
/// stands for each group.
pub async fn read_commits(
    cluster: &wire::Cluster,
    coordinator: BrokerId,
    groups: &[Arc<str>],
    at: &TopicPartition,
) -> BTreeMap<Arc<str>, Result<ReadBack, Fault>> {
    match read_many(cluster, coordinator, groups, at).await {
        Ok(found) => found,
        Err(error) if error.fault() == Fault::Unsupported => {
            let mut found = BTreeMap::new();
            for group in groups {
                let read = read_one(cluster, coordinator, group, at).await;
                found.insert(group.clone(), read.map_err(|error| error.fault()));
            }
            found
        }
        Err(error) => groups.iter().map(|group| (group.clone(), Err(error.fault()))).collect(),
    }
}

/// The committed offsets of all these groups, from one request.
async fn read_many(
    cluster: &wire::Cluster,
    coordinator: BrokerId,
    groups: &[Arc<str>],
    at: &TopicPartition,
) -> Result<BTreeMap<Arc<str>, Result<ReadBack, Fault>>, Error> {
    let wanted = groups.iter().map(|group| {
        let topic = OffsetFetchRequestTopics::default()
            .with_name(topic_name(&at.topic))
            .with_partition_indexes(vec![at.partition]);
        OffsetFetchRequestGroup::default()
            .with_group_id(group_id(group))
            .with_topics(Some(vec![topic]))
            .with_member_epoch(-1)
    });
    let request = OffsetFetchRequest::default().with_groups(wanted.collect());
    let (answer, duration) = cluster.ask_timed(coordinator, &request, FETCH_MANY).await?;
    let mut found: BTreeMap<_, _> =
        groups.iter().map(|group| (group.clone(), Err(Fault::Protocol))).collect();
    for fetched in answer.groups {
        let Some(group) = found.get_mut(fetched.group_id.0.as_str()) else { continue };
        let topics = fetched.topics.into_iter().map(|topic| {
            let partitions = topic.partitions.into_iter();
            let row = partitions.map(|one| Row {
                partition: one.partition_index,
                offset: one.committed_offset,
                metadata: one.metadata,
                code: one.error_code,
            });
            (topic.name, row.collect())
        });
        let commit = fault_of(fetched.error_code).and_then(|()| committed(topics, at));
        *group = Ok(ReadBack { commit, duration });
    }
    Ok(found)
}

/// The committed offset of one group. Before Kafka 3.0 a request names one group.
async fn read_one(
    cluster: &wire::Cluster,
    coordinator: BrokerId,
    group: &str,
    at: &TopicPartition,
) -> Result<ReadBack, Error> {
    let topic = OffsetFetchRequestTopic::default()
        .with_name(topic_name(&at.topic))
        .with_partition_indexes(vec![at.partition]);
    let request = OffsetFetchRequest::default().with_group_id(group_id(group)).with_topics(Some(vec![topic]));
    let (answer, duration) = cluster.ask_timed(coordinator, &request, FETCH_ONE).await?;
    let topics = answer.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.into_iter();
        let row = partitions.map(|one| Row {
            partition: one.partition_index,
            offset: one.committed_offset,
            metadata: one.metadata,
            code: one.error_code,
        });
        (topic.name, row.collect())
    });
    let commit = fault_of(answer.error_code).and_then(|()| committed(topics, at));
    Ok(ReadBack { commit, duration })
}

/// A partition of a response.
struct Row {
    partition: i32,
    /// The committed offset, or −1 if there is none.
    offset: i64,
    metadata: Option<StrBytes>,
    code: i16,
}

/// The committed offset for one partition in a response. `None` if the group has none.
///
/// # Errors
/// [`Fault::Protocol`] if the response lacks the partition, or the fault of the partition.
fn committed(
    topics: impl Iterator<Item = (TopicName, Vec<Row>)>,
    at: &TopicPartition,
) -> Result<Option<Commit>, Fault> {
    let mut rows = topics.filter(|(name, _)| name.0 == *at.topic).flat_map(|(_, rows)| rows);
    let row = rows.find(|row| row.partition == at.partition).ok_or(Fault::Protocol)?;
    fault_of(row.code)?;
    let metadata = row.metadata.map(|metadata| metadata.to_string()).unwrap_or_default();
    Ok((row.offset >= 0).then_some(Commit { offset: row.offset, metadata }))
}
