//! `probe` where this machine or the connection is the trouble.

use std::{
    net::TcpListener,
    process::{Child, Output, Stdio},
    thread,
    time::Duration,
};

use rdkafka::mocking::MockCluster;
use serde_json::Value;
use support::{
    service::{program, signal},
    try_wait, wait_for,
};

#[expect(dead_code, reason = "each test binary uses a part of the support")]
mod support;

fn start(servers: &str, count: &str) -> Child {
    let mut probe = program();
    probe.args(["probe", "--bootstrap-servers", servers, "--count", count, "--format", "json"]);
    probe.args(["-X", "fetch.wait.max.ms=5"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    probe.spawn().expect("the program runs")
}

fn report(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[test]
fn probe_that_was_stopped_for_a_moment_judges_what_was_sent() {
    let kafka = MockCluster::new(3).expect("an embedded cluster");
    kafka.create_topic("kafka-heartbeat", 3, 3).expect("a topic");
    let mut probe = start(&kafka.bootstrap_servers(), "60");
    // Again and again, so that some stops lie in the midst of the heartbeats, which take six seconds.
    while try_wait(Duration::from_secs(1), || probe.try_wait().expect("its state")).is_none() {
        signal(probe.id(), "STOP");
        assert!(try_wait(Duration::from_millis(350), || probe.try_wait().expect("its state")).is_none());
        signal(probe.id(), "CONT");
    }
    let output = probe.wait_with_output().expect("its end");
    let report = report(&output);
    let cluster = &report["clusters"][0];
    assert_eq!((output.status.code(), &report["ok"]), (Some(0), &Value::Bool(true)), "{report:#}");
    assert!(cluster["outcomes"]["skipped"].as_u64() > Some(0), "{report:#}");
    assert!(cluster["stalled_seconds"].as_f64() >= Some(0.3), "{report:#}");
    assert_eq!(cluster["sent"], cluster["outcomes"]["ok"], "{report:#}");
}

#[test]
fn probe_of_a_port_that_closes_every_connection_ends_at_once_and_says_why() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    // Ends with the test's process.
    thread::spawn(move || listener.incoming().for_each(drop));
    let mut probe = program();
    // A thousand heartbeats would take a hundred seconds.
    probe.args(["probe", "--bootstrap-servers", &address, "--count", "1000"]).stdout(Stdio::piped());
    let mut probe = probe.stderr(Stdio::piped()).spawn().expect("the program runs");
    wait_for("the probe to end", Duration::from_secs(60), || probe.try_wait().expect("its state"));
    let output = probe.wait_with_output().expect("its end");
    let words = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(69), "{words}");
    assert!(words.contains("Nothing was sent: no connection to the cluster"), "{words}");
    assert!(words.contains("check security.protocol"), "{words}");
    assert!(!words.contains("p50"), "{words}");
}
