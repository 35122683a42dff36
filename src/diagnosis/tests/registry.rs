//! Scenes in which the Schema Registry fails, alone or with Kafka.

use std::time::Duration;

use super::world::{after, at, blamed, fail, failed, fine, led_by, only, suspects, trouble};
use crate::{
    diagnosis::{
        Confidence::{Likely, Suspected},
        Diagnostician, Kind, Registry, Scene,
    },
    kafka::{Fault, Stage},
};

/// A registry of two nodes without trouble.
fn registry() -> Registry {
    Registry { nodes: 2, down: Vec::new(), writes: None, stale: Vec::new(), asked: at(99) }
}

fn writes_fail(scene: &mut Scene) {
    scene.registry = Some(Registry { writes: Some("status_5xx"), ..registry() });
}

fn broker_fails(scene: &mut Scene) {
    fail(scene, &[2], &failed(Stage::Tcp, Fault::Timeout, true));
    trouble(scene, Some(Fault::Timeout), led_by(2));
}

#[test]
fn registry_that_fails_alone_is_blamed_and_nothing_of_kafka_is() {
    only(writes_fail, Kind::SchemaRegistry, "", [Suspected, Likely]);
    let down = |node: &str| (node.to_owned(), "refused");
    let all = |scene: &mut Scene| {
        scene.registry = Some(Registry { down: vec![down("a:1"), down("b:1")], ..registry() });
    };
    only(all, Kind::SchemaRegistry, "", [Suspected, Likely]);
    let one = |scene: &mut Scene| scene.registry = Some(Registry { down: vec![down("a:1")], ..registry() });
    only(one, Kind::SchemaRegistry, "a:1", [Suspected, Likely]);
    let stale =
        |scene: &mut Scene| scene.registry = Some(Registry { stale: vec!["b:1".to_owned()], ..registry() });
    only(stale, Kind::SchemaRegistry, "b:1", [Suspected, Likely]);
    let nothing = |scene: &mut Scene| scene.registry = Some(registry());
    assert_eq!(suspects(nothing), [vec![], vec![]]);
}

#[test]
fn writes_that_fail_while_kafka_fails_are_evidence_against_what_is_blamed_for_it() {
    let mut scene = fine();
    writes_fail(&mut scene);
    broker_fails(&mut scene);
    let diagnosis = after(&scene, 3);
    assert_eq!(diagnosis.suspects.len(), 1, "{:?}", blamed(&diagnosis));
    let suspect = &diagnosis.suspects[0];
    assert_eq!((suspect.kind, &*suspect.subject), (Kind::Broker, "2"));
    let sentence = "the Schema Registry answers reads, which it does from its memory, and the last writes to it failed: \
                    status_5xx";
    assert!(suspect.evidence.iter().any(|evidence| evidence == sentence), "{:?}", suspect.evidence);
}

#[test]
fn registry_is_blamed_again_if_it_was_asked_after_kafka_had_recovered() {
    let mut diagnostician = Diagnostician::default();
    let mut scene = fine();
    writes_fail(&mut scene);
    broker_fails(&mut scene);
    for _ in 0..5 {
        scene.at += Duration::from_secs(1);
        diagnostician.diagnose(&scene);
    }
    let mut later = Scene { at: scene.at + Duration::from_secs(15), ..fine() };
    let kinds = |diagnostician: &mut Diagnostician, scene: &Scene| {
        let suspects = diagnostician.diagnose(scene).suspects;
        suspects.into_iter().map(|suspect| suspect.kind).collect::<Vec<_>>()
    };
    let asked = scene.at + Duration::from_secs(2);
    later.registry = Some(Registry { writes: Some("timeout"), asked, ..registry() });
    assert_eq!(kinds(&mut diagnostician, &later), [], "the registry was asked before it could recover");
    later.registry = Some(Registry { writes: Some("timeout"), asked: later.at, ..registry() });
    assert_eq!(kinds(&mut diagnostician, &later), [Kind::SchemaRegistry]);
}
