//! The heartbeat clients against a real Apache Kafka: their start, their settings, and other clients on the topic.

use std::time::Duration;

use kafka_heartbeat::{
    config::{Sources, load},
    kafka::{native::Publisher, wire},
};
use rdkafka::{
    mocking::MockCluster,
    producer::{BaseProducer, BaseRecord, Producer},
    types::{RDKafkaApiKey, RDKafkaRespErr},
};
use support::{
    groups::{PATIENCE, client},
    kafka::{Kafka, Listener},
    service::Service,
    wait_for,
};

#[expect(dead_code, reason = "each test binary uses a part of the support")]
mod support;

/// A configuration with short intervals and deadlines.
fn config(kafka: &Kafka, topic: &str, extra: &str) -> String {
    config_of(&kafka.bootstrap(Listener::Plaintext), topic, extra)
}

fn config_of(bootstrap: &str, topic: &str, extra: &str) -> String {
    format!(
        "[kafka]\nname = k\nbootstrap.servers = {bootstrap}\n[heartbeat]\ntopic = {topic}\ninterval = 200ms\n\
         deadline = 4s\nhorizon = 10s\n[metadata]\ninterval = 2s\n[topic]\ninterval = 2s\n[lag]\nenabled = false\n\
         [freshness]\nenabled = false\n{extra}"
    )
}

/// A transaction with a record on each of three partitions. The transaction stays open.
fn open_transaction(kafka: &Kafka, topic: &str) -> BaseProducer {
    let producer: BaseProducer = client(kafka)
        .set("transactional.id", format!("{topic}-open"))
        .set("transaction.timeout.ms", "300000")
        .create()
        .expect("a producer");
    producer.init_transactions(PATIENCE).expect("known to its coordinator");
    producer.begin_transaction().expect("begun");
    for partition in 0..3 {
        let record = BaseRecord::<(), _>::to(topic).partition(partition).payload("of a transaction");
        producer.send(record).map_err(|(error, _)| error).expect("taken");
    }
    producer.flush(PATIENCE).expect("written");
    producer
}

#[test]
fn heartbeats_during_an_open_transaction_of_another_client_are_ok() {
    let Some(kafka) = Kafka::shared() else { return };
    kafka.create_topic("hb-open", 3);
    let config =
        config(kafka, "hb-open", "").replace("name = k", "name = k\nisolation.level = read_committed");
    let service = Service::start(&config);
    let before = service.wait("k", "good heartbeats", 60, |totals| totals.of("ok") >= 15);
    let transaction = open_transaction(kafka, "hb-open");
    // 90 heartbeats on three partitions with an interval of 200 ms take longer than the deadline of 4 s. If the
    // transaction held their records back, none of them would be in time.
    let during = service.wait("k", "good heartbeats during the transaction", 60, |totals| {
        totals.of("ok") >= before.of("ok") + 90
    });
    assert_eq!(during.bad(), before.bad(), "{during:?}\n{}", service.log());
    transaction.abort_transaction(PATIENCE).expect("ended");
}

#[test]
fn isolation_level_of_the_consumer_section_is_used_and_logged_at_the_start() {
    let Some(kafka) = Kafka::shared() else { return };
    kafka.create_topic("hb-committed", 3);
    let chosen = "[consumer]\nisolation.level = read_committed\n";
    let service = Service::start(&config(kafka, "hb-committed", chosen));
    let words = "a transaction that another client leaves open on the topic hb-committed makes heartbeats late or lost";
    wait_for("the warning", Duration::from_secs(10), || service.log().contains(words).then_some(()));
    service.wait("k", "good heartbeats", 60, |totals| totals.of("ok") >= 3);
    let transaction = open_transaction(kafka, "hb-committed");
    service.wait("k", "heartbeats that wait for the transaction", 60, |totals| totals.bad() >= 3);
    transaction.abort_transaction(PATIENCE).expect("ended");
}

#[test]
fn heartbeats_begin_when_the_first_fetch_was_answered() {
    let Some(kafka) = Kafka::shared() else { return };
    kafka.create_topic("hb-start", 3);
    // Kafka answers a fetch of an empty partition after this time, which is shorter than the grace time of 10 s.
    let slow = "[consumer]\nfetch.wait.max.ms = 6000\n";
    let config = config(kafka, "hb-start", slow)
        .replace("deadline = 4s", "deadline = 10s")
        .replace("horizon = 10s", "horizon = 30s");
    let start = || {
        let service = Service::start(&config);
        let totals = service.wait("k", "good heartbeats", 60, |totals| totals.of("ok") >= 30);
        let took = service.series("heartbeat_startup_duration_seconds", &[]).expect("the series is present");
        (took, totals, service.log())
    };
    let (took, totals, log) = start();
    assert_eq!(totals.bad(), 0, "{totals:?}\n{log}");
    assert!(took >= 5.9, "{took} s\n{log}");
    // If a partition has records, its first fetch is answered at once. A client that waits for an empty fetch never starts
    // so soon. A machine that is busy at one start is not busy at all others.
    let mut later = (0..5).map(|_| start().0);
    assert!(later.any(|took| took < 5.9), "none of five starts was shorter than the wait of a fetch");
}

#[test]
fn heartbeats_after_a_fatal_error_of_the_producer_are_ok() {
    let cluster = MockCluster::new(1).expect("a cluster inside librdkafka");
    cluster.create_topic("hb-fatal", 3, 1).expect("a topic");
    let service = Service::start(&config_of(
        &cluster.bootstrap_servers(),
        "hb-fatal",
        "[producer]\nenable.idempotence = true\n",
    ));
    let renewals = || {
        let labels = ["client=\"producer\"", "reason=\"fatal_error\""];
        service.series("heartbeat_client_renewals_total", &labels)
    };
    service.wait("k", "good heartbeats", 60, |totals| totals.of("ok") >= 15);
    assert_eq!(renewals(), Some(0.0), "{}", service.log());
    for error in 1..=2 {
        // The client has a fatal error when the broker does not expect the oldest record in flight.
        let fatal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
        cluster.request_errors(RDKafkaApiKey::Produce, &[fatal]);
        wait_for("the renewal", PATIENCE, || (renewals() == Some(f64::from(error))).then_some(()));
        let renewed = service.totals("k");
        service.wait("k", "good heartbeats again", 60, |totals| totals.of("ok") >= renewed.of("ok") + 30);
    }
    // The two records that the broker refused may have been written; no record after them was sent.
    let totals = service.totals("k");
    assert_eq!(
        totals.bad(),
        totals.of("unacked_missing") + totals.of("unsent"),
        "{totals:?}\n{}",
        service.log()
    );
    assert!(totals.of("unacked_missing") <= 2, "{totals:?}\n{}", service.log());
    let log = service.log();
    let logged: Vec<_> = log.lines().filter(|line| line.to_lowercase().contains("fatal")).collect();
    assert_eq!(logged.len(), 2, "one line for each error: {logged:#?}");
    for line in logged {
        assert!(line.contains("OutOfOrderSequenceNumber") && line.contains("another producer"), "{line}");
    }
}

#[test]
fn finding_after_a_fatal_error_of_the_publisher_is_published() {
    let cluster = MockCluster::new(1).expect("a cluster inside librdkafka");
    cluster.create_topic("findings", 1, 1).expect("a topic");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config.ini");
    let text = config_of(&cluster.bootstrap_servers(), "hb", "[producer]\nenable.idempotence = true\n");
    std::fs::write(&file, text).expect("a file");
    let config = load(&Sources { file: Some(file), ..Sources::default() }).expect("valid");
    let settings = &config.clusters[0];
    let access = wire::Client::from_properties("", &settings.kafka).expect("good settings").access();
    let publisher = Publisher::new(settings, access, PATIENCE).expect("a client");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let publish = || runtime.block_on(publisher.publish("findings", "key", "value"));
    assert_eq!(publish(), Ok(()));
    let fatal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    cluster.request_errors(RDKafkaApiKey::Produce, &[fatal]);
    assert!(publish().is_err(), "the broker refused it");
    assert_eq!(publish(), Ok(()));
}
