//! Faults of the brokers that coordinate consumer groups and transactional producers. No other case runs at the same time.

use std::{
    iter,
    time::{Duration, Instant},
};

use kafka_heartbeat::kafka::BrokerId;
use rdkafka::{
    ClientConfig,
    producer::{BaseProducer, Producer},
};

use crate::{
    brokers::{pause, restart, resume},
    case::{
        Case,
        Subject::{Any, Victim},
        Way,
    },
    scene::Scene,
    support::{groups::commit, kafka::Listener, wait_for},
};

/// What a broker coordinates: the topic of the coordinators, and the metric of those that were not checked yet.
struct Coordinated {
    topic: &'static str,
    unchecked: &'static str,
}

const GROUPS: Coordinated =
    Coordinated { topic: "__consumer_offsets", unchecked: "heartbeat_coordinator_partitions_unchecked" };
const TRANSACTIONS: Coordinated = Coordinated {
    topic: "__transaction_state",
    unchecked: "heartbeat_transaction_coordinator_partitions_unchecked",
};

/// The settings of the service for a check of every coordinator of transactions within seconds.
const CHECK_TRANSACTIONS: &str = "transaction_coordinators.enabled = true\ntransaction_coordinators.interval = 2s\n\
                                  transaction_coordinators.timeout = 2s\n";

impl Coordinated {
    /// The partitions of the topic that a broker leads.
    fn led_by(&self, scene: &Scene, broker: i32) -> Vec<i32> {
        let partitions = scene.world.topic(self.topic).expect("the topic of the coordinators").partitions;
        let led = partitions.iter().filter(|(_, partition)| partition.leader == Some(BrokerId(broker)));
        led.map(|(number, _)| *number).collect()
    }

    fn wait_for_checks(&self, scene: &Scene) {
        wait_for("a check of every coordinator", Duration::from_secs(60), || {
            (scene.service().series(self.unchecked, &[]) == Some(0.0)).then_some(())
        });
    }

    /// Leaves what the broker coordinates without a second replica, and stops the broker in good order.
    fn stop_last(&self, scene: &Scene) -> Instant {
        self.wait_for_checks(scene);
        let coordinated = self.led_by(scene, scene.victim);
        assert!(!coordinated.is_empty(), "the broker leads partitions of {}", self.topic);
        let alone = [scene.victim];
        let moves: Vec<_> = coordinated.iter().map(|partition| (*partition, &alone[..])).collect();
        scene.world.reassign(self.topic, &moves);
        wait_for("single replicas", Duration::from_secs(30), || {
            let partitions = scene.world.topic(self.topic)?.partitions;
            coordinated.iter().all(|partition| partitions[partition].replicas.len() == 1).then_some(())
        });
        scene.broker().stop();
        Instant::now()
    }

    /// Starts the broker, and gives the partitions with one replica three again.
    fn restart_last(&self, scene: &Scene) -> Instant {
        let now = restart(scene);
        let partitions = scene.world.topic(self.topic).expect("the topic of the coordinators").partitions;
        let alone = partitions.iter().filter(|(_, partition)| partition.replicas.len() == 1);
        let others = (1..=3).filter(|id| *id != scene.victim);
        let replicas: Vec<i32> = iter::once(scene.victim).chain(others).collect();
        let moves: Vec<_> = alone.map(|(partition, _)| (*partition, &replicas[..])).collect();
        scene.world.reassign(self.topic, &moves);
        now
    }
}

/// Creates the heartbeat topic, and the topic of offsets by a commit.
fn create_offsets(scene: &Scene) {
    scene.create_topic();
    commit(&scene.world.kafka, "faults", &scene.topic, &[(0, 0)]);
}

/// Creates the heartbeat topic, and the topic of transactions by a transactional producer.
fn create_transactions(scene: &Scene) {
    scene.create_topic();
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", scene.world.kafka.bootstrap(Listener::Plaintext))
        .set("transactional.id", "faults")
        .create()
        .expect("the settings of the transactional producer are valid");
    wait_for("a transactional producer that may begin", Duration::from_secs(60), || {
        producer.init_transactions(Duration::from_secs(10)).ok()
    });
}

fn pause_after_checks(scene: &Scene) -> Instant {
    TRANSACTIONS.wait_for_checks(scene);
    assert!(!TRANSACTIONS.led_by(scene, scene.victim).is_empty(), "the broker coordinates transactions");
    pause(scene)
}

pub(crate) fn cases() -> Vec<Case> {
    let direct = |name, inject, heal| Case::new(name, Way::Direct, inject, heal);
    // The controller moves the leaders of all other partitions first, so that heartbeats stay good.
    let last = |case: Case| case.beside(&[("broker", Victim)]).within(14, 16).hold(18);
    vec![
        last(direct(
            "consumer groups: the only replica is stopped",
            |s| GROUPS.stop_last(s),
            |s| GROUPS.restart_last(s),
        ))
        .prepare(create_offsets)
        .wants(&[&[("group_coordinator", Any)]]),
        last(direct(
            "transactional producers: the only replica is stopped",
            |s| TRANSACTIONS.stop_last(s),
            |s| TRANSACTIONS.restart_last(s),
        ))
        .prepare(create_transactions)
        .settings(|_| CHECK_TRANSACTIONS.to_owned())
        .wants(&[&[("transaction_coordinator", Any)]]),
        // The frozen broker explains why its coordinators do not answer.
        direct("one coordinator of transactions: frozen", pause_after_checks, resume)
            .prepare(create_transactions)
            .settings(|_| CHECK_TRANSACTIONS.to_owned())
            .wants(&[&[("broker", Victim)]])
            .hold(12),
    ]
}
