//! Sign-in with Kerberos against a real KDC and a real broker: with the program, which gets its tickets from a keytab.
#![cfg(feature = "gssapi")]

use std::{
    path::Path,
    process::Output,
    sync::OnceLock,
    time::{Duration, Instant},
};

use support::{
    kafka::SaslKafka,
    kerberos::{
        broker,
        kdc::{HEARTBEAT, Kdc, REMOVED},
    },
    service::{Service, program},
    try_wait, wait_for,
};

#[expect(dead_code, reason = "each test binary uses a part of the support")]
mod support;

const HOUR: Duration = Duration::from_secs(3600);
const PATIENCE: Duration = Duration::from_secs(60);
/// The lifetime of tickets that end several times within a test.
const SHORT_TICKETS: Duration = Duration::from_secs(20);
/// `connections.max.reauth.ms`, so that clients log in again and again.
const SHORT_SESSIONS: Duration = Duration::from_secs(5);
/// A folder without programs: nothing can call `kinit`.
const NO_PROGRAMS: (&str, &str) = ("PATH", "/nonexistent");

/// The KDC and the broker that the tests of this file share, for those that leave both as they were.
fn shared() -> Option<&'static (Kdc, SaslKafka)> {
    static SHARED: OnceLock<Option<(Kdc, SaslKafka)>> = OnceLock::new();
    let start = || {
        let kdc = Kdc::start(HOUR)?;
        let kafka = broker::start(&kdc, Duration::ZERO)?;
        Some((kdc, kafka))
    };
    SHARED.get_or_init(start).as_ref()
}

/// The properties of a client with this principal and this keytab.
fn client(principal: &str, keytab: &Path) -> Vec<String> {
    vec![
        "security.protocol=SASL_PLAINTEXT".to_owned(),
        "sasl.mechanism=GSSAPI".to_owned(),
        format!("sasl.kerberos.principal={principal}"),
        format!("sasl.kerberos.keytab={}", keytab.display()),
    ]
}

/// A service that sends heartbeats over the listener without TLS.
fn start(kdc: &Kdc, kafka: &SaslKafka) -> Service {
    let krb5 = kdc.client_configuration().display().to_string();
    Service::start_in(
        &[("KRB5_CONFIG", &krb5), NO_PROGRAMS, ("RUST_LOG", "debug")],
        &format!(
            "[kafka]\nname = k\nbootstrap.servers = {}\n{}\n[heartbeat]\ninterval = 200ms\ndeadline = 10s\n\
             [connectivity]\ninterval = 1s\n[metadata]\ninterval = 1s\n",
            kafka.bootstrap(),
            client(HEARTBEAT, &kdc.keytab()).join("\n")
        ),
    )
}

/// Waits until this many heartbeats were good. Returns the number of bad ones.
fn good(service: &Service, count: u64) -> u64 {
    service.wait("k", "good heartbeats", PATIENCE.as_secs(), |totals| totals.of("ok") >= count).bad()
}

/// Runs the command `probe`. Returns its exit code and what it prints.
fn probe(kdc: &Kdc, bootstrap: &str, properties: &[String]) -> (Option<i32>, String) {
    let mut probe = program();
    probe.args(["probe", "--count", "3", "--bootstrap-servers", bootstrap]);
    probe.env("KRB5_CONFIG", kdc.client_configuration()).env(NO_PROGRAMS.0, NO_PROGRAMS.1);
    properties.iter().for_each(|property| _ = probe.args(["-X", property]));
    let Output { status, stdout, stderr } = probe.output().expect("the program runs");
    (status.code(), format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)))
}

/// Asserts that `probe` fails and prints all these words.
fn assert_fails(kdc: &Kdc, bootstrap: &str, properties: &[String], words: &[&str]) {
    let (code, printed) = probe(kdc, bootstrap, properties);
    assert_ne!(code, Some(0), "{printed}");
    for part in words {
        assert!(printed.contains(part), "{part}: {printed}");
    }
}

#[test]
fn probe_signs_in_with_a_keytab_without_and_with_tls() {
    let Some((kdc, kafka)) = shared() else { return };
    let properties = client(HEARTBEAT, &kdc.keytab());
    let (code, words) = probe(kdc, &kafka.bootstrap(), &properties);
    assert_eq!(code, Some(0), "{words}");
    let tls = [
        "security.protocol=SASL_SSL".to_owned(),
        format!("ssl.ca.location={}", kafka.kafka().ca_pem_path().display()),
    ];
    let (code, words) = probe(kdc, &kafka.tls_bootstrap(), &[&properties[1..], &tls].concat());
    assert_eq!(code, Some(0), "{words}");
}

#[test]
fn keytab_that_is_missing_or_lacks_the_principal_is_the_fault_keytab() {
    let Some((kdc, kafka)) = shared() else { return };
    let missing = client(HEARTBEAT, Path::new("/nonexistent/heartbeat.keytab"));
    let words = [
        "stage sasl failed: keytab",
        "/nonexistent/heartbeat.keytab",
        "No such file",
        "sasl.kerberos.keytab",
    ];
    assert_fails(kdc, &kafka.bootstrap(), &missing, &words);
    let other = client("other@TEST", &kdc.keytab());
    assert_fails(kdc, &kafka.bootstrap(), &other, &["stage sasl failed: keytab", "other@TEST"]);
}

#[test]
fn principal_that_the_kdc_does_not_know_is_the_fault_principal() {
    let Some((kdc, kafka)) = shared() else { return };
    let words = ["stage sasl failed: principal", REMOVED, "not found in Kerberos database"];
    assert_fails(kdc, &kafka.bootstrap(), &client(REMOVED, &kdc.keytab()), &words);
}

#[test]
fn broker_under_a_name_that_the_kdc_does_not_know_is_the_fault_service_principal() {
    let Some((kdc, kafka)) = shared() else { return };
    let other_name = kafka.bootstrap().replace("127.0.0.1", "localhost");
    let properties = client(HEARTBEAT, &kdc.keytab());
    let words = ["stage sasl failed: service_principal", "localhost", "rdns = false"];
    assert_fails(kdc, &other_name, &properties, &words);
}

#[test]
fn heartbeats_are_good_while_tickets_and_sessions_end_again_and_again() {
    let Some(kdc) = Kdc::start(SHORT_TICKETS) else { return };
    let Some(kafka) = broker::start(&kdc, SHORT_SESSIONS) else { return };
    let service = start(&kdc, &kafka);
    assert_eq!(good(&service, 5), 0, "{}", service.log());
    pass(SHORT_TICKETS * 5 / 2);
    let seen = service.totals("k").of("ok");
    assert_eq!(good(&service, seen + 5), 0, "{}", service.log());
    let failures = service.sum("heartbeat_broker_check_failures_total", &[]);
    assert!(failures.abs() < 0.5, "{failures}: {}", service.log());
    let (_, log) = service.stop();
    assert!(!log.contains("kinit"), "{log}");
}

#[test]
fn kdc_that_is_down_at_the_start_is_the_fault_kdc_and_heartbeats_begin_when_it_is_back() {
    let Some(kdc) = Kdc::start(HOUR) else { return };
    let Some(kafka) = broker::start(&kdc, Duration::ZERO) else { return };
    kdc.kill();
    let service = start(&kdc, &kafka);
    wait_for("the fault of the KDC", PATIENCE, || {
        (service.api("/api/v1/status", "k")["verdict"] == "prober_fault").then_some(())
    });
    let status = service.api("/api/v1/status", "k");
    assert!(status["reasons"].to_string().contains("stage sasl failed: kdc"), "{status:#}");
    kdc.restart();
    good(&service, 5);
    let failures = service.sum("heartbeat_broker_check_failures_total", &[]);
    assert!(failures.abs() < 0.5, "{failures}: {}", service.log());
    let (_, log) = service.stop();
    assert!(log.contains("the Kerberos ticket for Kafka was renewed again"), "{log}");
}

#[test]
fn kdc_that_freezes_delays_no_answer_of_the_service_and_no_heartbeat_while_tickets_live() {
    let Some(kdc) = Kdc::start(HOUR) else { return };
    let Some(kafka) = broker::start(&kdc, SHORT_SESSIONS) else { return };
    let service = start(&kdc, &kafka);
    good(&service, 5);
    kdc.pause();
    pass(3 * SHORT_SESSIONS);
    let seen = service.totals("k").of("ok");
    assert_eq!(good(&service, seen + 5), 0, "{}", service.log());
    kdc.resume();
    service.stop();
}

#[test]
fn ticket_that_expires_while_the_kdc_is_frozen_is_no_fault_of_kafka_and_heartbeats_go_on_afterwards() {
    let Some(kdc) = Kdc::start(SHORT_TICKETS) else { return };
    let Some(kafka) = broker::start(&kdc, SHORT_SESSIONS) else { return };
    let service = start(&kdc, &kafka);
    good(&service, 5);
    kdc.pause();
    let slowest = std::cell::Cell::new(Duration::ZERO);
    wait_for("the fault of the KDC", PATIENCE, || {
        let begun = Instant::now();
        let status = service.api("/api/v1/status", "k");
        slowest.set(slowest.get().max(begun.elapsed()));
        (status["verdict"] == "prober_fault" && status["reasons"].to_string().contains("KDC")).then_some(())
    });
    assert!(slowest.get() < Duration::from_secs(2), "{:?}: an answer waited for the KDC", slowest.get());
    wait_for("the renewal that failed", PATIENCE, || {
        let labels = ["kind=\"ticket\"", "result=\"kdc\""];
        (service.sum("heartbeat_credential_renewals_total", &labels) > 0.5).then_some(())
    });
    let failures = service.sum("heartbeat_broker_check_failures_total", &[]);
    assert!(failures.abs() < 0.5, "{failures}: {}", service.log());
    kdc.resume();
    let seen = service.totals("k").of("ok");
    good(&service, seen + 20);
    let skipped = service.totals("k").of("skipped");
    assert!(skipped > 0, "heartbeats without a ticket are skipped: {}", service.log());
    wait_for("the verdict without the KDC's fault", PATIENCE, || {
        (service.api("/api/v1/status", "k")["verdict"] != "prober_fault").then_some(())
    });
    service.stop();
}

/// Lets time pass.
fn pass(time: Duration) {
    assert!(try_wait(time, || None::<()>).is_none());
}
