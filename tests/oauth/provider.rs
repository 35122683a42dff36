//! The identity provider fails: at the start, later, slowly, with every kind of wrong answer. Each failure has a fault of
//! its own, and Kafka is never blamed for it.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    thread,
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};

use crate::{
    pass, shared,
    support::{
        kafka::{SaslKafka, free_port},
        oauth::{
            broker,
            oidc::{AUDIENCE, EXPIRED_SCOPE, OidcServer},
        },
        service::{Service, program},
        wait_for,
    },
};

const SECRET: &str = "s3cret-of-the-client";
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What an identity provider of the tests answers.
#[derive(Clone)]
pub(crate) enum Answer {
    /// Nothing, on a connection that stays open.
    Silence,
    /// This status, this difference of its clock to ours in seconds, and this body.
    Http { status: &'static str, clock: i64, body: String },
}

impl Answer {
    pub(crate) fn of(status: &'static str, body: &str) -> Self {
        Self::Http { status, clock: 0, body: body.to_owned() }
    }
}

/// Starts an identity provider that gives every request the same answer. Returns the URL of its token endpoint.
fn provider(answer: Answer) -> String {
    provider_that(move |_| answer.clone())
}

/// Starts an identity provider whose answer depends on the text of the request. Returns the URL of its token endpoint.
pub(crate) fn provider_that(answer: impl Fn(&str) -> Answer + Send + 'static) -> String {
    let listener = TcpListener::bind(("127.0.0.1", free_port())).expect("a free port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        let mut silent = Vec::new();
        for mut stream in listener.incoming().flatten() {
            let Some(request) = request(&mut stream) else { continue };
            match answer(&request) {
                Answer::Silence => silent.push(stream),
                Answer::Http { status, clock, body } => respond(&mut stream, status, clock, &body),
            }
        }
    });
    format!("http://{address}/token")
}

/// The text of a request, whose form is short. `None` if the client closes the connection.
fn request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let is_whole = match text.split_once("\r\n\r\n") {
            Some((head, form)) => head.starts_with("GET") || form.contains("scope="),
            None => false,
        };
        if is_whole {
            return Some(text);
        }
        let length = stream.read(&mut part).ok().filter(|length| *length > 0)?;
        bytes.extend_from_slice(&part[..length]);
    }
}

fn respond(stream: &mut TcpStream, status: &str, clock: i64, body: &str) {
    let shift = Duration::from_secs(clock.unsigned_abs());
    let now = SystemTime::now();
    let date = httpdate::fmt_http_date(if clock < 0 { now - shift } else { now + shift });
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\ndate: {date}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    // The client may have closed the connection.
    _ = stream.write_all(format!("{head}{body}").as_bytes());
}

/// The properties of a client of this token endpoint.
pub(crate) fn client(url: &str, scope: &str) -> Vec<String> {
    vec![
        "security.protocol=SASL_PLAINTEXT".to_owned(),
        "sasl.mechanism=OAUTHBEARER".to_owned(),
        "sasl.oauthbearer.method=oidc".to_owned(),
        "sasl.oauthbearer.client.id=heartbeat".to_owned(),
        format!("sasl.oauthbearer.client.secret={SECRET}"),
        format!("sasl.oauthbearer.token.endpoint.url={url}"),
        format!("sasl.oauthbearer.scope={scope}"),
    ]
}

/// Whether `probe` succeeded, and everything that it wrote.
pub(crate) fn probe(kafka: &SaslKafka, properties: &[String]) -> (bool, String) {
    let mut probe = program();
    probe.args(["probe", "--count", "3", "--bootstrap-servers", &kafka.bootstrap()]);
    properties.iter().for_each(|property| _ = probe.args(["-X", property]));
    let output = probe.env("RUST_LOG", "warn").output().expect("the program runs");
    let written = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (output.status.success(), written.concat())
}

#[test]
fn each_failure_of_the_identity_provider_has_its_fault_its_stage_and_its_hint() {
    let Some((oidc, kafka)) = shared() else { return };
    let expired = oidc.post_token("heartbeat", &[("scope", EXPIRED_SCOPE)]);
    let expired = json!({ "access_token": expired["access_token"] }).to_string();
    let dated = Answer::Http { status: "200 OK", clock: -600, body: expired.clone() };
    let down = format!("http://127.0.0.1:{}/token", free_port());
    let refused = r#"{"error":"invalid_client","error_description":"no such client"}"#;
    let (kept, unknown) = ("sasl.oauthbearer.token.endpoint.url and the identity provider", "client.secret");
    let table = [
        ("down", down, "token_endpoint", "no token from 127.0.0.1", kept),
        ("silent", provider(Answer::Silence), "token_endpoint", "no token", kept),
        (
            "401",
            provider(Answer::of("401 Unauthorized", refused)),
            "invalid_client",
            "no such client",
            unknown,
        ),
        ("500", provider(Answer::of("500 Oops", "oops")), "token_endpoint", "the answer is 500", kept),
        ("no JSON", provider(Answer::of("200 OK", "<html>")), "token_endpoint", "no access_token", kept),
        ("expired", provider(Answer::of("200 OK", &expired)), "token_endpoint", "has expired already", kept),
        (
            "another audience, as the identity provider says",
            provider(Answer::of("400 Bad Request", r#"{"error":"invalid_target"}"#)),
            "audience",
            "the answer is 400: invalid_target",
            "set sasl.oauthbearer.scope to the audience",
        ),
        (
            "a clock that is ten minutes behind",
            provider(dated),
            "clock",
            "the clock of the identity provider is 10 min behind the clock of this machine",
            "correct the clock",
        ),
    ];
    for (what, url, fault, words, hint) in table {
        let (succeeded, written) = probe(kafka, &client(&url, AUDIENCE));
        assert!(!succeeded, "{what}: {written}");
        for part in [&format!("stage sasl failed: {fault}"), words, hint] {
            assert!(written.contains(part), "{what} lacks {part}: {written}");
        }
        assert!(!written.contains(SECRET) && !written.contains("eyJ"), "{what}: {written}");
    }
}

#[test]
fn token_that_a_broker_refuses_is_a_fault_of_the_login_with_the_audience_of_the_token() {
    let Some((oidc, kafka)) = shared() else { return };
    let (succeeded, written) = probe(kafka, &client(&oidc.token_url(), "another-service"));
    assert!(!succeeded, "{written}");
    // Kafka's brokers say no more than invalid_token, so the audience is not called the reason.
    for part in
        ["stage sasl failed: authentication", "invalid_token (the audience of the token is another-service)"]
    {
        assert!(written.contains(part), "{part}: {written}");
    }
}

#[test]
fn usable_token_of_an_identity_provider_with_a_wrong_clock_is_used() {
    let Some((oidc, kafka)) = shared() else { return };
    let token = oidc.post_token("heartbeat", &[("scope", AUDIENCE)]).to_string();
    for clock in [600, -600] {
        let url = provider(Answer::Http { status: "200 OK", clock, body: token.clone() });
        let (succeeded, written) = probe(kafka, &client(&url, AUDIENCE));
        assert!(succeeded, "{clock}: {written}");
        let warning = "the token for Kafka was renewed, but the clock of the identity provider is";
        assert!(written.contains(warning), "{clock}: {written}");
    }
}

fn start(kafka: &SaslKafka, url: &str) -> Service {
    start_with(kafka, &client(url, AUDIENCE))
}

/// A service that sends heartbeats.
pub(crate) fn start_with(kafka: &SaslKafka, properties: &[String]) -> Service {
    let (servers, properties) = (kafka.bootstrap(), properties.join("\n"));
    Service::start(&format!(
        "[kafka]\nname = k\nbootstrap.servers = {servers}\n{properties}\n\
         [heartbeat]\ninterval = 200ms\ndeadline = 5s\n[connectivity]\ninterval = 1s\n[metadata]\ninterval = 1s\n"
    ))
}

fn verdict(service: &Service) -> String {
    service.api("/api/v1/status", "k")["verdict"].as_str().unwrap_or_default().to_owned()
}

fn credential(service: &Service) -> Value {
    service.api("/api/v1/status", "k")["credential"].clone()
}

/// Waits until the verdict on the cluster is this one.
fn judged(service: &Service, wanted: &str) {
    wait_for(&format!("the verdict {wanted}"), PATIENCE, || (verdict(service) == wanted).then_some(()));
}

/// The number of renewals with this result.
fn renewals(service: &Service, result: &str) -> f64 {
    service.sum("heartbeat_credential_renewals_total", &["kind=\"token\"", &format!("result=\"{result}\"")])
}

/// Waits until heartbeats have been good for as long as their deadline. Returns the number of bad ones at the start, which a
/// busy machine may delay.
pub(crate) fn steady(service: &Service) -> u64 {
    judged(service, "ok");
    let good = service.totals("k").of("ok");
    service.wait("k", "good heartbeats", PATIENCE.as_secs(), |totals| totals.of("ok") >= good + 30).bad_events
}

/// Asserts that no broker was held responsible for anything, and no heartbeat was bad since the start.
pub(crate) fn assert_kafka_is_not_blamed(service: &Service, bad_at_start: u64) {
    let failures = service.sum("heartbeat_broker_check_failures_total", &[]);
    assert!(failures.abs() < 0.5, "{failures} failed checks: {}", service.log());
    assert_eq!(service.totals("k").bad_events, bad_at_start, "{:?}: {}", service.totals("k"), service.log());
}

#[test]
fn sessions_go_on_while_the_identity_provider_is_down_and_the_token_lives() {
    const LIFETIME: Duration = Duration::from_secs(60);
    let Some(oidc) = OidcServer::start_with(LIFETIME) else { return };
    let Some(kafka) = broker::start(&oidc, Duration::ZERO) else { return };
    let service = start(&kafka, &oidc.token_url());
    service.wait("k", "a good heartbeat", PATIENCE.as_secs(), |totals| totals.of("ok") > 0);
    let renewed = renewals(&service, "ok");
    assert!((renewed - 1.0).abs() < 0.5, "both clients use one token: {renewed}: {}", service.log());
    assert!((service.sum("heartbeat_token_fetch_duration_seconds_count", &[]) - 1.0).abs() < 0.5);
    let bad = steady(&service);
    let expires = service.series("heartbeat_credential_expiry_timestamp_seconds", &["kind=\"token\""]);
    let now = SystemTime::UNIX_EPOCH.elapsed().expect("a clock after 1970").as_secs_f64();
    let left = expires.expect("the token says when it expires") - now;
    assert!((0.0..=LIFETIME.as_secs_f64()).contains(&left), "{left}");
    oidc.kill();
    // The renewal is due after 42 to 48 s.
    wait_for("a renewal that fails", PATIENCE, || (renewals(&service, "token_endpoint") > 1.5).then_some(()));
    let shown = credential(&service);
    assert_eq!((verdict(&service).as_str(), &shown["failure"]["fault"]), ("ok", &json!("token_endpoint")));
    assert_eq!(shown["kind"], "token");
    // On a busy machine, the token may have been renewed before.
    let renewed = renewals(&service, "ok");
    oidc.restart();
    wait_for("a new token", PATIENCE, || (renewals(&service, "ok") > renewed + 0.5).then_some(()));
    assert_eq!(credential(&service)["failure"], Value::Null);
    judged(&service, "ok");
    assert_kafka_is_not_blamed(&service, bad);
    let (_, log) = service.stop();
    assert!(log.contains("cluster=k") || log.contains("cluster=\"k\""), "{log}");
    assert!(!log.contains(SECRET) && !log.contains("eyJ"), "{log}");
}

#[test]
fn end_of_the_token_while_the_identity_provider_is_down_is_no_outage_of_kafka() {
    let Some(oidc) = OidcServer::start_with(Duration::from_secs(10)) else { return };
    let Some(kafka) = broker::start(&oidc, Duration::ZERO) else { return };
    let service = start(&kafka, &oidc.token_url());
    let bad = steady(&service);
    oidc.kill();
    // A stall of a busy machine is a fault of the prober as well, and comes first.
    wait_for("the reason of the verdict", PATIENCE, || {
        let reasons = service.api("/api/v1/status", "k")["reasons"].to_string();
        (reasons.contains("Kafka is not the reason") && reasons.contains("token_endpoint")).then_some(())
    });
    // Longer than the deadline and the horizon of the heartbeats of the last session.
    pass(Duration::from_secs(15));
    assert_eq!(verdict(&service), "prober_fault");
    assert_kafka_is_not_blamed(&service, bad);
    oidc.restart();
    steady(&service);
    assert_kafka_is_not_blamed(&service, bad);
    service.stop();
}
