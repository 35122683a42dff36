//! Opening sessions without TLS, and the faults of each stage.

use kafka_heartbeat::kafka::{Fault, Stage};
use kafka_protocol::{
    messages::{
        ApiVersionsRequest, SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest,
        SaslHandshakeResponse,
    },
    protocol::StrBytes,
};
use tokio::net::TcpListener;

use super::*;
use crate::fake::{Manners, Reply};

fn sasl(mechanism: &str, password: &str) -> Client {
    client(&[
        ("security.protocol", "SASL_PLAINTEXT"),
        ("sasl.mechanism", mechanism),
        ("sasl.username", "me"),
        ("sasl.password", password),
    ])
}

/// Tries to open a session, which must fail. Returns the stages that were completed, and the error.
async fn refused(client: &Client, endpoint: &Endpoint, timeout: Duration) -> (Vec<Stage>, Error) {
    let begun = Instant::now();
    let opening = wire::open(client, endpoint, timeout).await;
    assert!(begun.elapsed() < timeout + AMPLE / 2, "took {:?}", begun.elapsed());
    let stages = opening.stages.into_iter().map(|(stage, _)| stage).collect();
    (stages, opening.result.expect_err("a session that must fail"))
}

#[tokio::test]
async fn session_without_tls_and_sasl_has_three_stages() {
    let fake = Fake::start().await;
    let opening = open(&client(&[]), &fake.endpoint()).await;
    let stages: Vec<_> = opening.stages.iter().map(|(stage, _)| *stage).collect();
    assert_eq!(stages, [Stage::Dns, Stage::Tcp, Stage::ApiVersions]);
    assert_eq!(opening.address, Some(fake.address.ip()));
    assert_eq!(opening.certificate_expiry, None);
    assert!(opening.result.unwrap().is_open());
    assert_eq!((fake.accepted(), fake.count::<ApiVersionsRequest>()), (1, 1));
}

#[tokio::test]
async fn session_of_a_dropped_connection_is_closed() {
    let fake = Fake::start().await;
    let first = connection(&fake).await;
    let second = first.clone();
    drop(first);
    assert!(second.is_open());
    assert_eq!(fake.open(), 1);
    drop(second);
    eventually("the broker sees the end", || fake.open() == 0).await;
}

#[tokio::test]
async fn name_that_does_not_resolve_is_a_dns_fault() {
    let endpoint = Endpoint { host: "no-such-host.invalid".into(), port: 9092 };
    let (done, error) = refused(&client(&[]), &endpoint, AMPLE).await;
    assert!(done.is_empty());
    assert_eq!((error.stage(), error.fault()), (Some(Stage::Dns), Fault::Dns), "{}", words(&error));
}

#[tokio::test]
async fn address_of_the_wrong_family_is_a_dns_fault() {
    let fake = Fake::start().await;
    let only_v6 = client(&[("broker.address.family", "v6")]);
    let (_, error) = refused(&only_v6, &fake.endpoint(), AMPLE).await;
    assert_eq!((error.stage(), error.fault()), (Some(Stage::Dns), Fault::Dns));
    assert_eq!(fake.accepted(), 0);
}

#[tokio::test]
async fn port_without_a_listener_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint { host: "127.0.0.1".into(), port: listener.local_addr().unwrap().port() };
    drop(listener);
    let (done, error) = refused(&client(&[]), &endpoint, AMPLE).await;
    assert_eq!(done, [Stage::Dns]);
    assert_eq!((error.stage(), error.fault()), (Some(Stage::Tcp), Fault::Refused), "{}", words(&error));
}

#[tokio::test]
async fn broker_that_is_silent_is_a_timeout_in_the_stage_that_waited() {
    let fake = Fake::with(Manners::Mute, None).await;
    let (done, error) = refused(&client(&[]), &fake.endpoint(), SHORT).await;
    assert_eq!(done, [Stage::Dns, Stage::Tcp]);
    assert_eq!((error.stage(), error.fault()), (Some(Stage::ApiVersions), Fault::Timeout));
    let tls = client(&[("security.protocol", "ssl"), ("enable.ssl.certificate.verification", "false")]);
    let (_, error) = refused(&tls, &fake.endpoint(), SHORT).await;
    assert_eq!((error.stage(), error.fault()), (Some(Stage::Tls), Fault::Timeout));
    eventually("both sessions are closed", || fake.open() == 0).await;

    let fake = Fake::start().await;
    fake.on(|_: SaslHandshakeRequest, _| Reply::Silence);
    let (done, error) = refused(&sasl("PLAIN", "hush"), &fake.endpoint(), SHORT).await;
    assert_eq!(done, [Stage::Dns, Stage::Tcp, Stage::ApiVersions]);
    assert_eq!((error.stage(), error.fault()), (Some(Stage::Sasl), Fault::Timeout));
}

#[tokio::test]
async fn broker_that_closes_the_connection_is_disconnected_in_that_stage() {
    let fake = Fake::with(Manners::Curt, None).await;
    let (_, error) = refused(&client(&[]), &fake.endpoint(), AMPLE).await;
    assert_eq!((error.stage(), error.fault()), (Some(Stage::ApiVersions), Fault::Disconnected));

    let fake = Fake::start().await;
    fake.on(|_: SaslHandshakeRequest, _| Reply::Close);
    let (_, error) = refused(&sasl("PLAIN", "hush"), &fake.endpoint(), AMPLE).await;
    assert_eq!((error.stage(), error.fault()), (Some(Stage::Sasl), Fault::Disconnected));
}

#[tokio::test]
async fn peer_that_is_no_kafka_is_a_protocol_fault_that_names_its_protocol() {
    for (sent, hint) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "HTTP"),
        (&[0x15, 3, 3, 0, 2, 2, 80][..], "TLS"),
        (&b"220 mail.example ESMTP\r\n"[..], "announced"),
    ] {
        let fake = Fake::with(Manners::Babbling(sent.to_vec()), None).await;
        let (_, error) = refused(&client(&[]), &fake.endpoint(), AMPLE).await;
        assert_eq!((error.stage(), error.fault()), (Some(Stage::ApiVersions), Fault::Protocol));
        assert!(words(&error).contains(hint), "{}", words(&error));
        assert!(error.fault().hint().unwrap().contains("security.protocol"));
    }
}

#[tokio::test]
async fn password_that_is_wrong_is_an_authentication_fault_and_the_right_one_logs_in() {
    let fake = Fake::start().await;
    fake.plain("me", "hush");
    let opening = open(&sasl("PLAIN", "hush"), &fake.endpoint()).await;
    let stages: Vec<_> = opening.stages.iter().map(|(stage, _)| *stage).collect();
    assert_eq!(stages, [Stage::Dns, Stage::Tcp, Stage::ApiVersions, Stage::Sasl]);
    assert!(opening.result.is_ok());

    let (_, error) = refused(&sasl("PLAIN", "s3cr3t"), &fake.endpoint(), AMPLE).await;
    assert_eq!((error.stage(), error.fault()), (Some(Stage::Sasl), Fault::Authentication));
    let printed = format!("{} {error:?}", words(&error));
    assert!(printed.contains("Invalid username or password"), "{printed}");
    assert!(!printed.contains("s3cr3t"), "{printed}");
}

#[tokio::test]
async fn mechanism_that_the_broker_lacks_is_named_with_those_that_it_offers() {
    let fake = Fake::start().await;
    fake.plain("me", "hush");
    let (_, error) = refused(&sasl("SCRAM-SHA-512", "hush"), &fake.endpoint(), AMPLE).await;
    assert_eq!((error.stage(), error.fault()), (Some(Stage::Sasl), Fault::Authentication));
    assert!(words(&error).contains("offers PLAIN, not SCRAM-SHA-512"), "{}", words(&error));
}

#[tokio::test]
async fn listener_without_sasl_is_named_as_the_reason() {
    let fake = Fake::start().await;
    fake.on(|_: SaslHandshakeRequest, _| Reply::Answer(SaslHandshakeResponse::default().with_error_code(34)));
    let (_, error) = refused(&sasl("PLAIN", "hush"), &fake.endpoint(), AMPLE).await;
    assert_eq!((error.stage(), error.fault()), (Some(Stage::Sasl), Fault::Authentication));
    assert!(words(&error).contains("no SASL"), "{}", words(&error));
}

/// A broker that accepts the first message of SCRAM and responds with this challenge.
async fn scram(first: impl Fn(&str) -> String + Send + Sync + 'static) -> Fake {
    let fake = Fake::start().await;
    fake.on(|_: SaslHandshakeRequest, _| Reply::Answer(SaslHandshakeResponse::default()));
    fake.on(move |request: SaslAuthenticateRequest, call| {
        let message = String::from_utf8(request.auth_bytes.to_vec()).unwrap();
        let nonce = message.rsplit("r=").next().unwrap();
        let answer = if call.number == 0 { first(nonce) } else { "v=bm90IHRoZSByaWdodCBwcm9vZg==".into() };
        Reply::Answer(SaslAuthenticateResponse::default().with_auth_bytes(answer.into_bytes().into()))
    });
    fake
}

#[tokio::test]
async fn broker_that_cannot_prove_the_password_is_not_trusted() {
    let fake = scram(|nonce| format!("r={nonce}theirs,s=c2FsdHNhbHQ=,i=4096")).await;
    let (_, error) = refused(&sasl("SCRAM-SHA-256", "hush"), &fake.endpoint(), AMPLE).await;
    assert_eq!((error.stage(), error.fault()), (Some(Stage::Sasl), Fault::Authentication));
    assert!(words(&error).contains("proof"), "{}", words(&error));
    assert_eq!(fake.count::<SaslAuthenticateRequest>(), 2);
}

#[tokio::test]
async fn challenge_that_is_too_short_ends_one_session_without_a_panic() {
    let fake = scram(|_| "r=x,".to_owned()).await;
    let (_, error) = refused(&sasl("SCRAM-SHA-256", "hush"), &fake.endpoint(), AMPLE).await;
    assert_eq!((error.stage(), error.fault()), (Some(Stage::Sasl), Fault::Protocol), "{}", words(&error));

    let fake = scram(|nonce| format!("r={nonce}theirs,s=c2FsdHNhbHQ=,i=4096")).await;
    fake.on(|request: SaslAuthenticateRequest, call| {
        let message = String::from_utf8(request.auth_bytes.to_vec()).unwrap();
        let nonce = message.rsplit("r=").next().unwrap();
        let first = format!("r={nonce}theirs,s=c2FsdHNhbHQ=,i=4096");
        let answer = if call.number == 0 { first } else { String::new() };
        Reply::Answer(SaslAuthenticateResponse::default().with_auth_bytes(answer.into_bytes().into()))
    });
    let (_, error) = refused(&sasl("SCRAM-SHA-256", "hush"), &fake.endpoint(), AMPLE).await;
    assert_eq!((error.stage(), error.fault()), (Some(Stage::Sasl), Fault::Protocol), "{}", words(&error));
    assert_eq!(fake.count::<SaslAuthenticateRequest>(), 2, "the server's last message is empty");
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn sockets_of_sessions_have_tcp_keepalive() {
    let fake = Fake::start().await;
    let _connection = connection(&fake).await;
    // The timer 2 in /proc/net/tcp is that of keepalive; our side is the one whose peer is the broker's port.
    let port = format!(":{:04X} 01 ", fake.address.port());
    let has_timer = || {
        let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let ours = sockets.lines().filter(|line| line.contains(&port));
        ours.filter(|line| line.split_whitespace().nth(5).is_some_and(|timer| timer.starts_with("02:")))
            .count()
    };
    eventually("a keepalive timer runs", || has_timer() == 1).await;
}

#[tokio::test]
async fn broker_cannot_make_the_client_hash_for_hours() {
    for count in ["4294967295", "100001", "99999999999999999999", "-1", "x"] {
        let fake = scram(move |nonce| format!("r={nonce}theirs,s=c2FsdHNhbHQ=,i={count}")).await;
        let (_, error) = refused(&sasl("SCRAM-SHA-512", "hush"), &fake.endpoint(), AMPLE).await;
        assert_eq!((error.stage(), error.fault()), (Some(Stage::Sasl), Fault::Authentication), "{count}");
        assert_eq!(fake.count::<SaslAuthenticateRequest>(), 1, "{count}");
    }
}

#[tokio::test]
async fn message_of_a_broker_is_escaped_and_cut_off() {
    let fake = Fake::start().await;
    fake.plain("me", "hush");
    let hostile = format!("\u{1b}[2Jline\nline\u{202e}{}", "x".repeat(9000));
    fake.on(move |_: SaslAuthenticateRequest, _| {
        let message = Some(StrBytes::from_string(hostile.clone()));
        Reply::Answer(SaslAuthenticateResponse::default().with_error_code(58).with_error_message(message))
    });
    let (_, error) = refused(&sasl("PLAIN", "hush"), &fake.endpoint(), AMPLE).await;
    let printed = words(&error);
    assert!(!printed.contains(['\u{1b}', '\n', '\u{202e}']), "{printed:?}");
    assert!(printed.len() < 500, "{} bytes", printed.len());
}

#[test]
fn advertised_host_is_escaped_as_hostile_text() {
    let printed = Endpoint { host: "b1\n\u{1b}[2J".into(), port: 9092 }.to_string();
    assert_eq!(printed, "b1\\n\\u{1b}[2J:9092");
    assert_eq!(Endpoint { host: "::1".into(), port: 9092 }.to_string(), "[::1]:9092");
}

#[test]
fn secret_is_printed_neither_by_settings_nor_by_their_errors() {
    let secret = [
        ("sasl.password", "s3cr3t"),
        ("ssl.key.password", "s3cr3t"),
        ("ssl.key.pem", "s3cr3t"),
        ("ssl.certificate.pem", "s3cr3t"),
        ("ssl.ca.pem", "s3cr3t"),
        ("sasl.oauthbearer.client.secret", "s3cr3t"),
        ("sasl.jaas.config", "s3cr3t"),
        ("security.protocol", "s3cr3t"),
    ];
    assert!(!format!("{:?}", parse(&secret).unwrap_err()).contains("s3cr3t"));
    let with_tls =
        [&secret[..7], &[("security.protocol", "sasl_ssl"), ("sasl.mechanism", "s3cr3t")]].concat();
    assert!(!format!("{:?}", parse(&with_tls).unwrap_err()).contains("s3cr3t"));
    assert!(!format!("{:?}", sasl("PLAIN", "s3cr3t")).contains("s3cr3t"));
}

#[test]
fn security_property_is_understood_or_refused_by_name() {
    let refused = refusals(&[
        ("sasl.kerberos.kinit.cmd", "kinit -k"),
        ("ssl.truststore.location", "/x.jks"),
        ("ssl.keystore.location", "/x.p12"),
        ("ssl.cipher.suites", "A:B"),
        ("ssl.crl.location", "/x"),
        ("ssl.engine.location", "/x"),
        ("ssl.providers", "legacy"),
        ("enable.sasl.oauthbearer.unsecure.jwt", "true"),
        ("linger.ms", "5"),
        ("statistics.interval.ms", "1000"),
    ]);
    assert_eq!(refused.len(), 8, "{refused:#?}");
    assert!(!refused.contains_key("linger.ms"));
    let refused = refusals(&[
        ("security.protocol", "sasl_ssl"),
        ("enable.ssl.certificate.verification", "perhaps"),
        ("ssl.endpoint.identification.algorithm", "maybe"),
    ]);
    for key in [
        "sasl.mechanism",
        "sasl.username",
        "sasl.password",
        "enable.ssl.certificate.verification",
        "ssl.endpoint.identification.algorithm",
    ] {
        assert!(refused.contains_key(key), "{key} is not among {refused:#?}");
    }
    assert!(parse(&[("sasl.username", "me"), ("sasl.mechanisms", "GSSAPI")]).is_ok(), "unused without SASL");
}
