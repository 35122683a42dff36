//! The audit counts acknowledged records that were cut off or that differ, exactly these, and takes nothing else for a loss.

use std::os::unix::fs::FileExt;

use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
};

use super::*;

const TOPIC: &str = "hb-durability";

/// A sampled heartbeat: its offset, and the run and the number by which its record is recognised.
type Sampled = (i64, u64, u64);

/// The samples in the history file.
fn samples(history: &std::path::Path) -> BTreeSet<Sampled> {
    let file = rusqlite::Connection::open(history).expect("the history file");
    let mut rows = file.prepare("SELECT log_offset, run, sequence FROM sample").expect("the table");
    let rows = rows.query_map([], |row| {
        let number = |column| row.get::<_, i64>(column).map(i64::cast_unsigned);
        Ok((row.get(0)?, number(1)?, number(2)?))
    });
    rows.expect("rows").map(|row| row.expect("a row")).collect()
}

/// Every heartbeat in the log of partition 0, by an independent client.
fn log(kafka: &Kafka) -> BTreeSet<Sampled> {
    let consumer: BaseConsumer = rdkafka::ClientConfig::new()
        .set("bootstrap.servers", kafka.bootstrap(Listener::Plaintext))
        .set("group.id", "witness")
        .set("enable.partition.eof", "true")
        .create()
        .expect("a consumer");
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(TOPIC, 0, Offset::Beginning).expect("an offset");
    consumer.assign(&list).expect("assigned");
    let mut found = BTreeSet::new();
    wait_for("the end of the log", Duration::from_secs(60), || {
        match consumer.poll(Duration::from_secs(1))? {
            Ok(message) => {
                let record = Record::decode(message.payload().expect("a value")).expect("a heartbeat");
                found.insert((message.offset(), record.identity.epoch, record.id.sequence));
                None
            }
            Err(rdkafka::error::KafkaError::PartitionEOF(_)) => Some(()),
            Err(_) => None,
        }
    });
    found
}

/// The number of records that the audit has found to be lost.
fn lost(service: &Service) -> f64 {
    service.sum("heartbeat_durability_lost_total", &[])
}

#[test]
fn unclean_election_loses_exactly_the_records_that_the_new_leader_lacks_and_deleted_records_are_not_lost() {
    let Some(kafka) = Kafka::start(3) else { return };
    let (leader, follower) = (1, 2);
    let settings = ["min.insync.replicas=1", "unclean.leader.election.enable=true"];
    let mut arguments = vec!["--create", "--topic", TOPIC, "--replica-assignment", "1:2"];
    arguments.extend(settings.iter().flat_map(|setting| ["--config", setting]));
    kafka.admin("org.apache.kafka.tools.TopicCommand", &arguments);
    let folder = tempfile::tempdir().expect("a folder");
    let history = folder.path().join("history.db");
    let config = plaintext(&kafka, TOPIC).replace("[topic]", "[topic]\nexpand = false")
        + &format!("[history]\npath = {}\n", history.display())
        + "[durability]\ninterval = 1s\ntimeout = 1s\nsample = 1s\nafter = 5s 30s\n";

    let service = Service::start(&config);
    wait_for("records of both replicas to be read again", Duration::from_secs(60), || {
        (service.sum("heartbeat_durability_checked_total", &["age=\"5s\""]) >= 5.0).then_some(())
    });
    kafka.broker(follower).stop();
    let before = service.totals("k").of("ok");
    service.wait("k", "heartbeats that the leader alone has", 60, |totals| totals.of("ok") >= before + 50);
    assert_eq!(lost(&service), 0.0, "{}", service.log());
    kafka.broker(leader).kill();
    let (ended, _) = service.stop();
    assert_eq!(ended.code(), Some(0));

    kafka.broker(follower).restart();
    wait_for("the replica without the newest records to lead", Duration::from_secs(60), || {
        kafka.leaders(TOPIC).contains(&(0, follower)).then_some(())
    });
    let (sampled, kept) = (samples(&history), log(&kafka));
    let expected: BTreeSet<i64> = sampled.difference(&kept).map(|(offset, ..)| *offset).collect();
    let survived = sampled.intersection(&kept).count();
    assert!(expected.len() >= 3 && survived >= 3, "{} lost, {survived} not", expected.len());

    let service = Service::start(&config);
    wait_for("every sample of before to be judged", Duration::from_secs(90), || {
        let judged = service.sum("heartbeat_durability_checked_total", &["age=\"30s\""]);
        (judged >= sampled.len() as f64).then_some(())
    });
    let audit = service.api("/api/v1/durability", "k");
    let records = audit["records"].as_array().expect("a list");
    let found: BTreeSet<i64> = records.iter().filter_map(|record| record["offset"].as_i64()).collect();
    assert_eq!((found, records.len()), (expected.clone(), expected.len()), "{audit}");
    for record in records {
        assert_eq!((&record["reason"], &record["leader"]), (&"truncated".into(), &leader.into()), "{record}");
    }
    assert_eq!(lost(&service), expected.len() as f64);
    let log_lines = service.log();
    let named = |offset: &i64| log_lines.contains(&format!("The record at offset {offset} of partition 0"));
    assert!(expected.iter().all(named), "{log_lines}");
    let events = service.get("/api/v1/events?kind=record_lost").expect("events");
    assert_eq!(events.matches("acknowledged it in leader epoch").count(), expected.len(), "{events}");
    eprintln!(
        "{} samples, {} lost: offsets {expected:?}\n{}",
        sampled.len(),
        expected.len(),
        log_lines.lines().filter(|line| line.contains("is lost")).collect::<Vec<_>>().join("\n")
    );

    let file = folder.path().join("delete.json");
    let all = format!(r#"{{"version":1,"partitions":[{{"topic":"{TOPIC}","partition":0,"offset":-1}}]}}"#);
    fs::write(&file, all).expect("a file");
    let file = file.display().to_string();
    kafka.admin("org.apache.kafka.tools.DeleteRecordsCommand", &["--offset-json-file", &file]);
    wait_for("deleted records to be noticed", Duration::from_secs(60), || {
        let deleted = service.sum("heartbeat_durability_unchecked_total", &["reason=\"deleted\""]);
        (deleted >= 3.0).then_some(())
    });
    assert_eq!(lost(&service), expected.len() as f64, "{}", service.log());
}

/// Samples of every second, each of which is read again soon and once more much later.
const OFTEN: &str = "[durability]\ninterval = 1s\ntimeout = 1s\nsample = 1s\nafter = 2s 30s\n";

#[test]
fn bytes_that_change_on_the_disk_of_a_leader_are_records_that_differ() {
    let Some(kafka) = Kafka::shared_with_all_listeners() else { return };
    let topic = "hb-audit-flipped";
    let service = Service::start(&(plaintext(kafka, topic) + OFTEN));
    wait_for("records to be read again", Duration::from_secs(60), || {
        (service.sum("heartbeat_durability_checked_total", &["age=\"2s\""]) >= 9.0).then_some(())
    });
    assert_eq!(lost(&service), 0.0, "{}", service.log());
    let (partition, leader) = kafka.leaders(topic)[0];
    let segment = kafka.broker(leader).segment(topic, partition);
    let bytes = fs::read(&segment).expect("the log of the partition");
    let file = fs::OpenOptions::new().write(true).open(&segment).expect("the log of the partition");
    // The first byte of the padding of each heartbeat.
    let paddings: Vec<usize> = (1..bytes.len() - 8)
        .filter(|at| bytes[at - 1] != b'.' && bytes[*at..].starts_with(b"........"))
        .collect();
    paddings.iter().for_each(|at| file.write_all_at(b"!", *at as u64).expect("another byte"));
    wait_for("the changed records to be found", Duration::from_secs(90), || {
        (service.sum("heartbeat_durability_lost_total", &["reason=\"different\""]) >= 3.0).then_some(())
    });
    let audit = service.api("/api/v1/durability", "k");
    let records = audit["records"].as_array().expect("a list");
    assert!((3..=paddings.len()).contains(&records.len()), "{audit}");
    for record in records {
        assert_eq!(
            (&record["reason"], &record["partition"]),
            (&"different".into(), &partition.into()),
            "{record}"
        );
    }
    for reason in ["missing", "truncated"] {
        let label = format!("reason=\"{reason}\"");
        assert_eq!(service.sum("heartbeat_durability_lost_total", &[&label]), 0.0, "{}", service.log());
    }
}

#[test]
fn topic_that_was_deleted_and_created_again_has_lost_no_record() {
    let Some(kafka) = Kafka::shared_with_all_listeners() else { return };
    let topic = "hb-audit-recreated";
    let service = Service::start(&(plaintext(kafka, topic) + OFTEN));
    wait_for("records to be read again", Duration::from_secs(60), || {
        (service.sum("heartbeat_durability_checked_total", &["age=\"2s\""]) >= 9.0).then_some(())
    });
    kafka.admin("org.apache.kafka.tools.TopicCommand", &["--delete", "--topic", topic]);
    wait_for("the samples of the deleted topic to be given up", Duration::from_secs(90), || {
        let given_up = service.sum("heartbeat_durability_unchecked_total", &["reason=\"recreated\""]);
        (given_up >= 9.0).then_some(())
    });
    let checked = || service.sum("heartbeat_durability_checked_total", &["age=\"2s\""]);
    let before = checked();
    wait_for("records of the new topic to be read again", Duration::from_secs(90), || {
        (checked() >= before + 3.0).then_some(())
    });
    assert_eq!(lost(&service), 0.0, "{}", service.log());
}

#[test]
fn records_that_the_retention_removes_are_not_lost() {
    let Some(kafka) = Kafka::shared_with_all_listeners() else { return };
    let topic = "hb-audit-retention";
    let mut arguments = vec!["--create", "--topic", topic, "--partitions", "3", "--replication-factor", "3"];
    arguments.extend(["--config", "retention.ms=8000", "--config", "segment.ms=1000"]);
    kafka.admin("org.apache.kafka.tools.TopicCommand", &arguments);
    let leader = wait_for("a leader", Duration::from_secs(30), || kafka.leaders(topic).first().copied());
    let first = kafka.broker(leader.1).segment(topic, leader.0);
    assert!(first.exists(), "the segment of the first records");
    let service = Service::start(&(plaintext(kafka, topic) + OFTEN));
    let age = |age: &str| service.sum("heartbeat_durability_checked_total", &[&format!("age=\"{age}\"")]);
    wait_for("records to be read near the end of the retention and removed", Duration::from_secs(90), || {
        (!first.exists() && age("2s") >= 30.0 && age("retention") >= 20.0).then_some(())
    });
    assert_eq!(lost(&service), 0.0, "{}", service.log());
}
