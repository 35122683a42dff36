//! No secret of a configuration is ever in the log, whatever its level and whatever peer refuses the service.

#[expect(dead_code, reason = "every test uses a part of what is shared")]
#[path = "otlp/collector.rs"]
mod collector;
#[expect(dead_code, reason = "each test binary uses a part of the support")]
mod support;

use std::{net::TcpListener, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use collector::{Answer, Collector};
use support::{
    service::{Service, free_port},
    wait_for,
};

const PATIENCE: Duration = Duration::from_secs(30);

const SASL: &str = "s4sl-passw0rd";
const BASIC: &str = "b4sic-passw0rd";
const BEARER: &str = "b3arer-t0ken-of-a-scraper";
const USER: &str = "us3r/passw0rd";
const QUERY: &str = "qu3ry-api-key";
const HEADER: &str = "h34der=api-key-0123456789";

/// A service with a secret in every setting that takes one; it pushes to this address.
fn service(log: &str, protocol: &str, address: &str) -> Service {
    let path = |signal: &str| if protocol == "grpc" { String::new() } else { format!("/v1/{signal}") };
    let url = |signal: &str| {
        format!("http://me:us3r%2Fpassw0rd@{address}{}?api-key={QUERY}&tenant=one", path(signal))
    };
    Service::start_in(
        &[("RUST_LOG", log)],
        &format!(
            "[kafka]\nname = k\nbootstrap.servers = {address}\nsecurity.protocol = sasl_plaintext\n\
             sasl.mechanism = PLAIN\nsasl.username = me\nsasl.password = {SASL}\ndebug = all\n\
             [metadata]\ninterval = 1s\n[connectivity]\ninterval = 1s\n\
             [heartbeat]\ninterval = 100ms\ndeadline = 300ms\n\
             [http]\nbasic.username = me\nbasic.password = {BASIC}\nbearer.token = {BEARER}\n\
             [otlp]\nprotocol = {protocol}\nheaders = x-key=h34der%3Dapi-key-0123456789\ninterval = 2s\n\
             timeout = 1s\nmetrics.endpoint = {}\ntraces.endpoint = {}\n",
            url("metrics"),
            url("traces"),
        ),
    )
}

/// The log as soon as both exports failed a few times, and the service was stopped.
fn log_of(service: Service) -> String {
    let basic = BASE64_STANDARD.encode(format!("me:{BASIC}"));
    let bearer = format!("Bearer {BEARER}");
    for authorization in [format!("Basic {basic}"), format!("Basic {basic}x"), format!("{bearer}x"), bearer] {
        let url = format!("http://{}/metrics", service.address());
        _ = ureq::get(&url).header("authorization", &authorization).call();
    }
    let failed = |log: &str, task: &str| {
        log.lines().any(|line| line.contains("failed:") && line.contains(&format!("task=\"{task}\"")))
    };
    wait_for("both exports to fail", PATIENCE, || {
        let log = service.log();
        (failed(&log, "otlp") && failed(&log, "traces")).then_some(())
    });
    service.stop().1
}

#[tokio::test(flavor = "multi_thread")]
async fn log_contains_no_secret_at_any_level_and_for_any_refusing_peer() {
    let refusing = Collector::default();
    refusing.answer((0..9999).map(|_| Answer::Refuse(401, None)));
    let over_grpc = Collector::default();
    over_grpc.answer((0..9999).map(|_| Answer::Refuse(16, None)));
    // A peer that accepts each connection and closes it at once.
    let closing = TcpListener::bind(("127.0.0.1", free_port())).expect("a listener");
    let closed = closing.local_addr().expect("an address");
    std::thread::spawn(move || closing.incoming().for_each(drop));
    let filter = "trace,hyper=trace,hyper_util=trace,reqwest=trace,tonic=trace,h2=trace,tower=trace,\
                  opentelemetry=trace,rustls=trace,rsasl=trace,kafka_protocol=trace,kafka_heartbeat=trace";
    let peers = [
        ("trace", "http/protobuf", refusing.http().await.to_string()),
        (filter, "http/protobuf", closed.to_string()),
        ("debug", "http/protobuf", "127.0.0.1:1".to_owned()),
        ("trace", "grpc", over_grpc.grpc().await.to_string()),
        (filter, "grpc", closed.to_string()),
    ];
    let services: Vec<_> =
        peers.iter().map(|(log, protocol, address)| (address, service(log, protocol, address))).collect();
    let encoded = [format!("me:{USER}"), format!("me:{BASIC}")].map(|pair| BASE64_STANDARD.encode(pair));
    let secrets = [
        SASL,
        BASIC,
        BEARER,
        USER,
        "us3r%2Fpassw0rd",
        QUERY,
        HEADER,
        "h34der%3Dapi",
        &encoded[0],
        &encoded[1],
    ];
    for (address, service) in services {
        let log = log_of(service);
        assert!(log.contains("DEBUG"), "the log has debug lines: {log}");
        for secret in secrets {
            let line = log.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "{secret} at {address}");
        }
    }
    // The user and the password of the endpoint are sent as a header.
    let authorization = ("authorization".to_owned(), format!("Basic {}", encoded[0]));
    for headers in [refusing.headers(), over_grpc.headers()] {
        assert!(headers.contains(&authorization), "{headers:?}");
    }
}
