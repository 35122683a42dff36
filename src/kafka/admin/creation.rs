//! Creating topics and partitions. Sent only for topic assurance.

use std::collections::BTreeMap;

use kafka_protocol::{
    error::{ParseResponseErrorCode, ResponseError},
    messages::{
        CreatePartitionsRequest, CreateTopicsRequest,
        create_partitions_request::CreatePartitionsTopic,
        create_topics_request::{CreatableTopic, CreatableTopicConfig},
    },
    protocol::StrBytes,
};

use super::{
    controller::{ask_controller, limit_ms},
    protocol::{check, text, topic_name},
};
use crate::{
    kafka::{Error, wire},
    text::plain,
};

const CREATE_TOPICS: wire::VersionRange = wire::VersionRange { lowest: 2, highest: 7 };
const CREATE_PARTITIONS: wire::VersionRange = wire::VersionRange { lowest: 0, highest: 3 };

/// Creates a topic. A topic that exists already is no error. The replication factor −1 is the cluster's default.
///
/// # Errors
/// The broker's refusal, with its message.
pub async fn create_topic(
    cluster: &wire::Cluster,
    name: &str,
    partitions: i32,
    replication_factor: i16,
    configs: &BTreeMap<&'static str, String>,
) -> Result<(), Error> {
    let configs = configs.iter().map(|(key, value)| {
        CreatableTopicConfig::default()
            .with_name(StrBytes::from_static_str(key))
            .with_value(Some(text(value)))
    });
    let topic = CreatableTopic::default()
        .with_name(topic_name(name))
        .with_num_partitions(partitions)
        .with_replication_factor(replication_factor)
        .with_configs(configs.collect());
    let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(limit_ms(cluster));
    let answer = ask_controller(cluster, &request, CREATE_TOPICS, |answer| {
        answer.topics.first().map_or(0, |topic| topic.error_code)
    })
    .await?;
    for topic in answer.topics {
        if topic.error_code.err() != Some(ResponseError::TopicAlreadyExists) {
            check(topic.error_code, &format!("creating topic {}", plain(name)), topic.error_message)?;
        }
    }
    Ok(())
}

/// Raises the number of partitions of a topic to `total`.
///
/// # Errors
/// The broker's refusal, with its message.
pub async fn create_partitions(cluster: &wire::Cluster, name: &str, total: i32) -> Result<(), Error> {
    let topic =
        CreatePartitionsTopic::default().with_name(topic_name(name)).with_count(total).with_assignments(None);
    let request =
        CreatePartitionsRequest::default().with_topics(vec![topic]).with_timeout_ms(limit_ms(cluster));
    let answer = ask_controller(cluster, &request, CREATE_PARTITIONS, |answer| {
        answer.results.first().map_or(0, |topic| topic.error_code)
    })
    .await?;
    let what = format!("adding partitions to topic {}", plain(name));
    answer.results.into_iter().try_for_each(|topic| check(topic.error_code, &what, topic.error_message))
}
