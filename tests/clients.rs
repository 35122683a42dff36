//! The heartbeat clients against a real Apache Kafka: their start, their settings, and what others do on the topic.

use std::time::Duration;

use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use support::{
    groups::{PATIENCE, client},
    kafka::{Kafka, Listener},
    service::Service,
    wait_for,
};

#[expect(dead_code, reason = "each test binary uses a part of the support")]
mod support;

/// A configuration that sends often and judges soon.
fn config(kafka: &Kafka, topic: &str, extra: &str) -> String {
    format!(
        "[kafka]\nname = k\nbootstrap.servers = {}\n[heartbeat]\ntopic = {topic}\ninterval = 200ms\ndeadline = 4s\n\
         horizon = 10s\n[metadata]\ninterval = 2s\n[topic]\ninterval = 2s\n[lag]\nenabled = false\n\
         [freshness]\nenabled = false\n{extra}",
        kafka.bootstrap(Listener::Plaintext)
    )
}

/// A transaction with a record on each of three partitions, which nobody ends.
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
    // 90 heartbeats of 200 ms on three partitions last longer than the deadline of 4 s: of records held back by
    // the transaction none would be in time.
    let during = service.wait("k", "good heartbeats during the transaction", 60, |totals| {
        totals.of("ok") >= before.of("ok") + 90
    });
    assert_eq!(during.bad(), before.bad(), "{during:?}\n{}", service.log());
    transaction.abort_transaction(PATIENCE).expect("ended");
}

#[test]
fn isolation_level_of_the_consumer_section_is_obeyed_and_named_at_the_start() {
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
    // Kafka answers a fetch of an empty partition after this time.
    let slow = "[consumer]\nfetch.wait.max.ms = 6000\n";
    let service = Service::start(
        &config(kafka, "hb-start", slow)
            .replace("deadline = 4s", "deadline = 10s")
            .replace("horizon = 10s", "horizon = 30s"),
    );
    let totals = service.wait("k", "good heartbeats", 60, |totals| totals.of("ok") >= 30);
    assert_eq!(totals.bad(), 0, "{totals:?}\n{}", service.log());
    let took = service.series("heartbeat_startup_duration_seconds", &[]).expect("it was told");
    assert!((5.9..20.0).contains(&took), "{took} s\n{}", service.log());
    drop(service);
    // Where there are records, one of them answers the first fetch at once.
    let service = Service::start(
        &config(kafka, "hb-start", slow)
            .replace("deadline = 4s", "deadline = 10s")
            .replace("horizon = 10s", "horizon = 30s"),
    );
    service.wait("k", "good heartbeats", 60, |totals| totals.of("ok") >= 30);
    let took = service.series("heartbeat_startup_duration_seconds", &[]).expect("it was told");
    assert!(took < 5.9, "{took} s\n{}", service.log());
}
