//! The checks of coordinators of transactions against scripted brokers.

use kafka_heartbeat::{
    cluster::Api,
    kafka::{BrokerId, Capability, Fault, admin::Coordinated},
    probe::coordinators::partition_of,
    task::Cycle,
};
use kafka_protocol::{
    ResponseError,
    messages::{InitProducerIdRequest, InitProducerIdResponse},
};

use super::{
    coordinators::{World, checked, count, failing},
    *,
};
use crate::fake::Reply;

const PARTITIONS: i32 = 6;

/// A broker answers InitProducerId with this error for each partition of `__transaction_state`.
fn gives_ids(fake: &Fake, code: impl Fn(i32) -> i16 + Send + Sync + 'static) {
    fake.on(move |request: InitProducerIdRequest, _| {
        let id = request.transactional_id.expect("a transactional id").0.to_string();
        assert!(id.starts_with("hb-coordinator-"), "{id}");
        let code = code(partition_of(&id, PARTITIONS));
        Reply::Answer(InitProducerIdResponse::default().with_error_code(code))
    });
}

#[tokio::test]
async fn every_coordinator_of_transactions_is_asked_for_a_producer_id_and_no_offset_is_committed() {
    let world = World::start(PARTITIONS).await;
    world.fakes.iter().for_each(|fake| gives_ids(fake, |_| 0));
    let mut probe = world.probe_of(Coordinated::Transactions).await;
    let snapshot = checked(&mut probe, PARTITIONS as usize).await;
    assert_eq!((snapshot.capability, snapshot.total), (Capability::Ok, Some(PARTITIONS as usize)));
    assert_eq!(failing(&snapshot).len(), 0);
    for broker in 1..=3 {
        let counts = &snapshot.brokers[&Some(BrokerId(broker))];
        let asked = [Api::InitProducerId, Api::OffsetCommit].map(|api| count(counts, api));
        assert_eq!(asked, [counts.checks, 0], "broker {broker}");
    }
}

#[tokio::test]
async fn coordinator_of_transactions_that_refuses_fails_and_one_that_is_busy_does_not() {
    let world = World::start(PARTITIONS).await;
    let loading = ResponseError::CoordinatorLoadInProgress.code();
    let busy = ResponseError::ConcurrentTransactions.code();
    gives_ids(&world.fakes[0], move |partition| if partition == 0 { loading } else { 0 });
    gives_ids(&world.fakes[1], move |_| busy);
    gives_ids(&world.fakes[2], |_| 0);
    let mut probe = world.probe_of(Coordinated::Transactions).await;
    let snapshot = checked(&mut probe, PARTITIONS as usize).await;
    let refused = vec![(Api::InitProducerId, Fault::NoLeader)];
    assert_eq!(failing(&snapshot), BTreeMap::from([(Some(1), (vec![0], refused))]));
}

#[tokio::test]
async fn missing_permission_for_transactional_ids_is_a_capability_and_no_failure() {
    let world = World::start(PARTITIONS).await;
    let denied = ResponseError::TransactionalIdAuthorizationFailed.code();
    world.fakes.iter().for_each(|fake| gives_ids(fake, move |_| denied));
    let mut probe = world.probe_of(Coordinated::Transactions).await;
    let snapshot = probe.cycle().await.expect("a cycle");
    assert_eq!((snapshot.capability, snapshot.partitions.len()), (Capability::Denied, 0));
}
