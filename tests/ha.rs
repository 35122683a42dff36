//! Several instances for one cluster, with a real Kafka: one of them collects, and another one takes over when it dies or stands
//! still.

use std::time::{Duration, Instant};

use serde_json::Value;
use support::{
    kafka::{Kafka, Listener},
    service::{Service, program, signal},
    try_wait, wait_for,
};

#[path = "ha/lease.rs"]
mod lease;
#[expect(dead_code, reason = "each test binary uses a part of the support")]
mod support;

/// The session timeout of the group, twice, and the time for a rebalance.
const PATIENCE: Duration = Duration::from_secs(40);

/// An instance with this name in the election of this group.
fn instance(kafka: &Kafka, name: &str, group: &str, more: &str) -> Service {
    Service::start(&format!(
        "[kafka]\nname = k\nbootstrap.servers = {}\n[heartbeat]\ntopic = {group}\ninstance = {name}\ninterval = 200ms\n\
         [lag]\ninterval = 1s\n[ha]\nprovider = kafka\ngroup = {group}\ninstance = {name}\nsession.timeout = 6s\n{more}",
        kafka.bootstrap(Listener::Plaintext)
    ))
}

/// The answer of `/leader`.
fn leader(service: &Service) -> Value {
    serde_json::from_str(&service.get("/leader").expect("an answer")).expect("JSON")
}

/// Whether the instance says everywhere that it leads.
fn leads(service: &Service) -> bool {
    let answer = leader(service);
    let is_leader = answer["is_leader"] == true && answer["role"] == "leader";
    is_leader && service.series("heartbeat_leader", &["\"k\""]) == Some(1.0)
}

/// The number of collection cycles that this instance has ended, whatever their ending.
fn cycles(service: &Service) -> f64 {
    service.sum("heartbeat_cycles_total", &["task=\"collect\""])
}

/// Waits until exactly one instance leads, and returns its place in the list.
fn elected(services: &[&Service]) -> usize {
    let found = try_wait(PATIENCE, || {
        let leading: Vec<_> = (0..services.len()).filter(|at| leads(services[*at])).collect();
        let collects = leading.first().is_some_and(|at| cycles(services[*at]) > 0.0);
        (leading.len() == 1 && collects).then(|| leading[0])
    });
    let logs = || services.iter().map(|service| service.log()).collect::<Vec<_>>().join("\n---\n");
    found.unwrap_or_else(|| panic!("no leader was elected:\n{}", logs()))
}

#[test]
fn one_instance_collects_and_another_one_takes_over_when_it_is_killed() {
    let Some(kafka) = Kafka::shared() else { return };
    let services = ["one", "two"].map(|name| instance(kafka, name, "ha-killed", ""));
    let [first, second] = services.each_ref();
    let at = elected(&[first, second]);
    let [old, new] = if at == 0 { [first, second] } else { [second, first] };
    wait_for("the standby to be ready", PATIENCE, || new.get("/readyz").ok());
    wait_for("the standby to know the leader", PATIENCE, || {
        (leader(new)["clusters"]["k"]["leader"] == ["one", "two"][at]).then_some(())
    });
    assert_eq!(leader(new)["role"], "standby");
    assert_eq!(cycles(new), 0.0, "the standby does not collect");
    assert_eq!(new.series("heartbeat_leader", &["\"k\""]), Some(0.0));
    assert!(
        new.series("kafka_topic_partitions", &[]).is_none()
            && new.series("kafka_lag_exporter_up", &[]).is_none()
    );
    // Both send heartbeats.
    for service in [old, new] {
        wait_for("good heartbeats", PATIENCE, || (service.totals("k").of("ok") > 5).then_some(()));
    }
    let killed = Instant::now();
    signal(old.pid(), "KILL");
    let found = try_wait(PATIENCE, || (leads(new) && cycles(new) > 0.0).then_some(()));
    assert!(found.is_some(), "the standby did not take over:\n{}", new.log());
    println!("takeover after SIGKILL: {:.1} s", killed.elapsed().as_secs_f64());
    assert_eq!(new.totals("k").bad(), 0, "{}", new.log());
}

#[test]
fn leader_that_stood_still_does_not_collect_once_more() {
    let Some(kafka) = Kafka::shared() else { return };
    let services = ["one", "two"].map(|name| instance(kafka, name, "ha-still", ""));
    let [first, second] = services.each_ref();
    let at = elected(&[first, second]);
    let [old, new] = if at == 0 { [first, second] } else { [second, first] };
    let stopped = Instant::now();
    signal(old.pid(), "STOP");
    let found = try_wait(PATIENCE, || (leads(new) && cycles(new) > 0.0).then_some(()));
    assert!(found.is_some(), "the standby did not take over:\n{}", new.log());
    println!("takeover after SIGSTOP: {:.1} s", stopped.elapsed().as_secs_f64());
    let before = elections(old);
    signal(old.pid(), "CONT");
    wait_for("the old leader to follow", PATIENCE, || {
        (leader(old)["clusters"]["k"]["leader"] == ["two", "one"][at]).then_some(())
    });
    assert_eq!(leader(old)["role"], "standby");
    assert!(leads(new), "the new leader goes on:\n{}", new.log());
    // Two more cycles of the new leader, and none of the old one.
    let (of_old, of_new) = (cycles(old), cycles(new));
    wait_for("more cycles", PATIENCE, || (cycles(new) >= of_new + 2.0).then_some(()));
    assert_eq!(cycles(old), of_old);
    assert_eq!(elections(old), before, "{}", old.log());
}

/// The number of times that the log says that this instance was elected.
fn elections(service: &Service) -> usize {
    service.log().matches("this instance was elected").count()
}

#[test]
fn leader_that_ends_in_order_hands_over_at_once() {
    let Some(kafka) = Kafka::shared() else { return };
    let mut services: Vec<_> =
        ["one", "two"].iter().map(|name| instance(kafka, name, "ha-ends", "")).collect();
    let at = elected(&[&services[0], &services[1]]);
    let old = services.remove(at);
    let ended = Instant::now();
    signal(old.pid(), "TERM");
    let new = &services[0];
    let found = try_wait(PATIENCE, || leads(new).then_some(()));
    assert!(found.is_some(), "the standby did not take over:\n{}", new.log());
    println!("takeover after SIGTERM: {:.1} s", ended.elapsed().as_secs_f64());
}

#[test]
fn lease_outside_of_a_pod_without_an_address_is_an_error_of_the_configuration() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config.ini");
    let config = "[kafka]\nbootstrap.servers = 127.0.0.1:1\n[ha]\nprovider = kubernetes\n";
    std::fs::write(&file, config).expect("a file");
    let mut command = program();
    command.env_remove("KUBERNETES_SERVICE_HOST").arg("--config").arg(&file);
    let output = command.output().expect("the program");
    assert_eq!(output.status.code(), Some(78));
    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(words, "[ha] kubernetes.server: set it outside of a pod of Kubernetes\n");
    // What the program writes for such a configuration is written on other machines.
    let acls = program().arg("acls").arg("--config").arg(&file).output().expect("the program");
    assert!(acls.status.success(), "{}", String::from_utf8_lossy(&acls.stderr));
}
