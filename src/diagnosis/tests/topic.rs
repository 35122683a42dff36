//! Scenes in which the heartbeat topic is at fault.

use super::world::{after, at, blamed, fail, failed, fine, led_by, only, suspects, trouble};
use crate::{
    diagnosis::{
        Confidence::{Likely, Suspected},
        Kind, Scene, Session,
    },
    kafka::{BrokerId, Fault, Stage},
};

/// A replica is out of sync on every partition.
fn drop_from_isr(scene: &mut Scene, broker: i32) {
    let isr = scene.partitions.values_mut().map(|partition| &mut partition.isr);
    isr.for_each(|isr| isr.retain(|id| *id != BrokerId(broker)));
}

#[test]
fn too_few_in_sync_replicas_point_at_the_missing_one_or_at_the_setting() {
    let missing = |scene: &mut Scene| {
        trouble(scene, Some(Fault::NotEnoughReplicas), |_, _| true);
        scene.partitions.values_mut().for_each(|partition| partition.isr = vec![BrokerId(1), BrokerId(3)]);
    };
    only(missing, Kind::Replica, "2", [Likely, Likely]);
    let setting = |scene: &mut Scene| trouble(scene, Some(Fault::NotEnoughReplicas), |_, _| true);
    only(setting, Kind::TopicConfig, "hb", [Suspected, Likely]);
}

#[test]
fn setting_that_allows_no_replica_to_fail_is_blamed_beside_the_broker_that_failed() {
    let strict = |scene: &mut Scene| {
        scene.min_isr = Some(3);
        drop_from_isr(scene, 2);
        trouble(scene, None, |_, _| true);
    };
    only(strict, Kind::TopicConfig, "hb", [Suspected, Likely]);
    let mut scene = fine();
    strict(&mut scene);
    let diagnosis = after(&scene, 3);
    let suspect = &diagnosis.suspects[0];
    assert_eq!(suspect.headline, "The setting min.insync.replicas=3 of the topic hb cannot be met");
    assert_eq!(
        suspect.evidence,
        [
            "heartbeats to partitions 0, 1, 2, 3, 4 and 1 more fail or are overdue with 2 in-sync replicas",
            "the setting is as high as the number of replicas, so that no replica may be out of sync",
        ]
    );
    fail(&mut scene, &[2], &failed(Stage::ApiVersions, Fault::Timeout, true));
    let both = [(Kind::Broker, "2", Likely), (Kind::TopicConfig, "hb", Likely)];
    let diagnosis = after(&scene, 3);
    assert_eq!(blamed(&diagnosis), both);
}

#[test]
fn setting_that_is_met_or_not_known_is_not_blamed() {
    let waits_for = |min_isr| {
        move |scene: &mut Scene| {
            scene.min_isr = min_isr;
            drop_from_isr(scene, 2);
            trouble(scene, None, led_by(3));
        }
    };
    only(waits_for(Some(2)), Kind::Broker, "3", [Suspected, Likely]);
    only(waits_for(None), Kind::Broker, "3", [Suspected, Likely]);
    let whole = |scene: &mut Scene| {
        scene.min_isr = Some(3);
        trouble(scene, None, led_by(3));
    };
    only(whole, Kind::Broker, "3", [Suspected, Likely]);
}

#[test]
fn replicas_that_are_missing_are_blamed_if_the_setting_allows_one_to_fail() {
    let change = |scene: &mut Scene| {
        drop_from_isr(scene, 2);
        drop_from_isr(scene, 3);
        trouble(scene, None, |_, _| true);
    };
    only(change, Kind::Replica, "2", [Likely, Likely]);
}

#[test]
fn topic_that_does_not_exist_is_blamed_until_heartbeats_reach_it_again() {
    let missing = |scene: &mut Scene| {
        scene.topic_missing = true;
        trouble(scene, Some(Fault::UnknownTopic), |_, _| true);
    };
    only(missing, Kind::TopicConfig, "hb", [Suspected, Likely]);
    let back = |scene: &mut Scene| {
        trouble(scene, Some(Fault::UnknownTopic), |_, _| true);
        let session = Session::Open { at: at(100), since: at(0), slow: None };
        fail(scene, &[1, 2, 3], &session);
    };
    assert_eq!(suspects(back), [0, 3].map(|_| vec![(Kind::TopicConfig, "hb".to_owned(), Suspected)]));
}

#[test]
fn permission_that_is_missing_is_named_by_what_failed() {
    let mut scene = fine();
    trouble(&mut scene, Some(Fault::Authorization), |_, _| true);
    assert_eq!(after(&scene, 0).suspects[0].headline, "The principal may not write to the topic hb");
    let troubles = scene.partitions.values_mut().filter_map(|partition| partition.trouble.as_mut());
    troubles.for_each(|trouble| trouble.acknowledged = true);
    assert_eq!(after(&scene, 0).suspects[0].headline, "The principal may not read from the topic hb");
}
