//! Offsets of partitions: log start offset, high watermark, last stable offset, and the offset at a time.
//!
//! Each leader gets one request, and all leaders get theirs at the same time. A broker refuses a request that names the
//! same partition twice, so each kind of offset needs a request of its own.

use std::{collections::BTreeMap, sync::Arc};

use futures_util::future::join_all;
use kafka_protocol::{
    ResponseError,
    messages::{
        self, ListOffsetsRequest,
        list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
    },
};
use tokio::time::Instant;

use super::{
    metadata::{Topics, metadata},
    protocol::{check, topic_name},
};
use crate::{
    kafka::{BrokerId, Error, Fault, wire},
    text::{Chain, plain},
};

/// The kind of offset that is requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetSpec {
    /// The log start offset: the first offset that can be read.
    Earliest,
    /// The high watermark: the offset after the last record that all in-sync replicas have.
    Latest,
    /// The last stable offset: the first offset that consumers with `read_committed` cannot read yet.
    LastStable,
    /// The offset of the record with the newest timestamp (Kafka 3.0, KIP-734).
    MaxTimestamp,
    /// The first offset that the leader has on its own disk (Kafka 3.6, KIP-405). Earlier ones are in remote storage alone.
    EarliestLocal,
    /// The last offset that was copied to remote storage (Kafka 3.9, KIP-1005).
    LatestTiered,
}

impl OffsetSpec {
    /// Kafka's number for this kind of offset, in place of a timestamp.
    fn timestamp(self) -> i64 {
        match self {
            OffsetSpec::Latest | OffsetSpec::LastStable => -1,
            OffsetSpec::Earliest => -2,
            OffsetSpec::MaxTimestamp => -3,
            OffsetSpec::EarliestLocal => -4,
            OffsetSpec::LatestTiered => -5,
        }
    }

    /// With `read_committed` the log ends at the last stable offset instead of the high watermark.
    fn isolation(self) -> IsolationLevel {
        match self {
            OffsetSpec::LastStable => IsolationLevel::ReadCommitted,
            OffsetSpec::Earliest
            | OffsetSpec::Latest
            | OffsetSpec::MaxTimestamp
            | OffsetSpec::EarliestLocal
            | OffsetSpec::LatestTiered => IsolationLevel::ReadUncommitted,
        }
    }

    /// The versions of ListOffsets that know this kind of offset.
    fn range(self) -> wire::VersionRange {
        let lowest = match self {
            OffsetSpec::Earliest | OffsetSpec::Latest => 1,
            OffsetSpec::LastStable => 2,
            OffsetSpec::MaxTimestamp => 7,
            OffsetSpec::EarliestLocal => 8,
            OffsetSpec::LatestTiered => 9,
        };
        wire::VersionRange { lowest, highest: lowest.max(7) }
    }
}

/// Kafka's numbers for the isolation level of a request.
#[derive(Clone, Copy)]
enum IsolationLevel {
    ReadUncommitted = 0,
    ReadCommitted = 1,
}

/// An offset that a leader found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundOffset {
    /// The offset.
    pub offset: i64,
    /// The timestamp of the record at the offset, in milliseconds since 1970. Absent if the request was not for a
    /// timestamp, or the record has none.
    pub timestamp_ms: Option<i64>,
}

/// Partitions by the broker that leads them, and by topic.
pub type ByLeader = BTreeMap<BrokerId, BTreeMap<Arc<str>, Vec<i32>>>;

/// The offsets that leaders found, by topic and partition. `None` if the partition has no such record. If a partition or
/// its leader fails, the partition has the fault.
pub type FoundOffsets = BTreeMap<Arc<str>, BTreeMap<i32, Result<Option<FoundOffset>, Fault>>>;

/// One number for each partition, by leader, topic and partition: a time in milliseconds since 1970, or an offset.
pub type TimesByLeader = BTreeMap<BrokerId, BTreeMap<Arc<str>, Vec<(i32, i64)>>>;

/// The offsets of one kind, from all leaders at the same time.
pub async fn offsets(cluster: &wire::Cluster, wanted: &ByLeader, spec: OffsetSpec) -> FoundOffsets {
    let times = wanted.iter().map(|(leader, topics)| {
        let topics = topics.iter().map(|(name, partitions)| {
            (name.clone(), partitions.iter().map(|partition| (*partition, spec.timestamp())).collect())
        });
        (*leader, topics.collect())
    });
    ask(cluster, &times.collect(), spec.range(), spec.isolation()).await
}

/// The first record of each partition whose timestamp is not before a time.
pub async fn offsets_at(cluster: &wire::Cluster, wanted: &TimesByLeader) -> FoundOffsets {
    ask(cluster, wanted, wire::VersionRange { lowest: 1, highest: 7 }, IsolationLevel::ReadUncommitted).await
}

async fn ask(
    cluster: &wire::Cluster,
    wanted: &TimesByLeader,
    ours: wire::VersionRange,
    isolation: IsolationLevel,
) -> FoundOffsets {
    let asked = wanted.iter().map(|(leader, topics)| ask_leader(cluster, *leader, topics, ours, isolation));
    let mut found = FoundOffsets::new();
    for part in join_all(asked).await {
        for (topic, partitions) in part {
            found.entry(topic).or_default().extend(partitions);
        }
    }
    found
}

async fn ask_leader(
    cluster: &wire::Cluster,
    leader: BrokerId,
    topics: &BTreeMap<Arc<str>, Vec<(i32, i64)>>,
    ours: wire::VersionRange,
    isolation: IsolationLevel,
) -> FoundOffsets {
    let answer = match cluster.ask(leader, &request(topics, isolation), ours).await {
        Ok(answer) => answer,
        Err(error) => {
            tracing::debug!(%leader, "offsets: {}", Chain(&error));
            return all(topics, Err(error.fault()));
        }
    };
    // A requested partition that is missing in the response is an error. Other partitions are ignored.
    let mut found = all(topics, Err(Fault::Protocol));
    for topic in answer.topics {
        let Some(partitions) = found.get_mut(topic.name.0.as_str()) else { continue };
        for listed in topic.partitions {
            let Some(partition) = partitions.get_mut(&listed.partition_index) else { continue };
            *partition = match check(listed.error_code, "", None) {
                Err(error) => Err(error.fault()),
                Ok(()) if listed.offset < 0 => Ok(None),
                Ok(()) => {
                    let timestamp_ms = (listed.timestamp >= 0).then_some(listed.timestamp);
                    Ok(Some(FoundOffset { offset: listed.offset, timestamp_ms }))
                }
            };
        }
    }
    found
}

/// Whether the broker of this session leads a partition, by its answer to ListOffsets: false if it says that it does not.
///
/// # Errors
/// When the broker did not answer before the deadline, or with another error.
pub async fn is_leader(
    session: &wire::Connection,
    topic: &Arc<str>,
    partition: i32,
    deadline: Instant,
) -> Result<bool, Error> {
    let spec = OffsetSpec::Latest;
    let wanted = BTreeMap::from([(topic.clone(), vec![(partition, spec.timestamp())])]);
    let answer = session.ask(&request(&wanted, spec.isolation()), spec.range(), deadline).await?;
    let what = format!("offsets of {}-{partition}", plain(topic));
    let mut listed = answer.topics.iter().flat_map(|topic| &topic.partitions);
    let listed = listed.next().ok_or_else(|| Error::new(Fault::Protocol, what.clone()))?;
    if listed.error_code == ResponseError::NotLeaderOrFollower.code() {
        return Ok(false);
    }
    check(listed.error_code, &what, None).map(|()| true)
}

fn request(topics: &BTreeMap<Arc<str>, Vec<(i32, i64)>>, isolation: IsolationLevel) -> ListOffsetsRequest {
    let wanted = topics.iter().map(|(name, partitions)| {
        let partitions = partitions.iter().map(|(partition, time)| {
            ListOffsetsPartition::default()
                .with_partition_index(*partition)
                .with_current_leader_epoch(-1)
                .with_timestamp(*time)
        });
        ListOffsetsTopic::default().with_name(topic_name(name)).with_partitions(partitions.collect())
    });
    ListOffsetsRequest::default()
        .with_replica_id(messages::BrokerId(-1))
        .with_isolation_level(isolation as i8)
        .with_topics(wanted.collect())
}

fn all(
    topics: &BTreeMap<Arc<str>, Vec<(i32, i64)>>,
    each: Result<Option<FoundOffset>, Fault>,
) -> FoundOffsets {
    let partitions = |(name, partitions): (&Arc<str>, &Vec<(i32, i64)>)| {
        (name.clone(), partitions.iter().map(|(partition, _)| (*partition, each)).collect())
    };
    topics.iter().map(partitions).collect()
}

/// The offsets of one topic's partitions. A Metadata request finds the leaders first.
pub async fn list_offsets(
    cluster: &wire::Cluster,
    topic: &str,
    partitions: &[i32],
    spec: OffsetSpec,
) -> BTreeMap<i32, Result<i64, Error>> {
    let failed = |fault, words: &str| -> BTreeMap<i32, Result<i64, Error>> {
        let what = |partition| format!("offsets of {}-{partition}", plain(topic));
        let error = |partition| Error::new(fault, what(partition)).because(words.to_owned());
        partitions.iter().map(|partition| (*partition, Err(error(*partition)))).collect()
    };
    let known = match metadata(cluster, Topics::Named(&[topic])).await {
        Err(error) => return failed(error.fault(), &error.to_string()),
        Ok(mut metadata) => match metadata.topics.remove(topic) {
            Some(Ok(known)) => known,
            Some(Err(fault)) => return failed(fault, "the metadata says so"),
            None => return failed(Fault::UnknownTopic, "the metadata does not list the topic"),
        },
    };
    let mut by_leader = ByLeader::new();
    for partition in partitions {
        if let Some(leader) = known.partitions.get(partition).and_then(|known| known.leader) {
            by_leader.entry(leader).or_default().entry(topic.into()).or_default().push(*partition);
        }
    }
    let mut found = offsets(cluster, &by_leader, spec).await.remove(topic).unwrap_or_default();
    let one = |partition: &i32| {
        let what = || format!("offsets of {}-{partition}", plain(topic));
        let found = match found.remove(partition) {
            None => Err(Error::new(Fault::NoLeader, what()).because("the partition has no leader")),
            Some(Err(fault)) => Err(Error::new(fault, what())),
            Some(Ok(None)) => Err(Error::new(Fault::Unsupported, what())),
            Some(Ok(Some(found))) => Ok(found.offset),
        };
        (*partition, found)
    };
    partitions.iter().map(one).collect()
}
