//! Offsets of partitions: where logs begin and end, and what is at a given time.
//!
//! One request to each leader, all leaders at once. A broker refuses the same partition twice in one
//! request, so each kind of offset is a question of its own.

use std::{collections::BTreeMap, sync::Arc};

use futures_util::future::join_all;
use kafka_protocol::messages::{
    self, ListOffsetsRequest,
    list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
};

use super::{
    metadata::{Topics, metadata},
    protocol::{check, topic_name},
};
use crate::{
    kafka::{BrokerId, Error, Fault, wire},
    text::{Chain, plain},
};

/// What to look for in a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// The first offset that can be read.
    Earliest,
    /// The offset of the next record: the high watermark.
    Latest,
    /// The end of what a reader of committed records can see: the last stable offset.
    Stable,
    /// The record with the newest timestamp (Kafka 3.0, KIP-734).
    MaxTimestamp,
}

impl At {
    /// Kafka's number for it.
    fn timestamp(self) -> i64 {
        match self {
            At::Latest | At::Stable => -1,
            At::Earliest => -2,
            At::MaxTimestamp => -3,
        }
    }

    fn range(self) -> wire::VersionRange {
        let lowest = match self {
            At::Earliest | At::Latest => 1,
            At::Stable => 2,
            At::MaxTimestamp => 7,
        };
        wire::VersionRange { lowest, highest: 7 }
    }
}

/// An offset, and the timestamp of the record there, where that was asked for and the record has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// The offset.
    pub offset: i64,
    /// Milliseconds since 1970, of the record's own timestamp.
    pub timestamp_ms: Option<i64>,
}

/// Partitions by the broker that leads them, and by topic.
pub type ByLeader = BTreeMap<BrokerId, BTreeMap<Arc<str>, Vec<i32>>>;

/// What was found in each partition; `None` where there is no such record. A fault of one partition, or of
/// the broker that leads it, is that partition's own.
pub type FoundOffsets = BTreeMap<Arc<str>, BTreeMap<i32, Result<Option<Found>, Fault>>>;

/// Times in milliseconds since 1970, by leader, topic and partition.
pub type TimesByLeader = BTreeMap<BrokerId, BTreeMap<Arc<str>, Vec<(i32, i64)>>>;

/// Asks every leader for its partitions, all at once.
pub async fn offsets(cluster: &wire::Cluster, wanted: &ByLeader, at: At) -> FoundOffsets {
    let times = wanted.iter().map(|(leader, topics)| {
        let topics = topics.iter().map(|(name, partitions)| {
            (name.clone(), partitions.iter().map(|partition| (*partition, at.timestamp())).collect())
        });
        (*leader, topics.collect())
    });
    ask(cluster, &times.collect(), at.range(), at == At::Stable).await
}

/// The first record of each partition that is not older than a time.
pub async fn offsets_at(cluster: &wire::Cluster, wanted: &TimesByLeader) -> FoundOffsets {
    ask(cluster, wanted, wire::VersionRange { lowest: 1, highest: 7 }, false).await
}

async fn ask(
    cluster: &wire::Cluster,
    wanted: &TimesByLeader,
    ours: wire::VersionRange,
    committed: bool,
) -> FoundOffsets {
    let asked = wanted.iter().map(|(leader, topics)| ask_leader(cluster, *leader, topics, ours, committed));
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
    committed: bool,
) -> FoundOffsets {
    let wanted = topics.iter().map(|(name, partitions)| {
        let partitions = partitions.iter().map(|(partition, time)| {
            ListOffsetsPartition::default()
                .with_partition_index(*partition)
                .with_current_leader_epoch(-1)
                .with_timestamp(*time)
        });
        ListOffsetsTopic::default().with_name(topic_name(name)).with_partitions(partitions.collect())
    });
    let request = ListOffsetsRequest::default()
        .with_replica_id(messages::BrokerId(-1))
        .with_isolation_level(i8::from(committed))
        .with_topics(wanted.collect());
    let answer = match cluster.ask(leader, &request, ours).await {
        Ok(answer) => answer,
        Err(error) => {
            tracing::debug!(%leader, "offsets: {}", Chain(&error));
            return all(topics, Err(error.fault()));
        }
    };
    // What was asked for and is missing in the answer is an error; what was not asked for is ignored.
    let mut found = all(topics, Err(Fault::Protocol));
    for topic in answer.topics {
        let Some(partitions) = found.get_mut(topic.name.0.as_str()) else { continue };
        for told in topic.partitions {
            let Some(partition) = partitions.get_mut(&told.partition_index) else { continue };
            *partition = match check(told.error_code, "", None) {
                Err(error) => Err(error.fault()),
                Ok(()) if told.offset < 0 => Ok(None),
                Ok(()) => {
                    let timestamp_ms = (told.timestamp >= 0).then_some(told.timestamp);
                    Ok(Some(Found { offset: told.offset, timestamp_ms }))
                }
            };
        }
    }
    found
}

fn all(topics: &BTreeMap<Arc<str>, Vec<(i32, i64)>>, what: Result<Option<Found>, Fault>) -> FoundOffsets {
    let each = |(name, partitions): (&Arc<str>, &Vec<(i32, i64)>)| {
        (name.clone(), partitions.iter().map(|(partition, _)| (*partition, what)).collect())
    };
    topics.iter().map(each).collect()
}

/// Offsets of one topic's partitions. Leaders are looked up first.
pub async fn list_offsets(
    cluster: &wire::Cluster,
    topic: &str,
    partitions: &[i32],
    at: At,
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
    let mut found = offsets(cluster, &by_leader, at).await.remove(topic).unwrap_or_default();
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
