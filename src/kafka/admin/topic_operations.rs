//! What the principal may do with topics.

use std::collections::BTreeMap;

use kafka_protocol::{error::ParseResponseErrorCode, messages::MetadataRequest};
use tokio::time::Instant;

use super::protocol::named;
use crate::kafka::{Error, Fault, wire};

/// The versions that report the operations that the principal may do on a topic (Kafka 2.3, KIP-430), with names of topics.
const METADATA: wire::VersionRange = wire::VersionRange { lowest: 8, highest: 10 };

/// Kafka's numbers for operations, each of which is its bit in a set of operations (`AclOperation`).
const READ: u32 = 3;
const WRITE: u32 = 4;

/// What the principal may do with the records of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicOperations {
    /// Whether the principal may read them.
    pub read: bool,
    /// Whether the principal may write some.
    pub write: bool,
}

/// What the principal may do with each of these topics, as the broker of this session says. The error of a topic is
/// [`Fault::Authorization`] if the principal may not even describe it, and [`Fault::Unsupported`] if the broker does not report
/// operations. A topic that the broker leaves out is absent.
///
/// # Errors
/// When the broker did not answer before the deadline.
pub async fn topic_operations(
    session: &wire::Connection,
    topics: &[String],
    deadline: Instant,
) -> Result<BTreeMap<String, Result<TopicOperations, Fault>>, Error> {
    let request = MetadataRequest::default()
        .with_topics(Some(topics.iter().map(|topic| named(topic)).collect()))
        .with_allow_auto_topic_creation(false)
        .with_include_topic_authorized_operations(true);
    let answer = session.ask(&request, METADATA, deadline).await?;
    let operations = answer.topics.into_iter().filter_map(|topic| {
        let found = match topic.error_code.err() {
            Some(error) => Err(Fault::from_response(error)),
            None => operations(topic.topic_authorized_operations).ok_or(Fault::Unsupported),
        };
        Some((topic.name?.to_string(), found))
    });
    Ok(operations.collect())
}

/// The operations in a set of bits. The lowest number means that the broker does not report them.
fn operations(bits: i32) -> Option<TopicOperations> {
    let has = |operation: u32| bits & (1 << operation) != 0;
    (bits != i32::MIN).then(|| TopicOperations { read: has(READ), write: has(WRITE) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_bits_and_the_lowest_number_reports_none() {
        assert_eq!(operations(i32::MIN), None);
        assert_eq!(operations(0b1_0000_0000), Some(TopicOperations { read: false, write: false }));
        assert_eq!(operations(0b1_0000_1000), Some(TopicOperations { read: true, write: false }));
        assert_eq!(operations(0b1_0001_0000), Some(TopicOperations { read: false, write: true }));
    }
}
