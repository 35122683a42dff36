//! All topics, page by page (KIP-966).

use std::{collections::BTreeMap, time::Duration};

use kafka_protocol::{
    error::ParseResponseErrorCode,
    messages::{
        DescribeTopicPartitionsRequest, describe_topic_partitions_request::Cursor,
        describe_topic_partitions_response::DescribeTopicPartitionsResponseTopic,
    },
};

use super::{
    protocol::{ids, known},
    topic::{Partition, Topic},
};
use crate::kafka::{
    Error, Fault, TopicId,
    wire::{self, VersionRange},
};

const DESCRIBE: VersionRange = VersionRange { lowest: 0, highest: 0 };

/// The number of partitions of one page: the most that brokers allow by default.
pub const PARTITIONS_PER_PAGE: usize = 2000;

/// Topics by name, each with the fault if the topic cannot be described.
type DescribedTopics = BTreeMap<String, Result<Topic, Fault>>;

/// All topics, and the sum of the times from sending each request to its whole response.
pub(super) async fn pages(cluster: &wire::Cluster) -> Result<(DescribedTopics, Duration), Error> {
    let mut topics = DescribedTopics::new();
    let mut duration = Duration::ZERO;
    let mut cursor: Option<Cursor> = None;
    loop {
        let request = DescribeTopicPartitionsRequest::default()
            .with_response_partition_limit(PARTITIONS_PER_PAGE as i32)
            .with_cursor(cursor.clone());
        let (answer, took) = cluster.ask_any_timed(&request, DESCRIBE).await?;
        duration += took;
        for topic in answer.topics {
            add_topic(&mut topics, topic);
        }
        let Some(next) = answer.next_cursor else { return Ok((topics, duration)) };
        let position = |cursor: &Cursor| (cursor.topic_name.0.to_string(), cursor.partition_index);
        let next =
            Cursor::default().with_topic_name(next.topic_name).with_partition_index(next.partition_index);
        // With a cursor that goes back, the pages would never end.
        if cursor.is_some_and(|cursor| position(&next) <= position(&cursor)) {
            return Err(Error::new(Fault::Protocol, "topics page by page").because("a page does not go on"));
        }
        cursor = Some(next);
    }
}

/// Adds the part of a topic that is on one page. A topic may begin on one page and end on another.
fn add_topic(topics: &mut DescribedTopics, topic: DescribeTopicPartitionsResponseTopic) {
    let Some(name) = topic.name else { return };
    let name = name.to_string();
    if let Some(error) = topic.error_code.err() {
        topics.insert(name, Err(Fault::from_response(error)));
        return;
    }
    let id = Some(topic.topic_id.as_u128()).filter(|id| *id != 0).map(TopicId);
    let empty = || Ok(Topic { id, partitions: BTreeMap::new() });
    let known_topic = topics.entry(name).or_insert_with(empty);
    // The topic was recreated between two pages: the partitions of the deleted topic do not count.
    if known_topic.as_ref().is_ok_and(|known| known.id != id) {
        *known_topic = empty();
    }
    if let Ok(known_topic) = known_topic {
        known_topic.partitions.extend(topic.partitions.iter().map(|partition| {
            let described = Partition {
                leader: known(partition.leader_id),
                leader_epoch: Some(partition.leader_epoch).filter(|epoch| *epoch >= 0),
                replicas: ids(&partition.replica_nodes),
                isr: ids(&partition.isr_nodes),
            };
            (partition.partition_index, described)
        }));
    }
}
