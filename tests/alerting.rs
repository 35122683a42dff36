//! From a fault to the pager and back: a real Kafka, the service, a real Prometheus with our rules, a real Alertmanager
//! with our routes, and a receiver of its notifications.
//!
//! Rules and routes are those of the repository, in a world in which a minute lasts two seconds. `PROMETHEUS3` and
//! `ALERTMANAGER` name the programs; without one of them the test is skipped, except under `CI=true`.
//! The answers of Prometheus and the timelines of the faults are written to `target/tmp`.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering::Relaxed},
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use answers::Answers;
use rdkafka::{
    ClientContext, Message,
    consumer::{BaseConsumer, Consumer},
    producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer},
};
use support::{
    groups::{client, commit, now_ms, write},
    kafka::Kafka,
    wait_for,
};
use world::{Fault, MINUTE, PATIENCE, World};

#[path = "alerting/answers.rs"]
mod answers;
#[path = "alerting/kept.rs"]
mod kept;
#[path = "alerting/notifications.rs"]
mod notifications;
#[expect(dead_code, reason = "each test binary uses a part of the support")]
mod support;
#[path = "alerting/world.rs"]
mod world;

/// Traffic during the test, on all partitions of a topic: one record a second, a group that reads the records, and a group
/// without members that commits the log end offsets.
#[derive(Default)]
struct Traffic {
    /// Whether the producer is stopped.
    silent: AtomicBool,
    /// Whether the group without members is stopped.
    stopped: AtomicBool,
    ends: Ends,
}

/// The log end offset of each partition, as far as records are acknowledged. A committed offset that counted the other
/// records would lie beyond the log end while a leader is down.
#[derive(Clone, Default)]
struct Ends(Arc<[AtomicI64; 3]>);

impl ClientContext for Ends {}

impl ProducerContext for Ends {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Ok(message) = result {
            self.0[message.partition() as usize].fetch_max(message.offset() + 1, Relaxed);
        }
    }
}

impl Traffic {
    /// Writes 20,000 records at once, so that the group without members has a critical lag.
    fn pour(kafka: &Kafka) {
        write(kafka, "orders", 0, (0..20_000).map(|_| now_ms()));
    }

    /// Writes a record a second. Waits for no acknowledgement: while a broker is down, records go to the other brokers.
    fn write(&self, kafka: &Kafka, ended: &Ended) {
        let producer: ThreadedProducer<Ends> = client(kafka)
            .set("enable.idempotence", "true")
            .create_with_context(self.ends.clone())
            .expect("the settings of the idempotent producer are valid");
        while ended.after_a_second() {
            for partition in (0..3).filter(|_| !self.silent.load(Relaxed)) {
                let record = BaseRecord::<(), _>::to("orders").partition(partition).payload("x");
                let queued = producer.send(record).map_err(|(error, _)| error);
                queued.expect("the producer's queue has room for a record a second");
            }
        }
    }

    fn read(kafka: &Kafka, ended: &Ended) {
        let mut reader = client(kafka);
        reader.set("group.id", "shipping").set("auto.offset.reset", "earliest");
        let reader: BaseConsumer = reader.create().expect("the settings of the consumer are valid");
        reader.subscribe(&["orders"]).expect("the consumer can subscribe to a topic");
        while ended.after_a_second() {
            while reader.poll(Duration::ZERO).is_some() {}
        }
    }

    fn commit(&self, kafka: &Kafka, ended: &Ended) {
        while ended.after_a_second() {
            if !self.stopped.load(Relaxed) {
                let ends =
                    [0, 1, 2].map(|partition| (partition as i32, self.ends.0[partition].load(Relaxed)));
                commit(kafka, "billing", "orders", &ends);
            }
        }
    }
}

/// Ends the threads that wait for the end of the test, by being dropped.
struct Ended(Receiver<()>);

impl Ended {
    fn channel() -> (Sender<()>, Self) {
        let (running, ended) = channel();
        (running, Self(ended))
    }

    /// Waits for a second. False once the test has ended.
    fn after_a_second(&self) -> bool {
        self.0.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout)
    }
}

const OF_THE_CONSUMER: [&str; 10] = [
    "KafkaConsumerLagCritical",
    "KafkaConsumerLagWarning",
    "KafkaConsumerLagGrowing",
    "KafkaConsumerGroupStalled",
    "KafkaConsumerGroupOffline",
    "KafkaConsumerTimeLagHigh",
    "KafkaConsumerTimeLagBudgetBurn",
    "KafkaConsumerNearRetention",
    "KafkaTopicStale",
    "KafkaTopicFreshnessBudgetBurn",
];

const OF_A_BROKER: [&str; 12] = [
    "KafkaSuspectBroker",
    "KafkaBrokerMissing",
    "KafkaUnderReplicatedPartitions",
    "KafkaBrokerCountChanged",
    "KafkaBrokerUnreachable",
    "KafkaBrokerConnectivityBudgetBurn",
    "KafkaHeartbeatAvailabilityBudgetBurn",
    "KafkaHeartbeatLatencyBudgetBurn",
    "KafkaHeartbeatProduceBudgetBurn",
    "KafkaHeartbeatLatencyHigh",
    "KafkaHeartbeatBrokersUncovered",
    // Retried, because the acknowledgement was lost with the broker.
    "KafkaHeartbeatDuplicated",
];

/// Queries that have no answer in this test: a part of the query, and the reason.
const SILENT: [(&str, &str); 31] = [
    ("heartbeat_topic_pending_actions", "the heartbeat topic lacks nothing whenever it is scraped"),
    ("heartbeat_topic_blocked", "nothing prevents an action on the heartbeat topic"),
    ("heartbeat_durability_lost_total", "no acknowledged record is lost"),
    ("heartbeat_transaction", "the service runs no transactions"),
    ("heartbeat_fetch_errors_total", "every fetch of the consumer succeeds"),
    ("kafka_topic_rate_", "rates are of ten minutes, and what is usual is known after a week"),
    ("kafka_consumergroup_rebalance", "no member has to join or leave a group"),
    ("kafka_consumergroup_reset", "no topic is recreated while a group reads it"),
    ("kafka_consumergroup_data_lost_offsets_total", "nothing is deleted before it was read"),
    ("kafka_consumergroup_partitions_unknown", "the log end offset of each partition of a group is known"),
    ("topic_future_timestamps_total", "all clocks are right"),
    ("kafka_under_replicated_reassigning_partitions", "nothing is moved"),
    ("heartbeat_throttle_seconds", "no client has a quota"),
    ("heartbeat_end_to_end_duration_seconds{}", "native histograms are for tests/prometheus.rs"),
    ("jvm_", "there is no JMX exporter in these brokers"),
    ("heartbeat_traces_total", "there may be no heartbeat to export as a trace"),
    ("heartbeat_own_certificate_expiry", "the service has no certificate of its own"),
    ("heartbeat_credential_", "these brokers ask for no credential"),
    ("heartbeat_token_fetch_duration_seconds", "no identity provider is asked"),
    ("heartbeat_identity_provider_clock_difference_seconds", "no identity provider is asked"),
    ("heartbeat_suspect{kind=\"", "the only fault is that of a broker"),
    ("heartbeat_suspect{kind=~\"dns|", "every name and every address leads to its broker"),
    ("heartbeat_suspect{kind=~\"credentials|", "the service may do what it does"),
    ("heartbeat_suspect{kind=~\"group_coordinator|", "coordinators fail with their broker alone"),
    ("heartbeat_suspect{kind=~\"prober|", "this machine may be fast enough"),
    ("heartbeat_schema_registry_", "there is no Schema Registry"),
    ("heartbeat_remote_read", "no topic is tiered"),
    ("heartbeat_negative_check", "nothing is tried that brokers should refuse"),
    ("kafka_connect_", "there is no Kafka Connect"),
    ("heartbeat_mirror_", "there is no mirror"),
    ("kafka_partition_hanging_transaction", "the coordinator knows the open transaction"),
];

#[test]
fn each_alert_reaches_its_receiver_and_is_resolved_there() {
    let Some(world) = World::start() else { return };
    let traffic = Traffic::default();
    thread::scope(|scope| {
        // Dropped at the end of this scope, also by a panic, so that the threads end.
        let [writer, reader, committer] = [(); 3].map(|()| Ended::channel());
        let _running = [writer.0, reader.0, committer.0];
        let (kafka, traffic) = (&world.kafka, &traffic);
        scope.spawn(move || traffic.write(kafka, &writer.1));
        scope.spawn(move || Traffic::read(kafka, &reader.1));
        scope.spawn(move || traffic.commit(kafka, &committer.1));
        faults(&world, traffic);
    });
}

/// Starts a broker again and elects the preferred leaders, as Kafka does by itself every five minutes. Waits until no alert
/// is active, and until all replicas are in sync: an alert that is pending from now on would come before the next suspect.
fn restart_and_wait_for_calm(world: &World, broker: i32) {
    world.kafka.broker(broker).restart();
    world.kafka.broker(broker).wait_until_known();
    let all = ["--election-type", "PREFERRED", "--all-topic-partitions"];
    world.kafka.admin("org.apache.kafka.tools.LeaderElectionCommand", &all);
    world.wait_for_calm();
    wait_for("the replicas to be in sync", PATIENCE, || {
        (!world.has("ALERTS{alertname=\"KafkaUnderReplicatedPartitions\"}")).then_some(())
    });
}

/// Asserts that while a broker is dead the suspect is notified, and of its symptoms only those that it does not explain.
fn suspect_alone_is_notified(world: &World, fault: &Fault) {
    let [with, without] = world.notified_with_and_without(fault.at);
    let symptoms = |notified: &BTreeSet<(String, String)>| {
        let names = notified.iter().map(|(_, name)| name.clone());
        names.filter(|name| name != "KafkaSuspectBroker").collect::<BTreeSet<_>>()
    };
    eprintln!("notified with the inhibitions of suspects: {with:?}\nand without them: {without:?}");
    // The record whose acknowledgement was lost with the broker is no symptom of a broker that is still dead. In short minutes
    // the budget of sessions, of which the rolling restart spent a part, is spent before a suspect is likely.
    let others = ["KafkaHeartbeatDuplicated", "KafkaBrokerConnectivityBudgetBurn"].map(str::to_owned);
    let unexplained: Vec<_> = symptoms(&with).difference(&BTreeSet::from(others)).cloned().collect();
    assert!(unexplained.is_empty(), "{unexplained:?}");
    for name in ["KafkaBrokerMissing", "KafkaHeartbeatAvailabilityBudgetBurn"] {
        assert!(symptoms(&without).contains(name), "{name} is not notified without inhibitions");
    }
}

fn faults(world: &World, traffic: &Traffic) {
    let kafka = &world.kafka;
    let mut answers = Answers::new(world);
    // All is well for a quarter of an hour, in short minutes.
    let (begun, morning) = (Instant::now(), SystemTime::now());
    wait_for("a quarter of an hour in short minutes", PATIENCE, || {
        (begun.elapsed() > Duration::from_secs(15 * MINUTE)).then_some(())
    });
    world.only(begun, &[]);
    let producer: BaseProducer = client(kafka)
        .set("transactional.id", "slow")
        .create()
        .expect("the settings of the transactional producer are valid");
    producer.init_transactions(PATIENCE).expect("the coordinator knows the transactional producer");
    producer.begin_transaction().expect("a transaction begins");
    let queued = producer.send(BaseRecord::<(), _>::to("paid").payload("x")).map_err(|(error, _)| error);
    queued.expect("the record of the transaction is queued");
    producer.flush(PATIENCE).expect("the record of the transaction is delivered");
    wait_for("the open transaction to be seen", PATIENCE, || {
        world.has("kafka_partition_transaction_info{transactional_id=\"slow\"}").then_some(())
    });
    answers.ask(world, "all is well");
    producer.abort_transaction(PATIENCE).expect("the transaction is aborted");

    // The consumer stops, and so does the producer.
    let stopped = Instant::now();
    traffic.stopped.store(true, Relaxed);
    traffic.silent.store(true, Relaxed);
    Traffic::pour(kafka);
    for name in ["KafkaConsumerLagCritical", "KafkaTopicStale", "KafkaConsumerGroupOffline"] {
        world.wait_for(stopped, "firing", "critical", name);
    }
    answers.ask(world, "no record is written or read");
    traffic.silent.store(false, Relaxed);
    traffic.stopped.store(false, Relaxed);
    world.wait_for_calm();
    world.only(stopped, &OF_THE_CONSUMER);

    // A rolling restart, one broker after the other, each when the one before is back: no alert fires. It comes before the
    // faults that spend the hour's budget.
    let rolled = Instant::now();
    for broker in 1..=3 {
        kafka.broker(broker).stop();
        restart_and_wait_for_calm(world, broker);
    }
    world.paged(rolled, &[]);
    answers.ask(world, "after a rolling restart");

    // A broker dies, and comes back.
    let killed = Fault::now();
    kafka.broker(3).kill();
    world.wait_for(killed.at, "firing", "critical", "KafkaSuspectBroker");
    world.wait_for_uninhibited(killed.at, "warning", "KafkaBrokerMissing");
    world.wait_for_uninhibited(killed.at, "critical", "KafkaHeartbeatAvailabilityBudgetBurn");
    answers.ask(world, "a broker is dead");
    suspect_alone_is_notified(world, &killed);
    restart_and_wait_for_calm(world, 3);
    world.only(killed.at, &OF_A_BROKER);
    world.paged(killed.at, &["KafkaSuspectBroker", "KafkaHeartbeatAvailabilityBudgetBurn"]);
    let timeline = world.timeline(&killed, "broker 3 is killed");
    kept::suspicion_is_kept(world, &killed, 3);

    // A partition whose only replica is stopped has no leader.
    let fragile = ["--create", "--topic", "fragile", "--replica-assignment", "2"];
    kafka.admin("org.apache.kafka.tools.TopicCommand", &fragile);
    wait_for("the topic to be seen", PATIENCE, || {
        world.has("kafka_topic_partition_count{topic=\"fragile\"}").then_some(())
    });
    let lost = Fault::now();
    kafka.broker(2).kill();
    world.wait_for(lost.at, "firing", "critical", "KafkaOfflinePartitions");
    answers.ask(world, "a partition has no leader");
    restart_and_wait_for_calm(world, 2);
    world.only(lost.at, &[OF_A_BROKER.as_slice(), &["KafkaOfflinePartitions"]].concat());
    world.paged(
        lost.at,
        &["KafkaSuspectBroker", "KafkaHeartbeatAvailabilityBudgetBurn", "KafkaOfflinePartitions"],
    );
    answers.ask(world, "all is well again");

    let timeline = format!(
        "{timeline}\n{}",
        world.timeline(&lost, "broker 2 is killed, with the only replica of a partition")
    );
    fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("timeline.txt"), timeline)
        .expect("the timeline can be written to the folder of the build");
    answers.ask_of_the_whole_day(world, morning);
    let silent = answers.silent();
    let explained = |query: &str| SILENT.iter().any(|(part, _)| query.contains(part));
    let unexplained: Vec<_> = silent.iter().filter(|(_, query)| !explained(query)).collect();
    assert!(unexplained.is_empty(), "{unexplained:#?}");
}
