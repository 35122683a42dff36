//! Faults of logins, certificates, permissions and quotas, and of the service itself.

use std::time::{Duration, Instant};

use crate::{
    case::{
        Case,
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
    [logins(), certificates(), permissions(), quotas(), ourselves()].into_iter().flatten().collect()
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
    ]
}

fn ourselves() -> Vec<Case> {
    let prober =
        |name, inject, heal| Case::new(name, Way::Proxies, inject, heal).wants(&[&[("prober", Any)]]);
    vec![
        // The diagnosis is asked for again when the service runs again.
        prober(
            "the service: stopped for 5 s",
            |s| s.pause_service(Duration::from_secs(5)),
            |_| Instant::now(),
        )
        .hold(0),
        prober("the service: no file descriptors", Scene::limit_descriptors, Scene::allow_descriptors),
    ]
}
