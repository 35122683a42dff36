//! Transactions of the service: they are committed and visible, or aborted and never visible. A transaction that an earlier run left open is
//! ended, a second instance with the same transactional id is named, and a frozen coordinator is a timeout of a named step.

use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    producer::{BaseProducer, BaseRecord, Producer},
};

use super::*;

const PATIENCE: Duration = Duration::from_secs(60);

const OUTCOMES: &str = "heartbeat_transaction_outcomes_total";

/// Every second transaction is aborted.
fn config(kafka: &Kafka, topic: &str, id: &str) -> String {
    plaintext(kafka, topic)
        + &format!(
            "[transaction_probe]\nenabled = true\ninterval = 3s\ntimeout = 3s\nabort.every = 2\ntransactional.id = {id}\n"
        )
}

/// A producer that takes the transactional id.
fn producer(kafka: &Kafka, id: &str) -> BaseProducer {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", kafka.bootstrap(Listener::Plaintext))
        .set("transactional.id", id)
        .create()
        .expect("a producer");
    // The first transactional producer creates the topic of the coordinators.
    wait_for("the coordinator of a transaction", PATIENCE, || {
        producer.init_transactions(Duration::from_secs(10)).ok()
    });
    producer
}

fn outcome(service: &Service, name: &str) -> f64 {
    service.sum(OUTCOMES, &[&format!("outcome=\"{name}\"")])
}

/// Waits until so many more transactions have this outcome.
fn wait_for_more(service: &Service, name: &str, more: f64) {
    let before = outcome(service, name);
    let what = format!("{more} more transactions with the outcome {name}");
    wait_for(&what, PATIENCE, || (outcome(service, name) >= before + more).then_some(()));
}

/// The values of the records that an independent consumer with this isolation level reads.
fn values(kafka: &Kafka, topic: &str, isolation: &str) -> Vec<String> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", kafka.bootstrap(Listener::Plaintext))
        .set("group.id", "witness")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("isolation.level", isolation)
        .create()
        .expect("a consumer");
    let mut partitions = TopicPartitionList::new();
    for partition in 0..3 {
        partitions.add_partition_offset(topic, partition, Offset::Beginning).expect("a partition");
    }
    consumer.assign(&partitions).expect("assigned");
    let (mut values, mut ended) = (Vec::new(), BTreeSet::new());
    let begun = Instant::now();
    while ended.len() < 3 {
        assert!(begun.elapsed() < PATIENCE, "the topic is read to its end");
        match consumer.poll(Duration::from_secs(1)) {
            Some(Ok(record)) => {
                values.push(String::from_utf8_lossy(record.payload().unwrap_or_default()).into_owned());
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => _ = ended.insert(partition),
            Some(Err(error)) => panic!("{error}"),
            None => {}
        }
    }
    values
}

/// Asserts that each transaction has one outcome, and that no aborted record was visible.
fn assert_accounted(service: &Service) {
    let page = service.get("/metrics").expect("metrics");
    let sum = |family: &str| -> f64 {
        let lines = page.lines().filter(|line| line.starts_with(&format!("{family}{{")));
        lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    };
    let begun = sum("heartbeat_transactions_begun_total");
    assert!(begun > 0.0, "{page}");
    assert_eq!(begun, sum(OUTCOMES) + sum("heartbeat_transactions_in_flight"));
    assert_eq!(sum("heartbeat_transaction_aborted_visible_total"), 0.0);
    assert_eq!(outcome(service, "aborted_visible"), 0.0);
}

#[test]
fn transactions_are_visible_or_aborted_and_a_second_instance_is_named() {
    let Some(kafka) = Kafka::shared() else { return };
    let (topic, id) = ("hb-tx-transactions", "hb-tx-own");
    kafka.create_topic(topic, 3);
    // An earlier run was killed in the middle of a transaction.
    let earlier = producer(kafka, id);
    earlier.begin_transaction().expect("begun");
    earlier.send(BaseRecord::<(), _>::to(topic).partition(0).payload("left open")).expect("taken");
    earlier.flush(PATIENCE).expect("written");
    drop(earlier);

    let service = Service::start(&config(kafka, "hb-tx", id));
    wait_for("the open transaction to be ended", PATIENCE, || {
        (service.sum("heartbeat_transactions_left_open_total", &[]) == 1.0).then_some(())
    });
    wait_for_more(&service, "committed", 3.0);
    wait_for_more(&service, "aborted", 2.0);
    let log = service.log();
    assert!(log.contains("that an earlier producer had left open"), "{log}");
    assert_accounted(&service);
    assert_eq!(service.sum("heartbeat_anomalies_total", &["kind=\"foreign\""]), 0.0);
    let (_, _, page) = service.request("/", "text/html").expect("the page");
    assert!(page.contains("Transactions of this service") && page.contains(id), "{page}");
    if kafka.is_modern() {
        let described = kafka
            .admin("org.apache.kafka.tools.TransactionsCommand", &["describe", "--transactional-id", id]);
        assert!(described.contains("Complete") || described.contains("Empty"), "{described}");
    }

    // Two instances with one transactional id.
    let other = producer(kafka, id);
    wait_for("the other instance to be named", PATIENCE, || {
        (outcome(&service, "fenced") >= 1.0).then_some(())
    });
    assert_eq!(service.series("heartbeat_transaction_probe_fenced", &[]), Some(1.0));
    assert!(service.log().contains("another instance uses the same transactional id"), "{}", service.log());
    assert_eq!(service.series("heartbeat_transactions_failing", &[]), None, "none is begun now");
    drop(other);
    wait_for_more(&service, "committed", 1.0);
    assert_eq!(service.series("heartbeat_transaction_probe_fenced", &[]), Some(0.0));
    assert_eq!(service.series("heartbeat_transactions_failing", &[]), Some(0.0), "Kafka was not at fault");
    assert_accounted(&service);
    assert_eq!(service.totals("k").bad(), 0, "{}", service.log());
    let (ended, log) = service.stop();
    assert!(ended.success(), "{log}");

    let (committed, all) = (values(kafka, topic, "read_committed"), values(kafka, topic, "read_uncommitted"));
    assert!(!committed.iter().any(|value| value == "left open"), "{committed:?}");
    assert!(all.iter().any(|value| value == "left open"), "{all:?}");
    let number = |value: &String| value.rsplit_once(' ').and_then(|(_, number)| number.parse::<u64>().ok());
    assert!(committed.iter().filter_map(number).all(|number| number % 2 == 1), "{committed:?}");
    assert!(all.iter().filter_map(number).any(|number| number % 2 == 0), "{all:?}");
}

/// The partition of `__transaction_state` of a transactional id, as Kafka chooses it.
fn partition_of(id: &str, partitions: i32) -> i32 {
    let hash = id.bytes().fold(0_i32, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
    (hash & i32::MAX) % partitions
}

#[test]
fn frozen_coordinator_is_a_timeout_of_a_named_step_and_transactions_recover() {
    let Some(kafka) = Kafka::start(3) else { return };
    drop(producer(&kafka, "someone"));
    let leaders = wait_for("all leaders of the topic", PATIENCE, || {
        Some(kafka.leaders("__transaction_state")).filter(|leaders| leaders.len() == 4)
    });
    let leaders: BTreeMap<_, _> = leaders.into_iter().collect();
    let coordinator = |id: &str| leaders[&partition_of(id, 4)];
    let id = (0..100).map(|number| format!("tx-{number}")).find(|id| coordinator(id) == 2).expect("an id");
    let service = Service::start(&config(&kafka, "hb-frozen", &id));
    wait_for_more(&service, "committed", 2.0);
    wait_for_more(&service, "aborted", 1.0);

    kafka.broker(2).pause();
    let frozen = Instant::now();
    wait_for("a transaction that timed out", PATIENCE, || {
        (outcome(&service, "timed_out") >= 1.0).then_some(())
    });
    let step = wait_for("its step", PATIENCE, || {
        let is_failed = |step: &&str| {
            let labels = [format!("step=\"{step}\""), "fault=\"timeout\"".to_owned()];
            service.sum("heartbeat_transaction_failures_total", &[&labels[0], &labels[1]]) > 0.0
        };
        ["init", "produce", "commit", "abort"].into_iter().find(is_failed)
    });
    eprintln!("timed out in the step {step} after {:.1} s", frozen.elapsed().as_secs_f32());
    let evidence = wait_for("the evidence against the broker", PATIENCE, || {
        let diagnosis = service.api("/api/v1/diagnosis", "k").to_string();
        diagnosis.contains("of the service").then_some(diagnosis)
    });
    eprintln!("evidence after {:.1} s: {evidence}", frozen.elapsed().as_secs_f32());
    kafka.broker(2).wait_until_fenced();
    wait_for_more(&service, "committed", 2.0);
    eprintln!("committed again after {:.1} s", frozen.elapsed().as_secs_f32());
    wait_for("no failure any more", PATIENCE, || {
        (service.series("heartbeat_transactions_failing", &[]) == Some(0.0)).then_some(())
    });
    kafka.broker(2).resume();
    kafka.broker(2).wait_until_known();
    wait_for_more(&service, "committed", 1.0);
    assert_accounted(&service);
    assert!(
        service.log().contains("transactions fail: the last one timed out in the step"),
        "{}",
        service.log()
    );
    let (ended, log) = service.stop();
    assert!(ended.success(), "{log}");
}
