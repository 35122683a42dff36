//! An embedded cluster of three brokers, for a first look without any Kafka.
//!
//! It is librdkafka's mock: real sockets, real protocol, no disk. It answers an empty fetch only after
//! `fetch.wait.max.ms`, so the demo sets that to 5 ms; latencies of the demo say nothing about Kafka. The mock
//! cannot leave its thread, so it has one, which also plays the faults. A few topics and groups live there
//! (`traffic`), so that there is something to see of lag and freshness.

use std::{
    collections::BTreeMap,
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread::{self, JoinHandle},
    time::Duration,
};

use rdkafka::{error::KafkaError, mocking::MockCluster};

use crate::config::{self, Config, Errors, Sources};

mod traffic;

use traffic::Traffic;

/// The cluster has so many brokers, and the topic so many partitions.
const BROKERS: i32 = 3;
const TOPIC: &str = "kafka-heartbeat";

/// The embedded cluster; it lives until this is dropped.
pub struct Demo {
    bootstrap: String,
    /// What runs until its channel is closed: the traffic, then the cluster itself.
    threads: Vec<(Sender<()>, JoinHandle<()>)>,
}

/// One act of the fault script.
struct Act {
    words: &'static str,
    lasts: Duration,
    play: fn(&Cluster) -> Result<(), KafkaError>,
}

type Cluster = MockCluster<'static, rdkafka::producer::DefaultProducerContext>;

const fn act(words: &'static str, seconds: u64, play: fn(&Cluster) -> Result<(), KafkaError>) -> Act {
    Act { words, lasts: Duration::from_secs(seconds), play }
}

/// Played over and over.
const SCRIPT: [Act; 7] = [
    act("all is well", 15, |_| Ok(())),
    act("broker 2 becomes slow: 600 ms a request", 12, |c| {
        c.broker_round_trip_time(2, Duration::from_millis(600))
    }),
    act("broker 2 is fast again", 8, |c| c.broker_round_trip_time(2, Duration::ZERO)),
    act("partition 0 moves to broker 3", 10, |c| c.partition_leader(TOPIC, 0, Some(3))),
    act("partition 0 moves back to broker 1", 8, |c| c.partition_leader(TOPIC, 0, Some(1))),
    act("broker 3 goes down", 12, |c| c.broker_down(3)),
    act("broker 3 is back", 15, |c| c.broker_up(3)),
];

impl Demo {
    /// Starts the cluster, with or without faults.
    ///
    /// # Errors
    /// What librdkafka says, in words.
    pub fn start(faults: bool) -> Result<Self, String> {
        let (started, ready) = channel();
        let (stop, until) = channel();
        let thread = thread::Builder::new().name("demo".to_owned()).spawn(move || {
            match cluster() {
                Ok(cluster) => {
                    // Nobody waiting for the address means that the start was given up.
                    if started.send(Ok(cluster.bootstrap_servers())).is_ok() {
                        live(&cluster, faults, &until);
                    }
                }
                Err(error) => _ = started.send(Err(error.to_string())),
            }
        });
        let thread = thread.map_err(|error| error.to_string())?;
        let bootstrap = ready.recv().map_err(|_| "the embedded cluster did not start".to_owned())??;
        let mut demo = Self { bootstrap, threads: vec![(stop, thread)] };
        let traffic = Traffic::new(&demo.bootstrap).map_err(|error| error.to_string())?;
        // Before the service looks: records that appeared under its eyes would be as old as the service.
        traffic.begin().map_err(|error| error.to_string())?;
        let (stop, until) = channel();
        let thread =
            thread::Builder::new().name("demo-traffic".to_owned()).spawn(move || traffic.run(&until));
        // It ends before the brokers do.
        demo.threads.insert(0, (stop, thread.map_err(|error| error.to_string())?));
        Ok(demo)
    }

    /// Where the embedded brokers listen.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }
}

/// A configuration for an embedded cluster; where to listen is the environment's word unless it is given. The address
/// to listen on does not depend on `bootstrap`, so that it can be bound before the cluster starts.
///
/// # Errors
/// A listener that cannot be understood.
pub fn config(
    bootstrap: &str,
    listen: Option<&str>,
    env: BTreeMap<String, String>,
) -> Result<Config, Errors> {
    let set = |section, key: &str, value: &str| (section, key.to_owned(), value.to_owned(), "demo");
    config::load(&Sources {
        bootstrap: Some(bootstrap.to_owned()),
        listen: listen.map(str::to_owned),
        env,
        settings: vec![
            set("kafka", "name", "demo"),
            set("heartbeat", "topic", TOPIC),
            set("heartbeat", "interval", "500ms"),
            set("heartbeat", "deadline", "2s"),
            set("heartbeat", "horizon", "20s"),
            set("consumer", "fetch.wait.max.ms", "5"),
            set("connectivity", "interval", "3s"),
            set("metadata", "interval", "3s"),
            set("metadata", "timeout", "2s"),
            set("lag", "interval", "5s"),
            set("lag", "groups", &traffic::GROUPS.join(" ")),
            set("lag", "topics.exclude", TOPIC),
            set("freshness", "interval", "5s"),
            set("freshness", "topics.exclude", TOPIC),
            set("shutdown", "grace", "5s"),
        ],
        ..Sources::default()
    })
}

impl Drop for Demo {
    fn drop(&mut self) {
        for (stop, thread) in self.threads.drain(..) {
            drop(stop);
            if thread.join().is_err() {
                tracing::error!("a thread of the demo panicked");
            }
        }
    }
}

fn cluster() -> Result<Cluster, KafkaError> {
    let cluster = MockCluster::new(BROKERS)?;
    cluster.create_topic(TOPIC, BROKERS, BROKERS)?;
    for (topic, partitions) in traffic::TOPICS {
        cluster.create_topic(topic, partitions, BROKERS)?;
    }
    for (id, rack) in (1..=BROKERS).zip(["a", "b", "c"]) {
        cluster.broker_rack(id, rack)?;
    }
    for partition in 0..BROKERS {
        cluster.partition_leader(TOPIC, partition, Some(partition + 1))?;
    }
    Ok(cluster)
}

/// Keeps the cluster until `until` is closed, and plays faults meanwhile.
fn live(cluster: &Cluster, faults: bool, until: &Receiver<()>) {
    if !faults {
        _ = until.recv();
        return;
    }
    for act in SCRIPT.iter().cycle() {
        tracing::info!("demo: {}", act.words);
        if let Err(error) = (act.play)(cluster) {
            tracing::warn!("demo: {}: {error}", act.words);
        }
        if until.recv_timeout(act.lasts) == Err(RecvTimeoutError::Disconnected) {
            return;
        }
    }
}
