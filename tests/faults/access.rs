//! Faults of logins, certificates and permissions, and the limits that a cluster sets.

use std::time::Instant;

use crate::{
    case::{
        Case, Confidence,
        Subject::{Any, Named, Victim},
        Way,
    },
    scene::Scene,
    support::kafka::{Credentials, HEARTBEAT, NOBODY},
    world::Trap,
};

const ALL: [i32; 3] = [1, 2, 3];

fn login(Credentials { user, password }: Credentials) -> String {
    format!("sasl.username = {user}\nsasl.password = {password}\n")
}

/// Creates or deletes ACLs of the principal.
fn acl(scene: &Scene, arguments: &[&str]) {
    let package = if scene.world.kafka.is_modern() { "org.apache.kafka.tools" } else { "kafka.admin" };
    scene.world.kafka.admin(&format!("{package}.AclCommand"), arguments);
}

const PRINCIPAL: &str = "User:nobody";

fn allow(scene: &Scene) {
    scene.create_topic();
    let operations = ["Read", "Write", "Describe", "DescribeConfigs"];
    let operations = operations.iter().flat_map(|operation| ["--operation", operation]);
    let add = ["--add", "--allow-principal", PRINCIPAL];
    acl(scene, &add.into_iter().chain(operations).chain(["--topic", &scene.topic]).collect::<Vec<_>>());
    let cluster = ["--operation", "Describe", "--cluster", "--group", "*", "--topic", "*"];
    acl(scene, &[&add[..], &cluster].concat());
}

fn remove_write(scene: &Scene) -> Instant {
    let arguments =
        ["--remove", "--force", "--allow-principal", PRINCIPAL, "--operation", "Write", "--topic"];
    acl(scene, &[&arguments[..], &[&scene.topic]].concat());
    Instant::now()
}

fn add_write(scene: &Scene) -> Instant {
    let arguments = ["--add", "--allow-principal", PRINCIPAL, "--operation", "Write", "--topic"];
    acl(scene, &[&arguments[..], &[&scene.topic]].concat());
    Instant::now()
}

/// Every other permission implies Describe, so it is denied.
fn deny_describe(scene: &Scene) -> Instant {
    let arguments = ["--add", "--deny-principal", PRINCIPAL, "--operation", "Describe", "--topic"];
    acl(scene, &[&arguments[..], &[&scene.topic]].concat());
    Instant::now()
}

fn stop_denying_describe(scene: &Scene) -> Instant {
    let arguments =
        ["--remove", "--force", "--deny-principal", PRINCIPAL, "--operation", "Describe", "--topic"];
    acl(scene, &[&arguments[..], &[&scene.topic]].concat());
    Instant::now()
}

/// Adds or removes a quota of the client of the case.
fn quota(scene: &Scene, change: &str, quota: &str) -> Instant {
    let client = ["--alter", "--entity-type", "clients", "--entity-name", &scene.topic, change, quota];
    scene.world.kafka.admin("kafka.admin.ConfigCommand", &client);
    Instant::now()
}

pub(crate) fn cases() -> Vec<Case> {
    [logins(), certificates(), permissions(), quotas(), limits()].into_iter().flatten().collect()
}

fn logins() -> Vec<Case> {
    let login =
        |name, inject| Case::new(name, Way::Login, inject, Scene::reconnect).settings(|_| login(HEARTBEAT));
    vec![
        login("all brokers: the password is wrong", |s| s.trap(&ALL, Trap::WrongPassword))
            .wants(&[&[("credentials", Named(""))]]),
        login("one broker: the password is wrong", |s| s.trap(&[s.victim], Trap::WrongPassword))
            .wants(&[&[("broker", Victim)]]),
    ]
}

fn certificates() -> Vec<Case> {
    let tls =
        |name, inject| Case::new(name, Way::Tls, inject, Scene::reconnect).wants(&[&[("certificate", Any)]]);
    vec![
        tls("one broker: the certificate has expired", |s| s.trap(&[s.victim], Trap::Expired))
            .wants(&[&[("certificate", Victim)]]),
        tls("all brokers: the certificate authority is unknown", |s| s.trap(&ALL, Trap::Stranger))
            .wants(&[&[("certificate", Named(""))]])
            .beside(&[("certificate", Any)]),
    ]
}

fn permissions() -> Vec<Case> {
    let permission = |name, inject, heal| {
        Case::new(name, Way::Login, inject, heal)
            .prepare(allow)
            .settings(|_| login(NOBODY))
            .wants(&[&[("authorization", Any)]])
    };
    vec![
        permission("permission: Write is removed", remove_write, add_write),
        permission("permission: Describe is denied", deny_describe, stop_denying_describe),
    ]
}

fn quotas() -> Vec<Case> {
    let quota_of =
        |name, inject, heal| Case::new(name, Way::Proxies, inject, heal).wants(&[&[("quota", Any)]]);
    vec![
        // Each broker takes 4 KB a second. Kafka compares the bytes of ten seconds with the quota, so 10 KB pass first.
        quota_of(
            "quota: 1 KB/s of produced bytes",
            |s| quota(s, "--add-config", "producer_byte_rate=1024"),
            |s| quota(s, "--delete-config", "producer_byte_rate"),
        )
        .settings(|_| "heartbeat.payload.bytes = 4096\n".to_owned())
        .within(7, 9),
        // The requests of a heartbeat each second take less than 1 % of the time of a thread.
        quota_of(
            "quota: 0.01 % of the time of a thread",
            |s| quota(s, "--add-config", "request_percentage=0.01"),
            |s| quota(s, "--delete-config", "request_percentage"),
        ),
        // A service that needs less than its quota is not throttled. On a busy machine it may need more.
        Case::new(
            "quota: 1 % of the time of a thread",
            Way::Proxies,
            |s| quota(s, "--add-config", "request_percentage=1"),
            |s| quota(s, "--delete-config", "request_percentage"),
        )
        .beside(&[("quota", Any)]),
    ]
}

/// Limits the connections from the address of the case at one broker, or no longer.
fn limit_connections(scene: &Scene, change: &str, limit: &str) -> Instant {
    let broker = scene.victim.to_string();
    let arguments = ["--alter", "--entity-type", "brokers", "--entity-name", &broker, change, limit];
    scene.world.kafka.admin("kafka.admin.ConfigCommand", &arguments);
    Instant::now()
}

fn limits() -> Vec<Case> {
    vec![
        // The connections that are open stay open. A connectivity check finds the fault, every five seconds.
        Case::new(
            "one broker: no more connections from the address of the service",
            Way::Proxies,
            |s| {
                let limit = format!("max.connections.per.ip.overrides=[{}:1]", s.source());
                limit_connections(s, "--add-config", &limit)
            },
            |s| limit_connections(s, "--delete-config", "max.connections.per.ip.overrides"),
        )
        .wants(&[&[("broker", Victim)]])
        .least(Confidence::Suspected)
        .within(8, 8),
    ]
}
