//! The questions we ask, in Kafka's words.
//!
//! Every function is one question; brokers are asked in parallel where it concerns several. Answers are
//! checked and turned into values here, so that no error code and no −1 leaves this file. Nothing here
//! deletes anything.

use std::{collections::BTreeMap, time::Duration};

use kafka_protocol::{
    error::ParseResponseErrorCode,
    messages::{
        self, DescribeQuorumRequest, MetadataRequest, TopicName, describe_quorum_request,
        metadata_request::MetadataRequestTopic,
        metadata_response::{MetadataResponsePartition, MetadataResponseTopic},
    },
    protocol::StrBytes,
};

use super::{
    BrokerId, Error, Fault, TopicId,
    wire::{self, Endpoint, Range},
};

mod fetch;
mod groups;
mod log_dirs;
mod members;
mod offsets;
mod pages;
mod share;
mod topics;
mod transactions;
mod visible;

use crate::text::plain;
#[cfg(feature = "fuzzing")]
pub(crate) use fetch::heads;
pub use fetch::{Batch, PARTITIONS_A_FETCH, batches};
pub use groups::{GroupKind, GroupState, Listed, Listing, Offsets, coordinators, group_offsets, list_groups};
pub use log_dirs::{LogDir, log_dirs};
pub use members::{Described, Member, members};
pub use offsets::{At, ByLeader, Found, FoundOffsets, TimesByLeader, list_offsets, offsets, offsets_at};
pub use pages::PARTITIONS_A_PAGE;
use pages::pages;
pub use share::share_offsets;
pub use topics::{
    Policy, all_reassignments, alter_topic_configs, create_partitions, create_topic, elect_preferred,
    policies, reassign, reassignments, topic_configs,
};
pub use transactions::{Transaction, Writer, Writers, transactions, writers};
pub use visible::{Visible, visible};

const METADATA: Range = Range { lowest: 4, highest: 12 };
const DESCRIBE_QUORUM: Range = Range { lowest: 0, highest: 1 };

/// The topic and partition in which KRaft keeps its metadata.
const QUORUM_TOPIC: &str = "__cluster_metadata";

/// Which topics to describe.
#[derive(Debug, Clone, Copy)]
pub enum Topics<'a> {
    /// Every topic we may see.
    All,
    /// The same, two thousand partitions a question where the brokers know how (Kafka 4.0, KIP-966): the whole of a
    /// large cluster keeps a broker busy for a while. A change between two pages may be seen by one of them alone.
    Pages,
    /// These; none is ever created by asking.
    Named(&'a [&'a str]),
}

/// What a broker says of the cluster.
#[derive(Debug, Clone)]
pub struct Metadata {
    /// Kafka's own id of the cluster.
    pub cluster_id: Option<String>,
    /// Under KRaft a random live broker.
    pub controller: Option<BrokerId>,
    /// Live brokers.
    pub brokers: BTreeMap<BrokerId, Broker>,
    /// Topics asked for, or why one cannot be described.
    pub topics: BTreeMap<String, Result<Topic, Fault>>,
    /// From sending the request to the whole answer; opening a session is not in it.
    pub duration: Duration,
}

/// One broker of the metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    /// The advertised host: hostile text.
    pub host: String,
    /// The advertised port.
    pub port: u16,
    /// The rack, where one is set.
    pub rack: Option<String>,
}

impl Broker {
    /// Where to connect.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint { host: self.host.clone(), port: self.port }
    }
}

/// A topic of the metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its unique id; absent before Kafka 2.8.
    pub id: Option<TopicId>,
    /// Its partitions, by number.
    pub partitions: BTreeMap<i32, Partition>,
}

/// A partition of the metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Its leader; `None` while it is offline.
    pub leader: Option<BrokerId>,
    /// All replicas, the preferred leader first.
    pub replicas: Vec<BrokerId>,
    /// The replicas in sync.
    pub isr: Vec<BrokerId>,
}

/// The KRaft quorum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quorum {
    /// The active controller.
    pub leader: BrokerId,
    /// Its epoch.
    pub epoch: i32,
}

/// Describes the cluster, and tells the wire client where its brokers are.
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
        // Nothing but the brokers.
        Topics::Pages if pages.is_some() => Some(Vec::new()),
        Topics::All | Topics::Pages => None,
        Topics::Named(names) => Some(names.iter().map(|name| named(name)).collect()),
    };
    let request = MetadataRequest::default().with_topics(named).with_allow_auto_topic_creation(false);
    let (answer, duration) = cluster.ask_any_timed(&request, METADATA).await?;
    let brokers: BTreeMap<_, _> = answer
        .brokers
        .into_iter()
        .filter_map(|broker| {
            let port = u16::try_from(broker.port).ok()?;
            let rack = broker.rack.map(|rack| rack.to_string());
            Some((BrokerId(broker.node_id.0), Broker { host: broker.host.to_string(), port, rack }))
        })
        .collect();
    let controller = known(answer.controller_id);
    let endpoints = brokers.iter().map(|(id, broker)| (*id, broker.endpoint())).collect();
    cluster.learn(endpoints, controller);
    Ok(Metadata {
        cluster_id: answer.cluster_id.map(|id| id.to_string()),
        controller,
        brokers,
        duration: duration + pages.as_ref().map_or(Duration::ZERO, |(_, duration)| *duration),
        topics: match pages.take() {
            Some((topics, _)) => topics,
            None => answer.topics.into_iter().filter_map(described).collect(),
        },
    })
}

fn named(name: &str) -> MetadataRequestTopic {
    MetadataRequestTopic::default().with_name(Some(topic_name(name)))
}

fn described(topic: MetadataResponseTopic) -> Option<(String, Result<Topic, Fault>)> {
    let name = topic.name?.to_string();
    if let Some(error) = topic.error_code.err() {
        return Some((name, Err(Fault::from_response(error))));
    }
    let id = Some(topic.topic_id.as_u128()).filter(|id| *id != 0).map(TopicId);
    let partitions =
        topic.partitions.into_iter().map(|partition| (partition.partition_index, state(&partition)));
    Some((name, Ok(Topic { id, partitions: partitions.collect() })))
}

fn state(partition: &MetadataResponsePartition) -> Partition {
    Partition {
        leader: known(partition.leader_id),
        replicas: ids(&partition.replica_nodes),
        isr: ids(&partition.isr_nodes),
    }
}

fn ids(ids: &[messages::BrokerId]) -> Vec<BrokerId> {
    ids.iter().map(|id| BrokerId(id.0)).collect()
}

/// Kafka writes -1 for "none".
fn known(id: messages::BrokerId) -> Option<BrokerId> {
    (id.0 >= 0).then_some(BrokerId(id.0))
}

fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

/// Who leads the KRaft quorum.
///
/// # Errors
/// [`Fault::Unsupported`] without KRaft, [`Fault::Authorization`] where we may not ask.
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

/// An error code of an answer as a result; the broker's words go along.
fn check(code: i16, what: &str, words: Option<StrBytes>) -> Result<(), Error> {
    let Some(error) = code.err() else { return Ok(()) };
    let words = words.map_or_else(|| format!("{error:?}"), |words| format!("{error:?}: {}", plain(&words)));
    Err(Error::new(Fault::from_response(error), what).because(words))
}
