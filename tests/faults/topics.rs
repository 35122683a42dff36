//! Faults and planned changes of the heartbeat topic.

use std::{collections::BTreeMap, time::Instant};

use kafka_heartbeat::kafka::admin;

use crate::{
    case::{Case, Subject::Any, Way},
    scene::Scene,
};

/// Prefers broker 2 as the leader of partition 0, which broker 1 leads.
fn prefer_another_leader(scene: &Scene) {
    scene.world.reassign(&scene.topic, &[(0, &[2, 1, 3])]);
}

fn elect(scene: &Scene) -> Instant {
    scene.world.administer(async |wire| admin::elect_preferred(wire, &scene.topic, &[0]).await);
    Instant::now()
}

fn delete(scene: &Scene) -> Instant {
    scene.world.delete_topic(&scene.topic);
    Instant::now()
}

fn create(scene: &Scene) -> Instant {
    scene.create_topic();
    Instant::now()
}

fn recreate(scene: &Scene) -> Instant {
    let now = delete(scene);
    create(scene);
    now
}

fn shorten_retention(scene: &Scene) -> Instant {
    let configs = BTreeMap::from([("retention.bytes", "1".to_owned()), ("segment.ms", "1000".to_owned())]);
    scene.world.administer(async |wire| admin::alter_topic_configs(wire, &scene.topic, &configs).await);
    Instant::now()
}

fn nothing(_: &Scene) -> Instant {
    Instant::now()
}

pub(crate) fn cases() -> Vec<Case> {
    let topic = |name, inject, heal| Case::new(name, Way::Proxies, inject, heal);
    vec![
        topic(
            "topic: a leader is moved by a reassignment",
            |s| {
                prefer_another_leader(s);
                elect(s)
            },
            nothing,
        ),
        topic("topic: a preferred leader is elected", elect, nothing).prepare(|s| {
            s.create_topic();
            prefer_another_leader(s);
        }),
        topic(
            "topic: partitions are added",
            |s| {
                s.world.administer(async |wire| admin::create_partitions(wire, &s.topic, 5).await);
                Instant::now()
            },
            nothing,
        ),
        topic("topic: deleted, and created again by an administrator", recreate, nothing)
            .settings(|_| "topic.create = false\n".to_owned())
            .beside(&[("topic_config", Any)]),
        // Records are deleted within seconds after they were read.
        topic("topic: retention.bytes=1, and segments of one second", shorten_retention, nothing).hold(12),
        topic("topic: deleted and created by the service", delete, nothing).beside(&[("topic_config", Any)]),
        topic("topic: deleted, and the service may not create it", delete, create)
            .settings(|_| "topic.create = false\n".to_owned())
            .wants(&[&[("topic_config", Any)]]),
    ]
}
