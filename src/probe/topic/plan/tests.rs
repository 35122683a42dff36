//! Tests of plans as they are printed, and of generated topics on which plans are carried out until nothing is left.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{Policy, plan, steps::wanted_configs};
use crate::{
    kafka::{
        BrokerId,
        admin::{Partition, Topic},
    },
    probe::topic::Action,
};

fn brokers(ids: &[i32]) -> BTreeSet<BrokerId> {
    ids.iter().copied().map(BrokerId).collect()
}

/// A topic with these replicas of its partitions. The first replica of each is the leader.
fn topic(replicas: &[&[i32]]) -> Topic {
    let partition = |replicas: &&[i32]| {
        let replicas: Vec<_> = replicas.iter().copied().map(BrokerId).collect();
        Partition { leader: replicas.first().copied(), leader_epoch: None, isr: replicas.clone(), replicas }
    };
    Topic { id: None, partitions: (0..).zip(replicas.iter().map(partition)).collect() }
}

/// The policy of most tests.
const TWO: Policy = Policy { partitions: None, replication_factor: Some(2) };
const AUTO: Policy = Policy { partitions: None, replication_factor: None };

fn printed(actions: &[Action]) -> Vec<String> {
    actions.iter().map(ToString::to_string).collect()
}

#[test]
fn missing_topic_is_created_with_a_partition_for_each_broker() {
    let actions = plan(&brokers(&[1, 2, 3]), None, None, AUTO);
    let expected = "create the topic: 3 partitions, replication factor 3, cleanup.policy=delete \
                    min.insync.replicas=2 retention.ms=3600000 segment.ms=600000";
    assert_eq!(printed(&actions), [expected]);
    let single = plan(&brokers(&[7]), None, None, AUTO);
    assert!(printed(&single)[0].starts_with("create the topic: 1 partitions, replication factor 1"));
    assert!(printed(&single)[0].contains("min.insync.replicas=1"));
    let wide = Policy { partitions: Some(12), replication_factor: Some(-1) };
    let created = printed(&plan(&brokers(&[1]), None, None, wide));
    assert!(created[0].contains("12 partitions, the cluster's default"));
    assert!(!created[0].contains("min.insync.replicas"), "the right minimum is not known without the factor");
}

#[test]
fn grown_cluster_gets_more_partitions_and_never_fewer() {
    let topic = topic(&[&[1, 2], &[2, 1]]);
    assert_eq!(printed(&plan(&brokers(&[1, 2, 3]), Some(&topic), None, TWO)), ["add partitions: 2 to 3"]);
    assert_eq!(plan(&brokers(&[1]), Some(&topic), None, AUTO), []);
}

#[test]
fn broker_without_a_partition_gets_one_with_the_smallest_change() {
    let three = brokers(&[1, 2, 3]);
    let mut preferred = topic(&[&[1, 2], &[2, 1], &[3, 1]]);
    preferred.partitions.get_mut(&2).expect("partition 2").leader = Some(BrokerId(1));
    let elected = plan(&three, Some(&preferred), None, TWO);
    assert_eq!(printed(&elected), ["make the preferred replica of partition 2 its leader"]);
    let reordered = plan(&three, Some(&topic(&[&[1, 2], &[2, 1], &[1, 3]])), None, TWO);
    assert_eq!(printed(&reordered), ["move partition 2 to brokers 3, 1"]);
    let moved = plan(&three, Some(&topic(&[&[1, 2], &[2, 1], &[1, 2]])), None, TWO);
    assert_eq!(printed(&moved), ["move partition 0 to brokers 3, 2"]);
}

#[test]
fn topic_created_while_one_broker_was_up_gets_its_replicas() {
    let lonely = topic(&[&[1], &[1], &[1]]);
    let raised = plan(&brokers(&[1, 2, 3]), Some(&lonely), None, AUTO);
    let expected = [
        "move partition 0 to brokers 1, 2, 3",
        "move partition 1 to brokers 1, 2, 3",
        "move partition 2 to brokers 1, 2, 3",
    ];
    assert_eq!(printed(&raised), expected);
    let given = Policy { replication_factor: Some(1), ..TWO };
    assert_eq!(plan(&brokers(&[1, 2, 3, 4]), Some(&topic(&[&[1], &[2], &[3], &[4]])), None, given), []);
}

#[test]
fn settings_are_changed_only_if_they_are_known_to_differ() {
    let topic = topic(&[&[1, 2, 3], &[2, 3, 1], &[3, 1, 2]]);
    let mut configs: BTreeMap<String, String> =
        wanted_configs(Some(3)).into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    let three = brokers(&[1, 2, 3]);
    assert_eq!(plan(&three, Some(&topic), Some(&configs), AUTO), []);
    configs.insert("cleanup.policy".to_owned(), "compact".to_owned());
    configs.remove("segment.ms");
    assert_eq!(printed(&plan(&three, Some(&topic), Some(&configs), AUTO)), ["set cleanup.policy=delete"]);
}

fn any_topic() -> impl Strategy<Value = (BTreeSet<BrokerId>, Topic)> {
    (1i32..7)
        .prop_flat_map(|count| {
            let partition =
                prop::collection::btree_set(0..count, 1..=usize::try_from(count.min(3)).unwrap_or(1));
            let topic = prop::collection::vec(partition.prop_shuffle_leader(), 1..12);
            (Just(brokers(&(0..count).collect::<Vec<_>>())), topic)
        })
        .prop_map(|(brokers, replicas)| {
            let replicas: Vec<&[i32]> = replicas.iter().map(Vec::as_slice).collect();
            (brokers, topic(&replicas))
        })
}

trait ShuffleLeader {
    fn prop_shuffle_leader(self) -> BoxedStrategy<Vec<i32>>;
}

impl<S: Strategy<Value = BTreeSet<i32>> + 'static> ShuffleLeader for S {
    fn prop_shuffle_leader(self) -> BoxedStrategy<Vec<i32>> {
        self.prop_flat_map(|set| Just(set.into_iter().collect::<Vec<_>>()).prop_shuffle()).boxed()
    }
}

/// Changes the topic as the actions say, and checks that none of them loses a partition or a replica.
fn carry_out(
    actions: Vec<Action>,
    brokers: &BTreeSet<BrokerId>,
    topic: &mut Topic,
) -> Result<(), TestCaseError> {
    for action in actions {
        match action {
            Action::Reassign { partition, replicas } => {
                let state = topic.partitions.get_mut(&partition).expect("a partition of the topic");
                prop_assert!(
                    replicas.len() >= state.replicas.len(),
                    "the replication factor never decreases"
                );
                let distinct: BTreeSet<_> = replicas.iter().collect();
                prop_assert_eq!(distinct.len(), replicas.len(), "no broker has two replicas of a partition");
                prop_assert!(replicas.iter().all(|replica| brokers.contains(replica)));
                // A leader that is among the new replicas stays. Otherwise the first replica becomes the leader.
                let leader = state.leader.filter(|leader| replicas.contains(leader));
                state.leader = leader.or(replicas.first().copied());
                state.replicas = replicas;
            }
            Action::ElectPreferred { partition } => {
                let state = topic.partitions.get_mut(&partition).expect("a partition of the topic");
                state.leader = state.replicas.first().copied();
            }
            Action::Expand { from, to } => prop_assert!(from < to && to == brokers.len() as i32),
            Action::Create { .. } | Action::Configure { .. } => prop_assert!(false, "the topic exists"),
        }
    }
    Ok(())
}

proptest! {
    /// Plans that are carried out cycle by cycle lose no partition and no replica. They end, and then every partition has
    /// its replicas and as many brokers lead a partition as possible.
    #[test]
    fn plans_carried_out_end_with_every_broker_leading_a_partition((brokers, mut topic) in any_topic()) {
        let before = topic.partitions.len();
        for _ in 0..4 {
            carry_out(plan(&brokers, Some(&topic), None, AUTO), &brokers, &mut topic)?;
        }
        let expanding = |action: &Action| matches!(action, Action::Expand { .. });
        prop_assert!(plan(&brokers, Some(&topic), None, AUTO).iter().all(expanding), "{:?}", topic);
        prop_assert_eq!(before, topic.partitions.len());
        let leaders: BTreeSet<_> = topic.partitions.values().filter_map(|partition| partition.leader).collect();
        prop_assert_eq!(leaders.len(), brokers.len().min(topic.partitions.len()), "{:?}", topic);
        let factor = brokers.len().min(3);
        prop_assert!(topic.partitions.values().all(|partition| partition.replicas.len() >= factor));
    }
}
