//! Groups against scripted brokers: coordinators that cannot be found, and groups without commits.

use kafka_heartbeat::{
    collect::Api,
    kafka::{
        Fault,
        admin::{GroupKind, GroupState},
    },
    task::Cycle,
};
use kafka_protocol::messages::{
    self, DescribeShareGroupOffsetsRequest, FindCoordinatorRequest, FindCoordinatorResponse,
    OffsetFetchRequest, find_coordinator_response::Coordinator,
};

use super::collect::{brokers, commits, coordinates, lag_of, lists_a_share_group, probe};
use crate::fake::{Fake, Reply};

#[tokio::test]
async fn a_coordinator_that_never_is_one_costs_a_few_questions_and_spoils_no_other_group() {
    let fakes = brokers(10, 3).await;
    coordinates(&fakes[0], 0, 2);
    // Whoever is asked names broker 1, which says that it is another.
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
    for look in 1..=4 {
        let snapshot = probe.cycle().await.unwrap();
        assert_eq!(lag_of(&snapshot, "group-0", "topic-0", 2), Some(50));
        let group = &snapshot.groups["group-1"];
        assert_eq!((group.fault, group.topics.len()), (Some(Fault::NoLeader), 0));
        assert_eq!(group.sums(true).records, None, "not known is not 0");
        assert_eq!(snapshot.faults[&(Api::OffsetFetch, Fault::NoLeader)], look);
        assert!(asked() - before <= 4, "look {look}: {} questions", asked() - before);
        before = asked();
    }
}

#[tokio::test]
async fn share_groups_are_listed_and_not_asked_for_commits_they_do_not_have() {
    let fakes = brokers(1, 3).await;
    lists_a_share_group(&fakes[1]);
    // As before Kafka 4.1.
    fakes.iter().for_each(Fake::without::<DescribeShareGroupOffsetsRequest>);
    let snapshot = probe(&fakes, &[("lag", "members", "true")]).await.cycle().await.unwrap();
    let group = &snapshot.groups["shared"];
    assert_eq!((group.state, group.kind, group.fault), (GroupState::Stable, GroupKind::Share, None));
    assert_eq!((group.topics.len(), group.sums(true).records), (0, None));
    assert_eq!(snapshot.faults.len(), 0, "{:?}", snapshot.faults);
    assert!(fakes.iter().all(|fake| fake.count::<OffsetFetchRequest>() == 0));
}
