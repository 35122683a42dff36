use proptest::prelude::*;

use super::*;
use crate::kafka::admin::Partition;

fn brokers(ids: &[i32]) -> BTreeSet<BrokerId> {
    ids.iter().copied().map(BrokerId).collect()
}

/// A topic by its partitions' replicas; the first is the leader.
fn topic(replicas: &[&[i32]]) -> Topic {
    let partition = |replicas: &&[i32]| {
        let replicas: Vec<_> = replicas.iter().copied().map(BrokerId).collect();
        Partition { leader: replicas.first().copied(), isr: replicas.clone(), replicas }
    };
    Topic { id: None, partitions: (0..).zip(replicas.iter().map(partition)).collect() }
}

const AUTO: Policy = Policy { partitions: None, replication_factor: None };

fn printed(actions: &[Action]) -> Vec<String> {
    actions.iter().map(ToString::to_string).collect()
}

#[test]
fn a_missing_topic_is_created_with_a_partition_for_each_broker() {
    let actions = plan(&brokers(&[1, 2, 3]), None, None, AUTO);
    let expected = "create the topic: 3 partitions, replication factor 3, cleanup.policy=delete \
                    min.insync.replicas=2 retention.ms=3600000 segment.ms=600000";
    assert_eq!(printed(&actions), [expected]);
    let single = plan(&brokers(&[7]), None, None, AUTO);
    assert!(printed(&single)[0].starts_with("create the topic: 1 partitions, replication factor 1"));
    assert!(printed(&single)[0].contains("min.insync.replicas=1"));
    let wide = Policy { partitions: Some(12), replication_factor: Some(-1) };
    assert!(
        printed(&plan(&brokers(&[1]), None, None, wide))[0].contains("12 partitions, the cluster's default")
    );
}

#[test]
fn a_grown_cluster_gets_more_partitions_and_never_fewer() {
    let topic = topic(&[&[1, 2], &[2, 1]]);
    assert_eq!(printed(&plan(&brokers(&[1, 2, 3]), Some(&topic), None, AUTO)), ["add partitions: 2 to 3"]);
    assert_eq!(plan(&brokers(&[1]), Some(&topic), None, AUTO), []);
}

#[test]
fn an_uncovered_broker_gets_a_partition_by_the_least_means() {
    let three = brokers(&[1, 2, 3]);
    let mut preferred = topic(&[&[1, 2], &[2, 1], &[3, 1]]);
    preferred.partitions.get_mut(&2).expect("partition 2").leader = Some(BrokerId(1));
    let elected = plan(&three, Some(&preferred), None, AUTO);
    assert_eq!(printed(&elected), ["make the preferred replica of partition 2 its leader"]);
    let reordered = plan(&three, Some(&topic(&[&[1, 2], &[2, 1], &[1, 3]])), None, AUTO);
    assert_eq!(printed(&reordered)[0], "move partition 2 to brokers 3, 1");
    let moved = plan(&three, Some(&topic(&[&[1, 2], &[2, 1], &[1, 2]])), None, AUTO);
    assert_eq!(printed(&moved)[0], "move partition 0 to brokers 3, 2");
}

#[test]
fn only_settings_that_are_known_to_differ_are_changed() {
    let topic = topic(&[&[1, 2, 3], &[2, 3, 1], &[3, 1, 2]]);
    let mut configs: BTreeMap<String, String> =
        wanted_configs(3).into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
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

proptest! {
    /// Carrying a plan out never loses a partition or a replica, and as many brokers lead as can.
    #[test]
    fn a_plan_carried_out_covers_every_broker_it_can((brokers, mut topic) in any_topic()) {
        let before = topic.clone();
        for action in plan(&brokers, Some(&topic), None, AUTO) {
            match action {
                Action::Reassign { partition, replicas } => {
                    let state = topic.partitions.get_mut(&partition).expect("a partition of the topic");
                    prop_assert_eq!(replicas.len(), state.replicas.len(), "the replication factor stays");
                    let distinct: BTreeSet<_> = replicas.iter().collect();
                    prop_assert_eq!(distinct.len(), replicas.len(), "no broker twice");
                    prop_assert!(replicas.iter().all(|replica| brokers.contains(replica)));
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
        prop_assert_eq!(before.partitions.len(), topic.partitions.len());
        let leaders: BTreeSet<_> = topic.partitions.values().filter_map(|partition| partition.leader).collect();
        prop_assert_eq!(leaders.len(), brokers.len().min(topic.partitions.len()), "{:?}", topic);
    }
}
