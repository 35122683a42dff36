//! What Kafka hides from us: it leaves topics and groups that we may not describe out of its answers, without an error.

use kafka_protocol::{
    error::ParseResponseErrorCode,
    messages::{DescribeGroupsRequest, MetadataRequest},
};

use super::protocol::{group_id, named};
use crate::kafka::{Error, Fault, wire};

/// The versions that tell what the principal may do with the cluster (Kafka 2.3, KIP-430).
const METADATA: wire::VersionRange = wire::VersionRange { lowest: 8, highest: 10 };
const DESCRIBE_GROUPS: wire::VersionRange = wire::VersionRange { lowest: 0, highest: 5 };

/// A name that no topic and no group has. A principal that may describe it may describe all of them: only a permission for
/// every name covers it.
const NOBODYS_NAME: &str = "0.kafka-heartbeat.permission-check";

/// Kafka's number of the operation Describe: the bit in a set of operations.
const DESCRIBE: u32 = 8;

/// What we are shown, each absent where the brokers do not say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Visible {
    /// Whether every topic is shown.
    pub topics: Option<bool>,
    /// Whether every group is shown.
    pub groups: Option<bool>,
}

/// Whether Kafka shows us every topic and every group: in one question, or two where the cluster may not be described.
///
/// # Errors
/// When no broker answered, or brokers do not know the question.
pub async fn visible(cluster: &wire::Cluster) -> Result<Visible, Error> {
    let request = MetadataRequest::default()
        .with_topics(Some(vec![named(NOBODYS_NAME)]))
        .with_allow_auto_topic_creation(false)
        .with_include_cluster_authorized_operations(true);
    let answer = cluster.ask_any(&request, METADATA).await?;
    let nobodys =
        answer.topics.iter().find(|topic| topic.name.as_ref().is_some_and(|name| &**name == NOBODYS_NAME));
    let topics = nobodys.and_then(|topic| may_see(topic.error_code));
    // The lowest number of all says nothing; what is allowed otherwise is a set of bits.
    let operations = Some(answer.cluster_authorized_operations).filter(|operations| *operations != i32::MIN);
    let groups = match operations.map(|operations| operations & (1 << DESCRIBE) != 0) {
        Some(false) => may_describe_groups(cluster).await?,
        // A principal that may describe the cluster sees all groups.
        told => told,
    };
    Ok(Visible { topics, groups })
}

/// Whether we may describe every group.
async fn may_describe_groups(cluster: &wire::Cluster) -> Result<Option<bool>, Error> {
    let request = DescribeGroupsRequest::default().with_groups(vec![group_id(NOBODYS_NAME)]);
    let answer = cluster.ask_any(&request, DESCRIBE_GROUPS).await?;
    // A broker that does not coordinate the group says so only to a principal that may know.
    Ok(answer.groups.first().and_then(|group| may_see(group.error_code)))
}

/// Whether an answer about something that does not exist shows that we may see it; absent where it shows nothing.
fn may_see(code: i16) -> Option<bool> {
    match code.err().map(Fault::from_response) {
        Some(Fault::Authorization) => Some(false),
        None | Some(Fault::UnknownTopic | Fault::NoLeader | Fault::Other) => Some(true),
        Some(_) => None,
    }
}
