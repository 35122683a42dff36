//! Findings on a topic of a real Apache Kafka.

use std::collections::BTreeSet;

use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
};
use serde_json::Value;

use crate::{
    PATIENCE,
    support::{
        groups::{client, commit, now_ms, write},
        kafka::{Kafka, Listener},
        service::Service,
        wait_for,
    },
};

fn service(kafka: &Kafka, group: &str, topic: &str, alerts: &str) -> Service {
    let bootstrap = kafka.bootstrap(Listener::Plaintext);
    Service::start(&format!(
        "[kafka]\nname = k\nbootstrap.servers = {bootstrap}\n[heartbeat]\nenabled = false\n\
         [metadata]\ninterval = 1s\n[freshness]\nenabled = false\n\
         [lag]\ninterval = 1s\ngroups.include = {group}\ntopics.include = {topic}\n\
         [alerts]\ntopic = {alerts}\nmetrics.topic = {alerts}-numbers\ninterval = 1s\nlag.warning = 10\nlag.critical = 50\n"
    ))
}

/// Reads a topic from its start until `enough` holds. Returns the key and the value of each record.
fn read(kafka: &Kafka, topic: &str, enough: impl Fn(&[(String, Value)]) -> bool) -> Vec<(String, Value)> {
    let consumer: BaseConsumer = client(kafka).set("group.id", topic).create().expect("a consumer");
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Beginning).expect("an offset");
    consumer.assign(&list).expect("assigned");
    let mut found = Vec::new();
    wait_for(&format!("what is published on {topic}"), PATIENCE, || {
        while let Some(Ok(record)) = consumer.poll(std::time::Duration::from_millis(100)) {
            let key = String::from_utf8(record.key().expect("a key").to_vec()).expect("UTF-8");
            found.push((key, serde_json::from_slice(record.payload().expect("a value")).expect("JSON")));
        }
        enough(&found).then_some(())
    });
    found
}

#[test]
fn findings_are_published_when_they_start_get_worse_and_end_and_numbers_in_every_cycle() {
    let Some(kafka) = Kafka::shared() else { return };
    let (group, topic, alerts) = ("published-group", "published-topic", "published-alerts");
    for name in [topic, alerts, "published-alerts-numbers"] {
        kafka.create_topic(name, 1);
    }
    write(kafka, topic, 0, (0..30).map(|_| now_ms()));
    commit(kafka, group, topic, &[(0, 10)]);
    let service = service(kafka, group, topic, alerts);
    let lags = |found: &[(String, Value)]| -> Vec<(String, String)> {
        let lags = found.iter().filter(|(key, _)| key == "consumer_lag").map(|(_, value)| {
            assert_eq!(
                (&value["metadata"]["group"], &value["metadata"]["topic"]),
                (&group.into(), &topic.into())
            );
            let text = |key: &str| value[key].as_str().expect("a word").to_owned();
            (text("severity"), text("state"))
        });
        lags.collect()
    };
    let finding = |severity: &str, state: &str| (severity.to_owned(), state.to_owned());
    read(kafka, alerts, |found| lags(found) == [finding("warning", "firing")]);
    write(kafka, topic, 0, (0..100).map(|_| now_ms()));
    let worse = [finding("warning", "firing"), finding("critical", "firing")];
    read(kafka, alerts, |found| lags(found) == worse);
    commit(kafka, group, topic, &[(0, 130)]);
    let found = read(kafka, alerts, |found| lags(found).len() == 3);
    assert_eq!(
        lags(&found),
        [&worse[..], &[finding("critical", "resolved")]].concat(),
        "each finding is published once"
    );
    let numbers = read(kafka, "published-alerts-numbers", |found| {
        found.iter().any(|(key, value)| {
            key == "kafka_consumergroup_group_sum_lag" && value["value"].as_f64() == Some(0.0)
        })
    });
    let first = numbers.iter().find(|(key, _)| key == "kafka_consumergroup_group_sum_lag").expect("a number");
    assert_eq!((&first.1["name"], &first.1["tags"]["group"]), (&first.0.as_str().into(), &group.into()));
    let sent = service.series("heartbeat_alerts_total", &["kafka_cluster=\"k\"", "ending=\"ok\""]);
    assert!(sent >= Some(4.0), "{sent:?}");
    assert_eq!(service.series("heartbeat_alerts_total", &["ending=\"failed\""]), Some(0.0));
}

#[test]
fn missing_topic_for_findings_is_one_warning_of_each_fault_and_stops_nothing_else() {
    let Some(kafka) = Kafka::shared() else { return };
    let (group, topic, alerts) = ("unpublished-group", "unpublished-topic", "unpublished-alerts");
    kafka.create_topic(topic, 1);
    write(kafka, topic, 0, (0..30).map(|_| now_ms()));
    commit(kafka, group, topic, &[(0, 10)]);
    let service = service(kafka, group, topic, alerts);
    let failed = || service.series("heartbeat_alerts_total", &["ending=\"failed\""]);
    wait_for("several tries", PATIENCE, || (failed() >= Some(3.0)).then_some(()));
    let lag = service.series("kafka_consumergroup_group_sum_lag", &[&format!("group=\"{group}\"")]);
    assert_eq!(lag, Some(20.0), "the collection goes on");
    // Once the topic exists, the findings that could not be published are.
    kafka.create_topic(alerts, 1);
    let found = read(kafka, alerts, |found| !found.is_empty());
    assert_eq!((found[0].0.as_str(), &found[0].1["state"]), ("consumer_lag", &"firing".into()));
    let (ended, log) = service.stop();
    assert!(ended.success(), "{log}");
    let warnings = log.lines().filter(|line| line.contains("WARN") && line.contains("alerts"));
    // The client may wait for the topic in vain before it learns that there is none.
    let faults: Vec<_> = warnings.filter_map(|line| line.split("fault=").nth(1)?.split(' ').next()).collect();
    let distinct: BTreeSet<_> = faults.iter().collect();
    assert!(!faults.is_empty() && faults.len() == distinct.len(), "{log}");
}
