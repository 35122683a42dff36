//! Heartbeats of one cluster in another one that MirrorMaker 2 copies to: it runs, is frozen and goes on, and is killed.

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
