//! Whether the principal sees all topics and groups. Kafka leaves topics and groups that the principal may not describe
//! out of its responses, without an error.

use kafka_protocol::{
    error::ParseResponseErrorCode,
    messages::{DescribeGroupsRequest, MetadataRequest},
};

use super::protocol::{group_id, named};
use crate::kafka::{Error, Fault, wire};

/// The versions that report the operations that the principal may do on the cluster (Kafka 2.3, KIP-430).
const METADATA: wire::VersionRange = wire::VersionRange { lowest: 8, highest: 10 };
const DESCRIBE_GROUPS: wire::VersionRange = wire::VersionRange { lowest: 0, highest: 5 };

/// A name that no topic and no group has. Only a permission for every name covers it, so a principal that may describe it
/// may describe all topics or groups.
const UNUSED_NAME: &str = "0.kafka-heartbeat.permission-check";

/// Kafka's number for the operation Describe, which is its bit in a set of operations.
const DESCRIBE: u32 = 8;

/// What the principal sees. A value is absent if the brokers do not report it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Visible {
    /// Whether the principal sees every topic.
    pub topics: Option<bool>,
    /// Whether the principal sees every group.
    pub groups: Option<bool>,
}

/// Whether the principal sees every topic and every group. A second request is needed if the principal may not describe
/// the cluster.
///
/// # Errors
/// When no broker answered, or the brokers do not know the request.
pub async fn visible(cluster: &wire::Cluster) -> Result<Visible, Error> {
    let request = MetadataRequest::default()
        .with_topics(Some(vec![named(UNUSED_NAME)]))
        .with_allow_auto_topic_creation(false)
        .with_include_cluster_authorized_operations(true);
    let answer = cluster.ask_any(&request, METADATA).await?;
    let unused =
        answer.topics.iter().find(|topic| topic.name.as_ref().is_some_and(|name| &**name == UNUSED_NAME));
    let topics = unused.and_then(|topic| may_see(topic.error_code));
    // The allowed operations are a set of bits. The lowest number means that the broker does not report them.
    let operations = Some(answer.cluster_authorized_operations).filter(|operations| *operations != i32::MIN);
    let may_describe_cluster = operations.map(|operations| operations & (1 << DESCRIBE) != 0);
    // A principal that may describe the cluster sees all groups.
    let groups = match may_describe_cluster {
        Some(false) => may_describe_groups(cluster).await?,
        Some(true) => Some(true),
        None => None,
    };
    Ok(Visible { topics, groups })
}

/// Whether the principal may describe every group. `None` if the response does not show it.
async fn may_describe_groups(cluster: &wire::Cluster) -> Result<Option<bool>, Error> {
    let request = DescribeGroupsRequest::default().with_groups(vec![group_id(UNUSED_NAME)]);
    let answer = cluster.ask_any(&request, DESCRIBE_GROUPS).await?;
    // A broker that does not coordinate the group reports that only to a principal that may describe the group.
    Ok(answer.groups.first().and_then(|group| may_see(group.error_code)))
}

/// Whether the error code for a missing topic or group shows that the principal may see it. `None` if the code does not
/// show it.
fn may_see(code: i16) -> Option<bool> {
    match code.err().map(Fault::from_response) {
        Some(Fault::Authorization) => Some(false),
        None | Some(Fault::UnknownTopic | Fault::NoLeader | Fault::Other) => Some(true),
        Some(_) => None,
    }
}
