//! The collection tasks against scripted brokers: the number of their requests, and the effect of bad responses.

use std::{
    ops::RangeInclusive,
    sync::atomic::{AtomicI64, Ordering::Relaxed},
};

use kafka_heartbeat::{
    cluster::{Api, metadata},
    collect::{self, topology::Change},
    config::{self, FlagSetting, Sources, SumOver},
    kafka::{
        BrokerId, Fault,
        admin::{self, GroupKind, GroupState},
    },
    monitor::{self, Snapshot},
    task::{Cycle, Latest},
};
use kafka_protocol::{
    messages::{
        self, ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, DescribeConfigsRequest,
        DescribeConfigsResponse, DescribeGroupsRequest, DescribeGroupsResponse,
        DescribeTopicPartitionsRequest, FetchRequest, FetchResponse, FindCoordinatorRequest,
        FindCoordinatorResponse, ListGroupsRequest, ListGroupsResponse, ListOffsetsRequest,
        ListOffsetsResponse, ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
        MetadataRequest, OffsetFetchRequest, OffsetFetchResponse, consumer_group_describe_response,
        describe_configs_response::{DescribeConfigsResourceResult, DescribeConfigsResult},
        describe_groups_response::{DescribedGroup, DescribedGroupMember},
        fetch_response::{FetchableTopicResponse, PartitionData},
        find_coordinator_response::Coordinator,
        list_groups_response::ListedGroup,
        list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse},
        list_partition_reassignments_response::{OngoingPartitionReassignment, OngoingTopicReassignment},
        metadata_response::{MetadataResponsePartition, MetadataResponseTopic},
        offset_fetch_response::{
            OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
            OffsetFetchResponseTopic, OffsetFetchResponseTopics,
        },
    },
    protocol::StrBytes,
};
use tokio::sync::watch;

use super::{probes::ten_minutes_later, *};
use crate::fake::{Reply, metadata as described};

pub(crate) fn text(text: String) -> StrBytes {
    StrBytes::from_string(text)
}

/// A broker that coordinates a share group, `shared`.
pub(crate) fn lists_a_share_group(fake: &Fake) {
    fake.on(|_: ListGroupsRequest, _| {
        let group = ListedGroup::default()
            .with_group_id(messages::GroupId(text("shared".to_owned())))
            .with_protocol_type(StrBytes::from_static_str("share"))
            .with_group_state(StrBytes::from_static_str("Stable"))
            .with_group_type(StrBytes::from_static_str("share"));
        Reply::Answer(ListGroupsResponse::default().with_groups(vec![group]))
    });
}

/// Three brokers that know these topics of so many partitions each, led in turn.
pub(crate) async fn brokers(topics: usize, partitions: i32) -> [Fake; 3] {
    let fakes = [Fake::start().await, Fake::start().await, Fake::start().await];
    let mut answer = described(&[&fakes[0], &fakes[1], &fakes[2]], "", &[]);
    answer.topics = (0..topics)
        .map(|number| {
            let partition = |index: i32| {
                let leader = messages::BrokerId(1 + index % 3);
                MetadataResponsePartition::default()
                    .with_partition_index(index)
                    .with_leader_id(leader)
                    .with_replica_nodes(vec![leader])
                    .with_isr_nodes(vec![leader])
            };
            MetadataResponseTopic::default()
                .with_name(Some(messages::TopicName(text(format!("topic-{number}")))))
                .with_partitions((0..partitions).map(partition).collect())
        })
        .collect();
    for fake in &fakes {
        let answer = answer.clone();
        fake.on(move |_: MetadataRequest, _| Reply::Answer(answer.clone()));
        fake.on(|request: ListOffsetsRequest, _| Reply::Answer(ends(&request, |_| 0)));
        fake.on(|request: FetchRequest, _| {
            Reply::Answer(records(&request, |_| batch(10..=109, WRITTEN..=WRITTEN)))
        });
        fake.on(|_: ListGroupsRequest, _| Reply::Answer(ListGroupsResponse::default()));
        fake.on(|_: DescribeConfigsRequest, _| Reply::Answer(DescribeConfigsResponse::default()));
    }
    fakes
}

/// When the records of the logs were written, in milliseconds since 1970.
pub(crate) const WRITTEN: i64 = 1_700_000_000_000;

/// The header of a compressed record batch with these offsets and timestamps.
pub(crate) fn batch(offsets: RangeInclusive<i64>, times: RangeInclusive<i64>) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(offsets.start().to_be_bytes());
    bytes.extend(49_i32.to_be_bytes());
    bytes.extend([0, 0, 0, 0, 2, 0, 0, 0, 0]);
    bytes.extend(4_i16.to_be_bytes());
    bytes.extend(i32::try_from(offsets.end() - offsets.start()).unwrap().to_be_bytes());
    bytes.extend(times.start().to_be_bytes());
    bytes.extend(times.end().to_be_bytes());
    bytes.resize(61, 0);
    bytes
}

/// A response with the records that `log` gives for the requested offset of each partition.
pub(crate) fn records(request: &FetchRequest, log: impl Fn(i64) -> Vec<u8>) -> FetchResponse {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            PartitionData::default()
                .with_partition_index(partition.partition)
                .with_records(Some(log(partition.fetch_offset).into()))
        });
        FetchableTopicResponse::default()
            .with_topic(topic.topic.clone())
            .with_partitions(partitions.collect())
    });
    FetchResponse::default().with_responses(topics.collect())
}

/// Logs from 10 to 110; a partition may have an error.
pub(crate) fn ends(request: &ListOffsetsRequest, code: impl Fn(i32) -> i16) -> ListOffsetsResponse {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            let (offset, timestamp) = match partition.timestamp {
                -1 => (110, -1),
                -2 => (10, -1),
                _ => (109, 1_700_000_000_000),
            };
            ListOffsetsPartitionResponse::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(code(partition.partition_index))
                .with_offset(offset)
                .with_timestamp(timestamp)
        });
        ListOffsetsTopicResponse::default()
            .with_name(topic.name.clone())
            .with_partitions(partitions.collect())
    });
    ListOffsetsResponse::default().with_topics(topics.collect())
}

/// Groups `FIRST..FIRST+COUNT`, all empty, coordinated by this broker.
pub(crate) fn coordinates(fake: &Fake, first: usize, count: usize) {
    fake.on(move |_: ListGroupsRequest, _| {
        let group = |number: usize| {
            ListedGroup::default()
                .with_group_id(messages::GroupId(text(format!("group-{number}"))))
                .with_protocol_type(StrBytes::from_static_str("consumer"))
                .with_group_state(StrBytes::from_static_str("Empty"))
                .with_group_type(StrBytes::from_static_str("classic"))
        };
        Reply::Answer(ListGroupsResponse::default().with_groups((first..first + count).map(group).collect()))
    });
}

/// Every group has the committed offset 60 on this number of partitions of a topic.
pub(crate) fn commits(request: &OffsetFetchRequest, partitions: i32) -> OffsetFetchResponse {
    let groups = request.groups.iter().map(|group| {
        let number: usize = group.group_id.0.rsplit_once('-').unwrap().1.parse().unwrap();
        let partition = |index| {
            OffsetFetchResponsePartitions::default().with_partition_index(index).with_committed_offset(60)
        };
        let topic = OffsetFetchResponseTopics::default()
            .with_name(messages::TopicName(text(format!("topic-{}", number % 10))))
            .with_partitions((0..partitions).map(partition).collect());
        OffsetFetchResponseGroup::default().with_group_id(group.group_id.clone()).with_topics(vec![topic])
    });
    OffsetFetchResponse::default().with_groups(groups.collect())
}

/// A probe with the current metadata.
pub(crate) async fn probe(fakes: &[Fake; 3], settings: &[(&'static str, &str, &str)]) -> monitor::Probe {
    probe_and_metadata(fakes, settings).await.0
}

/// A probe, and the sender that publishes other metadata to it.
pub(crate) async fn probe_and_metadata(
    fakes: &[Fake; 3],
    settings: &[(&'static str, &str, &str)],
) -> (monitor::Probe, watch::Sender<Latest<metadata::Snapshot>>) {
    let settings = [("metadata", "timeout", "5s")].iter().chain(settings);
    let set = |(section, key, value): &(&'static str, &str, &str)| FlagSetting {
        section,
        key: (*key).to_owned(),
        value: (*value).to_owned(),
        flag: "test",
    };
    let sources = Sources {
        bootstrap: Some(fakes[0].address.to_string()),
        settings: settings.map(set).collect(),
        ..Sources::default()
    };
    let config = Arc::new(config::load(&sources).unwrap().clusters.remove(0));
    let wire = Arc::new(cluster(&[&fakes[0]], AMPLE));
    let snapshot = metadata::Probe::new(config.clone(), wire.clone()).cycle().await.unwrap();
    let mut latest = Latest::new(AMPLE);
    latest.snapshot = Some((Arc::new(snapshot), Instant::now()));
    let (publish, latest) = watch::channel(latest);
    (monitor::Probe::new(config, wire, latest), publish)
}

/// The number of requests to all brokers: ListGroups, FindCoordinator, OffsetFetch, ListOffsets, Fetch.
fn requests(fakes: &[Fake; 3]) -> [usize; 5] {
    let sum = |count: fn(&Fake) -> usize| fakes.iter().map(count).sum();
    [
        sum(Fake::count::<ListGroupsRequest>),
        sum(Fake::count::<FindCoordinatorRequest>),
        sum(Fake::count::<OffsetFetchRequest>),
        sum(Fake::count::<ListOffsetsRequest>),
        sum(Fake::count::<FetchRequest>),
    ]
}

pub(crate) fn lag_of(snapshot: &Snapshot, group: &str, topic: &str, partition: i32) -> Option<i64> {
    snapshot.groups.get(group)?.topics.get(topic)?.get(&partition)?.records
}

#[tokio::test]
async fn cycle_over_ten_thousand_partitions_and_a_thousand_groups_takes_forty_requests() {
    let fakes = brokers(100, 100).await;
    for (index, fake) in fakes.iter().enumerate() {
        coordinates(fake, index * 334, if index == 2 { 332 } else { 334 });
        fake.on(|request: OffsetFetchRequest, _| Reply::Answer(commits(&request, 10)));
    }
    let mut probe = probe(&fakes, &[]).await;
    let snapshot = probe.cycle().await.unwrap();
    assert_eq!((snapshot.topics.len(), snapshot.groups.len()), (100, 1000));
    assert!(snapshot.groups.values().all(|group| group.fault.is_none() && group.unknown() == 0));
    assert_eq!(lag_of(&snapshot, "group-999", "topic-9", 9), Some(50));
    assert_eq!(snapshot.faults.len(), 0);
    let all = || fakes.iter().map(Fake::total).sum::<usize>();
    let (first, before) = (requests(&fakes), all());
    // The groups of each broker and the committed offsets of fifty groups each, the log start and end offsets and the
    // newest records, and the batch headers for unknown ages.
    assert_eq!(first, [3, 0, 21, 9, 3]);
    probe.cycle().await.unwrap();
    let second = requests(&fakes);
    assert_eq!(second[3] - first[3], 6, "an unchanged log end offset means the same newest record");
    assert_eq!(second[4], first[4], "batch headers are not fetched again");
    // One further request every ten minutes finds out whether Kafka hides topics or groups.
    assert!(
        before <= 41 && all() - before <= 40,
        "requests of all kinds: {before} in the first cycle, then {}",
        all() - before
    );
}

#[tokio::test]
async fn group_or_partition_that_fails_leaves_all_others_known() {
    let fakes = brokers(10, 6).await;
    coordinates(&fakes[0], 0, 4);
    // The coordinator of group 2 is loading; the committed offset of group 3 on partition 1 cannot be read.
    fakes[0].on(|request: OffsetFetchRequest, _| {
        let mut answer = commits(&request, 3);
        for group in &mut answer.groups {
            match group.group_id.0.as_str() {
                "group-2" => (group.error_code, group.topics) = (14, Vec::new()),
                "group-3" => group.topics[0].partitions[1].error_code = 29,
                _ => {}
            }
        }
        Reply::Answer(answer)
    });
    // Broker 2 does not lead partition 4 any more; broker 3 does not answer.
    fakes[1].on(|request: ListOffsetsRequest, _| {
        Reply::Answer(ends(&request, |partition| if partition == 4 { 6 } else { 0 }))
    });
    fakes[2].on(|_: ListOffsetsRequest, _| Reply::Silence);
    fakes[2].on(|_: ListGroupsRequest, _| Reply::Silence);
    for fake in &fakes {
        fake.on(|request: FindCoordinatorRequest, _| {
            let found = request
                .coordinator_keys
                .iter()
                .map(|key| Coordinator::default().with_key(key.clone()).with_node_id(messages::BrokerId(1)));
            Reply::Answer(FindCoordinatorResponse::default().with_coordinators(found.collect()))
        });
    }
    let mut probe = probe(&fakes, &[("metadata", "timeout", "1s")]).await;
    let snapshot = probe.cycle().await.unwrap();
    let group = |name: &str| &snapshot.groups[name];
    assert_eq!(group("group-2").fault, Some(Fault::NoLeader), "its coordinator is loading");
    assert_eq!((group("group-3").unknown(), group("group-3").topics["topic-3"].len()), (2, 2));
    assert_eq!(lag_of(&snapshot, "group-0", "topic-0", 0), Some(50), "led by broker 1");
    assert_eq!(lag_of(&snapshot, "group-0", "topic-0", 1), Some(50), "led by broker 2");
    assert_eq!(lag_of(&snapshot, "group-0", "topic-0", 2), None, "led by broker 3, which does not answer");
    assert_eq!(group("group-0").unknown(), 1);
    let ends = |partition: i32| snapshot.topics["topic-0"].partitions[&partition].ends.end;
    assert_eq!((ends(0), ends(1), ends(4), ends(5)), (Some(110), Some(110), None, None));
    assert_eq!(snapshot.faults[&(Api::ListGroups, Fault::Timeout)], 1);
    assert_eq!(
        fakes[2].count::<ListOffsetsRequest>(),
        0,
        "a broker that timed out gets no further request in the same cycle"
    );
    probe.cycle().await.unwrap();
    assert_eq!(fakes[2].count::<ListGroupsRequest>(), 2, "the next cycle sends requests to the broker again");
    assert_eq!(snapshot.faults[&(Api::OffsetFetch, Fault::NoLeader)], 1);
    assert_eq!(
        snapshot.faults[&(Api::ListOffsets, Fault::NoLeader)],
        2 * 10,
        "partition 4 of each topic, both ends"
    );
    assert_eq!(
        snapshot.faults[&(Api::ListOffsets, Fault::Timeout)],
        4 * 10,
        "two partitions of each topic, both ends"
    );
}

#[tokio::test]
async fn groups_of_a_broker_that_does_not_answer_are_not_deleted() {
    let fakes = brokers(10, 3).await;
    coordinates(&fakes[0], 0, 2);
    coordinates(&fakes[1], 2, 2);
    for fake in &fakes {
        fake.on(|request: OffsetFetchRequest, _| Reply::Answer(commits(&request, 1)));
    }
    let mut probe = probe(&fakes, &[("lag", "groups", "group-7 group-8")]).await;
    for fake in &fakes {
        fake.on(|request: FindCoordinatorRequest, _| {
            let found = request.coordinator_keys.iter().map(|key| {
                let found = Coordinator::default().with_key(key.clone());
                match key.as_str() {
                    "group-7" => found.with_node_id(messages::BrokerId(3)),
                    "group-8" => found.with_error_code(15),
                    _ => found.with_node_id(messages::BrokerId(2)),
                }
            });
            Reply::Answer(FindCoordinatorResponse::default().with_coordinators(found.collect()))
        });
    }
    let names = |snapshot: &Snapshot| snapshot.groups.keys().map(ToString::to_string).collect::<Vec<_>>();
    let all = ["group-0", "group-1", "group-2", "group-3", "group-7", "group-8"];
    let first = probe.cycle().await.unwrap();
    assert_eq!(names(&first), all, "configured groups are included although no broker lists them");
    assert_eq!(lag_of(&first, "group-7", "topic-7", 0), Some(50));
    assert_eq!(first.groups["group-8"].fault, Some(Fault::NoLeader), "group-8 has no coordinator");
    fakes[1].on(|_: ListGroupsRequest, _| Reply::Answer(ListGroupsResponse::default().with_error_code(31)));
    for _ in 0..3 {
        assert_eq!(names(&probe.cycle().await.unwrap()), all, "a listing with an error deletes no group");
    }
    coordinates(&fakes[1], 2, 1);
    assert_eq!(names(&probe.cycle().await.unwrap()), all, "a group that one listing lacks is not deleted");
    let last = probe.cycle().await.unwrap();
    assert_eq!(names(&last), ["group-0", "group-1", "group-2", "group-7", "group-8"]);
}

#[tokio::test]
async fn old_brokers_give_the_same_numbers_with_one_request_for_each_group() {
    let fakes = brokers(10, 3).await;
    for fake in &fakes {
        // The versions of Kafka 2.8.
        fake.versions::<OffsetFetchRequest>(0..=7);
        fake.versions::<ListGroupsRequest>(0..=4);
        fake.versions::<ListOffsetsRequest>(0..=6);
        fake.versions::<FindCoordinatorRequest>(0..=3);
        fake.versions::<FetchRequest>(0..=12);
        fake.versions::<MetadataRequest>(0..=11);
        fake.without::<DescribeTopicPartitionsRequest>();
        fake.on(|request: OffsetFetchRequest, _| {
            let group = request.group_id.0.rsplit_once('-').unwrap().1.parse::<usize>().unwrap();
            let partition = |index| {
                OffsetFetchResponsePartition::default().with_partition_index(index).with_committed_offset(60)
            };
            let topic = OffsetFetchResponseTopic::default()
                .with_name(messages::TopicName(text(format!("topic-{group}"))))
                .with_partitions((0..3).map(partition).collect());
            Reply::Answer(OffsetFetchResponse::default().with_topics(vec![topic]))
        });
        fake.on(|_: ListGroupsRequest, _| Reply::Answer(ListGroupsResponse::default()));
    }
    fakes[0].on(|_: ListGroupsRequest, _| {
        let group = |number: usize| {
            ListedGroup::default()
                .with_group_id(messages::GroupId(text(format!("group-{number}"))))
                .with_protocol_type(StrBytes::from_static_str("consumer"))
        };
        Reply::Answer(ListGroupsResponse::default().with_groups((0..5).map(group).collect()))
    });
    let snapshot = probe(&fakes, &[]).await.cycle().await.unwrap();
    assert_eq!(snapshot.groups.len(), 5);
    assert!(
        (0..5)
            .all(|group| lag_of(&snapshot, &format!("group-{group}"), &format!("topic-{group}"), 2)
                == Some(50))
    );
    let group = &snapshot.groups["group-0"];
    assert_eq!(
        (group.state, group.kind),
        (GroupState::Unknown, GroupKind::Classic),
        "old brokers do not report the state"
    );
    let freshness = snapshot.topics["topic-0"].freshness.unwrap();
    assert_eq!(
        (freshness.state, freshness.newest_ms),
        (collect::freshness::State::Ok, Some(WRITTEN)),
        "the newest record is fetched, because old brokers do not report its timestamp"
    );
    assert_eq!(snapshot.faults.len(), 0, "an old version is no fault: {:?}", snapshot.faults);
    assert_eq!(requests(&fakes)[2], 5, "one request for each group");
}

#[tokio::test]
async fn group_that_two_brokers_list_is_requested_from_its_coordinator() {
    let fakes = brokers(10, 3).await;
    coordinates(&fakes[0], 0, 1);
    coordinates(&fakes[1], 0, 1);
    fakes[1].on(|request: OffsetFetchRequest, _| Reply::Answer(commits(&request, 1)));
    for fake in &fakes {
        fake.on(|request: FindCoordinatorRequest, _| {
            let key = request.coordinator_keys[0].clone();
            let found = Coordinator::default().with_key(key).with_node_id(messages::BrokerId(2));
            Reply::Answer(FindCoordinatorResponse::default().with_coordinators(vec![found]))
        });
    }
    let snapshot = probe(&fakes, &[]).await.cycle().await.unwrap();
    assert_eq!(lag_of(&snapshot, "group-0", "topic-0", 0), Some(50));
    let wire = cluster(&[&fakes[0]], AMPLE);
    admin::metadata(&wire, admin::Topics::All).await.unwrap();
    let listing = admin::list_groups(&wire, &[1, 2, 3].map(BrokerId)).await;
    assert_eq!(listing.groups["group-0"].brokers, [BrokerId(1), BrokerId(2)]);
}

#[tokio::test]
async fn offsets_of_a_partition_that_lost_its_leader_are_absent() {
    let fakes = brokers(10, 3).await;
    coordinates(&fakes[0], 0, 1);
    fakes[0].on(|request: OffsetFetchRequest, _| Reply::Answer(commits(&request, 3)));
    let (mut probe, publish) = probe_and_metadata(&fakes, &[]).await;
    assert_eq!(lag_of(&probe.cycle().await.unwrap(), "group-0", "topic-0", 1), Some(50));
    publish.send_modify(|latest| {
        let (snapshot, _) = latest.snapshot.as_mut().unwrap();
        let mut changed = (**snapshot).clone();
        let topics = Arc::make_mut(&mut changed.topics);
        let topic = topics.get_mut("topic-0").unwrap().as_mut().unwrap();
        topic.partitions.get_mut(&1).unwrap().leader = None;
        *snapshot = Arc::new(changed);
    });
    let snapshot = probe.cycle().await.unwrap();
    assert_eq!(
        lag_of(&snapshot, "group-0", "topic-0", 1),
        None,
        "the offset of an earlier cycle is not used"
    );
    assert_eq!(lag_of(&snapshot, "group-0", "topic-0", 0), Some(50));
    assert_eq!(snapshot.groups["group-0"].unknown(), 1);
}

#[tokio::test]
async fn members_are_described_only_if_configured_and_in_each_protocol() {
    let fakes = brokers(10, 3).await;
    for fake in &fakes {
        fake.on(|request: OffsetFetchRequest, _| Reply::Answer(commits(&request, 1)));
    }
    fakes[0].on(|_: ListGroupsRequest, _| {
        let group = |(number, kind, state): (usize, &'static str, &'static str)| {
            ListedGroup::default()
                .with_group_id(messages::GroupId(text(format!("group-{number}"))))
                .with_protocol_type(StrBytes::from_static_str("consumer"))
                .with_group_state(StrBytes::from_static_str(state))
                .with_group_type(StrBytes::from_static_str(kind))
        };
        let groups = [
            (0, "classic", "Stable"),
            (1, "consumer", "Stable"),
            (2, "classic", "Empty"),
            (3, "classic", "Stable"),
        ];
        Reply::Answer(ListGroupsResponse::default().with_groups(groups.map(group).to_vec()))
    });
    fakes[0].on(|request: DescribeGroupsRequest, _| {
        let groups = request.groups.into_iter().map(|name| {
            let member = DescribedGroupMember::default()
                .with_member_id(text("m-1".to_owned()))
                .with_client_id(text("app".to_owned()))
                .with_client_host(text("/10.0.0.1".to_owned()))
                .with_member_assignment(vec![0, 0, 0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1, 0, 0, 0, 2].into());
            // The coordinator of group 3 is loading.
            let code = if name.0.as_str() == "group-3" { 14 } else { 0 };
            DescribedGroup::default().with_group_id(name).with_error_code(code).with_members(vec![member])
        });
        Reply::Answer(DescribeGroupsResponse::default().with_groups(groups.collect()))
    });
    fakes[0].on(|request: ConsumerGroupDescribeRequest, _| {
        let read = consumer_group_describe_response::TopicPartitions::default()
            .with_topic_name(messages::TopicName(text("t".to_owned())))
            .with_partitions(vec![0, 1]);
        let assigned =
            consumer_group_describe_response::Assignment::default().with_topic_partitions(vec![read]);
        let member = consumer_group_describe_response::Member::default()
            .with_member_id(text("m-2".to_owned()))
            .with_assignment(assigned);
        let groups = request.group_ids.into_iter().map(|name| {
            consumer_group_describe_response::DescribedGroup::default()
                .with_group_id(name)
                .with_members(vec![member.clone()])
        });
        Reply::Answer(ConsumerGroupDescribeResponse::default().with_groups(groups.collect()))
    });
    let snapshot = probe(&fakes, &[]).await.cycle().await.unwrap();
    assert!(snapshot.groups.values().all(|group| group.members.is_none()), "members are not requested");
    assert_eq!(fakes[0].count::<DescribeGroupsRequest>(), 0);
    let snapshot = probe(&fakes, &[("lag", "members", "true")]).await.cycle().await.unwrap();
    let members = |name: &str| snapshot.groups[name].members.clone();
    let [classic, modern] = ["group-0", "group-1"].map(|name| members(name).unwrap().remove(0));
    assert_eq!(
        (classic.id.as_str(), classic.client.as_str(), classic.host.as_str()),
        ("m-1", "app", "10.0.0.1")
    );
    assert_eq!((&classic.partitions["t"][..], &modern.partitions["t"][..]), (&[2][..], &[0, 1][..]));
    assert_eq!(members("group-2"), Some(vec![]), "an empty group is not described");
    assert_eq!(members("group-3"), None, "unknown members are absent, not empty");
    assert_eq!(snapshot.faults, BTreeMap::from([((Api::DescribeGroups, Fault::NoLeader), 1)]));
    let asked = (fakes[0].count::<DescribeGroupsRequest>(), fakes[0].count::<ConsumerGroupDescribeRequest>());
    assert_eq!(asked, (1, 1), "one request for all groups of a protocol");
}

#[tokio::test]
async fn partition_that_is_being_reassigned_does_not_count_as_under_replicated() {
    let fakes = brokers(2, 3).await;
    let (mut probe, publish) = probe_and_metadata(&fakes, &[("lag", "enabled", "false")]).await;
    assert_eq!(probe.cycle().await.unwrap().topology.health["topic-0"].reassigning, Some(0));
    let asked = || fakes.iter().map(Fake::count::<ListPartitionReassignmentsRequest>).sum::<usize>();
    assert_eq!(asked(), 0, "no request while no replica is missing");
    publish.send_modify(|latest| {
        let (snapshot, _) = latest.snapshot.as_mut().unwrap();
        let mut changed = (**snapshot).clone();
        for topic in Arc::make_mut(&mut changed.topics).values_mut().flatten() {
            topic.partitions.values_mut().for_each(|partition| partition.replicas.push(BrokerId(9)));
        }
        *snapshot = Arc::new(changed);
    });
    for fake in &fakes {
        fake.on(|_: ListPartitionReassignmentsRequest, _| {
            let moving = OngoingPartitionReassignment::default().with_partition_index(1);
            let topic = OngoingTopicReassignment::default()
                .with_name(messages::TopicName(text("topic-0".to_owned())))
                .with_partitions(vec![moving]);
            Reply::Answer(ListPartitionReassignmentsResponse::default().with_topics(vec![topic]))
        });
    }
    let snapshot = probe.cycle().await.unwrap();
    let health = |topic: &str| {
        let health = snapshot.topology.health[topic];
        (health.under_replicated, health.reassigning)
    };
    assert_eq!((health("topic-0"), health("topic-1")), ((3, Some(1)), (3, Some(0))));
    for fake in &fakes {
        fake.on(|_: ListPartitionReassignmentsRequest, _| {
            Reply::Answer(ListPartitionReassignmentsResponse::default().with_error_code(31))
        });
    }
    let snapshot = probe.cycle().await.unwrap();
    assert_eq!(
        snapshot.topology.health["topic-0"].reassigning, None,
        "a denied request leaves the number unknown"
    );
    // A denied request is not sent again for ten minutes, unless the brokers change.
    let refused = asked();
    probe.cycle().await.unwrap();
    assert_eq!(asked(), refused);
    ten_minutes_later().await;
    publish.send_modify(|latest| latest.snapshot.as_mut().unwrap().1 = Instant::now());
    probe.cycle().await.unwrap();
    assert_eq!(asked(), refused + 1, "the permission may have been granted meanwhile");
    publish.send_modify(|latest| {
        let (snapshot, at) = latest.snapshot.as_mut().unwrap();
        let mut changed = (**snapshot).clone();
        let broker = changed.brokers[&BrokerId(1)].clone();
        changed.brokers.insert(BrokerId(9), broker);
        (*snapshot, *at) = (Arc::new(changed), Instant::now());
    });
    probe.cycle().await.unwrap();
    assert_eq!(asked(), refused + 2, "other brokers may allow it");
}

#[tokio::test]
async fn sums_of_a_topic_and_a_group_are_absent_if_one_partition_is_unknown() {
    for (partial_sums, over, expected) in [
        ("false", SumOver::AllPartitions, [None, None]),
        ("true", SumOver::KnownPartitions, [Some(50), Some(100)]),
    ] {
        let fakes = brokers(10, 3).await;
        coordinates(&fakes[0], 0, 1);
        fakes[0].on(|request: OffsetFetchRequest, _| Reply::Answer(commits(&request, 3)));
        fakes[1].on(|request: ListOffsetsRequest, _| Reply::Answer(ends(&request, |_| 6)));
        let partial = [("lag", "partial_sums", partial_sums)];
        let snapshot = probe(&fakes, &partial).await.cycle().await.unwrap();
        let group = &snapshot.groups["group-0"];
        assert_eq!(
            (group.topic_sums("topic-0", over).most, group.sums(over).records),
            (expected[0], expected[1])
        );
        assert_eq!((group.unknown(), group.sums(over).oldest.is_some()), (1, expected[0].is_some()));
    }
}

#[tokio::test]
async fn committed_offsets_on_a_deleted_topic_change_no_sum() {
    let fakes = brokers(10, 3).await;
    coordinates(&fakes[0], 0, 1);
    fakes[0].on(|request: OffsetFetchRequest, _| {
        let mut answer = commits(&request, 3);
        let mut deleted = answer.groups[0].topics[0].clone();
        deleted.name = messages::TopicName(text("deleted".to_owned()));
        answer.groups[0].topics.push(deleted);
        Reply::Answer(answer)
    });
    let snapshot = probe(&fakes, &[]).await.cycle().await.unwrap();
    let group = &snapshot.groups["group-0"];
    assert_eq!(
        (group.sums(SumOver::AllPartitions).records, group.unknown(), group.topics.len()),
        (Some(150), 0, 1)
    );
    assert_eq!(snapshot.faults, BTreeMap::from([((Api::OffsetFetch, Fault::UnknownTopic), 1)]));
}

#[tokio::test]
async fn state_of_a_group_that_its_coordinator_does_not_list_is_unknown() {
    let fakes = brokers(10, 3).await;
    coordinates(&fakes[0], 0, 1);
    fakes[0].on(|request: OffsetFetchRequest, _| Reply::Answer(commits(&request, 3)));
    let mut probe = probe(&fakes, &[]).await;
    assert_eq!(probe.cycle().await.unwrap().groups["group-0"].state, GroupState::Empty);
    fakes[0].on(|_: ListGroupsRequest, _| Reply::Answer(ListGroupsResponse::default().with_error_code(14)));
    let snapshot = probe.cycle().await.unwrap();
    let group = &snapshot.groups["group-0"];
    assert_eq!((group.state, group.sums(SumOver::AllPartitions).records), (GroupState::Unknown, Some(150)));
}

/// Publishes the last metadata again after a change of their topics.
pub(crate) fn change(
    publish: &watch::Sender<Latest<metadata::Snapshot>>,
    change: impl FnOnce(&mut BTreeMap<String, Result<admin::Topic, Fault>>),
) {
    publish.send_modify(|latest| {
        let (snapshot, _) = latest.snapshot.as_mut().unwrap();
        let mut changed = (**snapshot).clone();
        change(Arc::make_mut(&mut changed.topics));
        *snapshot = Arc::new(changed);
    });
}

#[tokio::test]
async fn topic_missing_in_one_metadata_snapshot_is_not_deleted_however_many_cycles_use_it() {
    let fakes = brokers(2, 3).await;
    let (mut probe, publish) = probe_and_metadata(&fakes, &[("lag", "enabled", "false")]).await;
    probe.cycle().await.unwrap();
    let end = Arc::new(AtomicI64::new(110));
    for fake in &fakes {
        let end = end.clone();
        fake.on(move |request: ListOffsetsRequest, _| {
            let mut answer = ends(&request, |_| 0);
            for partition in answer.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
                if partition.offset == 110 {
                    partition.offset = end.load(Relaxed);
                }
            }
            Reply::Answer(answer)
        });
    }
    let mut kept = None;
    change(&publish, |topics| kept = topics.remove("topic-1"));
    for _ in 0..3 {
        let snapshot = probe.cycle().await.unwrap();
        assert_eq!(snapshot.topics.keys().map(|name| &**name).collect::<Vec<_>>(), ["topic-0"]);
        assert_eq!(snapshot.topology.changes.get(&Change::TopicDeleted), None);
    }
    change(&publish, |topics| _ = topics.insert("topic-1".to_owned(), kept.clone().unwrap()));
    end.store(120, Relaxed);
    let snapshot = probe.cycle().await.unwrap();
    assert_eq!(
        snapshot.topics["topic-1"].appended, 30,
        "records appended meanwhile are counted: ten on each partition"
    );
    for _ in 0..2 {
        change(&publish, |topics| _ = topics.remove("topic-1"));
        probe.cycle().await.unwrap();
    }
    let snapshot = probe.cycle().await.unwrap();
    assert_eq!(snapshot.topology.changes.get(&Change::TopicDeleted), Some(&1));
}

#[tokio::test]
async fn partition_without_a_leader_since_before_the_start_is_an_error() {
    let fakes = brokers(2, 3).await;
    let (mut probe, publish) = probe_and_metadata(&fakes, &[("lag", "enabled", "false")]).await;
    change(&publish, |topics| {
        let lead = |topics: &mut BTreeMap<String, Result<admin::Topic, Fault>>, name: &str, number: i32| {
            topics.get_mut(name).unwrap().as_mut().unwrap().partitions.get_mut(&number).unwrap().leader =
                None;
        };
        lead(topics, "topic-0", 1);
        (0..3).for_each(|number| lead(topics, "topic-1", number));
    });
    let snapshot = probe.cycle().await.unwrap();
    for topic in ["topic-0", "topic-1"] {
        let state = snapshot.topics[topic].freshness.unwrap().state;
        assert_eq!(state, collect::freshness::State::Error, "{topic}");
        assert_eq!(snapshot.topics[topic].rate, None);
    }
    let newest = |topic: &str| snapshot.topics[topic].freshness.unwrap().newest_ms;
    assert_eq!((newest("topic-0"), newest("topic-1")), (Some(WRITTEN), None));
    assert_eq!(snapshot.faults, BTreeMap::from([((Api::ListOffsets, Fault::NoLeader), 4)]));
}

#[tokio::test(start_paused = true)]
async fn cycle_without_recent_metadata_fails_as_not_ready() {
    let fakes = brokers(1, 3).await;
    let (mut probe, publish) = probe_and_metadata(&fakes, &[]).await;
    publish.send_modify(|latest| latest.interval = Duration::from_secs(1));
    time::advance(Duration::from_secs(10)).await;
    assert_eq!(probe.cycle().await.unwrap_err().fault(), Fault::NotReady);
}

#[tokio::test]
async fn settings_of_other_and_new_topics_are_known_although_one_topic_refuses_them() {
    let fakes = brokers(3, 3).await;
    for fake in &fakes {
        fake.on(|request: DescribeConfigsRequest, _| {
            let results = request.resources.into_iter().map(|resource| {
                let config = DescribeConfigsResourceResult::default()
                    .with_name(StrBytes::from_static_str("min.insync.replicas"))
                    .with_value(Some(StrBytes::from_static_str("2")));
                let code = if resource.resource_name.as_str() == "topic-1" { 29 } else { 0 };
                DescribeConfigsResult::default()
                    .with_resource_type(2)
                    .with_resource_name(resource.resource_name)
                    .with_error_code(code)
                    .with_configs(vec![config])
            });
            Reply::Answer(DescribeConfigsResponse::default().with_results(results.collect()))
        });
    }
    let (mut probe, publish) = probe_and_metadata(&fakes, &[("lag", "enabled", "false")]).await;
    let mut kept = None;
    change(&publish, |topics| kept = topics.remove("topic-2"));
    for _ in 0..2 {
        let snapshot = probe.cycle().await.unwrap();
        let known = |topic: &str| snapshot.topology.health[topic].under_min_isr;
        assert_eq!((known("topic-0"), known("topic-1")), (Some(3), None));
    }
    change(&publish, |topics| _ = topics.insert("topic-2".to_owned(), kept.clone().unwrap()));
    let snapshot = probe.cycle().await.unwrap();
    assert_eq!(snapshot.topology.health["topic-2"].under_min_isr, Some(3));
    let asked = fakes.iter().map(Fake::count::<DescribeConfigsRequest>).sum::<usize>();
    assert_eq!(asked, 2, "a denied request is not sent again for ten minutes");
}
