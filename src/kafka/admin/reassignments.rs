//! Reassignments of replicas, and elections of preferred leaders.

use std::{collections::BTreeMap, sync::Arc};

use kafka_protocol::{
    error::{ParseResponseErrorCode, ResponseError},
    messages::{
        self, AlterPartitionReassignmentsRequest, ElectLeadersRequest, ListPartitionReassignmentsRequest,
        alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic},
        elect_leaders_request::TopicPartitions,
        list_partition_reassignments_request::ListPartitionReassignmentsTopics,
    },
};

use super::{
    controller::{ask_controller, limit_ms},
    protocol::{check, topic_name},
};
use crate::{
    kafka::{BrokerId, Error, wire},
    text::plain,
};

const REASSIGNMENTS: wire::VersionRange = wire::VersionRange { lowest: 0, highest: 0 };
const ELECT_LEADERS: wire::VersionRange = wire::VersionRange { lowest: 1, highest: 2 };

/// Kafka's number for electing the preferred replica.
const PREFERRED: i8 = 0;

/// The partitions of a topic that are being reassigned.
///
/// # Errors
/// When the cluster does not know the request or denies it.
pub async fn reassignments(
    cluster: &wire::Cluster,
    name: &str,
    partitions: &[i32],
) -> Result<Vec<i32>, Error> {
    let topic = ListPartitionReassignmentsTopics::default()
        .with_name(topic_name(name))
        .with_partition_indexes(partitions.to_vec());
    let reassigned = list_reassignments(cluster, Some(vec![topic])).await?;
    Ok(reassigned.into_values().flatten().collect())
}

/// The partitions of all topics that are being reassigned, by topic.
///
/// # Errors
/// When the cluster does not know the request or denies it.
pub async fn all_reassignments(cluster: &wire::Cluster) -> Result<BTreeMap<Arc<str>, Vec<i32>>, Error> {
    list_reassignments(cluster, None).await
}

async fn list_reassignments(
    cluster: &wire::Cluster,
    topics: Option<Vec<ListPartitionReassignmentsTopics>>,
) -> Result<BTreeMap<Arc<str>, Vec<i32>>, Error> {
    let request =
        ListPartitionReassignmentsRequest::default().with_topics(topics).with_timeout_ms(limit_ms(cluster));
    let answer = ask_controller(cluster, &request, REASSIGNMENTS, |answer| answer.error_code).await?;
    check(answer.error_code, "reassignments", answer.error_message)?;
    let topics = answer.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| partition.partition_index).collect();
        (Arc::from(topic.name.0.as_str()), partitions)
    });
    Ok(topics.collect())
}

/// Assigns partitions to other brokers. Used only with `topic.rebalance`.
///
/// # Errors
/// The broker's refusal, with its message.
pub async fn reassign(
    cluster: &wire::Cluster,
    name: &str,
    moves: &BTreeMap<i32, Vec<BrokerId>>,
) -> Result<(), Error> {
    let partitions = moves.iter().map(|(partition, replicas)| {
        let replicas = replicas.iter().map(|id| messages::BrokerId(id.0)).collect();
        ReassignablePartition::default().with_partition_index(*partition).with_replicas(Some(replicas))
    });
    let topic =
        ReassignableTopic::default().with_name(topic_name(name)).with_partitions(partitions.collect());
    let request = AlterPartitionReassignmentsRequest::default()
        .with_topics(vec![topic])
        .with_timeout_ms(limit_ms(cluster));
    let answer = ask_controller(cluster, &request, REASSIGNMENTS, |answer| answer.error_code).await?;
    let what = format!("moving partitions of topic {}", plain(name));
    check(answer.error_code, &what, answer.error_message)?;
    let mut partitions = answer.responses.into_iter().flat_map(|topic| topic.partitions);
    partitions.try_for_each(|partition| check(partition.error_code, &what, partition.error_message))
}

/// Elects the preferred replicas as leaders. Used only with `topic.rebalance`.
///
/// # Errors
/// The broker's refusal, with its message.
pub async fn elect_preferred(cluster: &wire::Cluster, name: &str, partitions: &[i32]) -> Result<(), Error> {
    let topic = TopicPartitions::default().with_topic(topic_name(name)).with_partitions(partitions.to_vec());
    let request = ElectLeadersRequest::default()
        .with_election_type(PREFERRED)
        .with_topic_partitions(Some(vec![topic]))
        .with_timeout_ms(limit_ms(cluster));
    let answer = ask_controller(cluster, &request, ELECT_LEADERS, |answer| answer.error_code).await?;
    let what = format!("electing leaders of topic {}", plain(name));
    check(answer.error_code, &what, None)?;
    let mut results = answer.replica_election_results.into_iter().flat_map(|topic| topic.partition_result);
    results.try_for_each(|result| match result.error_code.err() {
        Some(ResponseError::ElectionNotNeeded) => Ok(()),
        _ => check(result.error_code, &what, result.error_message),
    })
}
