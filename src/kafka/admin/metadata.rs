//! The brokers and topics of a cluster, from Metadata requests.

use std::{collections::BTreeMap, time::Duration};

use kafka_protocol::{
    error::ParseResponseErrorCode,
    messages::{
        MetadataRequest, MetadataResponse,
        metadata_response::{MetadataResponsePartition, MetadataResponseTopic},
    },
};

use tokio::time::Instant;

use super::{
    pages::pages,
    protocol::{ids, known, named},
    topic::{Partition, Topic},
};
use crate::kafka::{
    BrokerId, Error, Fault, TopicId,
    wire::{self, Endpoint, VersionRange},
};

const METADATA: VersionRange = VersionRange { lowest: 4, highest: 12 };

/// The topics that a Metadata request describes.
#[derive(Debug, Clone, Copy)]
pub enum Topics<'a> {
    /// Every topic that the principal may see.
    All,
    /// Every topic that the principal may see, in pages of 2,000 partitions if the brokers support pages (Kafka 4.0,
    /// KIP-966). One response for all topics of a large cluster would keep a broker busy for a while. A change between two
    /// pages may be in one of the pages only.
    Pages,
    /// These topics. The request never creates a topic.
    Named(&'a [&'a str]),
}

/// The cluster as a broker describes it.
#[derive(Debug, Clone)]
pub struct Metadata {
    /// Kafka's own id of the cluster. Absent if the broker does not report it.
    pub cluster_id: Option<String>,
    /// The controller, or a random live broker under KRaft. Absent while there is none.
    pub controller: Option<BrokerId>,
    /// The live brokers, by id.
    pub brokers: BTreeMap<BrokerId, Broker>,
    /// The requested topics by name, each with the fault if the topic cannot be described.
    pub topics: BTreeMap<String, Result<Topic, Fault>>,
    /// The time from sending the requests to the whole responses. Opening a session is not included.
    pub duration: Duration,
}

/// One broker of the metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    /// The advertised host name or address, which is hostile text.
    pub host: String,
    /// The advertised TCP port.
    pub port: u16,
    /// The rack of the broker. Absent if no rack is configured.
    pub rack: Option<String>,
}

impl Broker {
    /// The address to connect to.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint { host: self.host.clone(), port: self.port }
    }
}

/// Describes the cluster, and gives the addresses of its brokers to the wire client.
///
/// # Errors
/// When no broker answered.
pub async fn metadata(cluster: &wire::Cluster, topics: Topics<'_>) -> Result<Metadata, Error> {
    let mut pages = match topics {
        Topics::Pages => match pages(cluster).await {
            Err(error) if error.fault() == Fault::Unsupported => None,
            pages => Some(pages?),
        },
        Topics::All | Topics::Named(_) => None,
    };
    let named = match topics {
        // The pages hold the topics, so this request is for the brokers alone.
        Topics::Pages if pages.is_some() => Some(Vec::new()),
        Topics::All | Topics::Pages => None,
        Topics::Named(names) => Some(names.iter().map(|name| named(name)).collect()),
    };
    let request = MetadataRequest::default().with_topics(named).with_allow_auto_topic_creation(false);
    let (answer, duration) = cluster.ask_any_timed(&request, METADATA).await?;
    let mut metadata = decoded(answer, duration);
    let endpoints = metadata.brokers.iter().map(|(id, broker)| (*id, broker.endpoint())).collect();
    cluster.learn(endpoints, metadata.controller);
    if let Some((topics, duration)) = pages.take() {
        metadata.topics = topics;
        metadata.duration += duration;
    }
    Ok(metadata)
}

/// The cluster with one topic, as the broker of this session describes it.
///
/// # Errors
/// When the broker did not answer before the deadline.
pub async fn metadata_of_broker(
    session: &wire::Connection,
    topic: &str,
    deadline: Instant,
) -> Result<Metadata, Error> {
    let request = MetadataRequest::default()
        .with_topics(Some(vec![named(topic)]))
        .with_allow_auto_topic_creation(false);
    let begun = Instant::now();
    let answer = session.ask(&request, METADATA, deadline).await?;
    Ok(decoded(answer, begun.elapsed()))
}

/// The cluster without topics, as the broker of this session describes it.
///
/// # Errors
/// When the broker did not answer before the deadline.
pub async fn brokers_of_broker(session: &wire::Connection, deadline: Instant) -> Result<Metadata, Error> {
    let request =
        MetadataRequest::default().with_topics(Some(Vec::new())).with_allow_auto_topic_creation(false);
    let begun = Instant::now();
    let answer = session.ask(&request, METADATA, deadline).await?;
    Ok(decoded(answer, begun.elapsed()))
}

fn decoded(answer: MetadataResponse, duration: Duration) -> Metadata {
    let brokers = answer.brokers.into_iter().filter_map(|broker| {
        let port = u16::try_from(broker.port).ok()?;
        let rack = broker.rack.map(|rack| rack.to_string());
        Some((BrokerId(broker.node_id.0), Broker { host: broker.host.to_string(), port, rack }))
    });
    Metadata {
        cluster_id: answer.cluster_id.map(|id| id.to_string()),
        controller: known(answer.controller_id),
        brokers: brokers.collect(),
        topics: answer.topics.into_iter().filter_map(described).collect(),
        duration,
    }
}

fn described(topic: MetadataResponseTopic) -> Option<(String, Result<Topic, Fault>)> {
    let name = topic.name?.to_string();
    if let Some(error) = topic.error_code.err() {
        return Some((name, Err(Fault::from_response(error))));
    }
    let id = Some(topic.topic_id.as_u128()).filter(|id| *id != 0).map(TopicId);
    let partitions = topic
        .partitions
        .into_iter()
        .map(|partition| (partition.partition_index, self::partition(&partition)));
    Some((name, Ok(Topic { id, partitions: partitions.collect() })))
}

fn partition(partition: &MetadataResponsePartition) -> Partition {
    Partition {
        leader: known(partition.leader_id),
        leader_epoch: Some(partition.leader_epoch).filter(|epoch| *epoch >= 0),
        replicas: ids(&partition.replica_nodes),
        isr: ids(&partition.isr_nodes),
    }
}
