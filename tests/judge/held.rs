//! Open transactions, share groups and the size of logs on a real Apache Kafka.

use std::sync::Arc;

use bytes::BytesMut;
use kafka_heartbeat::{
    config::{Properties, Property},
    kafka::{
        admin::{self, Topics},
        wire,
    },
};
use kafka_protocol::{
    messages::{
        ListTransactionsRequest, ProduceRequest, TopicName, TransactionalId,
        produce_request::{PartitionProduceData, TopicProduceData},
    },
    protocol::StrBytes,
    records::{Compression, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType},
};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::Value;

use crate::{
    PATIENCE,
    support::{
        groups::{client, now_ms, write},
        kafka::{Kafka, Listener},
        service::Service,
        wait_for,
    },
};

/// A service whose metadata cycle runs every second.
fn service(kafka: &Kafka, settings: &str) -> Service {
    let bootstrap = kafka.bootstrap(Listener::Plaintext);
    Service::start(&format!(
        "[kafka]\nname = k\nbootstrap.servers = {bootstrap}\n[heartbeat]\nenabled = false\n\
         [metadata]\ninterval = 1s\n{settings}"
    ))
}

#[test]
fn size_of_logs_is_what_kafkas_own_program_reports() {
    let Some(kafka) = Kafka::shared() else { return };
    let topic = "judged-sizes";
    kafka.create_topic(topic, 3);
    for partition in 0..3 {
        write(kafka, topic, partition, (0..100).map(|_| now_ms()));
    }
    let service = service(kafka, "[log_dirs]\nenabled = true\ninterval = 1s\n");
    let truth = || {
        let brokers = (1..=3).map(|id: i32| id.to_string()).collect::<Vec<_>>().join(",");
        let arguments = ["--describe", "--topic-list", topic, "--broker-list", &brokers];
        let printed = kafka.admin("org.apache.kafka.tools.LogDirsCommand", &arguments);
        let line = printed.lines().find(|line| line.starts_with('{')).expect("JSON");
        let described: Value = serde_json::from_str(line).expect("JSON");
        let all = |value: &Value, key: &str| value[key].as_array().expect("a list").clone();
        let dirs = all(&described, "brokers").into_iter().flat_map(|broker| all(&broker, "logDirs"));
        let replicas = dirs.flat_map(|dir| all(&dir, "partitions"));
        replicas.map(|replica| replica["size"].as_f64().expect("bytes")).sum::<f64>()
    };
    let label = format!("topic=\"{topic}\"");
    // Followers may still be fetching.
    wait_for("sizes to agree", PATIENCE, || {
        let size = service.series("kafka_topic_log_size_bytes", &[&label])?;
        (size > 0.0 && size == truth()).then_some(())
    });
    for broker in 1..=3 {
        let label = format!("broker=\"{broker}\"");
        let value =
            |name: &str| service.series(name, &[&label]).unwrap_or_else(|| panic!("{name} of {broker}"));
        assert_eq!(value("kafka_log_dir_up"), 1.0);
        let (size, usable, total) = (
            value("kafka_log_dir_size_bytes"),
            value("kafka_log_dir_usable_bytes"),
            value("kafka_log_dir_total_bytes"),
        );
        assert!(size > 0.0 && usable > 0.0 && total >= usable + size, "{size} {usable} {total}");
    }
}

#[test]
fn producer_of_an_open_transaction_is_named_until_the_transaction_ends() {
    let Some(kafka) = Kafka::shared() else { return };
    let topic = "judged-transactions";
    kafka.create_topic(topic, 1);
    let service = service(
        kafka,
        &format!(
            "[lag]\nenabled = false\ntopics.include = {topic}\n[freshness]\nenabled = false\n\
             [transactions]\ninterval = 1s\nmin.age = 2s\n"
        ),
    );
    let producer: BaseProducer =
        client(kafka).set("transactional.id", "judged-tx").create().expect("a producer");
    producer.init_transactions(PATIENCE).expect("begun");
    producer.begin_transaction().expect("begun");
    for _ in 0..3 {
        let record = BaseRecord::<(), _>::to(topic).partition(0).payload("x");
        producer.send(record).map_err(|(error, _)| error).expect("sent");
    }
    producer.flush(PATIENCE).expect("written");
    let label = format!("topic=\"{topic}\"");
    let value = |name: &str, more: &str| service.series(name, &[&label, more]);
    wait_for("the producer of the open transaction", PATIENCE, || {
        value("kafka_partition_transaction_info", "transactional_id=\"judged-tx\"")
    });
    let held = value("kafka_partition_stable_offset_held_seconds", "partition=\"0\"");
    assert!(held.is_some_and(|seconds| seconds >= 2.0), "{held:?}");
    assert_eq!(value("kafka_partition_held_back_records", "partition=\"0\""), Some(3.0));
    assert_eq!(
        value("kafka_partition_hanging_transaction", "partition=\"0\""),
        Some(0.0),
        "the coordinator knows the transaction"
    );
    producer.abort_transaction(PATIENCE).expect("aborted");
    wait_for("the last stable offset to be released", PATIENCE, || {
        value("kafka_partition_stable_offset_held_seconds", "partition=\"0\"").is_none().then_some(())
    });
}

/// Writes one record of a transaction that its coordinator does not know. Before brokers verified transactions (KIP-890),
/// that happened when the request of a producer to the coordinator was lost.
async fn write_unknown_to_the_coordinator(wire: &wire::Cluster, topic: &str, transactional: &str) {
    let only = |version| wire::VersionRange { lowest: version, highest: version };
    let metadata = admin::metadata(wire, Topics::Named(&[topic])).await.expect("metadata");
    let leader = metadata.topics[topic].as_ref().expect("a topic").partitions[&0].leader.expect("a leader");
    let mut producer = None;
    for broker in metadata.brokers.keys() {
        let listing = wire.ask(*broker, &ListTransactionsRequest::default(), only(0)).await.expect("a list");
        let ours =
            listing.transaction_states.iter().find(|state| &*state.transactional_id.0 == transactional);
        producer = producer.or(ours.map(|state| state.producer_id.0));
    }
    let record = Record {
        transactional: true,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: -1,
        producer_id: producer.expect("its coordinator knows the producer"),
        producer_epoch: 0,
        timestamp_type: TimestampType::Creation,
        offset: 0,
        sequence: 0,
        timestamp: now_ms(),
        key: None,
        value: Some("x".into()),
        headers: <_>::default(),
    };
    let mut batch = BytesMut::new();
    let options = RecordEncodeOptions { version: 2, compression: Compression::None };
    RecordBatchEncoder::encode(&mut batch, [&record], &options).expect("a batch");
    let text = |text: &str| StrBytes::from_string(text.to_owned());
    let data = TopicProduceData::default()
        .with_name(TopicName(text(topic)))
        .with_partition_data(vec![PartitionProduceData::default().with_records(Some(batch.freeze()))]);
    let request = ProduceRequest::default()
        .with_transactional_id(Some(TransactionalId(text(transactional))))
        .with_acks(-1)
        .with_timeout_ms(10_000)
        .with_topic_data(vec![data]);
    let answer = wire.ask(leader, &request, only(9)).await.expect("an answer");
    assert_eq!(answer.responses[0].partition_responses[0].error_code, 0, "{answer:?}");
}

#[test]
fn transaction_unknown_to_its_coordinator_is_hanging_until_it_is_aborted() {
    let Some(kafka) = Kafka::shared_with_all_listeners() else { return };
    let (topic, transactional) = ("judged-hanging", "judged-hanging-tx");
    kafka.create_topic(topic, 1);
    write(kafka, topic, 0, (0..3).map(|_| now_ms()));
    let producer: BaseProducer =
        client(kafka).set("transactional.id", transactional).create().expect("a producer");
    producer.init_transactions(PATIENCE).expect("begun");
    let servers = Property { value: kafka.bootstrap(Listener::Plaintext), place: "test".to_owned() };
    let settings =
        wire::Client::from_properties("k", &Properties([("bootstrap.servers".to_owned(), servers)].into()));
    let wire = wire::Cluster::new(Arc::new(settings.expect("good settings")), PATIENCE);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(write_unknown_to_the_coordinator(&wire, topic, transactional));
    let service = service(
        kafka,
        &format!("[lag]\ntopics.include = {topic}\n[transactions]\ninterval = 1s\nmin.age = 1s\n"),
    );
    let label = format!("topic=\"{topic}\"");
    let value = |name: &str, more: &str| service.series(name, &[&label, more]);
    let hanging = || value("kafka_partition_hanging_transaction", "partition=\"0\"");
    wait_for("the transaction to be hanging", PATIENCE, || (hanging() == Some(1.0)).then_some(()));
    let named = value("kafka_partition_transaction_info", &format!("transactional_id=\"{transactional}\""));
    assert_eq!(named, Some(1.0), "the transactional id is exposed");
    assert_eq!(value("kafka_partition_held_back_records", "partition=\"0\""), Some(1.0));
    // The remedy that the documents of this project name.
    let abort = ["abort", "--topic", topic, "--partition", "0", "--start-offset", "3"];
    kafka.admin("org.apache.kafka.tools.TransactionsCommand", &abort);
    wait_for("the last stable offset to be released", PATIENCE, || hanging().is_none().then_some(()));
}

#[test]
fn share_group_has_the_lag_that_kafkas_own_program_reports() {
    let Some(kafka) = Kafka::shared_with_all_listeners().filter(|kafka| kafka.is_modern()) else { return };
    let (topic, group) = ("judged-shared", "judged-share-group");
    kafka.create_topic(topic, 1);
    kafka.admin("org.apache.kafka.tools.FeatureCommand", &["upgrade", "--feature", "share.version=1"]);
    kafka.admin(
        "kafka.admin.ConfigCommand",
        &[
            "--alter",
            "--entity-type",
            "groups",
            "--entity-name",
            group,
            "--add-config",
            "share.auto.offset.reset=earliest",
        ],
    );
    write(kafka, topic, 0, (0..100).map(|_| now_ms() - 60_000));
    let read = ["--topic", topic, "--group", group, "--max-messages", "40", "--timeout-ms", "20000"];
    let read = kafka.admin("org.apache.kafka.tools.consumer.ConsoleShareConsumer", &read);
    assert_eq!(read.lines().filter(|line| *line == "x").count(), 40, "{read}");
    let described = kafka.admin(
        "org.apache.kafka.tools.consumer.group.ShareGroupCommand",
        &["--describe", "--offsets", "--group", group],
    );
    let row = described.lines().find(|line| line.contains(topic)).expect("a row");
    let start: f64 = row.split_whitespace().nth(3).and_then(|word| word.parse().ok()).expect("an offset");
    let service = service(
        kafka,
        &format!("[lag]\ninterval = 1s\ngroups.include = {group}\ntopics.include = {topic}\n"),
    );
    let labels = [format!("group=\"{group}\""), format!("topic=\"{topic}\""), "partition=\"0\"".to_owned()];
    let value = |name: &str| service.series(name, &labels.each_ref().map(String::as_str));
    wait_for("the lag of the share group", PATIENCE, || {
        (value("kafka_consumergroup_group_lag") == Some(100.0 - start)).then_some(())
    });
    let age = wait_for("the time lag of the share group", PATIENCE, || {
        value("kafka_consumergroup_group_lag_seconds")
    });
    assert!((60.0..180.0).contains(&age), "{age}");
    let answer = service.api(&format!("/api/v1/groups?group={group}"), "k");
    assert_eq!(answer["groups"][0]["statuses"][0]["status"], "online", "{answer}");
}
