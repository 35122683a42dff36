//! The checks of coordinators against scripted brokers: what counts as failing, what does not, and how many requests are sent.

use std::sync::Mutex;

use kafka_heartbeat::{
    cluster::{Api, metadata},
    config::{self, FlagSetting, Sources},
    kafka::{BrokerId, Capability, Fault, admin::Coordinated},
    latency::Buckets,
    probe::coordinators::{Counts, Probe, Snapshot, partition_of},
    task::{Cycle, Latest},
};
use kafka_protocol::{
    messages::{
        self, FindCoordinatorRequest, FindCoordinatorResponse, ListOffsetsRequest, MetadataRequest,
        MetadataResponse, OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest, OffsetFetchResponse,
        find_coordinator_response::Coordinator,
        offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic},
        offset_fetch_response::{
            OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
            OffsetFetchResponseTopic, OffsetFetchResponseTopics,
        },
    },
    protocol::StrBytes,
};
use tokio::sync::watch;

use super::{
    collect::{ends, text},
    *,
};
use crate::fake::{Reply, metadata as described};

const OFFSETS: &str = "__consumer_offsets";
const TRANSACTIONS: &str = "__transaction_state";

/// The committed offset of each group, and the text beside it.
type Store = Arc<Mutex<BTreeMap<String, (i64, String)>>>;

/// Three brokers, which coordinate the groups of the partitions of `__consumer_offsets` in turn.
pub(super) struct World {
    pub(super) fakes: [Fake; 3],
    partitions: i32,
    store: Store,
}

/// The number of the broker that coordinates a group.
fn coordinator(group: &str, partitions: i32) -> i32 {
    1 + partition_of(group, partitions) % 3
}

impl World {
    pub(super) async fn start(partitions: i32) -> Self {
        let fakes = [Fake::start().await, Fake::start().await, Fake::start().await];
        let world = Self { fakes, partitions, store: Store::default() };
        let answer = world.metadata(true);
        for fake in &world.fakes {
            let answer = answer.clone();
            fake.on(move |_: MetadataRequest, _| Reply::Answer(answer.clone()));
            fake.on(|request: ListOffsetsRequest, _| Reply::Answer(ends(&request, |_| 0)));
            world.commits_with(fake, |_| 0);
            world.fetches(fake, |_| None);
        }
        world.finds_with(|_| 0);
        world
    }

    /// The heartbeat topic, and `__consumer_offsets` where it is visible.
    fn metadata(&self, is_visible: bool) -> MetadataResponse {
        let brokers: Vec<_> = self.fakes.iter().collect();
        let leaders: Vec<i32> = (0..self.partitions).map(|partition| 1 + partition % 3).collect();
        let mut answer = described(&brokers, "hb", &[1]);
        if is_visible {
            let internal = [OFFSETS, TRANSACTIONS].into_iter();
            answer.topics.extend(internal.flat_map(|name| described(&brokers, name, &leaders).topics));
        }
        answer
    }

    /// Every broker answers FindCoordinator, with this error for each partition.
    fn finds_with(&self, code: impl Fn(i32) -> i16 + Clone + Send + Sync + 'static) {
        for fake in &self.fakes {
            let (partitions, code) = (self.partitions, code.clone());
            fake.on(move |request: FindCoordinatorRequest, _| {
                let found = |key: &StrBytes| {
                    let code = code(partition_of(key, partitions));
                    let node = if code == 0 { coordinator(key, partitions) } else { -1 };
                    let found = Coordinator::default().with_key(key.clone());
                    found.with_node_id(messages::BrokerId(node)).with_error_code(code)
                };
                let found: Vec<_> = request.coordinator_keys.iter().map(found).collect();
                let answer = FindCoordinatorResponse::default();
                if found.is_empty() {
                    let one = coordinator(&request.key, partitions);
                    return Reply::Answer(answer.with_node_id(messages::BrokerId(one)));
                }
                Reply::Answer(answer.with_coordinators(found))
            });
        }
    }

    /// A broker stores what is committed, or answers with this error for each partition of `__consumer_offsets`.
    fn commits_with(&self, fake: &Fake, code: impl Fn(i32) -> i16 + Send + Sync + 'static) {
        let (store, partitions) = (self.store.clone(), self.partitions);
        fake.on(move |request: OffsetCommitRequest, _| {
            assert_eq!((request.generation_id_or_member_epoch, &*request.member_id), (-1, ""));
            let (topic, group) = (&request.topics[0], request.group_id.0.to_string());
            let partition = &topic.partitions[0];
            assert_eq!((&*topic.name.0, partition.partition_index, topic.partitions.len()), ("hb", 0, 1));
            let code = code(partition_of(&group, partitions));
            if code == 0 {
                let metadata = partition.committed_metadata.clone().unwrap_or_default().to_string();
                store.lock().unwrap().insert(group, (partition.committed_offset, metadata));
            }
            let partition = OffsetCommitResponsePartition::default().with_error_code(code);
            let topic = OffsetCommitResponseTopic::default()
                .with_name(topic.name.clone())
                .with_partitions(vec![partition]);
            Reply::Answer(OffsetCommitResponse::default().with_topics(vec![topic]))
        });
    }

    /// A broker returns what is stored, or another text beside the offset.
    fn fetches(&self, fake: &Fake, other: impl Fn(&str) -> Option<String> + Send + Sync + 'static) {
        let store = self.store.clone();
        let topic = || messages::TopicName(text("hb".to_owned()));
        fake.on(move |request: OffsetFetchRequest, _| {
            let stored = |group: &str| {
                let (offset, metadata) =
                    store.lock().unwrap().get(group).cloned().unwrap_or((-1, String::new()));
                (offset, Some(text(other(&metadata).unwrap_or(metadata))))
            };
            let groups = request.groups.iter().map(|group| {
                let (offset, metadata) = stored(&group.group_id.0);
                let partition = OffsetFetchResponsePartitions::default()
                    .with_committed_offset(offset)
                    .with_metadata(metadata);
                let topic =
                    OffsetFetchResponseTopics::default().with_name(topic()).with_partitions(vec![partition]);
                let answer = OffsetFetchResponseGroup::default().with_group_id(group.group_id.clone());
                answer.with_topics(vec![topic])
            });
            let answer = OffsetFetchResponse::default().with_groups(groups.collect());
            let (offset, metadata) = stored(&request.group_id.0);
            let partition =
                OffsetFetchResponsePartition::default().with_committed_offset(offset).with_metadata(metadata);
            let one = OffsetFetchResponseTopic::default().with_name(topic()).with_partitions(vec![partition]);
            Reply::Answer(if answer.groups.is_empty() { answer.with_topics(vec![one]) } else { answer })
        });
    }

    async fn probe(&self) -> Probe {
        self.probe_of(Coordinated::Groups).await
    }

    pub(super) async fn probe_of(&self, of: Coordinated) -> Probe {
        let set = |section, key: &str, value: &str| FlagSetting {
            section,
            key: key.to_owned(),
            value: value.to_owned(),
            flag: "test",
        };
        let sources = Sources {
            bootstrap: Some(self.fakes[0].address.to_string()),
            settings: vec![set("heartbeat", "topic", "hb"), set("heartbeat", "instance", "tests")],
            ..Sources::default()
        };
        let config = Arc::new(config::load(&sources).unwrap().clusters.remove(0));
        let wire = Arc::new(cluster(&[&self.fakes[0]], AMPLE));
        let snapshot = metadata::Probe::new(config.clone(), wire.clone()).cycle().await.unwrap();
        let mut latest = Latest::new(AMPLE);
        latest.snapshot = Some((Arc::new(snapshot), Instant::now()));
        let settings = config.coordinators;
        Probe::new(config, of, settings, wire, watch::channel(latest).1)
    }

    /// The number of requests of all kinds to all brokers.
    fn requests(&self) -> usize {
        self.fakes.iter().map(Fake::total).sum()
    }
}

/// Requests that failed, and how.
pub(super) type Kinds = Vec<(Api, Fault)>;

/// Runs cycles until this many partitions have been checked.
pub(super) async fn checked(probe: &mut Probe, partitions: usize) -> Snapshot {
    for _ in 0..100 {
        let snapshot = probe.cycle().await.unwrap();
        if snapshot.partitions.len() == partitions {
            return snapshot;
        }
    }
    panic!("a hundred cycles did not check all partitions");
}

/// The failing partitions of each broker, and the requests and faults of all of them.
pub(super) fn failing(snapshot: &Snapshot) -> BTreeMap<Option<i32>, (Vec<i32>, Kinds)> {
    let failing = snapshot.failing().expect("checked partitions");
    let by_broker = failing.into_iter().map(|(broker, failures)| {
        let mut kinds: Vec<_> = failures.values().map(|failure| (failure.request, failure.fault)).collect();
        kinds.dedup();
        (broker.map(|id| id.0), (failures.into_keys().collect(), kinds))
    });
    by_broker.collect()
}

/// The partitions that a broker coordinates.
fn of_broker(broker: i32, partitions: i32) -> Vec<i32> {
    (0..partitions).filter(|partition| 1 + partition % 3 == broker).collect()
}

/// The number of good requests of one kind.
pub(super) fn count(counts: &Counts, request: Api) -> u64 {
    counts.durations.get(&request).map_or(0, Buckets::count)
}

#[tokio::test]
async fn every_coordinator_is_checked_at_six_requests_a_second_whatever_the_number_of_partitions() {
    for (partitions, cycles) in [(50, 4), (1000, 50)] {
        let world = World::start(partitions).await;
        let mut probe = world.probe().await;
        let mut last = Snapshot::default();
        for cycle in 1..=cycles {
            let before = world.requests();
            last = probe.cycle().await.unwrap();
            let sent = world.requests() - before;
            assert!(sent <= 30, "cycle {cycle} of five seconds sent {sent} requests");
        }
        assert_eq!((last.capability, last.total), (Capability::Ok, Some(partitions as usize)));
        assert_eq!(last.partitions.len(), partitions as usize, "all partitions within {cycles} cycles");
        for (partition, check) in &last.partitions {
            assert_eq!(check.broker, Some(BrokerId(1 + partition % 3)));
            assert!(check.failure.is_none(), "{check:?}");
        }
        assert_eq!(failing(&last).len(), 0);
        let counts = &last.brokers[&Some(BrokerId(1))];
        assert_eq!(
            (count(counts, Api::OffsetCommit), count(counts, Api::OffsetFetch)),
            (counts.checks, counts.checks)
        );
        let store = world.store.lock().unwrap();
        assert_eq!(store.len(), partitions as usize);
        assert!(store.keys().all(|group| group.starts_with("hb-coordinator-")));
        assert!(store.values().all(|(offset, _)| *offset == 110), "the log end offset is committed");
    }
}

#[tokio::test]
async fn brokers_before_kafka_3_0_are_asked_for_one_group_at_a_time() {
    let world = World::start(12).await;
    for fake in &world.fakes {
        fake.versions::<FindCoordinatorRequest>(0..=3);
        fake.versions::<OffsetFetchRequest>(0..=7);
        fake.versions::<OffsetCommitRequest>(0..=2);
    }
    let mut probe = world.probe().await;
    let mut snapshot = Snapshot::default();
    for cycle in 1..=3 {
        let before = world.requests();
        snapshot = probe.cycle().await.unwrap();
        let sent = world.requests() - before;
        assert!(sent <= 30, "cycle {cycle} of five seconds sent {sent} requests");
    }
    assert_eq!((snapshot.partitions.len(), failing(&snapshot).len()), (12, 0));
}

#[tokio::test]
async fn coordinator_that_is_silent_fails_alone_and_gets_one_request_in_each_cycle() {
    let world = World::start(12).await;
    let mut probe = world.probe().await;
    checked(&mut probe, 12).await;
    world.fakes[2].on(|_: OffsetCommitRequest, _| Reply::Silence);
    let before = world.fakes[2].count::<OffsetCommitRequest>();
    let mut snapshot = Snapshot::default();
    for _ in 0..2 {
        snapshot = time::timeout(Duration::from_secs(4), probe.cycle()).await.expect("in time").unwrap();
    }
    assert_eq!(world.fakes[2].count::<OffsetCommitRequest>() - before, 2, "one request in each cycle");
    let timed_out = vec![(Api::OffsetCommit, Fault::Timeout)];
    assert_eq!(failing(&snapshot), BTreeMap::from([(Some(3), (of_broker(3, 12), timed_out))]));
    let since = |snapshot: &Snapshot| snapshot.partitions[&2].failure.map(|failure| failure.since);
    let later = probe.cycle().await.unwrap();
    assert_eq!(since(&later), since(&snapshot), "the failure goes on");
    world.commits_with(&world.fakes[2], |_| 0);
    while !failing(&snapshot).is_empty() {
        snapshot = probe.cycle().await.unwrap();
    }
    assert_eq!(snapshot.partitions.len(), 12);
}

#[tokio::test]
async fn partition_without_a_coordinator_fails_at_its_last_coordinator_or_at_none() {
    let world = World::start(6).await;
    let mut probe = world.probe().await;
    checked(&mut probe, 6).await;
    let absent = |partition: i32| if partition % 3 == 2 { 15 } else { 0 };
    world.finds_with(absent);
    let none = vec![(Api::FindCoordinator, Fault::NoLeader)];
    let snapshot = probe.cycle().await.unwrap();
    assert_eq!(failing(&snapshot), BTreeMap::from([(Some(3), (vec![2, 5], none.clone()))]));
    let snapshot = checked(&mut world.probe().await, 6).await;
    assert_eq!(failing(&snapshot), BTreeMap::from([(None, (vec![2, 5], none))]));
    world.finds_with(|_| 0);
    let loading = |partition: i32| if partition == 4 { 14 } else { 0 };
    world.commits_with(&world.fakes[1], loading);
    let snapshot = probe.cycle().await.unwrap();
    let loads = vec![(Api::OffsetCommit, Fault::NoLeader)];
    assert_eq!(failing(&snapshot), BTreeMap::from([(Some(2), (vec![4], loads))]));
}

#[tokio::test]
async fn committed_offset_that_was_lost_fails_and_the_commit_of_another_instance_does_not() {
    let world = World::start(6).await;
    let mut probe = world.probe().await;
    let first = checked(&mut probe, 6).await;
    assert_eq!(failing(&first).len(), 0);
    let stale = world.store.lock().unwrap().values().next().unwrap().1.clone();
    let lost = vec![(Api::OffsetFetch, Fault::Other)];
    for text in
        [stale.clone(), String::new(), "kafka-heartbeat x y z".to_owned(), "\u{0}\u{202e}".repeat(900)]
    {
        world.fetches(&world.fakes[0], move |_| Some(text.clone()));
        let snapshot = probe.cycle().await.unwrap();
        assert_eq!(failing(&snapshot), BTreeMap::from([(Some(1), (vec![0, 3], lost.clone()))]));
        let counts = &snapshot.brokers[&Some(BrokerId(1))];
        assert_eq!(count(counts, Api::OffsetCommit), counts.checks);
        assert_eq!(count(counts, Api::OffsetFetch), counts.checks - counts.failures[&lost[0]]);
    }
    let mut words: Vec<&str> = stale.split(' ').collect();
    words[1] = "0000000000000007";
    let another = words.join(" ");
    world.fetches(&world.fakes[0], move |_| Some(another.clone()));
    assert_eq!(
        failing(&probe.cycle().await.unwrap()).len(),
        0,
        "another instance commits for the same groups"
    );
    // The coordinator knows no committed offset of the group.
    world.fakes[0].on(|request: OffsetFetchRequest, _| {
        let group = OffsetFetchResponseGroup::default().with_group_id(request.groups[0].group_id.clone());
        Reply::Answer(OffsetFetchResponse::default().with_groups(vec![group]))
    });
    let snapshot = probe.cycle().await.unwrap();
    let missing = vec![(Api::OffsetFetch, Fault::Protocol)];
    assert_eq!(failing(&snapshot), BTreeMap::from([(Some(1), (vec![0, 3], missing))]));
}

#[tokio::test]
async fn permission_that_is_missing_is_denied_and_nothing_counts_as_failing() {
    let world = World::start(6).await;
    let mut probe = world.probe().await;
    checked(&mut probe, 6).await;
    for fake in &world.fakes {
        world.commits_with(fake, |_| 30);
    }
    let denied = |snapshot: &Snapshot| {
        assert_eq!((snapshot.capability, snapshot.total), (Capability::Denied, Some(6)));
        assert_eq!((snapshot.partitions.len(), snapshot.failing()), (0, None));
    };
    denied(&probe.cycle().await.unwrap());
    let before = world.requests();
    denied(&probe.cycle().await.unwrap());
    assert_eq!(world.requests(), before, "a refusal is believed");
    world.finds_with(|_| 30);
    denied(&world.probe().await.cycle().await.unwrap());
    world.finds_with(|_| 0);
    for fake in &world.fakes {
        world.commits_with(fake, |_| 0);
    }
    let snapshot = checked(&mut world.probe().await, 6).await;
    assert_eq!((snapshot.capability, failing(&snapshot).len()), (Capability::Ok, 0));
}

#[tokio::test]
async fn internal_topic_that_is_invisible_or_renamed_is_a_missing_capability_and_no_fault() {
    let world = World::start(6).await;
    for (code, capability) in [(29, Capability::Denied), (3, Capability::Unsupported)] {
        let hidden = world.metadata(false);
        for fake in &world.fakes {
            let hidden = hidden.clone();
            fake.on(move |request: MetadataRequest, _| {
                let mut answer = hidden.clone();
                for topic in request.topics.into_iter().flatten() {
                    let topic = messages::metadata_response::MetadataResponseTopic::default()
                        .with_name(topic.name)
                        .with_error_code(code);
                    answer.topics = vec![topic];
                }
                Reply::Answer(answer)
            });
        }
        let mut probe = world.probe().await;
        for _ in 0..2 {
            let snapshot = probe.cycle().await.unwrap();
            assert_eq!((snapshot.capability, snapshot.total, snapshot.failing()), (capability, None, None));
        }
    }
    let asked = |fake: &Fake| fake.count::<FindCoordinatorRequest>() + fake.count::<OffsetCommitRequest>();
    assert_eq!(world.fakes.iter().map(asked).sum::<usize>(), 0, "no group is asked for");
}

#[tokio::test]
async fn broker_that_lacks_the_heartbeat_topic_is_not_judged() {
    let world = World::start(6).await;
    world.commits_with(&world.fakes[0], |_| 3);
    let mut probe = world.probe().await;
    let snapshot = probe.cycle().await.unwrap();
    assert_eq!(snapshot.partitions.keys().copied().collect::<Vec<_>>(), [1, 2, 4, 5]);
    assert_eq!((snapshot.capability, failing(&snapshot).len()), (Capability::Ok, 0));
}
