//! Heartbeats of one cluster in another one that MirrorMaker 2 copies to: it runs, is frozen and goes on, and is killed.

use rdkafka::producer::{BaseRecord, Producer};
use serde_json::Value;

use super::{
    support::kafka::{Extras, mirror_maker::MirrorMaker},
    *,
};

/// MirrorMaker 2 may take so long to start and to copy the first record, on a busy machine.
const STARTS: Duration = Duration::from_secs(150);
const PATIENCE: Duration = Duration::from_secs(90);

const OUTCOMES: &str = "heartbeat_mirror_outcomes_total";

/// Two clusters with heartbeats, and the mirror from the first to the second.
fn config(primary: &Kafka, standby: &Kafka, topic: &str, standby_topic: &str) -> String {
    let (primary, standby) = (primary.bootstrap(Listener::Plaintext), standby.bootstrap(Listener::Plaintext));
    format!(
        "{FAST}[cluster:primary]\nbootstrap.servers = {primary}\nheartbeat.topic = {topic}\n\
         [cluster:standby]\nbootstrap.servers = {standby}\nheartbeat.topic = {standby_topic}\n\
         [mirror:dr]\nsource = primary\ntarget = standby\ndeadline = 3s\nlost_after = 45s\n[mirror]\ninterval = 2s\ntimeout = 2s\n"
    )
}

fn outcome(service: &Service, name: &str) -> f64 {
    service.sum(OUTCOMES, &[&format!("outcome=\"{name}\"")])
}

fn is_state(service: &Service, state: &str) -> Option<()> {
    (service.sum("heartbeat_mirror_state", &[&format!("state=\"{state}\"")]) == 1.0).then_some(())
}

/// The subjects of the suspects of the kind mirror.
fn suspects(service: &Service) -> Vec<String> {
    let diagnosis = service.api("/api/v1/diagnosis", "standby");
    let suspects = diagnosis["suspects"].as_array().cloned().unwrap_or_default();
    let mirrors = suspects.iter().filter(|suspect| suspect["kind"] == "mirror");
    mirrors.filter_map(|suspect| suspect["subject"].as_str().map(str::to_owned)).collect()
}

/// The number of translated offsets of this kind.
fn translated(service: &Service, translation: &str) -> f64 {
    service.sum("heartbeat_mirror_checkpoints_total", &[&format!("translation=\"{translation}\"")])
}

/// Writes the record of a translated offset, as MirrorMaker 2 does.
fn write_checkpoint(standby: &Kafka, group: &str, topic: &str, source: i64, target: i64) {
    let text = |text: &str| [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat();
    let key = [text(group), text(topic), 0_i32.to_be_bytes().to_vec()].concat();
    let offsets = [source.to_be_bytes(), target.to_be_bytes()].concat();
    let value = [0_i16.to_be_bytes().to_vec(), offsets, text("")].concat();
    let producer = producer(&standby.bootstrap(Listener::Plaintext));
    let record = BaseRecord::to("primary.checkpoints.internal").key(&key).payload(&value);
    producer.send(record).map_err(|(error, _)| error).expect("sent");
    producer.flush(Duration::from_secs(10)).expect("written");
}

/// Asserts that each expected heartbeat has one outcome or is in flight.
fn assert_accounted(service: &Service) {
    let page = service.get("/metrics").expect("metrics");
    let sum = |family: &str| -> f64 {
        let lines = page.lines().filter(|line| line.starts_with(&format!("{family}{{")));
        lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    };
    let expected = sum("heartbeat_mirror_expected_total");
    assert!(expected > 0.0, "{page}");
    assert_eq!(expected, sum(OUTCOMES) + sum("heartbeat_mirror_in_flight"));
}

/// Waits until so many more heartbeats were mirrored in time.
fn wait_for_mirrored(service: &Service, mirror: &MirrorMaker, more: f64) {
    let before = outcome(service, "mirrored");
    let found = support::try_wait(STARTS, || (outcome(service, "mirrored") >= before + more).then_some(()));
    assert!(found.is_some(), "no heartbeat is mirrored\n{}\n{}", service.log(), mirror.log());
}

#[test]
fn frozen_mirror_maker_makes_heartbeats_late_and_killed_mirror_maker_loses_them() {
    let Some(primary) = Kafka::start_single(&Extras::default()) else { return };
    let Some(standby) = Kafka::start_single(&Extras::default()) else { return };
    let topic = "hb-mirrored";
    let service = Service::start(&config(&primary, &standby, topic, topic));
    // Without a mirror, the heartbeat topic of the target does not count as the mirrored one.
    wait_for("the state topic_missing", PATIENCE, || is_state(&service, "topic_missing"));
    let Some(mirror) = MirrorMaker::start(&primary, &standby, topic, "") else { return };
    wait_for_mirrored(&service, &mirror, 50.0);
    wait_for("the topic to be read", PATIENCE, || is_state(&service, "reading"));
    assert_accounted(&service);
    let latencies = service.sum("heartbeat_mirror_duration_seconds_count", &[]);
    assert!(latencies >= 10.0, "{latencies}");
    let mean = service.sum("heartbeat_mirror_duration_seconds_sum", &[]) / latencies;
    println!("mean latency from cluster to cluster: {mean:.3} s");
    assert!(mean > 0.0 && mean < 30.0, "{mean}");
    let (_, _, page) = service.request("/", "text/html").expect("the page");
    assert!(page.contains("Mirrors to this cluster") && page.contains("primary.hb-mirrored"), "{page}");
    wait_for("the mirror to keep up", PATIENCE, || {
        (service.series("heartbeat_mirror_overdue", &[]) == Some(0.0)).then_some(())
    });

    let (late, lost) = (outcome(&service, "late"), outcome(&service, "lost"));
    mirror.pause();
    wait_for("overdue heartbeats", PATIENCE, || {
        service.series("heartbeat_mirror_overdue", &[]).filter(|overdue| *overdue >= 10.0)
    });
    mirror.resume();
    wait_for("late heartbeats", PATIENCE, || (outcome(&service, "late") >= late + 5.0).then_some(()));
    assert_eq!(outcome(&service, "lost"), lost, "a frozen mirror loses nothing\n{}", mirror.log());
    println!("late {} after the mirror went on", outcome(&service, "late") - late);
    wait_for_mirrored(&service, &mirror, 20.0);

    let killed = Instant::now();
    mirror.kill();
    wait_for("lost heartbeats", PATIENCE, || (outcome(&service, "lost") >= lost + 5.0).then_some(()));
    println!(
        "lost heartbeats {:?} after the mirror was killed, suspects {:?}",
        killed.elapsed(),
        suspects(&service)
    );
    assert!(killed.elapsed() > Duration::from_secs(40), "{:?}", killed.elapsed());
    assert_accounted(&service);
    for cluster in ["primary", "standby"] {
        let totals = service.totals(cluster);
        assert_eq!(totals.of("lost"), 0, "{cluster}: the heartbeats themselves stay good: {totals:?}");
    }
    let (_, log) = service.stop();
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn translated_offsets_of_mirror_maker_are_right_and_a_wrong_one_is_found() {
    let Some(primary) = Kafka::start_single(&Extras::default()) else { return };
    let Some(standby) = Kafka::start_single(&Extras::default()) else { return };
    let topic = "hb-translated";
    let service = Service::start(&config(&primary, &standby, topic, topic));
    let Some(mirror) = MirrorMaker::start(&primary, &standby, topic, "") else { return };
    wait_for_mirrored(&service, &mirror, 20.0);
    let found = support::try_wait(STARTS, || (translated(&service, "right") >= 5.0).then_some(()));
    assert!(found.is_some(), "no offset is translated\n{}\n{}", service.log(), mirror.log());
    let repeated = service.series("heartbeat_mirror_checkpoint_repeated_records", &[]);
    println!(
        "translated offsets: {} right, {repeated:?} records are read again",
        translated(&service, "right")
    );
    assert!(repeated.is_some_and(|records| records < 10_000.0), "{repeated:?}");
    assert_eq!(translated(&service, "skips"), 0.0, "{}", service.log());
    let ok = ["kafka_cluster=\"standby\"", "api=\"CheckpointFetch\"", "state=\"ok\""];
    assert_eq!(service.series("heartbeat_capability", &ok), Some(1.0));

    let group = format!("{topic}-coordinator-0");
    write_checkpoint(&standby, &group, "primary.hb-translated", 10, 1_000_000);
    // Offsets of other groups and of other topics cannot be judged.
    write_checkpoint(&standby, "orders", "primary.hb-translated", 10, 1_000_000);
    write_checkpoint(&standby, &group, "primary.orders", 10, 1_000_000);
    wait_for("the wrong offset to be found", PATIENCE, || {
        (translated(&service, "skips") > 0.0).then_some(())
    });
    let right = translated(&service, "right");
    wait_for("further right offsets", PATIENCE, || (translated(&service, "right") > right).then_some(()));
    assert_eq!(translated(&service, "skips"), 1.0, "{}", service.log());
    let (_, _, page) = service.request("/", "text/html").expect("the page");
    assert!(page.contains("1 skipping heartbeats"), "{page}");
}

#[test]
fn mirror_that_keeps_the_names_of_topics_is_told_from_the_heartbeats_of_the_target() {
    let Some(primary) = Kafka::start_single(&Extras::default()) else { return };
    let Some(standby) = Kafka::start_single(&Extras::default()) else { return };
    let topic = "hb-same";
    let service = Service::start(&config(&primary, &standby, topic, topic));
    wait_for("the state topic_missing", PATIENCE, || is_state(&service, "topic_missing"));
    let naming = "replication.policy.class = org.apache.kafka.connect.mirror.IdentityReplicationPolicy\n";
    let Some(mirror) = MirrorMaker::start(&primary, &standby, topic, naming) else { return };
    wait_for_mirrored(&service, &mirror, 50.0);
    wait_for("the topic to be read", PATIENCE, || is_state(&service, "reading"));
    assert_accounted(&service);
    assert!(service.sum("heartbeat_mirror_anomalies_total", &["kind=\"foreign\""]) > 0.0);
    // The heartbeats of the target are good, and the copies in their topic are no second instance of the same name.
    let same_name = ["kafka_cluster=\"standby\"", "kind=\"same_name\""];
    assert_eq!(service.sum("heartbeat_anomalies_total", &same_name), 0.0, "{}", service.log());
    let foreign = ["kafka_cluster=\"standby\"", "kind=\"foreign\""];
    assert!(service.sum("heartbeat_anomalies_total", &foreign) > 0.0);
    let status: Value = service.api("/api/v1/status", "standby");
    assert_ne!(status["heartbeats"]["outcomes"]["ok"], 0, "{status}");
}
