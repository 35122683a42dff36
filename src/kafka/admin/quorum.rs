//! The KRaft quorum: its active controller.

use kafka_protocol::messages::{DescribeQuorumRequest, describe_quorum_request};

use super::protocol::{check, known, topic_name};
use crate::kafka::{
    BrokerId, Error, Fault,
    wire::{self, VersionRange},
};

const DESCRIBE_QUORUM: VersionRange = VersionRange { lowest: 0, highest: 1 };

/// The topic and partition in which KRaft keeps its metadata.
const QUORUM_TOPIC: &str = "__cluster_metadata";

/// The KRaft quorum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quorum {
    /// The active controller.
    pub leader: BrokerId,
    /// The epoch of the active controller. It grows with each election.
    pub epoch: i32,
}

/// The leader of the KRaft quorum.
///
/// # Errors
/// [`Fault::Unsupported`] without KRaft. [`Fault::Authorization`] if the principal may not describe the cluster.
/// [`Fault::NoLeader`] while the quorum has no leader.
pub async fn describe_quorum(cluster: &wire::Cluster) -> Result<Quorum, Error> {
    let partition = describe_quorum_request::PartitionData::default().with_partition_index(0);
    let topic = describe_quorum_request::TopicData::default()
        .with_topic_name(topic_name(QUORUM_TOPIC))
        .with_partitions(vec![partition]);
    let request = DescribeQuorumRequest::default().with_topics(vec![topic]);
    let answer = cluster.ask_any(&request, DESCRIBE_QUORUM).await?;
    let partition = answer.topics.first().and_then(|topic| topic.partitions.first());
    let code = partition.map_or(0, |partition| partition.error_code);
    check(answer.error_code, "the quorum", answer.error_message)?;
    check(code, "the quorum", None)?;
    let quorum = partition.and_then(|partition| {
        Some(Quorum { leader: known(partition.leader_id)?, epoch: partition.leader_epoch })
    });
    quorum.ok_or_else(|| Error::new(Fault::NoLeader, "the quorum"))
}
