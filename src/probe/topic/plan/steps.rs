//! The plan for the heartbeat topic: pure functions from its state to the changes that it lacks.

use std::collections::{BTreeMap, BTreeSet};

use super::super::action::Action;
use crate::kafka::{BrokerId, admin::Topic};

/// The usual replication factor: with three replicas no acknowledged record is lost when one broker fails.
pub(in crate::probe::topic) const USUAL_REPLICAS: i16 = 3;

/// One hour. Heartbeats are used for minutes only; the hour is for people who read the topic.
const RETENTION_MS: &str = "3600000";
/// Ten minutes. Kafka deletes a segment only after it is closed.
const SEGMENT_MS: &str = "600000";

/// The configured size of the topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// The least number of partitions. With `None`, or with more brokers, there is one partition for each broker.
    pub partitions: Option<i32>,
    /// The replication factor; -1 leaves it to the cluster. `None` means three, or as many as there are brokers.
    pub replication_factor: Option<i16>,
}

/// The changes that the topic lacks, in the order in which they should be made. `topic` is `None` if the topic is
/// missing, and `configs` are the topic's settings, or `None` if they are not known.
///
/// Leaders are spread only over partitions that exist. The cluster chooses the leader of a partition that is yet to be
/// added, and the next cycle takes it into account.
pub fn plan(
    brokers: &BTreeSet<BrokerId>,
    topic: Option<&Topic>,
    configs: Option<&BTreeMap<String, String>>,
    policy: Policy,
) -> Vec<Action> {
    let count = i32::try_from(brokers.len()).unwrap_or(i32::MAX);
    let wanted = policy.partitions.unwrap_or(1).max(count).max(1);
    let most = i16::try_from(brokers.len()).unwrap_or(i16::MAX).max(1);
    let factor = policy.replication_factor.unwrap_or(USUAL_REPLICAS.min(most));
    // The cluster's default factor is not known here.
    let replicas = usize::try_from(factor).ok();
    let Some(topic) = topic else {
        let configs = wanted_configs(replicas);
        return vec![Action::Create { partitions: wanted, replication_factor: factor, configs }];
    };
    let mut actions = Vec::new();
    let have = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
    if have < wanted {
        actions.push(Action::Expand { from: have, to: wanted });
    }
    let raised = raise(brokers, topic, replicas.unwrap_or(0));
    // Replicas are added first. Leaders are spread once the replicas are there.
    actions.extend(if raised.is_empty() { spread(brokers, topic) } else { raised });
    if let Some(configs) = configs {
        let factor = topic.partitions.values().map(|partition| partition.replicas.len()).min();
        let differs =
            |(key, value): &(&'static str, String)| configs.get(*key).is_some_and(|now| now != value);
        let configs: BTreeMap<_, _> = wanted_configs(factor).into_iter().filter(differs).collect();
        if !configs.is_empty() {
            actions.push(Action::Configure { configs });
        }
    }
    actions
}

/// The settings of the topic that the plan sets.
pub const CONFIG_KEYS: [&str; 4] = ["cleanup.policy", "min.insync.replicas", "retention.ms", "segment.ms"];

pub(super) fn wanted_configs(replicas: Option<usize>) -> BTreeMap<&'static str, String> {
    let min_insync = replicas.map(|replicas| replicas.saturating_sub(1).max(1).to_string());
    let fixed = |value: &str| Some(value.to_owned());
    let values = [fixed("delete"), min_insync, fixed(RETENTION_MS), fixed(SEGMENT_MS)];
    CONFIG_KEYS.into_iter().zip(values).filter_map(|(key, value)| Some((key, value?))).collect()
}

/// Adds replicas to partitions with too few, on the brokers that have the fewest replicas. Otherwise a topic that was
/// created while only one broker was up would always fail with that broker. Leaders stay.
fn raise(brokers: &BTreeSet<BrokerId>, topic: &Topic, factor: usize) -> Vec<Action> {
    let mut load: BTreeMap<BrokerId, usize> = brokers.iter().map(|broker| (*broker, 0)).collect();
    for replica in topic.partitions.values().flat_map(|partition| &partition.replicas) {
        *load.entry(*replica).or_default() += 1;
    }
    let mut actions = Vec::new();
    for (number, partition) in &topic.partitions {
        let mut replicas = partition.replicas.clone();
        while replicas.len() < factor {
            let free = brokers.iter().filter(|broker| !replicas.contains(broker));
            let Some(broker) = free.min_by_key(|broker| (load[broker], **broker)).copied() else { break };
            *load.entry(broker).or_default() += 1;
            replicas.push(broker);
        }
        if replicas.len() > partition.replicas.len() {
            actions.push(Action::Reassign { partition: *number, replicas });
        }
    }
    actions
}

/// Gives each broker that leads no partition the leadership of one, taken from the broker that leads the most. If the
/// broker is the preferred replica already, an election is enough. Otherwise the replicas get another order, or the
/// broker takes the place of the leader among them, and a later cycle elects it when the replicas are in sync.
fn spread(brokers: &BTreeSet<BrokerId>, topic: &Topic) -> Vec<Action> {
    let mut actions = Vec::new();
    let mut led = BTreeMap::<BrokerId, BTreeSet<i32>>::new();
    for (number, partition) in &topic.partitions {
        if let Some(leader) = partition.leader {
            led.entry(leader).or_default().insert(*number);
        }
    }
    for broker in brokers.iter().filter(|broker| !led.contains_key(broker)).copied().collect::<Vec<_>>() {
        let most =
            led.iter().filter(|(_, numbers)| numbers.len() > 1).max_by_key(|(_, numbers)| numbers.len());
        let Some((donor, numbers)) = most.map(|(donor, numbers)| (*donor, numbers.clone())) else { break };
        let preference = |number: &&i32| {
            let replicas = &topic.partitions[number].replicas;
            // An election is preferred to another order of the replicas, and that to a move of data.
            (replicas.first() != Some(&broker), !replicas.contains(&broker), **number)
        };
        let Some(number) = numbers.iter().min_by_key(preference).copied() else { break };
        let replicas = &topic.partitions[&number].replicas;
        if replicas.first() == Some(&broker) {
            actions.push(Action::ElectPreferred { partition: number });
        } else {
            let without = if replicas.contains(&broker) { broker } else { donor };
            let rest = replicas.iter().copied().filter(|replica| *replica != without);
            actions.push(Action::Reassign {
                partition: number,
                replicas: [broker].into_iter().chain(rest).collect(),
            });
        }
        if let Some(numbers) = led.get_mut(&donor) {
            numbers.remove(&number);
        }
        led.entry(broker).or_default().insert(number);
    }
    actions
}
