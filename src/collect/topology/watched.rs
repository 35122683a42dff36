//! The state of each partition, and what differs from the cycle before.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use super::change::{Change, Changed};
use crate::{
    cluster::{Api, AskedBrokers, metadata},
    kafka::{
        BrokerId, Error, Fault, Permission, TopicId,
        admin::{self, Topic},
        wire,
    },
};

/// How long the settings of topics are kept.
const CONFIGS_FOR: Duration = Duration::from_secs(600);

/// A topic or broker that is missing from this many answers in a row was deleted or has left.
const MISSES: u8 = 2;

/// How many partitions of a topic are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Health {
    /// All partitions.
    pub partitions: usize,
    /// Partitions without a leader.
    pub offline: usize,
    /// Partitions with fewer in-sync replicas than replicas.
    pub under_replicated: usize,
    /// Under-replicated partitions that are being moved to other brokers, which is expected. Absent if the principal may not ask
    /// for reassignments.
    pub reassigning: Option<usize>,
    /// Partitions with fewer in-sync replicas than `min.insync.replicas`; absent if the setting is not known.
    pub under_min_isr: Option<usize>,
    /// Partitions whose leader is not the preferred replica.
    pub imbalanced: usize,
}

impl Health {
    /// The sum of several topics. A count that is absent for one topic is absent in the sum.
    pub fn sum<'a>(all: impl Iterator<Item = &'a Health>) -> Self {
        let start = Self { under_min_isr: Some(0), reassigning: Some(0), ..Self::default() };
        let both = |one: Option<usize>, other: Option<usize>| Some(one? + other?);
        all.fold(start, |sum, one| Self {
            partitions: sum.partitions + one.partitions,
            offline: sum.offline + one.offline,
            under_replicated: sum.under_replicated + one.under_replicated,
            reassigning: both(sum.reassigning, one.reassigning),
            under_min_isr: both(sum.under_min_isr, one.under_min_isr),
            imbalanced: sum.imbalanced + one.imbalanced,
        })
    }

    /// Whether a partition is offline, under-replicated or below `min.insync.replicas`.
    pub fn is_sick(&self) -> bool {
        self.offline > 0 || self.under_replicated > 0 || self.under_min_isr.is_some_and(|under| under > 0)
    }

    /// Counts the partitions of a topic. `min_isr` is its `min.insync.replicas` and `moving` the partitions that are being moved,
    /// each absent if not known.
    pub fn of(topic: &Topic, min_isr: Option<usize>, moving: Option<&[i32]>) -> Self {
        let count = |holds: &dyn Fn(&admin::Partition) -> bool| {
            topic.partitions.values().filter(|partition| holds(partition)).count()
        };
        Self {
            partitions: topic.partitions.len(),
            offline: count(&|partition| partition.leader.is_none()),
            under_replicated: count(&is_under_replicated),
            reassigning: moving.map(|moving| {
                let of = moving.iter().filter_map(|number| topic.partitions.get(number));
                of.filter(|partition| is_under_replicated(partition)).count()
            }),
            under_min_isr: min_isr.map(|least| count(&|partition| partition.isr.len() < least)),
            imbalanced: count(&|partition| {
                partition.leader.is_some_and(|leader| partition.replicas.first() != Some(&leader))
            }),
        }
    }
}

fn is_under_replicated(partition: &admin::Partition) -> bool {
    partition.isr.len() < partition.replicas.len()
}

/// The health of the topics and the changes of the cluster, as of the last cycle.
#[derive(Debug, Clone, Default)]
pub struct Topology {
    /// The health of each topic.
    pub health: BTreeMap<Arc<str>, Health>,
    /// The number of changes since the start, by kind.
    pub changes: BTreeMap<Change, u64>,
}

/// What is remembered of the cluster from one cycle to the next.
#[derive(Debug, Default)]
pub(crate) struct WatchedTopology {
    pub(super) topics: BTreeMap<Arc<str>, Seen>,
    brokers: BTreeMap<BrokerId, SeenBroker>,
    /// Settings that changed since the last cycle.
    changed: Vec<Changed>,
    changes: BTreeMap<Change, u64>,
    began: bool,
    /// Whether the history file said which topics existed before the start.
    pub(super) remembered: bool,
    /// Topics that have changed since they were last saved.
    pub(super) unsaved: BTreeSet<Arc<str>>,
    policies: BTreeMap<Arc<str>, admin::Policy>,
    /// Topics whose settings the principal may not describe.
    refused: BTreeSet<Arc<str>>,
    asked: Option<Instant>,
    asked_of: AskedBrokers,
    configs: Permission,
    /// Partitions that are being moved, by topic; absent if that is not known.
    moving: Option<BTreeMap<Arc<str>, Vec<i32>>>,
    reassignments: Permission,
}

/// What is remembered of a broker.
#[derive(Debug)]
struct SeenBroker {
    /// Number of answers in a row that lacked the broker.
    missed: u8,
    /// The rack in the last answer that had the broker; absent if it has none.
    rack: Option<String>,
}

#[derive(Debug)]
pub(super) struct Seen {
    pub(super) id: Option<TopicId>,
    /// The replication factor when no replica was being moved. During a reassignment a partition has additional replicas.
    pub(super) replicas: usize,
    /// The replication factor in the last answer.
    pub(super) replicas_now: usize,
    pub(super) leaders: BTreeMap<i32, Option<BrokerId>>,
    pub(super) missed: u8,
}

impl Seen {
    fn of(topic: &Topic) -> Self {
        let leaders =
            topic.partitions.iter().map(|(number, partition)| (*number, partition.leader)).collect();
        let replicas = topic.partitions.values().map(|partition| partition.replicas.len()).max().unwrap_or(0);
        Self { id: topic.id, replicas, replicas_now: replicas, leaders, missed: 0 }
    }
}

impl WatchedTopology {
    /// Compares the metadata with those of the cycle before; returns what has changed.
    pub(crate) fn observe(&mut self, metadata: &metadata::Snapshot) -> Vec<Changed> {
        let mut changes = std::mem::take(&mut self.changed);
        self.brokers(metadata, &mut changes);
        for (name, topic) in metadata.topics.iter() {
            match (self.topics.get_mut(name.as_str()), topic) {
                (Some(seen), Ok(topic)) => {
                    let found = differences(seen, topic, name);
                    if found.iter().any(|changed| changed.change != Change::LeaderMoved) {
                        self.unsaved.insert(name.as_str().into());
                    }
                    let is_told = found.iter().any(|changed| {
                        matches!(changed.change, Change::ReplicationChanged | Change::TopicRecreated)
                    });
                    changes.extend(found);
                    let before = std::mem::replace(seen, Seen::of(topic));
                    if !is_told {
                        seen.replicas = before.replicas;
                    }
                    seen.id = seen.id.or(before.id);
                    // A partition that gets the same leader again after a time without one has not moved.
                    for (number, leader) in &mut seen.leaders {
                        *leader = leader.or_else(|| before.leaders.get(number).copied().flatten());
                    }
                }
                // The topic exists, although the answer has an error for it.
                (Some(seen), Err(_)) => seen.missed = 0,
                (None, Ok(topic)) => {
                    self.unsaved.insert(name.as_str().into());
                    self.topics.insert(name.as_str().into(), Seen::of(topic));
                    changes.push((Change::TopicCreated, name.clone()).into());
                }
                (None, Err(_)) => {}
            }
        }
        self.topics.retain(|name, seen| {
            if !metadata.topics.contains_key(&**name) {
                seen.missed += 1;
            }
            let is_deleted = seen.missed >= MISSES;
            if is_deleted {
                self.unsaved.insert(name.clone());
                changes.push((Change::TopicDeleted, name.to_string()).into());
            }
            !is_deleted
        });
        if !std::mem::replace(&mut self.began, true) {
            // The history file knows the topics, and not the brokers.
            let is_news = |change: Change| self.remembered && change.is_of_topic();
            changes.retain(|changed| is_news(changed.change));
        }
        for changed in &changes {
            *self.changes.entry(changed.change).or_default() += 1;
        }
        changes
    }

    fn brokers(&mut self, metadata: &metadata::Snapshot, changes: &mut Vec<Changed>) {
        for (id, broker) in &metadata.brokers {
            match self.brokers.insert(*id, SeenBroker { missed: 0, rack: broker.rack.clone() }) {
                None => changes.push((Change::BrokerJoined, id.to_string()).into()),
                Some(before) if before.rack != broker.rack => {
                    changes.push((Change::RackChanged, id.to_string()).into());
                }
                Some(_) => {}
            }
        }
        self.brokers.retain(|broker, seen| {
            if !metadata.brokers.contains_key(broker) {
                seen.missed += 1;
            }
            let has_left = seen.missed >= MISSES;
            if has_left {
                changes.push((Change::BrokerLeft, broker.to_string()).into());
            }
            !has_left
        });
    }

    /// Asks for reassignments while a replica is out of sync, and for the settings of topics. Returns the requests that failed.
    pub(crate) async fn ask(
        &mut self,
        wire: &wire::Cluster,
        metadata: &metadata::Snapshot,
    ) -> Vec<(Api, Fault)> {
        self.forget_refusals(metadata);
        let mut faults = Vec::new();
        let mut partitions = metadata.topics.values().flatten().flat_map(|topic| topic.partitions.values());
        self.moving = match partitions.any(is_under_replicated) {
            false => Some(BTreeMap::new()),
            true => {
                let asked = self.reassignments.ask(admin::all_reassignments(wire)).await;
                let failed = |error: Error| faults.push((Api::ListPartitionReassignments, error.fault()));
                asked.map_err(failed).ok().flatten()
            }
        };
        self.ask_settings(wire, metadata, &mut faults).await;
        faults
    }

    /// Forgets refusals once the cluster has other brokers: these may allow the requests.
    fn forget_refusals(&mut self, metadata: &metadata::Snapshot) {
        if self.asked_of.change(&metadata.brokers) {
            self.configs.forget();
            self.reassignments.forget();
        }
    }

    /// Asks for the settings of all topics once in ten minutes, and for those of new topics at once.
    async fn ask_settings(
        &mut self,
        wire: &wire::Cluster,
        metadata: &metadata::Snapshot,
        faults: &mut Vec<(Api, Fault)>,
    ) {
        let names: BTreeSet<&str> = metadata.topics.keys().map(String::as_str).collect();
        self.policies.retain(|name, _| names.contains(&**name));
        let due = self.asked.is_none_or(|asked| asked.elapsed() > CONFIGS_FOR);
        let wanted: Vec<&str> = names.into_iter().filter(|name| due || !self.is_settled(name)).collect();
        if wanted.is_empty() {
            return;
        }
        let asked = self.configs.ask(admin::policies(wire, &wanted)).await;
        let failed = |error: Error| faults.push((Api::DescribeConfigs, error.fault()));
        if let Some(found) = asked.map_err(failed).ok().flatten() {
            self.refused.retain(|name| metadata.topics.contains_key(&**name) && !due);
            self.refused.extend(
                wanted.iter().filter(|name| !found.contains_key(**name)).map(|name| Arc::from(*name)),
            );
            for (name, found) in found {
                match found {
                    Ok(policy) => {
                        let settings = self.policies.get(&name).and_then(|before| policy.since(before));
                        self.changed.extend(settings.map(|settings| Changed {
                            change: Change::ConfigChanged,
                            subject: name.to_string(),
                            sentence: format!("Settings of topic {name} changed: {settings}."),
                        }));
                        self.policies.insert(name, policy);
                    }
                    Err(fault) => {
                        // A topic that was deleted since it was listed is no failure.
                        faults.extend(
                            Some((Api::DescribeConfigs, fault)).filter(|_| fault != Fault::UnknownTopic),
                        );
                        self.policies.remove(&name);
                        self.refused.insert(name);
                    }
                }
            }
            if due {
                self.asked = Some(Instant::now());
            }
        }
    }

    fn is_settled(&self, topic: &str) -> bool {
        self.policies.contains_key(topic) || self.refused.contains(topic)
    }

    /// Whether a topic is compacted, so that an offset may be without a record. False if the setting is not known.
    pub(crate) fn is_compacted(&self, topic: &str) -> bool {
        self.policies.get(topic).is_some_and(admin::Policy::is_compacted)
    }

    /// Whether segments of a topic are copied to remote storage. False if the setting is not known.
    pub(crate) fn is_tiered(&self, topic: &str) -> bool {
        self.policies.get(topic).is_some_and(admin::Policy::is_tiered)
    }

    pub(crate) fn view(&self, metadata: &metadata::Snapshot) -> Topology {
        let known = |topic: &(&String, &Result<Topic, Fault>)| topic.1.is_ok();
        let health = metadata.topics.iter().filter(known).filter_map(|(name, topic)| {
            let (name, _) = self.topics.get_key_value(name.as_str())?;
            let min_isr = self.policies.get(name).and_then(admin::Policy::min_isr);
            let moving = self.moving.as_ref().map(|moving| moving.get(name).map_or(&[][..], Vec::as_slice));
            Some((name.clone(), Health::of(topic.as_ref().ok()?, min_isr, moving)))
        });
        Topology { health: health.collect(), changes: self.changes.clone() }
    }
}

fn differences(seen: &Seen, topic: &Topic, name: &str) -> Vec<Changed> {
    let now = Seen::of(topic);
    let of = |change| Changed::from((change, name.to_owned()));
    // Brokers before 2.8 send no ids of topics.
    if seen.id.zip(now.id).is_some_and(|(before, now)| before != now) {
        return vec![of(Change::TopicRecreated)];
    }
    let mut changes = Vec::new();
    if now.leaders.len() > seen.leaders.len() {
        changes.push(of(Change::PartitionsAdded));
    }
    // During a reassignment a partition has additional replicas. Only a number that two answers agree on is the new one.
    let is_moving = topic.partitions.values().any(is_under_replicated);
    if now.replicas != seen.replicas && now.replicas == seen.replicas_now && !is_moving {
        changes.push(of(Change::ReplicationChanged));
    }
    let moved = now.leaders.iter().filter_map(|(number, leader)| {
        let (before, now) = (seen.leaders.get(number).copied().flatten()?, (*leader)?);
        (before != now).then(|| Changed {
            change: Change::LeaderMoved,
            subject: name.to_owned(),
            sentence: format!(
                "Broker {now} leads partition {number} of topic {name} instead of broker {before}."
            ),
        })
    });
    changes.extend(moved);
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::{Capability, admin::Broker};

    fn topic(id: u128, partitions: &[(Option<i32>, &[i32], &[i32])]) -> Topic {
        let ids = |ids: &[i32]| ids.iter().copied().map(BrokerId).collect::<Vec<_>>();
        let partition = |(leader, replicas, isr): &(Option<i32>, &[i32], &[i32])| admin::Partition {
            leader: leader.map(BrokerId),
            leader_epoch: None,
            replicas: ids(replicas),
            isr: ids(isr),
        };
        Topic { id: Some(TopicId(id)), partitions: (0..).zip(partitions.iter().map(partition)).collect() }
    }

    fn metadata(brokers: &[i32], topics: &[(&str, Result<Topic, Fault>)]) -> metadata::Snapshot {
        let broker = |id: &i32| (BrokerId(*id), Broker { host: "b".to_owned(), port: 1, rack: None });
        metadata::Snapshot {
            cluster_id: None,
            brokers: brokers.iter().map(broker).collect(),
            topics: Arc::new(
                topics.iter().map(|(name, topic)| ((*name).to_owned(), topic.clone())).collect(),
            ),
            controller: None,
            quorum: None,
            voters: BTreeMap::new(),
            quorum_fault: None,
            quorum_capability: Capability::Unknown,
            heartbeat_topic: Err(Fault::UnknownTopic),
            duration: Duration::ZERO,
            durations: crate::latency::Buckets::new(&crate::latency::Bounds::default()),
        }
    }

    #[test]
    fn partitions_are_counted_by_state() {
        let topic = topic(
            1,
            &[
                (Some(1), &[1, 2, 3], &[1, 2, 3]),
                (Some(2), &[1, 2, 3], &[2, 3]),
                (Some(3), &[3, 1, 2], &[3]),
                (None, &[1, 2, 3], &[]),
            ],
        );
        let health = Health::of(&topic, Some(2), Some(&[0, 1]));
        let expected = Health {
            partitions: 4,
            offline: 1,
            under_replicated: 3,
            reassigning: Some(1),
            under_min_isr: Some(2),
            imbalanced: 1,
        };
        assert_eq!(
            health, expected,
            "a partition that is being moved and has all its replicas is in none of the counts"
        );
        let unknown = Health::of(&topic, None, None);
        assert_eq!(
            (unknown.under_min_isr, unknown.reassigning),
            (None, None),
            "an unknown number is absent, not 0"
        );
        let twice = Health::sum([health, health].iter());
        assert_eq!((twice.partitions, twice.under_min_isr, twice.is_sick()), (8, Some(4), true));
        let part = Health::sum([health, unknown].iter());
        assert_eq!((part.offline, part.under_min_isr, part.reassigning), (2, None, None));
    }

    #[test]
    fn changes_are_counted_from_the_second_cycle_on_and_one_missing_answer_deletes_nothing() {
        let (first, one): (Topic, &[_]) = (topic(1, &[(Some(1), &[1, 2], &[1, 2])]), &[1, 2]);
        let moved = topic(1, &[(Some(2), &[1, 2], &[1, 2]), (Some(1), &[1, 2], &[1])]);
        let again = topic(2, &[(Some(1), &[1, 2, 3], &[1])]);
        let mut watched = WatchedTopology::default();
        let mut earlier = Vec::new();
        let mut observe = |metadata: metadata::Snapshot| {
            watched.observe(&metadata);
            let now = watched.view(&metadata).changes;
            let new: Vec<_> = Change::ALL
                .into_iter()
                .filter(|change| now.get(change) > earlier.iter().find(|(c, _)| c == change).map(|(_, n)| n))
                .map(Change::as_str)
                .collect();
            earlier = now.into_iter().collect();
            new
        };
        assert_eq!(observe(metadata(one, &[("a", Ok(first.clone()))])), Vec::<&str>::new(), "the baseline");
        assert_eq!(observe(metadata(one, &[("a", Ok(moved.clone()))])), ["partitions_added", "leader_moved"]);
        assert_eq!(observe(metadata(&[1], &[("a", Err(Fault::NoLeader))])), Vec::<&str>::new());
        assert_eq!(observe(metadata(one, &[("a", Ok(moved.clone())), ("b", Ok(first))])), ["topic_created"]);
        assert_eq!(
            observe(metadata(&[1, 2, 3], &[("a", Ok(again.clone()))])),
            ["topic_recreated", "broker_joined"]
        );
        assert_eq!(observe(metadata(&[1, 3], &[("a", Ok(again.clone()))])), ["topic_deleted"]);
        assert_eq!(observe(metadata(&[1, 3], &[("a", Ok(again))])), ["broker_left"]);
    }

    #[test]
    fn changes_during_a_restart_are_reported() {
        let one = topic(1, &[(Some(1), &[1, 2], &[1, 2])]);
        let mut first = WatchedTopology::default();
        assert_eq!(first.observe(&metadata(&[1, 2], &[("a", Ok(one.clone())), ("b", Ok(one.clone()))])), []);
        let rows = first.unsaved();
        assert_eq!((rows.len(), first.unsaved().len()), (2, 0));
        first.not_saved(rows);
        let mut second = WatchedTopology::default();
        second.remember(first.unsaved());
        let wider = topic(1, &[(Some(2), &[1, 2], &[1, 2]), (Some(2), &[1, 2], &[1, 2])]);
        let mut now = metadata(&[1, 2, 3], &[("a", Ok(wider)), ("c", Ok(one))]);
        let changed = |change: Change, name: &str| Changed::from((change, name.to_owned()));
        let expected = [changed(Change::PartitionsAdded, "a"), changed(Change::TopicCreated, "c")];
        assert_eq!(second.observe(&now), expected, "brokers and leaders are not remembered across a restart");
        now.brokers.get_mut(&BrokerId(3)).expect("a broker").rack = Some("r".to_owned());
        assert_eq!(
            second.observe(&now),
            [changed(Change::RackChanged, "3"), changed(Change::TopicDeleted, "b")]
        );
        let saved = second.unsaved();
        let names: Vec<_> = saved.iter().map(|row| (&*row.topic, row.kept.is_some())).collect();
        assert_eq!(names, [("a", true), ("b", false), ("c", true)]);
    }
    #[test]
    fn reassignment_does_not_change_the_replication_factor() {
        let three: (Option<i32>, &[i32], &[i32]) = (Some(1), &[1, 2, 3], &[1, 2, 3]);
        let moving: (Option<i32>, &[i32], &[i32]) = (Some(1), &[1, 2, 3, 4, 5, 6], &[1, 2, 3]);
        let moved: (Option<i32>, &[i32], &[i32]) = (Some(4), &[4, 5, 6], &[4, 5, 6]);
        let two: (Option<i32>, &[i32], &[i32]) = (Some(1), &[1, 2], &[1, 2]);
        let mut watched = WatchedTopology::default();
        let mut observe = |one, other| {
            let changes = watched.observe(&metadata(&[1], &[("t", Ok(topic(1, &[one, other])))]));
            changes
                .into_iter()
                .map(|changed| changed.change)
                .filter(|change| *change != Change::LeaderMoved)
                .collect::<Vec<_>>()
        };
        for (one, other) in
            [(three, three), (moving, three), (moving, moving), (moved, moving), (moved, moved)]
        {
            assert_eq!((observe(one, other), observe(one, other)), (vec![], vec![]), "{one:?} {other:?}");
        }
        assert_eq!((observe(two, two), observe(two, two)), (vec![], vec![Change::ReplicationChanged]));
        assert_eq!(observe(two, two), []);
    }

    #[test]
    fn moved_leader_is_reported_with_its_partition_and_both_brokers() {
        let mut watched = WatchedTopology::default();
        let mut observe = |leaders: [Option<i32>; 3]| {
            let partitions = leaders.map(|leader| (leader, &[1, 2][..], &[1, 2][..]));
            let changes = watched.observe(&metadata(&[1, 2], &[("t", Ok(topic(1, &partitions)))]));
            changes.into_iter().map(|changed| (changed.change, changed.sentence)).collect::<Vec<_>>()
        };
        observe([Some(1), Some(1), Some(2)]);
        let moved = |sentence: &str| (Change::LeaderMoved, sentence.to_owned());
        let expected = [
            moved("Broker 2 leads partition 0 of topic t instead of broker 1."),
            moved("Broker 1 leads partition 2 of topic t instead of broker 2."),
        ];
        assert_eq!(observe([Some(2), None, Some(1)]), expected);
        let expected = [moved("Broker 2 leads partition 1 of topic t instead of broker 1.")];
        assert_eq!(observe([Some(2), Some(2), Some(1)]), expected, "partition 1 had no leader in between");
    }

    #[test]
    fn changed_setting_is_reported_with_its_value_before_and_after() {
        let policy = |retention: &str, cleanup: &str| {
            admin::Policy::from_iter([("retention.ms", retention), ("cleanup.policy", cleanup)])
        };
        let before = policy("1000", "compact");
        assert_eq!(policy("1000", "compact").since(&before), None);
        let now = policy("-1", "compact,delete");
        assert_eq!(
            now.since(&before).as_deref(),
            Some("cleanup.policy: compact -> compact,delete, retention.ms: 1000 -> -1")
        );
        assert!(before.is_compacted() && now.is_compacted() && !policy("1", "delete").is_compacted());
        assert_eq!(admin::Policy::from_iter([("min.insync.replicas", "2")]).min_isr(), Some(2));
    }
}
