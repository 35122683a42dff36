//! Groups against scripted brokers: coordinators that cannot be found, and groups without commits.

use kafka_heartbeat::{
    cluster::Api,
    config::SumOver,
    kafka::{
        Capability, Fault,
        admin::{GroupKind, GroupState},
    },
    task::Cycle,
};
use kafka_protocol::messages::{
    self, DescribeGroupsRequest, DescribeGroupsResponse, DescribeShareGroupOffsetsRequest,
    FindCoordinatorRequest, FindCoordinatorResponse, ListGroupsRequest, ListGroupsResponse, MetadataRequest,
    OffsetFetchRequest, ShareGroupDescribeRequest, ShareGroupDescribeResponse,
    describe_groups_response::DescribedGroup, find_coordinator_response::Coordinator,
    metadata_response::MetadataResponseTopic, share_group_describe_response,
};

use super::collect::{brokers, commits, coordinates, lag_of, lists_a_share_group, probe, text};
use crate::fake::{Fake, Reply, metadata as described};

#[tokio::test]
async fn group_that_its_coordinator_refuses_costs_few_requests_and_leaves_other_groups_known() {
    let fakes = brokers(10, 3).await;
    coordinates(&fakes[0], 0, 2);
    // Every broker names broker 1 as the coordinator, and broker 1 responds that another broker is.
    for fake in &fakes {
        fake.on(|request: FindCoordinatorRequest, _| {
            let found = request
                .coordinator_keys
                .iter()
                .map(|key| Coordinator::default().with_key(key.clone()).with_node_id(messages::BrokerId(1)));
            Reply::Answer(FindCoordinatorResponse::default().with_coordinators(found.collect()))
        });
    }
    fakes[0].on(|request: OffsetFetchRequest, _| {
        let mut answer = commits(&request, 3);
        for group in answer.groups.iter_mut().filter(|group| group.group_id.0.as_str() == "group-1") {
            (group.error_code, group.topics) = (16, Vec::new());
        }
        Reply::Answer(answer)
    });
    let mut probe = probe(&fakes, &[]).await;
    let asked = || {
        let sum = |count: fn(&Fake) -> usize| fakes.iter().map(count).sum::<usize>();
        sum(Fake::count::<FindCoordinatorRequest>) + sum(Fake::count::<OffsetFetchRequest>)
    };
    let mut before = 0;
    for cycle in 1..=4 {
        let snapshot = probe.cycle().await.expect("a cycle");
        assert_eq!(lag_of(&snapshot, "group-0", "topic-0", 2), Some(50));
        let group = &snapshot.groups["group-1"];
        assert_eq!((group.fault, group.topics.len()), (Some(Fault::NoLeader), 0));
        assert_eq!(group.sums(SumOver::KnownPartitions).records, None, "an unknown lag is absent, not 0");
        assert_eq!(snapshot.faults[&(Api::OffsetFetch, Fault::NoLeader)], cycle);
        assert!(asked() - before <= 4, "cycle {cycle}: {} requests", asked() - before);
        before = asked();
    }
}

#[tokio::test]
async fn share_groups_are_listed_without_requests_for_committed_offsets() {
    let fakes = brokers(1, 3).await;
    lists_a_share_group(&fakes[1]);
    // Brokers before Kafka 4.1 lack these requests.
    fakes.iter().for_each(Fake::without::<DescribeShareGroupOffsetsRequest>);
    fakes.iter().for_each(Fake::without::<ShareGroupDescribeRequest>);
    let snapshot = probe(&fakes, &[("lag", "members", "true")]).await.cycle().await.expect("a cycle");
    let group = &snapshot.groups["shared"];
    assert_eq!((group.state, group.kind, group.fault), (GroupState::Stable, GroupKind::Share, None));
    assert_eq!((group.topics.len(), group.sums(SumOver::KnownPartitions).records), (0, None));
    assert_eq!(snapshot.faults.len(), 0, "{:?}", snapshot.faults);
    assert!(fakes.iter().all(|fake| fake.count::<OffsetFetchRequest>() == 0));
    assert_eq!((group.members.as_ref(), group.epoch), (None, None), "unknown members are absent, not empty");
}

#[tokio::test]
async fn rebalances_of_a_share_group_are_counted_by_its_epoch() {
    let fakes = brokers(1, 3).await;
    lists_a_share_group(&fakes[1]);
    fakes.iter().for_each(Fake::without::<DescribeShareGroupOffsetsRequest>);
    let mut probe = probe(&fakes, &[("lag", "members", "true")]).await;
    let mut counts = Vec::new();
    for (epoch, members) in [(4, 1), (7, 3), (7, 3)] {
        fakes[1].on(move |request: ShareGroupDescribeRequest, _| {
            let member = |number| {
                share_group_describe_response::Member::default()
                    .with_member_id(text(format!("member-{number}")))
            };
            let described = share_group_describe_response::DescribedGroup::default()
                .with_group_id(request.group_ids[0].clone())
                .with_group_epoch(epoch)
                .with_members((0..members).map(member).collect());
            Reply::Answer(ShareGroupDescribeResponse::default().with_groups(vec![described]))
        });
        let snapshot = probe.cycle().await.expect("a cycle");
        assert_eq!(snapshot.faults.len(), 0, "{:?}", snapshot.faults);
        let group = &snapshot.groups["shared"];
        assert_eq!((group.epoch, group.members.as_ref().map(Vec::len)), (Some(epoch), Some(members)));
        let moves = group.rebalances.members.expect("the members are known");
        counts.push((group.rebalances.count, moves.joined, moves.left));
    }
    assert_eq!(counts, [(0, 0, 0), (3, 2, 0), (3, 2, 0)]);
}

/// Every broker responds to FindCoordinator with broker `node` for each group, or with an error for all groups.
fn find_coordinators(fakes: &[Fake], node: i32, code: i16) {
    for fake in fakes {
        fake.on(move |request: FindCoordinatorRequest, _| {
            let found = request.coordinator_keys.iter().map(|key| {
                let found = Coordinator::default().with_key(key.clone()).with_error_code(code);
                found.with_node_id(messages::BrokerId(node))
            });
            Reply::Answer(FindCoordinatorResponse::default().with_coordinators(found.collect()))
        });
    }
}

#[tokio::test]
async fn group_without_a_coordinator_keeps_its_last_lag_and_is_not_deleted() {
    const COORDINATOR_NOT_AVAILABLE: i16 = 15;
    let fakes = brokers(10, 3).await;
    coordinates(&fakes[0], 0, 1);
    coordinates(&fakes[1], 1, 1);
    for fake in &fakes {
        fake.on(|request: OffsetFetchRequest, _| Reply::Answer(commits(&request, 3)));
    }
    let mut probe = probe(&fakes, &[]).await;
    assert_eq!(lag_of(&probe.cycle().await.expect("a cycle"), "group-1", "topic-1", 2), Some(50));
    // All brokers list their groups without an error, and none of them lists this group.
    fakes[1].on(|_: ListGroupsRequest, _| Reply::Answer(ListGroupsResponse::default()));
    find_coordinators(&fakes, -1, COORDINATOR_NOT_AVAILABLE);
    for cycle in 0..4 {
        let snapshot = probe.cycle().await.expect("a cycle");
        let group = snapshot.groups.get("group-1").unwrap_or_else(|| panic!("deleted in cycle {cycle}"));
        assert_eq!((group.fault, group.state), (Some(Fault::NoLeader), GroupState::Unknown));
        assert_eq!(
            (group.sums(SumOver::AllPartitions).records, group.unknown()),
            (Some(150), 3),
            "the last offsets are kept"
        );
        assert!(
            group.topics["topic-1"].values().all(|lag| lag.time.is_some()),
            "the time lag is known: {group:?}"
        );
        assert!(snapshot.events.is_empty(), "{:?}", snapshot.events);
        assert!(!snapshot.judged.groups["group-1"].absent);
    }
    // A broker coordinates the group again, and does not list it: now it is known to be deleted.
    find_coordinators(&fakes, 2, 0);
    probe.cycle().await.expect("a cycle");
    let snapshot = probe.cycle().await.expect("a cycle");
    assert_eq!(snapshot.groups.keys().map(|name| &**name).collect::<Vec<_>>(), ["group-0"]);
}

#[tokio::test]
async fn groups_and_topics_that_filters_exclude_are_counted() {
    let fakes = brokers(10, 3).await;
    coordinates(&fakes[0], 0, 3);
    fakes[0].on(|request: OffsetFetchRequest, _| Reply::Answer(commits(&request, 1)));
    let settings = [("lag", "groups.exclude", "group-[12]"), ("freshness", "topics.include", "topic-[0-3]")];
    let mut probe = probe(&fakes, &settings).await;
    let filtered = probe.cycle().await.expect("a cycle").filtered;
    assert_eq!(
        filtered.into_iter().collect::<Vec<_>>(),
        [("freshness.topics", 6), ("lag.groups", 2), ("lag.topics", 0)]
    );
    fakes[2].on(|_: ListGroupsRequest, _| Reply::Answer(ListGroupsResponse::default().with_error_code(31)));
    let filtered = probe.cycle().await.expect("a cycle").filtered;
    assert_eq!(filtered.get("lag.groups"), None, "one broker did not list its groups");
}

/// Every broker reports the allowed operations on the cluster, and an error code for a name that no topic or group has.
fn permit(fakes: &[Fake; 3], operations: i32, named: i16) {
    let all = described(&[&fakes[0], &fakes[1], &fakes[2]], "", &[]);
    for fake in fakes {
        let all = all.clone();
        fake.on(move |request: MetadataRequest, _| {
            let mut answer = all.clone().with_cluster_authorized_operations(operations);
            answer.topics = request
                .topics
                .iter()
                .flatten()
                .map(|topic| {
                    MetadataResponseTopic::default().with_name(topic.name.clone()).with_error_code(named)
                })
                .collect();
            Reply::Answer(answer)
        });
        fake.on(move |request: DescribeGroupsRequest, _| {
            let code = if named == 0 { 16 } else { 30 };
            let group = |id: &messages::GroupId| {
                DescribedGroup::default().with_group_id(id.clone()).with_error_code(code)
            };
            Reply::Answer(
                DescribeGroupsResponse::default().with_groups(request.groups.iter().map(group).collect()),
            )
        });
    }
}

#[tokio::test]
async fn capability_of_a_listing_is_ok_only_if_kafka_hides_nothing() {
    const TOPIC_AUTHORIZATION_FAILED: i16 = 29;
    const UNKNOWN_TOPIC: i16 = 3;
    const NOT_REPORTED: i32 = i32::MIN;
    const DESCRIBE: i32 = 1 << 8;
    use Capability::{Denied, Ok, Unknown};
    let table = [
        // The principal has no permission. Kafka reports no error, and lists no group or the two groups that are allowed.
        ((0, TOPIC_AUTHORIZATION_FAILED, 0), (Denied, Unknown)),
        ((0, TOPIC_AUTHORIZATION_FAILED, 2), (Unknown, Unknown)),
        // A principal with Describe on the cluster sees every group.
        ((DESCRIBE, TOPIC_AUTHORIZATION_FAILED, 0), (Ok, Unknown)),
        ((DESCRIBE, UNKNOWN_TOPIC, 2), (Ok, Ok)),
        // Brokers that do not report the allowed operations.
        ((NOT_REPORTED, UNKNOWN_TOPIC, 0), (Unknown, Ok)),
        ((NOT_REPORTED, UNKNOWN_TOPIC, 2), (Ok, Ok)),
    ];
    for ((operations, named, groups), expected) in table {
        let fakes = brokers(10, 1).await;
        let mut probe = probe(&fakes, &[]).await;
        permit(&fakes, operations, named);
        coordinates(&fakes[0], 0, groups);
        fakes[0].on(|request: OffsetFetchRequest, _| Reply::Answer(commits(&request, 1)));
        let snapshot = probe.cycle().await.expect("a cycle");
        assert_eq!((snapshot.listing, snapshot.described), expected, "{operations} {named} {groups}");
        let asked = || fakes.iter().map(Fake::count::<MetadataRequest>).sum::<usize>();
        let before = asked();
        probe.cycle().await.expect("a cycle");
        assert_eq!(asked(), before, "permissions are not requested in each cycle");
    }
    // Describe on every group is enough, too.
    let fakes = brokers(10, 1).await;
    let mut probe = probe(&fakes, &[]).await;
    permit(&fakes, 0, 0);
    assert_eq!(probe.cycle().await.expect("a cycle").listing, Ok);
}

#[tokio::test]
async fn named_group_that_kafka_does_not_know_is_missing() {
    let fakes = brokers(10, 3).await;
    fakes[0].on(|request: OffsetFetchRequest, _| {
        let mut answer = commits(&request, 1);
        answer.groups.iter_mut().for_each(|group| group.topics.clear());
        Reply::Answer(answer)
    });
    find_coordinators(&fakes, 1, 0);
    let mut probe = probe(&fakes, &[("lag", "groups", "group-1")]).await;
    let state = |snapshot: &kafka_heartbeat::monitor::Snapshot| snapshot.groups["group-1"].state;
    assert_eq!(
        state(&probe.cycle().await.expect("a cycle")),
        GroupState::Unknown,
        "one listing is not enough"
    );
    assert_eq!(state(&probe.cycle().await.expect("a cycle")), GroupState::Missing);
    coordinates(&fakes[0], 1, 1);
    assert_eq!(state(&probe.cycle().await.expect("a cycle")), GroupState::Empty, "the group was created");
}
