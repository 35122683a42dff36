//! Scenes in which a Kafka Connect cluster fails, alone or with Kafka.

use std::time::Duration;

use super::world::{after, at, blamed, fail, failed, fine, led_by, only, trouble};
use crate::{
    diagnosis::{
        Confidence::{Likely, Suspected},
        Connect, ConnectCluster, Diagnostician, Kind, Registry, Scene,
    },
    kafka::{Fault, Stage},
};

const WORDS: &str = "workers answer, and the last requests for the connectors failed: status_5xx";

fn connect(down: &[&str], failing: Option<&str>) -> Option<Connect> {
    let down = down.iter().map(|worker| ((*worker).to_owned(), "refused")).collect();
    let failing = failing.map(str::to_owned);
    let cluster = ConnectCluster { name: "payments".to_owned(), workers: 2, down, failing };
    Some(Connect { clusters: vec![cluster], asked: at(99) })
}

fn broker_fails(scene: &mut Scene) {
    fail(scene, &[2], &failed(Stage::Tcp, Fault::Timeout, true));
    trouble(scene, Some(Fault::Timeout), led_by(2));
}

#[test]
fn connect_cluster_that_fails_alone_is_blamed_and_nothing_of_kafka_is() {
    only(|scene| scene.connect = connect(&[], Some(WORDS)), Kind::Connect, "payments", [Suspected, Likely]);
    only(
        |scene| scene.connect = connect(&["a:1", "b:1"], None),
        Kind::Connect,
        "payments",
        [Suspected, Likely],
    );
    only(|scene| scene.connect = connect(&["a:1"], None), Kind::Connect, "payments a:1", [Suspected, Likely]);
}

#[test]
fn connect_cluster_that_fails_with_kafka_is_evidence_and_no_suspect() {
    let mut scene = fine();
    scene.connect = connect(&["a:1"], Some(WORDS));
    broker_fails(&mut scene);
    let diagnosis = after(&scene, 3);
    assert_eq!(diagnosis.suspects.len(), 1, "{:?}", blamed(&diagnosis));
    let suspect = &diagnosis.suspects[0];
    assert_eq!((suspect.kind, &*suspect.subject), (Kind::Broker, "2"));
    let sentence = format!(
        "Connect cluster payments fails too: the last requests to worker a:1 failed: refused; {WORDS}"
    );
    assert!(suspect.evidence.contains(&sentence), "{:?}", suspect.evidence);
}

#[test]
fn registry_and_connect_cluster_that_fail_together_are_both_blamed() {
    let mut scene = fine();
    scene.connect = connect(&[], Some(WORDS));
    let writes = Some("status_5xx");
    scene.registry = Some(Registry { nodes: 2, down: Vec::new(), writes, stale: Vec::new(), asked: at(99) });
    let kinds: Vec<_> = after(&scene, 3).suspects.iter().map(|suspect| suspect.kind).collect();
    assert_eq!(kinds, [Kind::SchemaRegistry, Kind::Connect]);
}

#[test]
fn connect_cluster_that_was_asked_before_it_could_recover_with_kafka_is_not_blamed() {
    let mut diagnostician = Diagnostician::default();
    let mut scene = fine();
    scene.connect = connect(&[], Some(WORDS));
    broker_fails(&mut scene);
    for _ in 0..5 {
        scene.at += Duration::from_secs(1);
        diagnostician.diagnose(&scene);
    }
    let mut later = Scene { at: scene.at + Duration::from_secs(15), ..fine() };
    let mut kinds = |asked, scene: &mut Scene| {
        scene.connect = connect(&[], Some(WORDS)).map(|connect| Connect { asked, ..connect });
        let suspects = diagnostician.diagnose(scene).suspects;
        suspects.into_iter().map(|suspect| suspect.kind).collect::<Vec<_>>()
    };
    assert_eq!(kinds(scene.at + Duration::from_secs(2), &mut later), []);
    let at = later.at;
    assert_eq!(kinds(at, &mut later), [Kind::Connect]);
}
