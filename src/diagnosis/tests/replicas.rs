//! Scenes in which replicas return damaged records, or return records late.

use super::world::{after, blamed, fail, failed, fine, only};
use crate::{
    diagnosis::{
        Confidence::{Certain, Likely, Suspected},
        Kind, Replicas, Scene,
    },
    kafka::{BrokerId, Fault, Stage},
};

fn replica(broker: i32, damaged: &'static [i32], late: &'static [i32]) -> impl Fn(&mut Scene) {
    move |scene| {
        let replicas = Replicas { damaged: damaged.to_vec(), late: late.to_vec() };
        scene.replicas.insert(BrokerId(broker), replicas);
    }
}

#[test]
fn damaged_record_is_a_proof_and_a_late_record_has_to_last() {
    only(replica(2, &[4], &[]), Kind::Replica, "2", [Certain, Certain]);
    only(replica(2, &[], &[4]), Kind::Replica, "2", [Suspected, Likely]);
}

#[test]
fn late_record_is_evidence_against_a_broker_that_is_blamed_already() {
    let mut scene = fine();
    replica(3, &[], &[0, 1])(&mut scene);
    fail(&mut scene, &[3], &failed(Stage::ApiVersions, Fault::Timeout, true));
    let diagnosis = after(&scene, 0);
    assert_eq!(blamed(&diagnosis), [(Kind::Broker, "3", Likely)]);
    let last = diagnosis.suspects[0].evidence.last().map(String::as_str);
    assert_eq!(
        last,
        Some(
            "broker 3 is an in-sync replica of partitions 0 and 1 and does not show the newest records in time"
        )
    );
}
