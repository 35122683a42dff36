//! Records and committed offsets, and their lag as the service and Kafka's own programs report it.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
    error::{KafkaError, RDKafkaErrorCode},
    producer::{BaseProducer, BaseRecord, Producer},
};
use serde_json::Value;

use super::{
    kafka::{Kafka, Listener},
    service::Service,
    wait_for,
};

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn service(kafka: &Kafka, extra: &str) -> Service {
    let bootstrap = kafka.bootstrap(Listener::Plaintext);
    Service::start(&format!(
        "[kafka]\nname = k\nbootstrap.servers = {bootstrap}\n[heartbeat]\ntopic = hb-collect\n\
         [metadata]\ninterval = 1s\n[freshness]\ninterval = 2s\n[lag]\ninterval = 2s\n{extra}\n"
    ))
}

pub(crate) fn client(kafka: &Kafka) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", kafka.bootstrap(Listener::Plaintext));
    config
}

/// Writes records with these timestamps, in milliseconds since 1970.
pub(crate) fn write(kafka: &Kafka, topic: &str, partition: i32, timestamps: impl IntoIterator<Item = i64>) {
    let producer: BaseProducer = client(kafka).create().expect("a producer");
    for timestamp in timestamps {
        let record = BaseRecord::<(), _>::to(topic).partition(partition).payload("x").timestamp(timestamp);
        producer.send(record).map_err(|(error, _)| error).expect("sent");
    }
    producer.flush(PATIENCE).expect("written");
}

/// Commits offsets for a group that has no members; its coordinator may just be moving, or its broker may just stop.
pub(crate) fn commit(kafka: &Kafka, group: &str, topic: &str, offsets: &[(i32, i64)]) {
    let consumer: BaseConsumer = client(kafka).set("group.id", group).create().expect("a consumer");
    let mut list = TopicPartitionList::new();
    for (partition, offset) in offsets {
        list.add_partition_offset(topic, *partition, Offset::Offset(*offset)).expect("an offset");
    }
    wait_for("a commit", PATIENCE, || match consumer.commit(&list, CommitMode::Sync) {
        Ok(()) => Some(()),
        Err(KafkaError::ConsumerCommit(
            RDKafkaErrorCode::NotCoordinator
            | RDKafkaErrorCode::CoordinatorNotAvailable
            | RDKafkaErrorCode::CoordinatorLoadInProgress
            | RDKafkaErrorCode::BrokerTransportFailure
            | RDKafkaErrorCode::OperationTimedOut
            | RDKafkaErrorCode::RequestTimedOut
            | RDKafkaErrorCode::WaitingForCoordinator,
        )) => None,
        Err(error) => panic!("{group} on {topic}: {error}"),
    });
}

pub(crate) fn now_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis())
        .expect("small")
}

/// The partitions of a group as the API reports them, by topic and partition. Absent if the group is not known.
pub(crate) fn group(service: &Service, name: &str) -> Option<BTreeMap<(String, i64), Value>> {
    let answer = service.api(&format!("/api/v1/groups?group={name}"), "k");
    let group = answer["groups"].as_array()?.first()?.clone();
    let partitions = group["topics"].as_array()?.iter().map(|lag| {
        let place = (
            lag["topic"].as_str().expect("a topic").to_owned(),
            lag["partition"].as_i64().expect("a number"),
        );
        (place, lag.clone())
    });
    Some(partitions.collect())
}

/// Waits until a partition of a group is reported as wanted, and returns what the API reports of the partition.
pub(crate) fn wait_for_lag(
    service: &Service,
    name: &str,
    topic: &str,
    partition: i64,
    wanted: impl Fn(&Value) -> bool,
) -> Value {
    wait_for(&format!("{name} on {topic}-{partition}"), PATIENCE, || {
        let lag = group(service, name)?.remove(&(topic.to_owned(), partition))?;
        wanted(&lag).then_some(lag)
    })
}

/// (committed, log end, lag) of ConsumerGroupCommand, by partition.
pub(crate) fn described(kafka: &Kafka, name: &str, topic: &str) -> BTreeMap<i64, [i64; 3]> {
    let table = kafka.admin(
        "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
        &["--describe", "--group", name],
    );
    let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let rows = rows.filter(|row| row.len() > 5 && row[0] == name && row[1] == topic);
    rows.map(|row| {
        let number = |text: &str| text.parse::<i64>().unwrap_or_else(|_| panic!("{text} in {table}"));
        (number(row[2]), [number(row[3]), number(row[4]), number(row[5])])
    })
    .collect()
}

/// Deletes the records of partition 0 before an offset.
pub(crate) fn delete_records(kafka: &Kafka, topic: &str, before: i64) {
    let request = format!(
        "{{\"partitions\":[{{\"topic\":\"{topic}\",\"partition\":0,\"offset\":{before}}}],\"version\":1}}"
    );
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("delete.json");
    std::fs::write(&file, request).expect("the request is written");
    kafka.admin(
        "org.apache.kafka.tools.DeleteRecordsCommand",
        &["--offset-json-file", file.to_str().expect("a path in UTF-8")],
    );
}
