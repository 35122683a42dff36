//! What a diagnosis costs with 100 brokers and 300 partitions: while all is well, while one broker hangs, while every broker
//! hangs, and while every probe finds something at every broker. The floor copies the scene, which the service does as well, and diagnoses nothing.
//!
//! `cargo bench --bench diagnosis -- [ROUNDS]`

#![expect(clippy::print_stdout, reason = "a bench prints what it saw")]

use std::{
    collections::BTreeMap,
    hint::black_box,
    time::{Duration, Instant, SystemTime},
};

use kafka_heartbeat::{
    diagnosis::{
        Broker, Controller, Coordinators, Diagnostician, Difference, Partition, Replicas, Scene, Session,
        Trouble,
    },
    kafka::{BrokerId, Fault, Stage, admin::Coordinated},
};
use measure::{median, number};

#[expect(dead_code, reason = "each bench uses a part of what is shared")]
mod measure;

const BROKERS: i32 = 100;
const PARTITIONS: i32 = 300;
/// The service diagnoses so often in a second.
const A_SECOND: f64 = 2.0;
const DIAGNOSES: u32 = 1000;

/// Whether a broker does not answer.
type Fails = fn(i32) -> bool;

/// Every partition has three replicas, and these brokers do not answer.
fn scene(fails: Fails) -> Scene {
    let at = SystemTime::now();
    let hung = Session::Failed {
        stage: Stage::ApiVersions,
        fault: Fault::Timeout,
        times: 3,
        since: at,
        last: at,
        listed: true,
        in_sync: false,
    };
    let broker = |id: i32| Broker {
        host: format!("b{id}.example"),
        port: 9092,
        rack: Some(format!("rack-{}", id % 3)),
        session: if fails(id) { hung.clone() } else { Session::Open { at, since: at, slow: None } },
    };
    let partition = |number: i32| {
        let replicas = [0, 1, 2].map(|replica| BrokerId((number + replica) % BROKERS)).to_vec();
        let leader = Some(replicas[0]);
        let trouble = Trouble { leader, overdue: 2, bad: 0, fault: None, acknowledged: false, since: at };
        let trouble = replicas.iter().any(|id| fails(id.0)).then_some(trouble);
        Partition { leader, isr: replicas.clone(), replicas, trouble }
    };
    Scene {
        at,
        prober: None,
        stalled: None,
        login: None,
        topic: "hb".to_owned(),
        topic_missing: false,
        topic_denied: false,
        min_isr: Some(2),
        partitions: (0..PARTITIONS).map(|number| (number, partition(number))).collect(),
        brokers: (0..BROKERS).map(|id| (BrokerId(id), broker(id))).collect(),
        elsewhere: BTreeMap::new(),
        other_clusters: BTreeMap::new(),
        metadata: None,
        controller: None,
        throttled: BTreeMap::new(),
        differing: BTreeMap::new(),
        compared: BROKERS as usize,
        replicas: BTreeMap::new(),
        coordinators: BTreeMap::new(),
        transactions: None,
        registry: None,
        connect: None,
        mirrors: BTreeMap::new(),
    }
}

/// Every probe finds something at every broker.
fn found(scene: &mut Scene) {
    for id in (0..BROKERS).map(BrokerId) {
        let sentence = format!("broker {id} names other brokers as the brokers of the cluster");
        scene.differing.insert(id, Difference { sentence, is_other_broker: false });
        scene.replicas.insert(id, Replicas { damaged: vec![0, 1, 2], late: vec![3, 4, 5] });
        for of in [Coordinated::Groups, Coordinated::Transactions] {
            let failing =
                Coordinators { partitions: vec![id.0], fault: Fault::Timeout, since: SystemTime::now() };
            scene.coordinators.insert((of, Some(id)), failing);
        }
    }
    scene.throttled.insert("produce", Duration::from_millis(900));
    scene.controller = Some(Controller::Lost);
}

/// The time of one call, as the median of the rounds.
fn time_of(rounds: usize, mut call: impl FnMut()) -> Duration {
    let round = |_| {
        let begun = Instant::now();
        (0..DIAGNOSES).for_each(|_| call());
        begun.elapsed().as_secs_f64() / f64::from(DIAGNOSES)
    };
    Duration::from_secs_f64(median(&(0..rounds).map(round).collect::<Vec<_>>()))
}

fn main() {
    let Some(arguments) = measure::arguments() else { return };
    let rounds = usize::try_from(number(&arguments, 0, 7)).expect("few rounds");
    println!(
        "{BROKERS} brokers, {PARTITIONS} partitions, {A_SECOND} diagnoses a second, median of {rounds} rounds"
    );
    let mut everything = scene(|_| false);
    found(&mut everything);
    let cases = [
        ("all is well", scene(|_| false)),
        ("one broker hangs", scene(|id| id == 7)),
        ("every broker hangs", scene(|_| true)),
        ("every probe finds something", everything),
    ];
    for (name, scene) in cases {
        let mut diagnostician = Diagnostician::default();
        let floor = time_of(rounds, || drop(black_box(scene.clone())));
        let took = time_of(rounds, || drop(black_box(diagnostician.diagnose(black_box(&scene)))));
        let each_second = A_SECOND * took.as_secs_f64() * 1e3;
        let ratio = took.as_secs_f64() / floor.as_secs_f64();
        println!(
            "{name}: {took:.1?} for one, {each_second:.3} ms of a second, {ratio:.2} of a copy of the scene"
        );
    }
}
