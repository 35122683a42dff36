//! All topics, page by page.

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

/// What brokers allow at most, unless told otherwise.
pub const PARTITIONS_A_PAGE: usize = 2000;

type Topics = BTreeMap<String, Result<Topic, Fault>>;

/// Topics, and the time from sending each question to its whole answer.
pub(super) async fn pages(cluster: &wire::Cluster) -> Result<(Topics, Duration), Error> {
    let (mut topics, mut duration, mut cursor) = (Topics::new(), Duration::ZERO, None::<Cursor>);
    loop {
        let request = DescribeTopicPartitionsRequest::default()
            .with_response_partition_limit(PARTITIONS_A_PAGE as i32)
            .with_cursor(cursor.clone());
        let (answer, took) = cluster.ask_any_timed(&request, DESCRIBE).await?;
        duration += took;
        answer.topics.into_iter().for_each(|topic| take_in(&mut topics, topic));
        let Some(next) = answer.next_cursor else { return Ok((topics, duration)) };
        let place = |cursor: &Cursor| (cursor.topic_name.0.to_string(), cursor.partition_index);
        let next =
            Cursor::default().with_topic_name(next.topic_name).with_partition_index(next.partition_index);
        // Who goes back would never end.
        if cursor.is_some_and(|cursor| place(&next) <= place(&cursor)) {
            return Err(Error::new(Fault::Protocol, "topics page by page").because("a page does not go on"));
        }
        cursor = Some(next);
    }
}

/// A topic may begin on one page and end on another.
fn take_in(topics: &mut Topics, topic: DescribeTopicPartitionsResponseTopic) {
    let Some(name) = topic.name else { return };
    let name = name.to_string();
    if let Some(error) = topic.error_code.err() {
        topics.insert(name, Err(Fault::from_response(error)));
        return;
    }
    let id = Some(topic.topic_id.as_u128()).filter(|id| *id != 0).map(TopicId);
    let anew = || Ok(Topic { id, partitions: BTreeMap::new() });
    let known_topic = topics.entry(name).or_insert_with(anew);
    // Made anew between two pages: what was told of the old one is gone.
    if known_topic.as_ref().is_ok_and(|known| known.id != id) {
        *known_topic = anew();
    }
    if let Ok(known_topic) = known_topic {
        known_topic.partitions.extend(topic.partitions.iter().map(|told| {
            let partition = Partition {
                leader: known(told.leader_id),
                replicas: ids(&told.replica_nodes),
                isr: ids(&told.isr_nodes),
            };
            (told.partition_index, partition)
        }));
    }
}
