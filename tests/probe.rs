//! `probe` with stalls of this machine and with connections that fail.

use std::{
    net::TcpListener,
    process::{Child, Output, Stdio},
    thread,
    time::Duration,
};

use fake::{Fake, Manners, Reply};
use kafka_protocol::messages::MetadataRequest;
use rdkafka::mocking::MockCluster;
use serde_json::Value;
use support::{
    certs::{Authority, Identity},
    port,
    service::{program, signal},
    try_wait,
};
use tokio::task::block_in_place;
use tokio_rustls::rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};

#[expect(dead_code, reason = "a part is used")]
#[path = "support/fake.rs"]
mod fake;
#[expect(dead_code, reason = "each test binary uses a part of the support")]
mod support;

const HOUR: Duration = Duration::from_secs(3600);

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
fn probe_that_was_paused_judges_the_heartbeats_that_it_sent() {
    let kafka = MockCluster::new(3).expect("an embedded cluster");
    kafka.create_topic("kafka-heartbeat", 3, 3).expect("a topic");
    let mut probe = start(&kafka.bootstrap_servers(), "60");
    // Several stops, so that some of them lie within the six seconds of the heartbeats.
    while try_wait(Duration::from_secs(1), || probe.try_wait().expect("the state of the process can be read"))
        .is_none()
    {
        signal(probe.id(), "STOP");
        assert!(
            try_wait(Duration::from_millis(350), || probe
                .try_wait()
                .expect("the state of the process can be read"))
            .is_none()
        );
        signal(probe.id(), "CONT");
    }
    let output = probe.wait_with_output().expect("the process has ended");
    let report = report(&output);
    let cluster = &report["clusters"][0];
    assert_eq!((output.status.code(), &report["ok"]), (Some(0), &Value::Bool(true)), "{report:#}");
    assert!(cluster["outcomes"]["skipped"].as_u64() > Some(0), "{report:#}");
    assert!(cluster["stalled_seconds"].as_f64() >= Some(0.3), "{report:#}");
    assert_eq!(cluster["sent"], cluster["outcomes"]["ok"], "{report:#}");
}

/// Probes a cluster with a thousand heartbeats on each partition, which take 100 s: a probe that ends within a minute
/// waited for none of them. Returns its exit code and what it printed.
fn ended_at_once(servers: &str, properties: &[&str]) -> (Option<i32>, String) {
    let mut probe = program();
    probe.args(["probe", "--bootstrap-servers", servers, "--count", "1000"]);
    properties.iter().for_each(|property| _ = probe.args(["-X", property]));
    let mut probe = probe.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program runs");
    let ended =
        try_wait(Duration::from_secs(60), || probe.try_wait().expect("the state of the process can be read"));
    if ended.is_none() {
        probe.kill().expect("a process of ours");
    }
    let output = probe.wait_with_output().expect("the process has ended");
    let words =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(ended.is_some(), "the probe waits although it cannot connect: {words}");
    (output.status.code(), words)
}

/// The probe ends at once, sent nothing, and its report contains these words.
fn ends_with(servers: &str, properties: &[&str], parts: &[&str]) {
    let (code, words) = block_in_place(|| ended_at_once(servers, properties));
    assert_eq!(code, Some(69), "{properties:?}: {words}");
    assert!(words.contains("Nothing was sent: no connection to the cluster"), "{properties:?}: {words}");
    for part in parts {
        assert!(words.contains(part), "{properties:?}, {part}: {words}");
    }
    assert!(!words.contains("p50") && !words.contains("hush"), "{properties:?}: {words}");
}

/// TLS of a broker; with `clients` it wants a certificate that this authority signed.
fn server(identity: &Identity, clients: Option<&Authority>) -> ServerConfig {
    let provider = std::sync::Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone());
    let builder = builder.with_safe_default_protocol_versions().expect("versions");
    let builder = match clients {
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            let root = CertificateDer::from_pem_slice(authority.pem().as_bytes()).expect("a certificate");
            roots.add(root).expect("a root");
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
        }
        None => builder.with_no_client_auth(),
    };
    let certificate = CertificateDer::from_pem_slice(identity.certificate.as_bytes()).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).expect("a key");
    builder.with_single_cert(vec![certificate], key).expect("a certificate with its key")
}

#[tokio::test(flavor = "multi_thread")]
async fn probe_whose_login_is_refused_ends_at_once_and_reports_the_refusal() {
    let kafka = Fake::start().await;
    kafka.plain("me", "right");
    let login = [
        "security.protocol=sasl_plaintext",
        "sasl.mechanism=PLAIN",
        "sasl.username=me",
        "sasl.password=hush",
    ];
    let parts =
        ["stage sasl failed: authentication", "hint: check sasl.mechanism, sasl.username and sasl.password"];
    ends_with(&kafka.endpoint().to_string(), &login, &parts);
}

#[tokio::test(flavor = "multi_thread")]
async fn probe_of_a_broker_with_a_wrong_certificate_ends_at_once_and_names_the_problem() {
    let folder = tempfile::tempdir().expect("a folder");
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let root = folder.path().join("ca.pem");
    std::fs::write(&root, ours.pem()).expect("a file");
    let trust = format!("ssl.ca.location={}", root.display());
    let table = [
        (
            server(&theirs.server(HOUR), None),
            "stage tls failed: certificate_unknown_ca",
            "hint: set ssl.ca.location",
        ),
        (
            server(&ours.expired_server(), None),
            "stage tls failed: certificate_expired",
            "hint: renew the broker's certificate",
        ),
        (
            server(&ours.server_elsewhere(), None),
            "stage tls failed: certificate_wrong_host",
            "hint: connect by a name",
        ),
        (
            server(&ours.server(HOUR), Some(&ours)),
            "certificate_refused",
            "hint: set ssl.certificate.location",
        ),
    ];
    for (tls, fault, hint) in table {
        let kafka = Fake::with(Manners::Polite, Some(tls)).await;
        ends_with(&kafka.endpoint().to_string(), &["security.protocol=ssl", &trust], &[fault, hint]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn probe_with_a_wrong_protocol_ends_at_once_with_a_hint() {
    let tls = server(&Authority::new("ours").server(HOUR), None);
    let encrypted = Fake::with(Manners::Polite, Some(tls)).await;
    ends_with(&encrypted.endpoint().to_string(), &[], &["hint: ", "security.protocol"]);
    // Kafka closes the connection of a client that begins with TLS where it should not.
    let plaintext = Fake::with(Manners::Curt, None).await;
    ends_with(
        &plaintext.endpoint().to_string(),
        &["security.protocol=ssl"],
        &["hint: check that the port speaks TLS"],
    );
    // A listener with SASL answers the first request of a client without a login and closes the connection at the second.
    let guarded = Fake::start().await;
    guarded.on(|_: MetadataRequest, _| Reply::Close);
    let hint = "hint: the broker closed the connection without an answer: the port may ask for TLS or SASL";
    ends_with(&guarded.endpoint().to_string(), &[], &[hint]);
}

#[test]
fn probe_with_errors_in_its_configuration_prints_only_the_errors() {
    let run = |environment: &[(&str, &str)], properties: &[&str]| {
        let mut probe = program();
        probe.args(["probe", "--bootstrap-servers", "127.0.0.1:1"]).envs(environment.iter().copied());
        properties.iter().for_each(|property| _ = probe.args(["-X", property]));
        let output = probe.output().expect("the program runs");
        let (words, errors) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!((output.status.code(), &*words), (Some(78), ""), "{errors}");
        errors.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let mechanism =
        "sasl.mechanism: expected PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER, AWS_MSK_IAM or GSSAPI";
    let errors = run(&[], &["security.protocol=sasl_ssl", "sasl.mechanism=NTLM"]);
    assert_eq!(errors, [format!("-X: {mechanism}")], "the user name depends on the mechanism");
    let environment = [
        ("KAFKA_HEARTBEAT__KAFKA__SECURITY_PROTOCOL", "sasl_ssl"),
        ("KAFKA_HEARTBEAT__KAFKA__SASL_MECHANISM", "OTHER"),
        ("KAFKA_HEARTBEAT__HEARTBEAT__INTERVAL", "often"),
    ];
    let errors = run(&environment, &[]);
    assert_eq!(errors.len(), 2, "{errors:#?}");
    assert!(errors.iter().any(|line| line.ends_with(mechanism)), "{errors:#?}");
    assert!(errors.iter().any(|line| line.contains("[heartbeat] interval")), "{errors:#?}");
    assert!(errors.iter().all(|line| line.starts_with("environment KAFKA_HEARTBEAT__")), "{errors:#?}");
}

#[test]
fn probe_of_a_port_that_closes_every_connection_ends_at_once_with_a_hint() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    // The thread ends with the process of the test.
    thread::spawn(move || listener.incoming().for_each(drop));
    let (code, words) = ended_at_once(&address, &[]);
    assert_eq!(code, Some(69), "{words}");
    assert!(words.contains("Nothing was sent: no connection to the cluster"), "{words}");
    assert!(words.contains("check security.protocol"), "{words}");
    assert!(!words.contains("p50"), "{words}");
}
