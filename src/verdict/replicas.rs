//! Leaders and in-sync replicas that the metadata of the heartbeat topic lack.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    cluster::metadata,
    kafka::{BrokerId, admin::Topic},
    text::{NAMED, list},
};

/// The partitions of the heartbeat topic that have no leader, and the brokers whose replicas are not in sync.
pub(super) fn reasons(snapshot: &metadata::Snapshot, name: &str) -> Vec<String> {
    let Ok(topic) = &snapshot.heartbeat_topic else { return Vec::new() };
    leaderless(topic, name).into_iter().chain(out_of_sync(topic, name)).collect()
}

fn leaderless(topic: &Topic, name: &str) -> Option<String> {
    let partitions = topic.partitions.iter().filter(|(_, partition)| partition.leader.is_none());
    let (numbers, replicas): (Vec<_>, Vec<_>) =
        partitions.map(|(number, partition)| (*number, &partition.replicas)).unzip();
    let brokers: BTreeSet<BrokerId> = replicas.into_iter().flatten().copied().collect();
    let partitions = list("partition", &numbers)?;
    let brokers = list("broker", &Vec::from_iter(brokers)).unwrap_or_else(|| "no broker".to_owned());
    Some(format!("no leader for {partitions} of the heartbeat topic {name}: replicas are on {brokers}"))
}

fn out_of_sync(topic: &Topic, name: &str) -> Vec<String> {
    let mut by_broker: BTreeMap<BrokerId, Vec<i32>> = BTreeMap::new();
    for (number, partition) in &topic.partitions {
        for broker in partition.replicas.iter().filter(|broker| !partition.isr.contains(broker)) {
            by_broker.entry(*broker).or_default().push(*number);
        }
    }
    let reason = |(broker, numbers): (&BrokerId, &Vec<i32>)| {
        let partitions = list("partition", numbers)?;
        Some(format!("broker {broker} is not in sync for {partitions} of the heartbeat topic {name}"))
    };
    by_broker.iter().take(NAMED).filter_map(reason).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::admin::Partition;

    #[test]
    fn heartbeat_partitions_without_leader_or_replica_are_named_with_their_brokers() {
        let partition = |leader: Option<i32>, isr: &[i32]| Partition {
            leader: leader.map(BrokerId),
            leader_epoch: None,
            replicas: [1, 2, 3].map(BrokerId).to_vec(),
            isr: isr.iter().copied().map(BrokerId).collect(),
        };
        let reasons = |partitions: Vec<Partition>| {
            let topic = Topic { id: None, partitions: (0..).zip(partitions).collect() };
            leaderless(&topic, "hb").into_iter().chain(out_of_sync(&topic, "hb")).collect::<Vec<_>>()
        };
        assert_eq!(reasons(vec![partition(Some(1), &[1, 2, 3]); 3]), Vec::<String>::new());
        assert_eq!(
            reasons(vec![
                partition(Some(1), &[1, 2]),
                partition(Some(1), &[1, 2, 3]),
                partition(None, &[1, 2])
            ]),
            [
                "no leader for partition 2 of the heartbeat topic hb: replicas are on brokers 1, 2 and 3",
                "broker 3 is not in sync for partitions 0 and 2 of the heartbeat topic hb",
            ]
        );
        let many = reasons(vec![partition(Some(1), &[1, 2]); 8]);
        assert_eq!(
            many,
            ["broker 3 is not in sync for partitions 0, 1, 2, 3, 4 and 3 more of the heartbeat topic hb"]
        );
    }
}
