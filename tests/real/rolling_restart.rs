//! A rolling restart of three brokers that is driven by the gate.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use serde_json::Value;
use support::{groups::commit, kafka::Extras};

use super::*;

/// Everything must have been good for so long before the next broker is stopped.
const WANTED: &str = "3s";

/// The answer of the gate: its status and its content.
fn ask(service: &Service) -> (u16, Value) {
    let (status, _, body) =
        service.request(&format!("/api/v1/gate?for={WANTED}"), "application/json").expect("an answer");
    (status, serde_json::from_str(&body).expect("JSON"))
}

/// The labels of the conditions that do not hold now.
fn closed_by(answer: &Value) -> BTreeSet<String> {
    let reasons = answer["clusters"][0]["reasons"].as_array().expect("reasons");
    let now = reasons.iter().filter(|reason| reason["last_seen_seconds_ago"].is_null());
    now.map(|reason| reason["condition"].as_str().expect("a label").to_owned()).collect()
}

/// Waits with the command until the gate is open, as a script for upgrades does. Prints what the command writes.
fn wait_for_gate(service: &Service) {
    let url = format!("http://{}", service.address());
    eprintln!("$ kafka-heartbeat gate --url {url} --for {WANTED} --timeout 3m");
    let mut command = program();
    command.args(["gate", "--url", &url, "--for", WANTED, "--timeout", "3m"]);
    let mut running =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let progress = BufReader::new(running.stderr.take().expect("a pipe"));
    progress.lines().for_each(|line| eprintln!("{}", line.expect("text")));
    let ended = running.wait_with_output().expect("the program ends");
    eprint!("{}", String::from_utf8(ended.stdout).expect("UTF-8"));
    assert_eq!(ended.status.code(), Some(0), "{}", service.log());
}

#[test]
fn rolling_restart_that_waits_for_the_gate_costs_no_heartbeat() {
    let extras = Extras { properties: "min.insync.replicas=2\n".to_owned(), ..Extras::default() };
    let Some(kafka) = Kafka::start_with(3, &extras) else { return };
    // The first commit of a group creates the topic of the coordinators.
    kafka.create_topic("read", 1);
    commit(&kafka, "reader", "read", &[(0, 0)]);
    let config = plaintext(&kafka, "hb-rolling") + "[coordinators]\ninterval = 2s\ntimeout = 2s\n";
    let service = Service::start(&config);
    let totals = service.wait("k", "good heartbeats", 60, |totals| totals.of("ok") >= 15);
    assert_eq!(totals.bad(), 0, "{totals:?}");

    let mut expected = BTreeSet::new();
    for broker in kafka.brokers() {
        wait_for_gate(&service);
        // Every broker is up and in sync: never are two of them down.
        let up = service.sum("heartbeat_broker_up", &["kafka_cluster=\"k\""]);
        assert_eq!(up, 3.0, "broker {} is stopped next", broker.id());
        eprintln!("$ systemctl restart kafka   # on broker {}", broker.id());
        broker.stop();
        wait_for("the gate to name what the stopped broker takes away", Duration::from_secs(30), || {
            let (status, answer) = ask(&service);
            assert_eq!(status, 503, "broker {} is down: {answer:#}", broker.id());
            expected.extend(closed_by(&answer));
            let now = closed_by(&answer);
            (now.contains("in_sync_replicas") && (now.contains("brokers") || now.contains("sessions")))
                .then_some(())
        });
        broker.launch();
    }
    wait_for_gate(&service);
    for condition in ["in_sync_replicas", "brokers"] {
        assert!(expected.contains(condition), "{expected:?}");
    }
    let totals = service.totals("k");
    assert_eq!(totals.bad(), 0, "{totals:?}\n{}", service.log());
    assert_eq!(totals.bad_events, 0, "{totals:?}");

    // Without the gate the next broker is stopped before the one before is back: fewer than two replicas are in sync.
    kafka.broker(1).stop();
    kafka.broker(2).kill();
    let (status, _) = ask(&service);
    assert_eq!(status, 503);
    service.wait("k", "bad heartbeats without the gate", 60, |totals| totals.bad_events > 0);
}
