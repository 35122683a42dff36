//! Heads of record batches: what kind of records are at an offset, without reading any.

use std::{collections::BTreeMap, sync::Arc};

use futures_util::future::join_all;
use kafka_protocol::messages::{
    self, FetchRequest,
    fetch_request::{FetchPartition, FetchTopic},
};

use super::{
    batch::{Batch, heads},
    offsets::TimesByLeader,
    protocol::{check, topic_name},
};
use crate::kafka::{BrokerId, Fault, wire};

/// From 13 on topics have ids alone. From 12 on lengths are of another kind, of which our decoder believes none above
/// two megabytes; a batch may be longer.
const FETCH: wire::VersionRange = wire::VersionRange { lowest: 4, highest: 11 };

/// Of each partition. A batch that is longer is left out, but for the first partition's, which always comes whole.
const PARTITION_BYTES: i32 = 4096;
/// More partitions than these in one question are answered with nothing.
pub const PARTITIONS_A_FETCH: usize = 64;
const ANSWER_BYTES: i32 = PARTITIONS_A_FETCH as i32 * PARTITION_BYTES;

/// The batches at these offsets, as many as come in a few kilobytes, by topic and partition.
pub async fn batches(
    cluster: &wire::Cluster,
    wanted: &TimesByLeader,
) -> BTreeMap<(Arc<str>, i32), Result<Vec<Batch>, Fault>> {
    let asked = wanted.iter().map(|(leader, topics)| ask_leader(cluster, *leader, topics));
    join_all(asked).await.into_iter().flatten().collect()
}

async fn ask_leader(
    cluster: &wire::Cluster,
    leader: BrokerId,
    topics: &BTreeMap<Arc<str>, Vec<(i32, i64)>>,
) -> BTreeMap<(Arc<str>, i32), Result<Vec<Batch>, Fault>> {
    let wanted = topics.iter().map(|(name, partitions)| {
        let partitions = partitions.iter().map(|(partition, offset)| {
            FetchPartition::default()
                .with_partition(*partition)
                .with_fetch_offset(*offset)
                .with_partition_max_bytes(PARTITION_BYTES)
        });
        FetchTopic::default().with_topic(topic_name(name)).with_partitions(partitions.collect())
    });
    let request = FetchRequest::default()
        .with_replica_id(messages::BrokerId(-1))
        .with_max_wait_ms(0)
        .with_min_bytes(0)
        .with_max_bytes(ANSWER_BYTES)
        .with_session_epoch(-1)
        .with_topics(wanted.collect());
    let places = || {
        let each = |(name, list): (&Arc<str>, &Vec<(i32, i64)>)| {
            list.iter().map(|(partition, offset)| ((name.clone(), *partition), *offset)).collect::<Vec<_>>()
        };
        topics.iter().flat_map(each)
    };
    let answer = match cluster.ask(leader, &request, FETCH).await {
        Ok(answer) => answer,
        Err(error) => return places().map(|(place, _)| (place, Err(error.fault()))).collect(),
    };
    let asked: BTreeMap<_, _> = places().collect();
    let mut found: BTreeMap<_, _> = places().map(|(place, _)| (place, Err(Fault::Protocol))).collect();
    for topic in answer.responses {
        for told in topic.partitions {
            let place = (Arc::from(topic.topic.0.as_str()), told.partition_index);
            if let Some(offset) = asked.get(&place) {
                let read = check(told.error_code, "", None).map_err(|error| error.fault());
                found.insert(place, read.map(|()| heads(told.records.unwrap_or_default(), *offset)));
            }
        }
    }
    found
}
