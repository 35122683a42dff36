//! Scenes in which coordinators of consumer groups fail.

use super::world::{after, at, blamed, fail, failed, fine, only};
use crate::{
    diagnosis::{
        Confidence::{Certain, Likely, Suspected},
        Coordinators, Diagnostician, Kind, Scene,
    },
    kafka::{BrokerId, Fault, Stage, admin::Coordinated},
};

#[test]
fn coordinator_that_fails_is_a_suspect_unless_its_broker_is_one() {
    let failing = |scene: &mut Scene| {
        let coordinators = Coordinators { partitions: vec![2, 5, 8], fault: Fault::Timeout, since: at(98) };
        scene.coordinators.insert((Coordinated::Groups, Some(BrokerId(3))), coordinators);
    };
    only(failing, Kind::GroupCoordinator, "3", [Suspected, Likely]);
    let mut scene = fine();
    failing(&mut scene);
    fail(&mut scene, &[3], &failed(Stage::ApiVersions, Fault::Timeout, true));
    let diagnosis = after(&scene, 0);
    assert_eq!(blamed(&diagnosis), [(Kind::Broker, "3", Likely)]);
    let sentence = "consumer groups of partitions 2, 5 and 8 of __consumer_offsets cannot commit or read offsets: timeout";
    assert_eq!(diagnosis.suspects[0].evidence.last().map(String::as_str), Some(sentence));
    scene.brokers.remove(&BrokerId(3));
    let mut diagnostician = Diagnostician::default();
    let mut before = fine();
    fail(&mut before, &[3], &failed(Stage::Tcp, Fault::Refused, true));
    diagnostician.diagnose(&before);
    let diagnosis = diagnostician.diagnose(&scene);
    assert_eq!(blamed(&diagnosis), [(Kind::Broker, "3", Likely)]);
    assert_eq!(diagnosis.suspects[0].evidence.last().map(String::as_str), Some(sentence));
}

#[test]
fn coordinators_without_a_second_replica_are_blamed_if_their_broker_left_as_planned() {
    let change = |scene: &mut Scene| {
        let coordinators = Coordinators { partitions: vec![2, 5], fault: Fault::NoLeader, since: at(98) };
        scene.coordinators.insert((Coordinated::Groups, Some(BrokerId(3))), coordinators);
        scene.brokers.remove(&BrokerId(3));
    };
    only(change, Kind::GroupCoordinator, "3", [Suspected, Likely]);
    let mut scene = fine();
    change(&mut scene);
    assert_eq!(
        after(&scene, 0).suspects[0].evidence,
        [
            "consumer groups of partitions 2 and 5 of __consumer_offsets cannot commit or read offsets: no leader",
            "the metadata do not list broker 3",
        ]
    );
}

#[test]
fn coordinator_of_transactions_that_fails_is_another_suspect() {
    let change = |scene: &mut Scene| {
        let coordinators = Coordinators { partitions: vec![1], fault: Fault::Timeout, since: at(98) };
        scene.coordinators.insert((Coordinated::Transactions, Some(BrokerId(2))), coordinators);
    };
    only(change, Kind::TransactionCoordinator, "2", [Suspected, Likely]);
    let mut scene = fine();
    change(&mut scene);
    let diagnosis = after(&scene, 0);
    assert_eq!(diagnosis.suspects[0].headline, "Coordinators of transactions on broker 2 do not work");
}

#[test]
fn coordinators_that_wait_for_replicas_on_a_failed_broker_are_not_blamed() {
    let mut scene = fine();
    fail(&mut scene, &[3], &failed(Stage::Tcp, Fault::Refused, true));
    let mut diagnostician = Diagnostician::default();
    diagnostician.diagnose(&scene);
    let key = (Coordinated::Groups, Some(BrokerId(1)));
    let failing = Coordinators { partitions: vec![1, 4], fault: Fault::Timeout, since: at(103) };
    scene.coordinators.insert(key, failing.clone());
    scene.at = at(110);
    assert_eq!(blamed(&diagnostician.diagnose(&scene)), [(Kind::Broker, "3", Certain)]);
    // The same after the broker left the metadata.
    scene.brokers.remove(&BrokerId(3));
    scene.at = at(125);
    assert_eq!(blamed(&diagnostician.diagnose(&scene)), [(Kind::Broker, "3", Certain)]);
    // Coordinators that begin to fail much later do not wait for that broker.
    scene.coordinators.insert(key, Coordinators { since: at(300), ..failing });
    scene.at = at(310);
    let found = diagnostician.diagnose(&scene);
    assert_eq!(blamed(&found), [(Kind::Broker, "3", Certain), (Kind::GroupCoordinator, "1", Suspected)]);
}
