//! What the heartbeat topic lacks: pure, printable, never a deletion.

use std::collections::{BTreeMap, BTreeSet};

use super::action::Action;
use crate::kafka::{BrokerId, admin::Topic};

/// Three replicas survive one broker's failure without losing what was acknowledged.
pub(super) const USUAL_REPLICAS: i16 = 3;

/// Heartbeats are of no use after their horizon of minutes; an hour is kept for people who look.
const RETENTION_MS: &str = "3600000";
/// A segment can only be deleted when it is closed.
const SEGMENT_MS: &str = "600000";

/// What is wanted of the topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// At least this many partitions, besides one for each broker.
    pub partitions: Option<i32>,
    /// `None`: three, or as many as brokers.
    pub replication_factor: Option<i16>,
}

/// What the topic lacks, in the order in which it should be done. `configs` are the topic's settings, where known.
///
/// Leaders are spread only over partitions that already exist: a partition that is yet to be added lands
/// on a broker of the cluster's choice, and the next look sees where.
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
    // Of the cluster's default factor nothing is known here.
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
    // One kind of move at a time: where leaders go is seen when the replicas are there.
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

/// The topic's settings that we care about.
pub const CONFIG_KEYS: [&str; 4] = ["cleanup.policy", "min.insync.replicas", "retention.ms", "segment.ms"];

fn wanted_configs(replicas: Option<usize>) -> BTreeMap<&'static str, String> {
    let min_insync = replicas.map(|replicas| replicas.saturating_sub(1).max(1).to_string());
    let fixed = |value: &str| Some(value.to_owned());
    let values = [fixed("delete"), min_insync, fixed(RETENTION_MS), fixed(SEGMENT_MS)];
    CONFIG_KEYS.into_iter().zip(values).filter_map(|(key, value)| Some((key, value?))).collect()
}

/// Gives partitions with too few replicas more, on the brokers that have fewest. A topic that was created
/// while one broker was up would otherwise fail with that broker for ever. Leaders stay.
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

/// Gives each broker without a heartbeat partition one, taken from the broker that leads most. An election
/// is enough where the broker is the preferred replica already; else the replicas are put in another order,
/// or the broker takes the place of the leader among them, and a later look, when they are in sync, elects.
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
            // First an election, then another order, then a move of data.
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

#[cfg(test)]
mod tests;
