//! Settings of topics.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use kafka_protocol::{
    messages::{
        DescribeConfigsRequest, IncrementalAlterConfigsRequest,
        describe_configs_request::DescribeConfigsResource,
        incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig},
    },
    protocol::StrBytes,
};

use super::{
    controller::ask_controller,
    protocol::{check, text},
};
use crate::{
    kafka::{Error, Fault, wire},
    text::plain,
};

const DESCRIBE_CONFIGS: wire::VersionRange = wire::VersionRange { lowest: 1, highest: 4 };
const ALTER_CONFIGS: wire::VersionRange = wire::VersionRange { lowest: 0, highest: 1 };

/// The number of in-sync replicas below which brokers refuse records with `acks=all`.
const MIN_INSYNC: &str = "min.insync.replicas";
const CLEANUP: &str = "cleanup.policy";
/// Whether closed segments are copied to remote storage (KIP-405).
const REMOTE_STORAGE: &str = "remote.storage.enable";
/// The number of topics that one request describes.
const TOPICS_PER_REQUEST: usize = 1000;

/// Kafka's number for the resource type of a topic.
const TOPIC: i8 = 2;
/// Kafka's number for the operation that sets a value.
const SET: i8 = 0;

/// Settings of a topic, by name. A setting that the broker does not report is absent.
///
/// # Errors
/// When no broker answered, or the cluster denies the request.
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
        let described = result
            .configs
            .into_iter()
            .filter_map(|config| Some((config.name.to_string(), config.value?.to_string())));
        configs.extend(described);
    }
    Ok(configs)
}

/// Changes settings of a topic. Other settings stay as they are. Used only with `topic.rebalance`.
///
/// # Errors
/// The broker's refusal, with its message.
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

/// The settings of a topic that are watched for changes: those that decide which records are kept, for how long, and
/// which records are accepted.
const WATCHED: [&str; 9] = [
    CLEANUP,
    "compression.type",
    "max.message.bytes",
    "message.timestamp.type",
    MIN_INSYNC,
    REMOTE_STORAGE,
    "retention.bytes",
    "retention.ms",
    "unclean.leader.election.enable",
];

/// The watched settings of a topic, by name. Topics with the same settings share them in memory.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Policy(Arc<BTreeMap<&'static str, String>>);

impl<'a> FromIterator<(&'a str, &'a str)> for Policy {
    /// Takes the watched settings and ignores all others.
    fn from_iter<T: IntoIterator<Item = (&'a str, &'a str)>>(all: T) -> Self {
        let watched = |(name, value): (&str, &str)| {
            let name = WATCHED.into_iter().find(|watched| *watched == name)?;
            Some((name, value.to_owned()))
        };
        Self(Arc::new(all.into_iter().filter_map(watched).collect()))
    }
}

impl Policy {
    /// The value of `min.insync.replicas`. `None` if the broker did not report it.
    pub fn min_isr(&self) -> Option<usize> {
        self.0.get(MIN_INSYNC)?.parse().ok()
    }

    /// Whether the topic is compacted: `cleanup.policy` contains `compact`, so some offsets have no record.
    pub fn is_compacted(&self) -> bool {
        self.0.get(CLEANUP).is_some_and(|value| value.split(',').any(|word| word.trim() == "compact"))
    }

    /// Whether the topic is tiered: `remote.storage.enable` is true, so segments are copied to remote storage.
    pub fn is_tiered(&self) -> bool {
        self.0.get(REMOTE_STORAGE).is_some_and(|value| value == "true")
    }

    /// The settings that have changed since an earlier policy, as text. `None` if none has. A setting that is absent in
    /// one of the policies counts as unchanged.
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

/// The policies of topics, by topic. A topic that cannot be described has the fault.
///
/// # Errors
/// When no broker answered.
pub async fn policies(
    cluster: &wire::Cluster,
    names: &[&str],
) -> Result<BTreeMap<Arc<str>, Result<Policy, Fault>>, Error> {
    let mut found = BTreeMap::new();
    let mut known = BTreeSet::<Policy>::new();
    for names in names.chunks(TOPICS_PER_REQUEST) {
        let keys = WATCHED.map(StrBytes::from_static_str).to_vec();
        let resources = names.iter().map(|name| {
            DescribeConfigsResource::default()
                .with_resource_type(TOPIC)
                .with_resource_name(text(name))
                .with_configuration_keys(Some(keys.clone()))
        });
        let request = DescribeConfigsRequest::default().with_resources(resources.collect());
        for result in cluster.ask_any(&request, DESCRIBE_CONFIGS).await?.results {
            let described = result
                .configs
                .iter()
                .filter_map(|config| Some((config.name.as_str(), config.value.as_ref()?.as_str())));
            let mut policy: Policy = described.collect();
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
