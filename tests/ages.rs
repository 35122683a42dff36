//! Time lags on a real Apache Kafka where timestamps are wrong, offsets have no records, or brokers do not answer.

use std::time::{Duration, Instant, SystemTime};

use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    producer::{BaseProducer, BaseRecord, Producer},
};
use serde_json::Value;
use support::{
    groups::{PATIENCE, client, commit, described, group, now_ms, service, wait_for_lag, write},
    kafka::{Kafka, Listener, NOBODY},
    service::Service,
    wait_for,
};

#[expect(dead_code, reason = "each test binary uses a part of the support")]
mod support;

const TEN_YEARS_MS: i64 = 10 * 365 * 86_400_000;

/// Settings of a topic that accepts any timestamp.
const ANY_TIME: [&str; 2] = [
    "message.timestamp.after.max.ms=9223372036854775807",
    "message.timestamp.before.max.ms=9223372036854775807",
];

/// Asserts the method of a time lag, and that the time lag differs from the true one by its own error and the age of the
/// snapshot at most.
fn assert_age(reported: &Value, method: &str, written_ms: i64) {
    let lag = &reported["time_lag"];
    assert_eq!(lag["method"], method, "{reported}");
    let (age, error) =
        (lag["seconds"].as_f64().expect("an age"), lag["error_seconds"].as_f64().expect("a bound"));
    let truth = (now_ms() - written_ms) as f64 / 1e3;
    assert!(
        (age - truth).abs() <= error + 4.0,
        "reported {age} s ± {error} s, but it is {truth} s: {reported}"
    );
}

fn has_age(reported: &Value) -> bool {
    !reported["time_lag"].is_null()
}

fn freshness(service: &Service, topic: &str) -> (Option<f64>, Vec<String>) {
    let label = format!("topic=\"{topic}\"");
    let states = ["ok", "empty", "drained", "future", "unknown", "error"];
    let is = |state: &&str| {
        service.series("topic_freshness_state", &[&label, &format!("state=\"{state}\"")]) == Some(1.0)
    };
    let states = states.iter().filter(|state| is(state)).map(ToString::to_string);
    (service.series("topic_last_event_timestamp_seconds", &[&label]), states.collect())
}

#[test]
fn time_lags_beside_timestamps_ten_years_off_are_exact() {
    let Some(kafka) = Kafka::shared() else { return };
    let topic = "age-clocks";
    kafka.create_topic_with(topic, 2, &ANY_TIME);
    let now = now_ms();
    let ahead = [now - 60_000, now + TEN_YEARS_MS, now - 30_000];
    let back = [now - 50_000, now - TEN_YEARS_MS, now - 20_000];
    write(kafka, topic, 0, ahead);
    write(kafka, topic, 1, back);
    for offset in 0..3 {
        commit(kafka, &format!("clocks-{offset}"), topic, &[(0, offset), (1, offset)]);
    }
    let service = service(kafka, "");
    for (partition, times) in [(0, ahead), (1, back)] {
        for (offset, written) in (0..).zip(times) {
            if written < now {
                let name = format!("clocks-{offset}");
                let reported = wait_for_lag(&service, &name, topic, partition, has_age);
                assert_age(&reported, "record", written);
                assert_eq!(reported["time_lag"]["error_seconds"], 0.0, "{reported}");
            }
        }
    }
    // A record with a timestamp in the future has no age: it is only known that it was there before the start.
    let reported = wait_for_lag(&service, "clocks-1", topic, 0, |reported| reported["lag"] == 2);
    assert!(reported["time_lag"].is_null() || reported["time_lag"]["method"] == "clamped", "{reported}");
    let (last, states) = wait_for("the topic", PATIENCE, || {
        let found = freshness(&service, topic);
        found.0.is_some().then_some(found)
    });
    assert_eq!(states, ["future"]);
    assert_eq!(last, Some((now - 20_000) as f64 / 1e3), "the newest timestamp that is not in the future");
    let oldest = service.series("topic_oldest_partition_event_timestamp_seconds", &["topic=\"age-clocks\""]);
    assert_eq!(oldest, Some((now - 30_000) as f64 / 1e3), "the timestamp of the last record of partition 0");
}

#[test]
fn log_append_time_counts_instead_of_the_producers_timestamp() {
    let Some(kafka) = Kafka::shared() else { return };
    let topic = "age-append-time";
    kafka.create_topic_with(topic, 1, &["message.timestamp.type=LogAppendTime"]);
    let before = now_ms();
    write(kafka, topic, 0, [before - TEN_YEARS_MS, before - TEN_YEARS_MS, before]);
    let after = now_ms();
    commit(kafka, "append-time", topic, &[(0, 1)]);
    let service = service(kafka, "");
    let reported = wait_for_lag(&service, "append-time", topic, 0, has_age);
    assert_age(&reported, "record", before);
    let (last, states) = wait_for("the topic", PATIENCE, || {
        let found = freshness(&service, topic);
        found.0.is_some().then_some(found)
    });
    let last = (last.expect("a timestamp") * 1e3) as i64;
    assert!((before..=after).contains(&last) && states == ["ok"], "{before}..={after}: {last}, {states:?}");
}

/// The first record that a consumer gets from an offset on: its offset and timestamp.
fn first_record(kafka: &Kafka, topic: &str, from: i64) -> (i64, i64) {
    let consumer: BaseConsumer = client(kafka).set("group.id", "age-reader").create().expect("a consumer");
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Offset(from)).expect("an offset");
    consumer.assign(&list).expect("assigned");
    wait_for("a record", PATIENCE, || {
        let record = consumer.poll(Duration::from_millis(200))?.expect("no error");
        Some((record.offset(), record.timestamp().to_millis().expect("a timestamp")))
    })
}

#[test]
fn time_lag_of_a_compacted_topic_is_of_the_record_that_will_be_read() {
    let Some(kafka) = Kafka::shared() else { return };
    let topic = "age-compacted";
    let settings = [
        "cleanup.policy=compact",
        "segment.ms=100",
        "min.cleanable.dirty.ratio=0.001",
        "max.compaction.lag.ms=200",
    ];
    kafka.create_topic_with(topic, 1, &settings);
    let service = service(kafka, "");
    commit(kafka, "compacted", topic, &[(0, 0)]);
    let producer: BaseProducer = client(kafka).create().expect("a producer");
    // Each key is written many times, in segments of their own. The cleaner deletes all but the newest record of a key.
    let mut written = 0;
    let (offset, timestamp) = wait_for("the cleaner", Duration::from_secs(60), || {
        for key in ["a", "b", "c"] {
            let record = BaseRecord::to(topic)
                .partition(0)
                .key(key)
                .payload("x")
                .timestamp(now_ms() - 600_000 + written);
            producer.send(record).map_err(|(error, _)| error).expect("sent");
            written += 1000;
        }
        producer.flush(PATIENCE).expect("written");
        let first = first_record(kafka, topic, 0);
        (first.0 > 5).then_some(first)
    });
    // The cleaner goes on, so the true time lag is that of the first record which a consumer gets now.
    wait_for("the age of the first record that is left", PATIENCE, || {
        let reported = group(&service, "compacted")?.remove(&(topic.to_owned(), 0))?;
        let (now_first, now_stamp) = first_record(kafka, topic, 0);
        assert!(now_first >= offset && now_stamp >= timestamp);
        let lag = &reported["time_lag"];
        let truth = (now_ms() - now_stamp) as f64 / 1e3;
        let age = lag["seconds"].as_f64()?;
        (lag["method"] == "record" && (age - truth).abs() <= lag["error_seconds"].as_f64()? + 4.0)
            .then_some(())
    });
}

#[test]
fn time_lag_within_a_compressed_batch_lies_within_its_error() {
    let Some(kafka) = Kafka::shared() else { return };
    let topic = "age-compressed";
    kafka.create_topic(topic, 1);
    let producer: BaseProducer =
        client(kafka).set("compression.type", "lz4").set("linger.ms", "1000").create().expect("a producer");
    let now = now_ms();
    let stamps: Vec<i64> = (0..200).map(|n| now - 400_000 + n * 100).collect();
    for stamp in &stamps {
        let record = BaseRecord::<(), _>::to(topic).partition(0).payload("the same again").timestamp(*stamp);
        producer.send(record).map_err(|(error, _)| error).expect("sent");
    }
    producer.flush(PATIENCE).expect("written");
    let offsets = [0_usize, 3, 99, 160, 199];
    for offset in offsets {
        commit(kafka, &format!("compressed-{offset}"), topic, &[(0, offset as i64)]);
    }
    let service = service(kafka, "");
    for offset in offsets {
        let reported = wait_for_lag(&service, &format!("compressed-{offset}"), topic, 0, has_age);
        let (lag, truth) = (&reported["time_lag"], (now_ms() - stamps[offset]) as f64 / 1e3);
        let (age, error) =
            (lag["seconds"].as_f64().expect("an age"), lag["error_seconds"].as_f64().expect("a bound"));
        assert!(
            (age - truth).abs() <= error + 4.0 && error <= 10.0,
            "reported {age} s ± {error} s, but it is {truth} s: {reported}"
        );
    }
}

/// A service whose principal may only describe groups and one topic, and may not describe any other topic.
fn limited(kafka: &Kafka, allowed: &str) -> Service {
    let user = format!("User:{}", NOBODY.user);
    let acl = |what: &[&str]| {
        let arguments = [&["--add", "--allow-principal", &user, "--operation", "Describe"], what].concat();
        let package = if kafka.is_modern() { "org.apache.kafka.tools" } else { "kafka.admin" };
        kafka.admin(&format!("{package}.AclCommand"), &arguments);
    };
    acl(&["--topic", allowed]);
    acl(&["--group", "limited-", "--resource-pattern-type", "prefixed"]);
    let bootstrap = kafka.bootstrap(Listener::SaslPlaintext);
    Service::start(&format!(
        "[kafka]\nname = k\nbootstrap.servers = {bootstrap}\nsecurity.protocol = SASL_PLAINTEXT\n\
         sasl.mechanism = SCRAM-SHA-256\nsasl.username = {}\nsasl.password = {}\n[heartbeat]\ntopic = hb-limited\n\
         [metadata]\ninterval = 1s\n[freshness]\ninterval = 2s\n[lag]\ninterval = 2s\n",
        NOBODY.user, NOBODY.password
    ))
}

#[test]
fn principal_without_read_gets_time_lags_by_search_and_a_denied_topic_changes_no_other() {
    let Some(kafka) = Kafka::shared_with_all_listeners() else { return };
    let (topic, forbidden) = ("age-described", "age-forbidden");
    kafka.create_topic(topic, 1);
    kafka.create_topic(forbidden, 1);
    let now = now_ms();
    let stamps: Vec<i64> = (0..1000).map(|n| now - 3_600_000 + n * 1000).collect();
    for topic in [topic, forbidden] {
        write(kafka, topic, 0, stamps.iter().copied());
        commit(kafka, "limited-reader", topic, &[(0, 321)]);
    }
    commit(kafka, "unseen-reader", topic, &[(0, 321)]);
    let service = limited(kafka, topic);
    let reported = wait_for_lag(&service, "limited-reader", topic, 0, has_age);
    assert_age(&reported, "search", stamps[321]);
    assert_eq!(reported["lag"], 679);
    let of_group = group(&service, "limited-reader").expect("the group");
    assert!(!of_group.contains_key(&(forbidden.to_owned(), 0)), "{of_group:?}");
    assert!(group(&service, "unseen-reader").is_none());
    assert_eq!(freshness(&service, topic), (Some(stamps[999] as f64 / 1e3), vec!["ok".to_owned()]));
    assert_eq!(freshness(&service, forbidden), (None, vec![]));
    assert_eq!(service.sum("heartbeat_collect_errors_total", &["api=\"Fetch\""]), 0.0, "{}", service.log());
}

#[test]
fn partition_that_is_added_while_the_service_runs_is_reported_from_its_first_record_on() {
    let Some(kafka) = Kafka::shared() else { return };
    let topic = "age-grown";
    kafka.create_topic(topic, 1);
    write(kafka, topic, 0, (0..10).map(|_| now_ms()));
    commit(kafka, "grown", topic, &[(0, 4)]);
    let service = service(kafka, "");
    wait_for_lag(&service, "grown", topic, 0, |reported| reported["lag"] == 6);
    kafka.admin("org.apache.kafka.tools.TopicCommand", &["--alter", "--topic", topic, "--partitions", "2"]);
    wait_for("a leader of the new partition", PATIENCE, || (kafka.leaders(topic).len() == 2).then_some(()));
    write(kafka, topic, 1, (0..8).map(|_| now_ms()));
    commit(kafka, "grown", topic, &[(1, 3)]);
    wait_for("the new partition", PATIENCE, || {
        let lags = group(&service, "grown")?;
        let old = &lags[&(topic.to_owned(), 0)];
        assert_eq!(
            (&old["lag"], &old["lost"], &old["reset"]),
            (&6.into(), &0.into(), &false.into()),
            "{old}"
        );
        let new = lags.get(&(topic.to_owned(), 1))?;
        // The lag is absent until the log end offset is known, and it is never wrong.
        assert!(new["lag"].is_null() || new["lag"] == 5, "{new}");
        (new["lag"] == 5).then_some(())
    });
    assert_eq!(described(kafka, "grown", topic)[&1], [3, 8, 5]);
}

#[test]
fn log_ends_and_newest_timestamps_are_those_of_kafkas_own_program() {
    let Some(kafka) = Kafka::shared() else { return };
    let topic = "age-offsets";
    kafka.create_topic(topic, 3);
    let now = now_ms();
    for (partition, count) in [(0, 40), (1, 3)] {
        write(kafka, topic, partition, (0..count).map(|n| now - 500_000 + n * 1000));
    }
    support::groups::delete_records(kafka, topic, 15);
    let service = service(kafka, "");
    let printed = |time: &str| {
        let text = kafka.admin("org.apache.kafka.tools.GetOffsetShell", &["--topic", topic, "--time", time]);
        let lines = text.lines().filter_map(|line| {
            let mut parts = line.split(':');
            (parts.next()? == topic).then_some(())?;
            Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
        });
        lines.collect::<Vec<(i32, f64)>>()
    };
    for (family, time) in
        [("kafka_partition_latest_offset", "latest"), ("kafka_partition_earliest_offset", "earliest")]
    {
        let expected = printed(time);
        assert_eq!(expected.len(), 3, "{time}");
        for (partition, offset) in expected {
            let labels = ["topic=\"age-offsets\"", &format!("partition=\"{partition}\"")];
            let ours = wait_for("the offset", PATIENCE, || service.series(family, &labels));
            assert_eq!(ours, offset, "{family} of {partition}");
        }
    }
    assert_eq!(printed("max-timestamp").iter().find(|(partition, _)| *partition == 0), Some(&(0, 39.0)));
    let (last, states) = freshness(&service, topic);
    assert_eq!((last, states), (Some((now - 461_000) as f64 / 1e3), vec!["ok".to_owned()]));
}

#[test]
fn partitions_of_a_frozen_broker_are_absent_and_all_others_known() {
    let Some(kafka) = Kafka::start(3) else { return };
    let kafka = &kafka;
    let topic = "age-frozen";
    kafka.create_topic(topic, 3);
    for partition in 0..3 {
        kafka.move_leader(topic, partition, partition + 1);
        write(kafka, topic, partition, (0..10).map(|_| now_ms()));
    }
    // Each broker coordinates some of these groups, so the frozen broker does not coordinate all of them.
    let names: Vec<String> = (0..12).map(|number| format!("frozen-{number}")).collect();
    for name in &names {
        commit(kafka, name, topic, &[(0, 1), (1, 2), (2, 3)]);
    }
    let service = service(kafka, "");
    for name in &names {
        for (partition, lag) in [(0, 9), (1, 8), (2, 7)] {
            wait_for_lag(&service, name, topic, partition, |reported| reported["lag"] == lag);
        }
    }
    kafka.broker(2).pause();
    let frozen = Instant::now();
    let end = |partition: i32| {
        let labels = ["topic=\"age-frozen\"", &format!("partition=\"{partition}\"")];
        service.series("kafka_partition_latest_offset", &labels)
    };
    wait_for("the frozen leader's partition to be unknown", Duration::from_secs(15), || {
        assert_eq!(
            (end(0), end(2)),
            (Some(10.0), Some(10.0)),
            "partitions of the other leaders are still known"
        );
        end(1).is_none().then_some(())
    });
    println!("unknown after {:.1} s", frozen.elapsed().as_secs_f64());
    let lags = names.iter().filter_map(|name| group(&service, name));
    let known: Vec<_> = lags.filter(|lags| !lags.is_empty()).collect();
    assert!(!known.is_empty(), "groups with a coordinator on the other brokers are known");
    for lags in known {
        assert_eq!(lags[&(topic.to_owned(), 0)]["lag"], 9);
        assert!(lags.get(&(topic.to_owned(), 1)).is_none_or(|lag| lag["lag"].is_null()), "{lags:?}");
    }
    kafka.broker(2).wait_until_fenced();
    // A broker whose controller froze may name the old leader until its own request times out, after 30 s.
    wait_for("another leader", Duration::from_secs(60), || (end(1)? == 10.0).then_some(()));
    for name in &names {
        wait_for_lag(&service, name, topic, 1, |reported| reported["lag"] == 8);
    }
    kafka.broker(2).resume();
    kafka.broker(2).wait_until_known();
}

#[test]
fn time_lags_after_an_idle_hour_a_burst_and_a_replay_lie_within_their_errors() {
    let Some(kafka) = Kafka::shared() else { return };
    let topic = "age-replayed";
    kafka.create_topic_with(topic, 1, &ANY_TIME);
    let now = now_ms();
    // A steady rate, an idle hour and a burst, a replay of records of a week ago, and records of the last minute.
    let steady = (0..300).map(|n| now - 7_200_000 + n * 1000);
    let burst = (0..500).map(|n| now - 3_300_000 + n);
    let replay = (0..200).map(|n| now - 7 * 86_400_000 + n * 10);
    let live = (0..50).map(|n| now - 60_000 + n * 1000);
    let stamps: Vec<i64> = steady.chain(burst).chain(replay).chain(live).collect();
    write(kafka, topic, 0, stamps.iter().copied());
    let offsets = [0_usize, 299, 300, 799, 800, 999, 1000, 1049];
    for offset in offsets {
        commit(kafka, &format!("replayed-{offset}"), topic, &[(0, offset as i64)]);
    }
    let service = service(kafka, "");
    for offset in offsets {
        let reported = wait_for_lag(&service, &format!("replayed-{offset}"), topic, 0, |reported| {
            has_age(reported) && reported["time_lag"]["method"] == "record"
        });
        assert_age(&reported, "record", stamps[offset]);
    }
    // The age of records that were written while the service ran comes from its own samples, within their error.
    let written = SystemTime::now();
    write(kafka, topic, 0, [now_ms()]);
    wait_for_lag(&service, "replayed-1049", topic, 0, |reported| reported["lag"] == 2);
    commit(kafka, "replayed-live", topic, &[(0, 1050)]);
    let reported = wait_for_lag(&service, "replayed-live", topic, 0, |reported| {
        has_age(reported) && reported["time_lag"]["method"] == "history"
    });
    let truth = written.elapsed().expect("before now").as_secs_f64();
    let (age, error) = (&reported["time_lag"]["seconds"], &reported["time_lag"]["error_seconds"]);
    let (age, error) = (age.as_f64().expect("an age"), error.as_f64().expect("a bound"));
    assert!((age - truth).abs() <= error + 4.0, "reported {age} s ± {error} s, but it is {truth} s");
}
