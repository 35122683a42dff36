//! Lag and freshness on a real Apache Kafka: the numbers are those of Kafka's own programs, or of what was written.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use kafka_heartbeat::{
    config::{self, Sources},
    kafka::{
        admin::{self, Topics},
        wire::{Client, Cluster},
    },
};
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
    producer::{BaseProducer, BaseRecord, Producer},
};
use serde_json::Value;
use support::{
    groups::{
        PATIENCE, client, commit, delete_records, described, group, now_ms, service, wait_for_lag, write,
    },
    kafka::{Kafka, Listener},
    service::Service,
    wait_for,
};

#[path = "collect/rebalances.rs"]
mod rebalances;
#[expect(dead_code, reason = "each test binary uses a part of the support")]
mod support;
#[path = "collect/tiers.rs"]
mod tiers;

#[test]
fn lags_are_those_of_kafkas_own_program() {
    let Some(kafka) = Kafka::shared() else { return };
    let topic = "lag-plain";
    kafka.create_topic(topic, 3);
    for (partition, count) in [(0, 100), (1, 50), (2, 7)] {
        write(kafka, topic, partition, (0..count).map(|_| now_ms()));
    }
    commit(kafka, "plain", topic, &[(0, 60), (1, 50), (2, 0)]);
    commit(kafka, "partly", topic, &[(1, 49)]);
    let service = service(kafka, "");
    for name in ["plain", "partly"] {
        let expected = described(kafka, name, topic);
        assert!(!expected.is_empty());
        for (partition, [committed, _, lag]) in &expected {
            wait_for_lag(&service, name, topic, *partition, |reported| {
                reported["committed"] == *committed && reported["lag"] == *lag && reported["lost"] == 0
            });
        }
        let lags = group(&service, name).expect("the group");
        assert_eq!(lags.len(), expected.len(), "a partition without a committed offset is absent: {lags:?}");
    }
    let answer = service.api("/api/v1/groups?search=plain", "k");
    let plain = &answer["groups"][0];
    assert_eq!(
        (&plain["lag"], &plain["max_lag"], &plain["state"]),
        (&47.into(), &40.into(), &"empty".into()),
        "{answer}"
    );
    let labels = ["group=\"plain\"", "topic=\"lag-plain\"", "partition=\"0\"", "cluster_name=\"k\""];
    assert_eq!(service.series("kafka_consumergroup_group_lag", &labels), Some(40.0));
    assert_eq!(service.series("kafka_consumergroup_group_retention_margin", &labels), Some(60.0));
    assert_eq!(service.series("kafka_consumergroup_group_lag_retention_ratio", &labels), Some(40.0));
    assert_eq!(service.series("kafka_consumergroup_group_sum_lag", &["group=\"plain\""]), Some(47.0));
    assert_eq!(
        service.series("kafka_partition_latest_offset", &["topic=\"lag-plain\"", "partition=\"1\""]),
        Some(50.0)
    );
    let unknown = |group: &str| {
        service.series("kafka_consumergroup_partitions_unknown", &[&format!("group=\"{group}\"")])
    };
    assert_eq!((unknown("plain"), unknown("partly")), (Some(0.0), Some(0.0)), "{}", service.log());
    service.ask_every_path();
}

#[test]
fn records_deleted_unread_are_lost_and_a_committed_offset_beyond_the_log_end_is_a_reset() {
    let Some(kafka) = Kafka::shared() else { return };
    let topic = "lag-lost";
    kafka.create_topic(topic, 1);
    write(kafka, topic, 0, (0..100).map(|_| now_ms()));
    commit(kafka, "slow", topic, &[(0, 20)]);
    let service = service(kafka, "");
    wait_for_lag(&service, "slow", topic, 0, |reported| reported["lag"] == 80);
    delete_records(kafka, topic, 70);
    let lost = wait_for_lag(&service, "slow", topic, 0, |reported| reported["lost"] == 50);
    assert_eq!((&lost["lag"], &lost["retention_margin"]), (&80.into(), &Value::from(-50)), "{lost}");
    let at = ["group=\"slow\"", "topic=\"lag-lost\""];
    assert_eq!(service.series("kafka_consumergroup_data_lost_offsets_total", &at), Some(50.0));
    let alive = |name: &str| service.series(name, &["cluster_name=\"k\""]);
    assert_eq!(alive("kafka_lag_exporter_up"), Some(1.0));
    assert!(alive("kafka_lag_exporter_data_loss_partitions_total") >= Some(1.0));
    assert!(
        (lost["retention_ratio"].as_f64().expect("a ratio") - 80.0 / 30.0 * 100.0).abs() < 0.01,
        "{lost}"
    );
    // Recreated with fewer records: the committed offset belongs to another log.
    kafka.delete_topic(topic);
    kafka.create_topic(topic, 1);
    write(kafka, topic, 0, (0..5).map(|_| now_ms()));
    commit(kafka, "slow", topic, &[(0, 20)]);
    let reset = wait_for_lag(&service, "slow", topic, 0, |reported| reported["reset"] == true);
    assert_eq!(
        (&reset["lag"], &reset["lost"], &reset["time_lag"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    let series = ["group=\"slow\"", "topic=\"lag-lost\""];
    assert_eq!(service.series("kafka_consumergroup_group_lag", &series), None);
    assert_eq!(service.series("kafka_consumergroup_reset", &series), Some(1.0));
}

#[test]
fn time_lag_is_the_age_of_the_next_record() {
    let Some(kafka) = Kafka::shared() else { return };
    let topic = "lag-age";
    kafka.create_topic(topic, 1);
    let service = service(kafka, "");
    commit(kafka, "aged", topic, &[(0, 0)]);
    let current = wait_for_lag(&service, "aged", topic, 0, |reported| reported["lag"] == 0);
    assert_eq!(current["time_lag"]["method"], "current", "{current}");
    // One record at a time, so the samples of the service contain the time of each record.
    let mut written = Vec::new();
    for count in 1..=6 {
        written.push(SystemTime::now());
        write(kafka, topic, 0, [now_ms()]);
        wait_for_lag(&service, "aged", topic, 0, |reported| reported["lag"] == count);
    }
    for (offset, written) in written.iter().enumerate() {
        let offset = i64::try_from(offset).expect("small");
        commit(kafka, "aged", topic, &[(0, offset)]);
        let reported = wait_for_lag(&service, "aged", topic, 0, |reported| reported["committed"] == offset);
        let truth = written.elapsed().expect("before now").as_secs_f64();
        let lag = &reported["time_lag"];
        assert_eq!(lag["method"], "history", "{reported}");
        let (age, error) =
            (lag["seconds"].as_f64().expect("an age"), lag["error_seconds"].as_f64().expect("a bound"));
        // The snapshot may be one cycle (2 s) old, and the request itself takes time.
        assert!(
            (age - truth).abs() <= error + 4.0,
            "offset {offset}: reported {age} s ± {error} s, but it is {truth} s"
        );
    }
}

#[test]
fn topic_is_as_fresh_as_its_newest_record() {
    let Some(kafka) = Kafka::shared() else { return };
    for topic in ["fresh-good", "fresh-never", "fresh-future", "fresh-drained", "other"] {
        kafka.create_topic(topic, 2);
    }
    let now = now_ms();
    write(kafka, "fresh-good", 0, [now - 90_000, now - 60_000]);
    write(kafka, "fresh-good", 1, [now - 30_000, now - 45_000]);
    // Less than the hour by which Kafka 4 lets a timestamp be in the future.
    write(kafka, "fresh-future", 0, [now + 50 * 60_000]);
    write(kafka, "fresh-drained", 0, [now - 1000]);
    write(kafka, "other", 0, [now]);
    delete_records(kafka, "fresh-drained", 1);
    let bootstrap = kafka.bootstrap(Listener::Plaintext);
    let service = Service::start(&format!(
        "[kafka]\nbootstrap.servers = {bootstrap}\n[heartbeat]\ntopic = hb-fresh\n[metadata]\ninterval = 1s\n\
         [lag]\nenabled = false\n[freshness]\ninterval = 1s\ntopics.prefix = nothing-; fresh-\n"
    ));
    let last =
        |topic: &str| service.series("topic_last_event_timestamp_seconds", &[&format!("topic=\"{topic}\"")]);
    let good = wait_for("the newest record", PATIENCE, || last("fresh-good"));
    assert_eq!(good, (now - 30_000) as f64 / 1e3, "the newest timestamp of all partitions");
    let oldest = service.series("topic_oldest_partition_event_timestamp_seconds", &["topic=\"fresh-good\""]);
    assert_eq!(oldest, Some((now - 60_000) as f64 / 1e3));
    for (topic, state) in [
        ("fresh-good", "ok"),
        ("fresh-never", "empty"),
        ("fresh-future", "future"),
        ("fresh-drained", "drained"),
    ] {
        let labels = [format!("topic=\"{topic}\""), format!("state=\"{state}\"")];
        let labels: Vec<_> = labels.iter().map(String::as_str).collect();
        assert_eq!(service.series("topic_freshness_state", &labels), Some(1.0), "{topic}");
        assert!(topic == "fresh-good" || last(topic).is_none(), "{topic} has no age");
    }
    assert_eq!(last("other"), None, "the topic has none of the prefixes");
    assert_eq!(service.series("topic_metric_exporter_up", &[]), Some(1.0));
    let metrics = service.get("/metrics").expect("metrics");
    assert!(
        metrics.contains("\ntopic_last_event_timestamp_seconds{topic=\"fresh-good\"} "),
        "the name and the labels of the older exporter"
    );
    assert!(metrics.contains("\ntopic_metric_exporter_up 1\n"));
    write(kafka, "fresh-good", 0, [now + 500]);
    wait_for("a newer record", PATIENCE, || (last("fresh-good")? == (now + 500) as f64 / 1e3).then_some(()));
}

#[test]
fn group_that_lagged_before_the_service_began_has_an_age_at_once() {
    let Some(kafka) = Kafka::shared() else { return };
    let topic = "lag-search";
    kafka.create_topic(topic, 2);
    let now = now_ms();
    // One partition has a steady rate for an hour. The other one is idle for half an hour and then has a burst.
    let steady: Vec<i64> = (0..3600).map(|n| now - 3_600_000 + n * 1000).collect();
    let burst: Vec<i64> =
        (0..10).map(|n| now - 3_000_000 + n * 60_000).chain((0..2000).map(|n| now - 600_000 + n)).collect();
    write(kafka, topic, 0, steady.iter().copied());
    write(kafka, topic, 1, burst.iter().copied());
    for (group, first, second) in [("early", 0, 9), ("middle", 1234, 10), ("late", 3599, 1999)] {
        commit(kafka, group, topic, &[(0, first), (1, second)]);
    }
    let service = service(kafka, "");
    for (name, first, second) in [("early", 0, 9), ("middle", 1234, 10), ("late", 3599, 1999)] {
        for (partition, timestamp) in [(0, steady[first]), (1, burst[second])] {
            let reported = wait_for_lag(&service, name, topic, partition, |reported| {
                reported["time_lag"]["method"] == "record"
            });
            let truth = (now_ms() - timestamp) as f64 / 1e3;
            let (age, error) = (&reported["time_lag"]["seconds"], &reported["time_lag"]["error_seconds"]);
            let (age, error) = (age.as_f64().expect("an age"), error.as_f64().expect("a bound"));
            assert_eq!(error, 0.0, "{name}-{partition}: {reported}");
            assert!(
                (age - truth).abs() <= error + 4.0,
                "{name}-{partition}: reported {age} s ± {error} s, but it is {truth} s"
            );
        }
    }
}

#[test]
fn control_batch_of_a_transaction_leaves_nothing_to_read() {
    let Some(kafka) = Kafka::shared() else { return };
    let topic = "lag-transaction";
    kafka.create_topic(topic, 1);
    let producer: BaseProducer =
        client(kafka).set("transactional.id", "lag-transaction").create().expect("a producer");
    producer.init_transactions(PATIENCE).expect("transactions");
    let send = |count| {
        producer.begin_transaction().expect("begun");
        for _ in 0..count {
            let record = BaseRecord::<(), _>::to(topic).partition(0).payload("x");
            producer.send(record).map_err(|(error, _)| error).expect("sent");
        }
        producer.flush(PATIENCE).expect("written");
    };
    send(3);
    producer.commit_transaction(PATIENCE).expect("committed");
    // Three records and a control batch: a group that has read all records has committed 3 of 4.
    commit(kafka, "reader", topic, &[(0, 3)]);
    let service = service(kafka, "");
    let reported = wait_for_lag(&service, "reader", topic, 0, |reported| {
        reported["lag"] == 1 && !reported["time_lag"].is_null()
    });
    assert_eq!(
        (&reported["time_lag"]["method"], &reported["time_lag"]["seconds"]),
        (&"current".into(), &0.0.into()),
        "{reported}"
    );
    commit(kafka, "behind", topic, &[(0, 2)]);
    let reported = wait_for_lag(&service, "behind", topic, 0, |reported| {
        reported["lag"] == 2 && !reported["time_lag"].is_null()
    });
    assert_ne!(reported["time_lag"]["method"], "current", "the group has not read every record: {reported}");
    // A transaction is open: the high watermark moves, and the last stable offset does not.
    let committed = self::service(kafka, "isolation = read_committed");
    wait_for_lag(&committed, "reader", topic, 0, |reported| reported["lag"] == 1);
    let at = ["topic=\"lag-transaction\""];
    let appended = || committed.series("kafka_topic_message_count_total", &at);
    assert_eq!(appended(), Some(0.0));
    send(5);
    wait_for_lag(&service, "reader", topic, 0, |reported| reported["lag"] == 6);
    wait_for("records of the open transaction to be seen", PATIENCE, || (appended()? == 5.0).then_some(()));
    let reported = wait_for_lag(&committed, "reader", topic, 0, |reported| reported["lag"] == 1);
    assert_eq!(reported["time_lag"]["method"], "current", "no committed record is unread: {reported}");
    // A group that reads uncommitted records may commit an offset beyond the last stable offset, and that is no reset.
    commit(kafka, "bold", topic, &[(0, 9)]);
    let reported = wait_for_lag(&committed, "bold", topic, 0, |reported| reported["lag"] == 0);
    assert_eq!(reported["reset"], false, "{reported}");
    let ends = |service: &Service| {
        let end = |name: &str| service.series(name, &at);
        (end("kafka_partition_latest_offset"), end("kafka_partition_last_stable_offset"))
    };
    assert_eq!((ends(&service), ends(&committed)), ((Some(9.0), None), (Some(9.0), Some(4.0))));
    assert!(committed.series("topic_last_append_timestamp_seconds", &at).is_some(), "records were appended");
    producer.abort_transaction(PATIENCE).expect("aborted");
    // Five aborted records and a control batch.
    wait_for_lag(&service, "reader", topic, 0, |reported| reported["lag"] == 7);
    wait_for_lag(&committed, "reader", topic, 0, |reported| reported["lag"] == 7);
}

#[test]
fn samples_from_before_a_restart_are_still_known() {
    let Some(kafka) = Kafka::shared() else { return };
    let topic = "lag-restart";
    kafka.create_topic(topic, 1);
    commit(kafka, "patient", topic, &[(0, 1)]);
    let folder = tempfile::tempdir().expect("a folder");
    let history = format!("[history]\npath = {}\n", folder.path().join("history.db").display());
    let cycles =
        |service: &Service| service.sum("heartbeat_cycles_total", &["task=\"collect\"", "ending=\"ok\""]);
    let first = service(kafka, &history);
    let mut written = SystemTime::now();
    for count in 1..=3 {
        if count == 2 {
            written = SystemTime::now();
        }
        // The timestamps are a day old, so only the samples of the service contain the right times.
        write(kafka, topic, 0, [now_ms() - 86_400_000]);
        wait_for_lag(&first, "patient", topic, 0, |reported| reported["lag"] == count - 1);
    }
    let before = cycles(&first);
    wait_for("a few more cycles", PATIENCE, || (cycles(&first) > before + 5.0).then_some(()));
    let (ended, log) = first.stop();
    assert!(ended.success() && !log.contains("history"), "{log}");
    let second = service(kafka, &history);
    let reported = wait_for_lag(&second, "patient", topic, 0, |reported| reported["lag"] == 2);
    let truth = written.elapsed().expect("before now").as_secs_f64();
    let age = reported["time_lag"]["seconds"].as_f64().expect("an age");
    assert_eq!(reported["time_lag"]["method"], "history", "{reported}");
    assert!((age - truth).abs() < 6.0, "reported {age} s, but it is {truth} s");
    assert!(!second.log().contains("set aside"));
}

#[test]
fn groups_with_members_are_reported_with_state_and_protocol() {
    let Some(kafka) = Kafka::shared() else { return };
    let topic = "lag-members";
    kafka.create_topic(topic, 2);
    for partition in [0, 1] {
        write(kafka, topic, partition, (0..30).map(|_| now_ms()));
    }
    let member = |group: &str, protocol: &str| {
        let consumer: BaseConsumer = client(kafka)
            .set("group.id", group)
            .set("group.protocol", protocol)
            .set("auto.offset.reset", "earliest")
            .set("enable.auto.commit", "false")
            .create()
            .expect("a consumer");
        consumer.subscribe(&[topic]).expect("subscribed");
        wait_for("both partitions to be assigned", PATIENCE, || {
            _ = consumer.poll(Duration::from_millis(100));
            (consumer.assignment().ok()?.count() == 2).then_some(())
        });
        let mut list = TopicPartitionList::new();
        for (partition, offset) in [(0, 10), (1, 25)] {
            list.add_partition_offset(topic, partition, Offset::Offset(offset)).expect("an offset");
        }
        consumer.commit(&list, CommitMode::Sync).expect("committed");
        consumer
    };
    // Before 4.0 the new protocol has to be switched on.
    let modern = if kafka.is_modern() { "consumer" } else { "classic" };
    let members = (member("active-classic", "classic"), member("active-modern", modern));
    let service = service(kafka, "members = true");
    for (name, kind) in [("active-classic", "classic"), ("active-modern", modern)] {
        wait_for_lag(&service, name, topic, 0, |reported| reported["lag"] == 20);
        let answer = service.api(&format!("/api/v1/groups?search={name}"), "k");
        let group = &answer["groups"][0];
        assert_eq!(
            (&group["state"], &group["type"], &group["lag"]),
            (&"stable".into(), &kind.into(), &25.into()),
            "{answer}"
        );
        for (partition, [committed, end, lag]) in described(kafka, name, topic) {
            let reported =
                wait_for_lag(&service, name, topic, partition, |reported| reported["committed"] == committed);
            assert_eq!((&reported["lag"], end - committed), (&lag.into(), lag));
        }
    }
    for name in ["active-classic", "active-modern"] {
        let answer = service.api(&format!("/api/v1/groups?group={name}"), "k");
        let listed = answer["groups"][0]["members"].as_array().expect("members");
        let [member] = &listed[..] else { panic!("not exactly one member: {answer}") };
        assert_eq!(
            (&member["client"], &member["host"]),
            (&"rdkafka".into(), &"127.0.0.1".into()),
            "{member}"
        );
        assert_eq!(member["partitions"], serde_json::json!({ topic: [0, 1] }), "{member}");
        let labels =
            [format!("group=\"{name}\""), "partition=\"1\"".to_owned(), "client_id=\"rdkafka\"".to_owned()];
        let labels: Vec<_> = labels.iter().map(String::as_str).collect();
        assert_eq!(service.series("kafka_consumergroup_member_info", &labels), Some(1.0));
    }
    let counts = service.api("/consumer-groups", "k");
    let count = |name: &str| {
        counts["groups"].as_array()?.iter().find(|group| group["group"] == name)?["members"].as_u64()
    };
    assert_eq!((count("active-classic"), count("active-modern")), (Some(1), Some(1)), "{counts}");
    assert_eq!(service.sum("heartbeat_collect_errors_total", &["api=\"DescribeGroups\""]), 0.0);
    // Until here the members hold their partitions.
    drop(members);
}

#[test]
fn topics_described_page_by_page_equal_topics_described_at_once() {
    let Some(kafka) = Kafka::shared() else { return };
    kafka.create_topic("lag-pages", 30);
    let sources = Sources { bootstrap: Some(kafka.bootstrap(Listener::Plaintext)), ..Sources::default() };
    let config = config::load(&sources).expect("a configuration");
    let settings =
        Client::from_properties(&config.clusters[0].name, &config.clusters[0].kafka).expect("good settings");
    let wire = Cluster::new(Arc::new(settings), PATIENCE);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    // Other tests create topics at the same time, so only one topic is compared.
    let of = |topics| {
        let metadata = runtime.block_on(admin::metadata(&wire, topics)).expect("metadata");
        (metadata.topics["lag-pages"].clone(), metadata.brokers, metadata.cluster_id)
    };
    let pages = of(Topics::Pages);
    assert_eq!(pages, of(Topics::All));
    assert_eq!(pages.0.expect("a topic").partitions.len(), 30);
}
