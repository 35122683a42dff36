//! Scenes in which a broker works and the address of its listener does not.

use super::world::{after, at, blamed, fail, failed, fine, led_by, only, trouble};
use crate::{
    diagnosis::{
        Confidence::{Certain, Likely, Suspected},
        Elsewhere, Kind, OtherCluster, Scene, Session,
    },
    kafka::{BrokerId, Fault, Stage},
};

/// Another section opened a session with these brokers, as always since second 50, or failed to, in this second.
fn elsewhere(scene: &mut Scene, brokers: &[i32], second: u64, opened: bool) {
    for broker in brokers {
        let session =
            Elsewhere { section: "inside".to_owned(), at: at(second), opened: opened.then(|| at(50)) };
        scene.elsewhere.insert(BrokerId(*broker), session);
    }
}

#[test]
fn broker_that_the_others_reach_has_a_wrong_address() {
    let change = |scene: &mut Scene| {
        let session = Session::Failed {
            stage: Stage::Tcp,
            fault: Fault::Refused,
            times: 30,
            since: at(60),
            last: at(99),
            listed: true,
            in_sync: true,
        };
        fail(scene, &[2], &session);
        trouble(scene, Some(Fault::Timeout), led_by(2));
    };
    only(change, Kind::Listener, "2", [Likely, Likely]);
}

#[test]
fn listener_is_blamed_if_another_section_reaches_the_broker_at_another_address() {
    let one = |scene: &mut Scene| {
        fail(scene, &[2], &failed(Stage::Tcp, Fault::Refused, true));
        trouble(scene, None, led_by(2));
        elsewhere(scene, &[1, 2, 3], 98, true);
    };
    only(one, Kind::Listener, "2", [Likely, Likely]);
    let mut scene = fine();
    one(&mut scene);
    let suspect = &after(&scene, 0).suspects[0];
    assert_eq!(suspect.headline, "The address b2.example:9092 does not lead to broker 2");
    assert_eq!(
        suspect.evidence,
        [
            "no session with broker 2 could be opened: stage tcp failed: refused",
            "the section inside for the same cluster reaches broker 2 at another address",
        ]
    );
    let all = |scene: &mut Scene| {
        fail(scene, &[1, 2, 3], &failed(Stage::Tcp, Fault::Timeout, true));
        trouble(scene, None, |_, _| true);
        elsewhere(scene, &[1, 2, 3], 99, true);
    };
    only(all, Kind::Listener, "", [Likely, Likely]);
    let mut scene = fine();
    all(&mut scene);
    assert_eq!(blamed(&after(&scene, 10)), [(Kind::Listener, "", Certain)]);
}

#[test]
fn broker_is_blamed_if_another_section_does_not_reach_it_either() {
    let change = |scene: &mut Scene| {
        fail(scene, &[2], &failed(Stage::Tcp, Fault::Refused, true));
        trouble(scene, None, led_by(2));
        elsewhere(scene, &[1, 3], 99, true);
        elsewhere(scene, &[2], 99, false);
    };
    only(change, Kind::Broker, "2", [Likely, Likely]);
}

#[test]
fn session_of_another_section_from_before_the_failure_delays_the_blame() {
    let before = |brokers: &'static [i32], fault| {
        move |scene: &mut Scene| {
            fail(scene, brokers, &failed(Stage::Tcp, fault, true));
            trouble(scene, None, |_, partition| partition.leader.is_some_and(|id| brokers.contains(&id.0)));
            elsewhere(scene, brokers, 96, true);
            scene.at = at(99);
        }
    };
    only(before(&[2], Fault::Refused), Kind::Broker, "2", [Suspected, Likely]);
    only(before(&[1, 2, 3], Fault::Timeout), Kind::ClientNetwork, "", [Suspected, Suspected]);
}

#[test]
fn session_of_another_section_after_a_restart_is_no_evidence_against_the_listener() {
    let change = |scene: &mut Scene| {
        fail(scene, &[2], &failed(Stage::Tcp, Fault::Refused, true));
        let session = Elsewhere { section: "inside".to_owned(), at: at(101), opened: Some(at(99)) };
        scene.elsewhere.insert(BrokerId(2), session);
    };
    only(change, Kind::Broker, "2", [Likely, Likely]);
}

#[test]
fn network_of_this_machine_is_blamed_only_if_no_other_cluster_can_be_reached() {
    let cut_off = |other: Option<OtherCluster>| {
        move |scene: &mut Scene| {
            fail(scene, &[1, 2, 3], &failed(Stage::Tcp, Fault::Timeout, true));
            trouble(scene, None, |_, _| true);
            scene.other_clusters.extend(other.clone().map(|other| ("west".to_owned(), other)));
        }
    };
    only(cut_off(None), Kind::ClientNetwork, "", [Suspected, Likely]);
    let other = |second, opened| Some(OtherCluster { at: at(second), opened });
    only(cut_off(other(98, None)), Kind::ClientNetwork, "", [Likely, Likely]);
    only(cut_off(other(98, Some(at(50)))), Kind::Cluster, "", [Likely, Likely]);
    // What ended before the failure, or was opened after it, says nothing.
    only(cut_off(other(96, Some(at(50)))), Kind::ClientNetwork, "", [Suspected, Likely]);
    only(cut_off(other(101, Some(at(99)))), Kind::ClientNetwork, "", [Suspected, Likely]);
}
