//! The program logs in with the tokens of an identity provider, and with the tokens of a file.

use std::{fs, process::Output, time::Duration};

use crate::{
    pass, shared,
    support::{
        kafka::SaslKafka,
        oauth::{
            broker,
            oidc::{AUDIENCE, OidcServer},
        },
        service::{Service, program},
        wait_for,
    },
};

const SECRET: &str = "s3cret-of-the-client";
const PATIENCE: Duration = Duration::from_secs(40);

/// The lifetime of tokens that end several times within a test, and the sessions with them.
const SHORT: Duration = Duration::from_secs(6);

/// The properties of a client of this identity provider.
pub(crate) fn client(oidc: &OidcServer, scope: &str) -> Vec<String> {
    vec![
        "sasl.mechanism=OAUTHBEARER".to_owned(),
        "sasl.oauthbearer.method=oidc".to_owned(),
        "sasl.oauthbearer.client.id=heartbeat".to_owned(),
        format!("sasl.oauthbearer.client.secret={SECRET}"),
        format!("sasl.oauthbearer.token.endpoint.url={}", oidc.token_url()),
        format!("sasl.oauthbearer.scope={scope}"),
        "sasl.oauthbearer.extensions=logicalCluster=lkc-1,identityPoolId=pool-1".to_owned(),
    ]
}

/// A service that sends heartbeats over the listener without TLS, with every line of its log.
fn start(kafka: &SaslKafka, properties: &[String]) -> Service {
    Service::start_in(
        &[("RUST_LOG", "trace")],
        &format!(
            "[kafka]\nname = k\nbootstrap.servers = {}\nsecurity.protocol = SASL_PLAINTEXT\n{}\n\
             [heartbeat]\ninterval = 200ms\ndeadline = 10s\n[connectivity]\ninterval = 1s\n[metadata]\ninterval = 1s\n",
            kafka.bootstrap(),
            properties.join("\n")
        ),
    )
}

/// Waits until this many heartbeats were good. Returns the number of bad ones.
fn good(service: &Service, count: u64) -> u64 {
    wait_for("good heartbeats", PATIENCE, || (service.totals("k").of("ok") >= count).then_some(()));
    service.totals("k").bad()
}

fn probe(bootstrap: &str, properties: &[String]) -> (Option<i32>, String) {
    let mut probe = program();
    probe.args(["probe", "--count", "3", "--bootstrap-servers", bootstrap]);
    properties.iter().for_each(|property| _ = probe.args(["-X", property]));
    let Output { status, stdout, stderr } = probe.output().expect("the program runs");
    (status.code(), format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)))
}

#[test]
fn heartbeats_are_good_while_tokens_and_sessions_end_again_and_again() {
    let Some(oidc) = OidcServer::start_with(SHORT) else { return };
    let Some(kafka) = broker::start(&oidc, SHORT) else { return };
    let service = start(&kafka, &client(&oidc, AUDIENCE));
    let before = good(&service, 5);
    pass(4 * SHORT);
    let seen = service.totals("k").of("ok");
    assert_eq!(good(&service, seen + 5), before, "{}", service.log());
    assert_eq!(before, 0, "{}", service.log());
    assert!(service.sum("heartbeat_broker_checks_total", &[]) > 0.5, "{}", service.log());
    let failures = service.sum("heartbeat_broker_check_failures_total", &[]);
    assert!(failures.abs() < 0.5, "{failures}: {}", service.log());
    let (_, log) = service.stop();
    assert!(!log.contains(SECRET), "the secret is in no line of the log");
    assert!(!log.contains("eyJ"), "a token is in no line of the log");
}

#[test]
fn probe_signs_in_over_tls_and_names_a_token_that_the_broker_refuses() {
    let Some((oidc, kafka)) = shared() else { return };
    let tls = [
        "security.protocol=SASL_SSL".to_owned(),
        format!("ssl.ca.location={}", kafka.kafka().ca_pem_path().display()),
    ];
    let (code, words) = probe(&kafka.tls_bootstrap(), &[&tls[..], &client(oidc, AUDIENCE)].concat());
    assert_eq!(code, Some(0), "{words}");
    let (code, words) = probe(&kafka.tls_bootstrap(), &[&tls[..], &client(oidc, "another-service")].concat());
    assert_ne!(code, Some(0), "{words}");
    for part in ["stage sasl failed: authentication", "the broker refuses the token: invalid_token"] {
        assert!(words.contains(part), "{part}: {words}");
    }
    assert!(!words.contains(SECRET) && !words.contains("eyJ"), "{words}");
}

#[test]
fn identity_provider_that_is_down_is_the_fault_and_heartbeats_begin_when_it_is_back() {
    let Some(oidc) = OidcServer::start() else { return };
    let Some(kafka) = broker::start(&oidc, Duration::ZERO) else { return };
    oidc.kill();
    let service = start(&kafka, &client(&oidc, AUDIENCE));
    wait_for("cycles that fail because of the identity provider", PATIENCE, || {
        let labels = ["task=\"metadata\"", "fault=\"token_endpoint\""];
        (service.sum("heartbeat_cycle_faults_total", &labels) > 0.5).then_some(())
    });
    let failures = service.sum("heartbeat_broker_check_failures_total", &[]);
    assert!(failures.abs() < 0.5, "no broker is blamed: {failures}: {}", service.log());
    oidc.restart();
    good(&service, 5);
    let (_, log) = service.stop();
    assert!(log.contains("the token for Kafka cannot be renewed: no token from 127.0.0.1"), "{log}");
    assert!(log.contains("the token for Kafka was renewed again"), "{log}");
}

#[test]
fn token_of_a_file_is_read_again_when_it_changes() {
    let Some(oidc) = OidcServer::start_with(2 * SHORT) else { return };
    let Some(kafka) = broker::start(&oidc, Duration::ZERO) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    let write = || fs::write(&file, oidc.fetch_token("heartbeat", AUDIENCE)).expect("a file");
    write();
    let properties =
        ["sasl.mechanism=OAUTHBEARER".to_owned(), format!("sasl.oauthbearer.token.file={}", file.display())];
    let service = start(&kafka, &properties);
    good(&service, 5);
    for _ in 0..5 {
        pass(SHORT / 2);
        write();
    }
    let seen = service.totals("k").of("ok");
    assert_eq!(good(&service, seen + 5), 0, "{}", service.log());
    service.stop();
}
