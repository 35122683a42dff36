//! Changing topics. Sent only for topic assurance; what moves or reconfigures only when switched on.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use kafka_protocol::{
    error::{ParseResponseErrorCode, ResponseError},
    messages::{
        self, AlterPartitionReassignmentsRequest, CreatePartitionsRequest, CreateTopicsRequest,
        DescribeConfigsRequest, ElectLeadersRequest, IncrementalAlterConfigsRequest,
        ListPartitionReassignmentsRequest,
        alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic},
        create_partitions_request::CreatePartitionsTopic,
        create_topics_request::{CreatableTopic, CreatableTopicConfig},
        describe_configs_request::DescribeConfigsResource,
        elect_leaders_request::TopicPartitions,
        incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig},
        list_partition_reassignments_request::ListPartitionReassignmentsTopics,
    },
    protocol::{Request, StrBytes},
};

use super::{Topics, check, metadata, topic_name};
use crate::{
    kafka::{BrokerId, Error, Fault, wire},
    text::plain,
};

const CREATE_TOPICS: wire::Range = wire::Range { lowest: 2, highest: 7 };
const CREATE_PARTITIONS: wire::Range = wire::Range { lowest: 0, highest: 3 };
const DESCRIBE_CONFIGS: wire::Range = wire::Range { lowest: 1, highest: 4 };
const ALTER_CONFIGS: wire::Range = wire::Range { lowest: 0, highest: 1 };
const REASSIGNMENTS: wire::Range = wire::Range { lowest: 0, highest: 0 };
const ELECT_LEADERS: wire::Range = wire::Range { lowest: 1, highest: 2 };

/// The setting by which acknowledgements are refused.
const MIN_INSYNC: &str = "min.insync.replicas";
const CLEANUP: &str = "cleanup.policy";
/// Described in one request.
const TOPICS_A_REQUEST: usize = 1000;

/// Kafka's number for a topic among resources.
const TOPIC: i8 = 2;
/// Kafka's number for setting a value.
const SET: i8 = 0;
/// Kafka's number for electing the preferred replica.
const PREFERRED: i8 = 0;

/// Asks the controller where one is known, else anybody: KRaft brokers pass it on. If the answer's code
/// says that the controller has moved, looks for it and asks once more.
async fn ask_controller<R: Request>(
    cluster: &wire::Cluster,
    request: &R,
    ours: wire::Range,
    code: impl Fn(&R::Response) -> i16,
) -> Result<R::Response, Error> {
    let answer = ask_known_controller(cluster, request, ours).await?;
    if code(&answer).err() != Some(ResponseError::NotController) {
        return Ok(answer);
    }
    metadata(cluster, Topics::Named(&[])).await?;
    ask_known_controller(cluster, request, ours).await
}

async fn ask_known_controller<R: Request>(
    cluster: &wire::Cluster,
    request: &R,
    ours: wire::Range,
) -> Result<R::Response, Error> {
    match cluster.controller() {
        Some(controller) => cluster.ask(controller, request, ours).await,
        None => cluster.ask_any(request, ours).await,
    }
}

/// For the broker, so that its own word on the matter comes before we stop listening.
fn limit_ms(cluster: &wire::Cluster) -> i32 {
    i32::try_from((cluster.timeout() * 4 / 5).as_millis()).unwrap_or(i32::MAX)
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// Creates a topic. One that exists already is not an error. `replication_factor` -1 is the cluster's default.
///
/// # Errors
/// A refusal, with the broker's words.
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

/// Raises the number of partitions to `total`.
///
/// # Errors
/// A refusal, with the broker's words.
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

/// Partitions of a topic that are being moved.
///
/// # Errors
/// Where the question is unknown or denied.
pub async fn reassignments(
    cluster: &wire::Cluster,
    name: &str,
    partitions: &[i32],
) -> Result<Vec<i32>, Error> {
    let topic = ListPartitionReassignmentsTopics::default()
        .with_name(topic_name(name))
        .with_partition_indexes(partitions.to_vec());
    let moving = moving(cluster, Some(vec![topic])).await?;
    Ok(moving.into_values().flatten().collect())
}

/// Partitions of all topics that are being moved.
///
/// # Errors
/// Where the question is unknown or denied.
pub async fn all_reassignments(cluster: &wire::Cluster) -> Result<BTreeMap<Arc<str>, Vec<i32>>, Error> {
    moving(cluster, None).await
}

async fn moving(
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

/// Moves replicas. Only with `topic.rebalance`.
///
/// # Errors
/// A refusal, with the broker's words.
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

/// Makes preferred replicas leaders. Only with `topic.rebalance`.
///
/// # Errors
/// A refusal, with the broker's words.
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

/// Settings of a topic; one that the broker does not tell is absent.
///
/// # Errors
/// Where the question is denied.
pub async fn topic_configs(
    cluster: &wire::Cluster,
    name: &str,
    keys: &[&'static str],
) -> Result<BTreeMap<String, String>, Error> {
    let keys = keys.iter().map(|key| StrBytes::from_static_str(key)).collect();
    let resource = DescribeConfigsResource::default()
        .with_resource_type(TOPIC)
        .with_resource_name(text(name))
        .with_configuration_keys(Some(keys));
    let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
    let answer = cluster.ask_any(&request, DESCRIBE_CONFIGS).await?;
    let mut configs = BTreeMap::new();
    for result in answer.results {
        check(result.error_code, &format!("settings of topic {}", plain(name)), result.error_message)?;
        let told = result
            .configs
            .into_iter()
            .filter_map(|config| Some((config.name.to_string(), config.value?.to_string())));
        configs.extend(told);
    }
    Ok(configs)
}

/// Sets settings of a topic, leaving others alone. Only with `topic.rebalance`.
///
/// # Errors
/// A refusal, with the broker's words.
pub async fn alter_topic_configs(
    cluster: &wire::Cluster,
    name: &str,
    configs: &BTreeMap<&'static str, String>,
) -> Result<(), Error> {
    let configs = configs.iter().map(|(key, value)| {
        AlterableConfig::default()
            .with_name(StrBytes::from_static_str(key))
            .with_config_operation(SET)
            .with_value(Some(text(value)))
    });
    let resource = AlterConfigsResource::default()
        .with_resource_type(TOPIC)
        .with_resource_name(text(name))
        .with_configs(configs.collect());
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    let answer = ask_controller(cluster, &request, ALTER_CONFIGS, |answer| {
        answer.responses.first().map_or(0, |topic| topic.error_code)
    })
    .await?;
    let what = format!("settings of topic {}", plain(name));
    answer.responses.into_iter().try_for_each(|topic| check(topic.error_code, &what, topic.error_message))
}

/// Settings of a topic that are watched: those that decide what is kept, for how long, and who may write it.
const WATCHED: [&str; 8] = [
    CLEANUP,
    "compression.type",
    "max.message.bytes",
    "message.timestamp.type",
    MIN_INSYNC,
    "retention.bytes",
    "retention.ms",
    "unclean.leader.election.enable",
];

/// Settings of a topic that are watched, by name. Topics with the same settings share them.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Policy(Arc<BTreeMap<&'static str, String>>);

impl<'a> FromIterator<(&'a str, &'a str)> for Policy {
    /// Of all settings, takes those that are watched.
    fn from_iter<T: IntoIterator<Item = (&'a str, &'a str)>>(all: T) -> Self {
        let watched = |(name, value): (&str, &str)| {
            let name = WATCHED.into_iter().find(|watched| *watched == name)?;
            Some((name, value.to_owned()))
        };
        Self(Arc::new(all.into_iter().filter_map(watched).collect()))
    }
}

impl Policy {
    /// `min.insync.replicas`.
    pub fn min_isr(&self) -> Option<usize> {
        self.0.get(MIN_INSYNC)?.parse().ok()
    }

    /// `cleanup.policy` has `compact` in it: offsets may be without a record.
    pub fn is_compacted(&self) -> bool {
        self.0.get(CLEANUP).is_some_and(|value| value.split(',').any(|word| word.trim() == "compact"))
    }

    /// What has changed since another time, if anything has. What one of them does not tell has not changed.
    pub fn since(&self, before: &Policy) -> Option<String> {
        if Arc::ptr_eq(&self.0, &before.0) {
            return None;
        }
        let changed = self.0.iter().filter_map(|(name, now)| {
            let was = before.0.get(name).filter(|was| *was != now)?;
            Some(format!("{name}: {} -> {}", plain(was), plain(now)))
        });
        let changed: Vec<String> = changed.collect();
        (!changed.is_empty()).then(|| changed.join(", "))
    }
}

/// Policies of topics, or why one may not be described.
///
/// # Errors
/// When no broker answered.
pub async fn policies(
    cluster: &wire::Cluster,
    names: &[&str],
) -> Result<BTreeMap<Arc<str>, Result<Policy, Fault>>, Error> {
    let (mut found, mut known) = (BTreeMap::new(), BTreeSet::<Policy>::new());
    for names in names.chunks(TOPICS_A_REQUEST) {
        let keys = WATCHED.map(StrBytes::from_static_str).to_vec();
        let resources = names.iter().map(|name| {
            DescribeConfigsResource::default()
                .with_resource_type(TOPIC)
                .with_resource_name(text(name))
                .with_configuration_keys(Some(keys.clone()))
        });
        let request = DescribeConfigsRequest::default().with_resources(resources.collect());
        for result in cluster.ask_any(&request, DESCRIBE_CONFIGS).await?.results {
            let told = result
                .configs
                .iter()
                .filter_map(|config| Some((config.name.as_str(), config.value.as_ref()?.as_str())));
            let mut policy: Policy = told.collect();
            match known.get(&policy) {
                Some(same) => policy = same.clone(),
                None => _ = known.insert(policy.clone()),
            }
            let checked = check(result.error_code, "", None).map_err(|error| error.fault());
            found.insert(Arc::from(result.resource_name.as_str()), checked.map(|()| policy));
        }
    }
    Ok(found)
}
