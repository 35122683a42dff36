//! Scenes in which transactions of the service fail.

use super::world::{after, at, blamed, fail, failed, fine, only};
use crate::{
    diagnosis::{
        Confidence::{Certain, Likely, Suspected},
        Coordinators, Diagnostician, Kind, Scene, Transactions,
    },
    kafka::{BrokerId, Fault, Stage, admin::Coordinated},
};

/// Transactions fail, and need the first of these brokers as their coordinator.
fn failing(brokers: &[i32], times: u32) -> Transactions {
    let brokers = brokers.iter().map(|broker| BrokerId(*broker)).collect();
    Transactions { brokers, times, words: "timed out in the step commit".to_owned(), since: at(90) }
}

#[test]
fn transactions_that_fail_alone_are_the_fault_of_their_coordinator() {
    let change = |scene: &mut Scene| scene.transactions = Some(failing(&[2], 2));
    only(change, Kind::TransactionCoordinator, "2", [Suspected, Likely]);
    let mut scene = fine();
    change(&mut scene);
    let suspect = &after(&scene, 0).suspects[0];
    assert_eq!(suspect.headline, "Transactions that broker 2 coordinates fail");
    assert_eq!(
        suspect.evidence,
        ["2 transactions of the service failed; the last one timed out in the step commit"]
    );
    scene.transactions = Some(failing(&[2], 1));
    assert_eq!(blamed(&after(&scene, 3)), [], "one transaction may fail while a leader moves");
    scene.transactions = Some(failing(&[], 5));
    assert_eq!(blamed(&after(&scene, 0)), [(Kind::TransactionCoordinator, "", Suspected)]);
}

#[test]
fn transactions_are_evidence_against_a_broker_that_they_need_and_that_fails() {
    for needs in [[3, 1], [1, 3]] {
        let mut scene = fine();
        scene.transactions = Some(failing(&needs, 3));
        fail(&mut scene, &[3], &failed(Stage::ApiVersions, Fault::Timeout, true));
        let diagnosis = after(&scene, 0);
        assert_eq!(blamed(&diagnosis), [(Kind::Broker, "3", Likely)]);
        let evidence = &diagnosis.suspects[0].evidence;
        assert!(evidence.iter().any(|words| words.contains("3 transactions of the service")), "{evidence:?}");
    }
}

#[test]
fn transactions_on_good_brokers_are_explained_by_a_broker_that_failed_or_left() {
    let mut scene = fine();
    scene.transactions = Some(failing(&[1], 3));
    fail(&mut scene, &[3], &failed(Stage::Tcp, Fault::Refused, true));
    let mut diagnostician = Diagnostician::default();
    diagnostician.diagnose(&scene);
    scene.at = at(112);
    assert_eq!(blamed(&diagnostician.diagnose(&scene)), [(Kind::Broker, "3", Certain)]);
    scene.brokers.remove(&BrokerId(3));
    scene.at = at(115);
    assert_eq!(blamed(&diagnostician.diagnose(&scene)), [(Kind::Broker, "3", Certain)]);
}

#[test]
fn transactions_and_checks_of_one_coordinator_are_one_suspect() {
    let mut scene = fine();
    scene.transactions = Some(failing(&[2], 3));
    let failing = Coordinators { partitions: vec![7], fault: Fault::Timeout, since: at(90) };
    scene.coordinators.insert((Coordinated::Transactions, Some(BrokerId(2))), failing);
    let diagnosis = after(&scene, 0);
    assert_eq!(blamed(&diagnosis), [(Kind::TransactionCoordinator, "2", Suspected)]);
    assert_eq!(diagnosis.suspects[0].evidence.len(), 2);
}
