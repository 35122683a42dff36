//! Fetches record batches at given offsets for their headers. The records are not read.

use std::{collections::BTreeMap, sync::Arc};

use futures_util::future::join_all;
use kafka_protocol::messages::{
    self, FetchRequest,
    fetch_request::{FetchPartition, FetchTopic},
};

use super::{
    batch::{BatchHeader, batch_headers},
    offsets::TimesByLeader,
    protocol::{check, topic_name},
};
use crate::kafka::{BrokerId, Fault, TopicPartition, wire};

/// From version 13 on topics have only ids. From version 12 on the encoding is flexible, and the decoder believes no
/// length above two megabytes there, but a record batch may be longer.
const FETCH: wire::VersionRange = wire::VersionRange { lowest: 4, highest: 11 };

/// The largest number of bytes from each partition. A record batch that is longer is left out, but the batch of the first
/// partition always comes whole.
const BYTES_PER_PARTITION: i32 = 4096;
/// The largest number of partitions in one request. Further partitions would get no bytes.
pub const PARTITIONS_PER_FETCH: usize = 64;
const BYTES_PER_RESPONSE: i32 = PARTITIONS_PER_FETCH as i32 * BYTES_PER_PARTITION;

/// The headers of the record batches at these offsets, by topic and partition: as many batches as are in the first few
/// kilobytes. A partition that cannot be read has the fault.
pub async fn fetch_batch_headers(
    cluster: &wire::Cluster,
    wanted: &TimesByLeader,
) -> BTreeMap<TopicPartition, Result<Vec<BatchHeader>, Fault>> {
    let asked = wanted.iter().map(|(leader, topics)| ask_leader(cluster, *leader, topics));
    join_all(asked).await.into_iter().flatten().collect()
}

async fn ask_leader(
    cluster: &wire::Cluster,
    leader: BrokerId,
    topics: &BTreeMap<Arc<str>, Vec<(i32, i64)>>,
) -> BTreeMap<TopicPartition, Result<Vec<BatchHeader>, Fault>> {
    let wanted = topics.iter().map(|(name, partitions)| fetch_topic(name, partitions.iter().copied()));
    let request = fetch_request(wanted.collect());
    let topic_partitions = || {
        let each = |(name, list): (&Arc<str>, &Vec<(i32, i64)>)| {
            list.iter()
                .map(|(partition, offset)| (TopicPartition::new(name, *partition), *offset))
                .collect::<Vec<_>>()
        };
        topics.iter().flat_map(each)
    };
    let answer = match cluster.ask(leader, &request, FETCH).await {
        Ok(answer) => answer,
        Err(error) => {
            return topic_partitions()
                .map(|(topic_partition, _)| (topic_partition, Err(error.fault())))
                .collect();
        }
    };
    let asked: BTreeMap<_, _> = topic_partitions().collect();
    let mut found: BTreeMap<_, _> =
        topic_partitions().map(|(topic_partition, _)| (topic_partition, Err(Fault::Protocol))).collect();
    for topic in answer.responses {
        for fetched in topic.partitions {
            let topic_partition = TopicPartition {
                topic: Arc::from(topic.topic.0.as_str()),
                partition: fetched.partition_index,
            };
            if let Some(offset) = asked.get(&topic_partition) {
                let read = check(fetched.error_code, "", None).map_err(|error| error.fault());
                found.insert(
                    topic_partition,
                    read.map(|()| batch_headers(fetched.records.unwrap_or_default(), *offset)),
                );
            }
        }
    }
    found
}

/// The partitions of one topic that a consumer fetches, each from an offset.
pub(super) fn fetch_topic(name: &str, partitions: impl Iterator<Item = (i32, i64)>) -> FetchTopic {
    let partitions = partitions.map(|(partition, offset)| {
        FetchPartition::default()
            .with_partition(partition)
            .with_fetch_offset(offset)
            .with_partition_max_bytes(BYTES_PER_PARTITION)
    });
    FetchTopic::default().with_topic(topic_name(name)).with_partitions(partitions.collect())
}

/// A request of a consumer for a few kilobytes of each partition, which is answered at once.
pub(super) fn fetch_request(topics: Vec<FetchTopic>) -> FetchRequest {
    FetchRequest::default()
        .with_replica_id(messages::BrokerId(-1))
        .with_max_wait_ms(0)
        .with_min_bytes(0)
        .with_max_bytes(BYTES_PER_RESPONSE)
        .with_session_epoch(-1)
        .with_topics(topics)
}
