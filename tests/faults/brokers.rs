//! Faults of the brokers themselves. No other case runs at the same time.

use std::{collections::BTreeMap, time::Instant};

use kafka_heartbeat::kafka::admin;

use crate::{
    case::{
        Case,
        Subject::{Any, Victim},
        Way,
    },
    scene::Scene,
};

/// Creates the heartbeat topic so that the victim leads no partition and follows on each.
pub(crate) fn create_topic_that_the_victim_follows(scene: &Scene, min_isr: &str) {
    let leaders: Vec<_> = (1..=3).filter(|id| *id != scene.victim).collect();
    let [x, y, victim] = [leaders[0], leaders[1], scene.victim];
    scene.world.create_topic(&scene.topic, &[[x, y, victim], [y, x, victim], [x, victim, y]], min_isr);
}

/// Raises min.insync.replicas to three when two replicas are in sync. Kafka ignores a number above that of the replicas.
fn raise_min_isr(scene: &Scene) -> Instant {
    scene.broker().pause();
    scene.world.wait_until_in_sync(&scene.topic, 2);
    set_min_isr(scene, "3");
    Instant::now()
}

fn lower_min_isr(scene: &Scene) -> Instant {
    set_min_isr(scene, "2");
    resume(scene)
}

fn set_min_isr(scene: &Scene, count: &str) {
    let configs = BTreeMap::from([("min.insync.replicas", count.to_owned())]);
    scene.world.administer(async |wire| admin::alter_topic_configs(wire, &scene.topic, &configs).await);
}

pub(crate) fn pause(scene: &Scene) -> Instant {
    let now = Instant::now();
    scene.broker().pause();
    now
}

pub(crate) fn resume(scene: &Scene) -> Instant {
    scene.broker().resume();
    let now = Instant::now();
    scene.broker().wait_until_known();
    now
}

pub(crate) fn kill(scene: &Scene) -> Instant {
    let now = Instant::now();
    scene.broker().kill();
    now
}

pub(crate) fn restart(scene: &Scene) -> Instant {
    scene.broker().restart();
    Instant::now()
}

fn restart_each(scene: &Scene) -> Instant {
    let now = Instant::now();
    for broker in scene.world.kafka.brokers() {
        broker.stop();
        broker.restart();
        scene.world.wait_until_in_sync(&scene.topic, 3);
    }
    now
}

fn set_clock(scene: &Scene, seconds: i64) -> Instant {
    scene.broker().set_clock(seconds);
    Instant::now()
}

pub(crate) fn cases() -> Vec<Case> {
    let one = |name, inject, heal| Case::new(name, Way::Direct, inject, heal).wants(&[&[("broker", Victim)]]);
    let follower = |name| {
        Case::new(name, Way::Direct, pause, resume)
            .wants(&[&[("broker", Victim), ("replica", Victim)]])
            .hold(12)
    };
    vec![
        one("one broker: frozen for 10 s", pause, resume).hold(10),
        one("one broker: frozen for 60 s", pause, resume).hold(60),
        Case::new(
            "one broker: its clock is one hour ahead",
            Way::Direct,
            |s| set_clock(s, 3600),
            |s| set_clock(s, 0),
        ),
        one("one broker: killed", kill, restart),
        follower("one follower: frozen, min.insync.replicas 2")
            .prepare(|s| create_topic_that_the_victim_follows(s, "2")),
        follower("one follower: frozen, min.insync.replicas 3")
            .prepare(|s| create_topic_that_the_victim_follows(s, "3"))
            // The setting allows no replica to fail.
            .beside(&[("topic_config", Any)]),
        Case::new("topic: min.insync.replicas above the ISR", Way::Direct, raise_min_isr, lower_min_isr)
            .prepare(|s| create_topic_that_the_victim_follows(s, "2"))
            .wants(&[&[("topic_config", Any)]])
            .beside(&[("broker", Victim), ("replica", Victim)]),
        Case::new("three brokers: restarted one after the other", Way::Direct, restart_each, |_| {
            Instant::now()
        }),
    ]
}
