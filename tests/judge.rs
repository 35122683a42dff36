//! Judgements on a real Apache Kafka: the status of groups across restarts, events, and the report.

use std::{path::Path, time::Duration};

use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
};
use serde_json::Value;
use support::{
    groups::{client, commit, now_ms, write},
    kafka::{Kafka, Listener},
    service::Service,
    wait_for,
};

#[path = "judge/coordinator.rs"]
mod coordinator;
#[path = "judge/held.rs"]
mod held;
#[path = "judge/published.rs"]
mod published;
#[expect(dead_code, reason = "each test binary uses a part of the support")]
mod support;

const PATIENCE: Duration = Duration::from_secs(30);

/// A service with intervals of seconds, so that it judges groups within seconds instead of minutes.
fn service(kafka: &Kafka, group: &str, topic: &str, folder: &Path) -> Service {
    let (bootstrap, folder) = (kafka.bootstrap(Listener::Plaintext), folder.display());
    Service::start(&format!(
        "[kafka]\nname = k\nbootstrap.servers = {bootstrap}\n[heartbeat]\nenabled = false\n\
         [metadata]\ninterval = 1s\n[freshness]\ninterval = 1s\ntopics.include = {topic}\n\
         [lag]\ninterval = 1s\ngroups.include = {group}\ntopics.include = {topic}\n\
         exclude.file = {folder}/excluded\n\
         [history]\npath = {folder}/history.db\nsample_interval_seconds = 1\n\
         recovering_minimum_duration_seconds = 3\n[report]\npath = {folder}/report.json\ninterval = 1s\n"
    ))
}

/// The status of a group on its only topic, as the API reports it. Absent until the group is judged.
fn status(service: &Service, group: &str) -> Option<Value> {
    let answer = service.api(&format!("/api/v1/groups?group={group}"), "k");
    let group = answer["groups"].as_array()?.first()?;
    Some(group["statuses"].as_array()?.first()?.clone())
}

fn wait_for_status(service: &Service, group: &str, wanted: &str) -> Value {
    wait_for(&format!("{group} to be {wanted}"), PATIENCE, || {
        status(service, group).filter(|reported| reported["status"] == wanted)
    })
}

/// Waits until the row of a group in the report file is as wanted, and returns the row.
fn wait_for_report(folder: &Path, group: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    wait_for("the report", PATIENCE, || {
        // The file is always whole, because each report replaces the file of the report before it.
        let text = std::fs::read_to_string(folder.join("report.json")).ok()?;
        let report: Value = serde_json::from_str(&text).expect("a whole report");
        let row = report["consumers"].as_array()?.iter().find(|row| row["group_id"] == group)?.clone();
        wanted(&row).then_some(row)
    })
}

/// The kinds of all events with this subject, oldest first.
fn happened(service: &Service, subject: &str) -> Vec<String> {
    let events: Value = serde_json::from_str(&service.get("/api/v1/events").expect("events")).expect("JSON");
    let events = events.as_array().expect("a list").iter().filter(|event| event["subject"] == subject);
    events.map(|event| event["kind"].as_str().expect("a word").to_owned()).collect()
}

#[test]
fn group_that_stops_is_offline_across_a_crash_and_recovers() {
    let Some(kafka) = Kafka::shared() else { return };
    let (group, topic) = ("judged-stops", "judged-stops-topic");
    let folder = tempfile::tempdir().expect("a folder");
    kafka.create_topic(topic, 1);
    write(kafka, topic, 0, (0..50).map(|_| now_ms()));
    commit(kafka, group, topic, &[(0, 50)]);
    let first = service(kafka, group, topic, folder.path());
    let online = wait_for_status(&first, group, "online");
    assert_eq!(online["stuck_partitions"], 0, "{online}");
    write(kafka, topic, 0, (0..50).map(|_| now_ms()));
    let offline = wait_for_status(&first, group, "offline");
    let series =
        first.series("kafka_consumergroup_status", &[&format!("group=\"{group}\""), "status=\"offline\""]);
    assert_eq!(series, Some(1.0));
    let row = wait_for_report(folder.path(), group, |row| row["status"] == "offline");
    assert!(row["lag_seconds"].as_u64().is_some_and(|seconds| seconds >= 3), "{row}");
    assert_eq!(
        (&row["topic"], &row["worst_partition"], &row["data_resolution"]),
        (&topic.into(), &0.into(), &"coarse".into())
    );
    assert_eq!((&row["lag_display"], &row["partitions_monitored"]), (&"< 1 minute".into(), &1.into()));
    drop(first);
    let second = service(kafka, group, topic, folder.path());
    let again = wait_for("the first cycle", PATIENCE, || status(&second, group));
    assert_eq!(
        (&again["status"], &again["since"]),
        (&"offline".into(), &offline["since"]),
        "the status is kept across the restart"
    );
    commit(kafka, group, topic, &[(0, 90)]);
    wait_for_status(&second, group, "recovering");
    commit(kafka, group, topic, &[(0, 100)]);
    wait_for_status(&second, group, "online");
    let events = happened(&second, &format!("{group} on {topic}"));
    assert_eq!(
        events,
        ["group_offline", "group_recovering", "group_online"],
        "events before the crash are kept"
    );
    std::fs::write(folder.path().join("excluded"), format!("group {group}\n")).expect("a file");
    let offset = || second.series("kafka_consumergroup_group_offset", &[&format!("group=\"{group}\"")]);
    wait_for("the excluded group to be absent", PATIENCE, || offset().is_none().then_some(()));
    wait_for("the report without the excluded group", PATIENCE, || {
        let report = std::fs::read_to_string(folder.path().join("report.json")).expect("a report");
        (!report.contains(group)).then_some(())
    });
    std::fs::remove_file(folder.path().join("excluded")).expect("the exclusion file exists");
    wait_for("the group that is excluded no more", PATIENCE, offset);
    let (ended, log) = second.stop();
    assert!(ended.success(), "{log}");
}

/// A member of a group that has read and committed up to an offset, and reads no further.
fn member(kafka: &Kafka, group: &str, topic: &str, until: i64) -> BaseConsumer {
    let mut settings = client(kafka);
    settings.set("group.id", group).set("enable.auto.commit", "false").set("auto.offset.reset", "earliest");
    let consumer: BaseConsumer = settings.create().expect("a consumer");
    consumer.subscribe(&[topic]).expect("a subscription");
    wait_for("the records", PATIENCE, || {
        let record = consumer.poll(Duration::from_millis(100))?.ok()?;
        (record.offset() + 1 >= until).then_some(())
    });
    commit_as(&consumer, topic, until);
    consumer
}

fn commit_as(consumer: &BaseConsumer, topic: &str, offset: i64) {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Offset(offset)).expect("an offset");
    consumer.commit(&list, CommitMode::Sync).expect("committed");
}

#[test]
fn consumer_that_commits_nothing_stalls_one_that_leaves_stops_and_one_that_returns_recovers() {
    let Some(kafka) = Kafka::shared() else { return };
    let (group, topic) = ("judged-members", "judged-members-topic");
    let folder = tempfile::tempdir().expect("a folder");
    kafka.create_topic(topic, 1);
    write(kafka, topic, 0, (0..100).map(|_| now_ms()));
    let consumer = member(kafka, group, topic, 100);
    let service = service(kafka, group, topic, folder.path());
    let verdict = |wanted: &str| {
        wait_for(&format!("the verdict {wanted}"), PATIENCE, || {
            let answer = service.api(&format!("/api/v1/groups?group={group}"), "k");
            let group = answer["groups"].as_array()?.first()?.clone();
            (group["verdict"] == wanted).then_some(group["state"].clone())
        })
    };
    assert_eq!(verdict("ok"), "stable");
    write(kafka, topic, 0, (0..50).map(|_| now_ms()));
    assert_eq!(verdict("stall"), "stable", "the group has members, and its committed offset does not move");
    wait_for_status(&service, group, "offline");
    drop(consumer);
    assert_eq!(verdict("stop"), "empty", "the group has no members and has lag");
    let consumer = member(kafka, group, topic, 140);
    wait_for_status(&service, group, "recovering");
    commit_as(&consumer, topic, 150);
    wait_for_status(&service, group, "online");
    assert_eq!(verdict("ok"), "stable");
    let events = happened(&service, &format!("{group} on {topic}"));
    assert_eq!(events, ["group_offline", "group_recovering", "group_online"]);
}

#[test]
fn group_that_is_reset_backwards_rewinds_and_a_deleted_group_stays_in_the_report() {
    let Some(kafka) = Kafka::shared() else { return };
    let (group, topic) = ("judged-rewinds", "judged-rewinds-topic");
    let folder = tempfile::tempdir().expect("a folder");
    kafka.create_topic(topic, 1);
    write(kafka, topic, 0, (0..50).map(|_| now_ms()));
    commit(kafka, group, topic, &[(0, 40)]);
    let service = service(kafka, group, topic, folder.path());
    wait_for("the first cycle", PATIENCE, || status(&service, group));
    commit(kafka, group, topic, &[(0, 10)]);
    let verdict = |wanted: &str| {
        let of = [format!("group=\"{group}\""), format!("verdict=\"{wanted}\"")];
        service.series("kafka_consumergroup_verdict", &[&of[0], &of[1]]) == Some(1.0)
    };
    wait_for("the verdict", PATIENCE, || verdict("rewind").then_some(()));
    let labels =
        [format!("topic=\"{topic}\""), "partition=\"0\"".to_owned(), "verdict=\"rewind\"".to_owned()];
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    assert_eq!(service.series("kafka_consumergroup_partition_verdict", &labels), Some(1.0));
    commit(kafka, group, topic, &[(0, 45)]);
    wait_for("the verdict of a group without lag", PATIENCE, || verdict("ok").then_some(()));
    kafka
        .admin("org.apache.kafka.tools.consumer.group.ConsumerGroupCommand", &["--delete", "--group", group]);
    wait_for("the deleted group to be absent", PATIENCE, || {
        service
            .series("kafka_consumergroup_status", &[&format!("group=\"{group}\""), "status=\"online\""])
            .is_none()
            .then_some(())
    });
    let row = wait_for_report(folder.path(), group, |row| row["status"] == "offline");
    assert!(row["lag_seconds"].is_u64() && row["partitions_monitored"] == 1, "{row}");
    let kept: Value =
        serde_json::from_str(&service.get("/api/v1/report").expect("the report")).expect("JSON");
    assert!(
        kept["consumers"].as_array().is_some_and(|rows| rows.iter().any(|row| row["group_id"] == group)),
        "{kept}"
    );
}

#[test]
fn recreated_topic_is_reported_and_a_missing_folder_stops_nothing_else() {
    let Some(kafka) = Kafka::shared() else { return };
    let topic = "judged-recreated-topic";
    kafka.create_topic(topic, 1);
    let folder = tempfile::tempdir().expect("a folder");
    let nowhere = folder.path().join("missing");
    let service = service(kafka, "judged-recreated", topic, &nowhere);
    wait_for("the first cycle", PATIENCE, || {
        service.series("kafka_topic_partition_count", &[&format!("topic=\"{topic}\"")])
    });
    kafka.delete_topic(topic);
    kafka.create_topic(topic, 2);
    let kinds = wait_for("the event", PATIENCE, || {
        let kinds = happened(&service, topic);
        kinds
            .iter()
            .any(|kind| ["topic_recreated", "topic_created"].contains(&kind.as_str()))
            .then_some(kinds)
    });
    assert!(kinds.iter().all(|kind| kind.starts_with("topic_")), "{kinds:?}");
    assert!(!nowhere.exists(), "the missing folder is not created");
    let (ended, log) = service.stop();
    assert!(ended.success(), "{log}");
    assert_eq!(
        log.matches("report.json cannot be written").count(),
        2,
        "logged once while the service runs, and once when it stops: {log}"
    );
    assert!(log.contains("histories are kept in memory alone"), "{log}");
}
