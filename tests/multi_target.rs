//! `GET /probe` over HTTP, with scripted brokers: what it finds, what it refuses, and that it is no relay.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use exposition_parser::{Exposition, parse};
use fake::{Fake, Manners, Reply, metadata};
use futures_util::FutureExt;
use kafka_heartbeat::{
    board::Board,
    catalog::{self, Kind},
    config::{self, Config, FlagSetting, Sources},
    export::prometheus::Format,
    http,
    probe::target::{MAX_PROBES, Modules, Refusal, renew_files},
};
use kafka_protocol::messages::{MetadataRequest, SaslAuthenticateRequest};
use support::{certs::Authority, port};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time,
};
use tokio_rustls::rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio_util::sync::{CancellationToken, DropGuard};

#[path = "multi_target/brokers.rs"]
mod brokers;
#[expect(dead_code, reason = "each test binary uses a part of what was read")]
mod exposition_parser;
#[expect(dead_code, reason = "each test binary uses a part of the fake")]
#[path = "support/fake.rs"]
mod fake;
#[expect(dead_code, reason = "each test binary uses a part of the support")]
mod support;

/// A limit for everything that must not time out.
const AMPLE: Duration = Duration::from_secs(30);

/// The client of a test: an HTTP server with modules.
struct Server {
    address: String,
    _stop: DropGuard,
}

/// An answer over HTTP.
struct Answer {
    status: u16,
    headers: String,
    body: String,
}

/// A configuration with these keys of `[module:m]`. Every port of this machine's loopback may be probed unless a key says otherwise.
fn configured(keys: &[(&str, &str)]) -> Config {
    let set = |(key, value): (&str, &str)| FlagSetting {
        section: "module:m",
        key: key.to_owned(),
        value: value.to_owned(),
        flag: "test",
    };
    let usual = [("targets", r"127\.0\.0\.1:\d+")];
    let keys: BTreeMap<_, _> = usual.into_iter().chain(keys.iter().copied()).collect();
    let settings = keys.into_iter().map(set).collect();
    let sources = Sources { bootstrap: Some("unused:1".to_owned()), settings, ..Sources::default() };
    config::load(&sources).expect("a configuration")
}

impl Server {
    /// A server with these keys of `[module:m]`.
    async fn start(keys: &[(&str, &str)]) -> Self {
        let config = configured(keys);
        let modules = Arc::new(Modules::default());
        modules.replace(&config.modules).expect("modules that can be used");
        let stop = CancellationToken::new();
        let process = Box::new(Default::default);
        let state = http::State::new(Vec::<Board>::new(), &config, process, Arc::default(), stop.clone());
        let router = http::router(Arc::new(state.with_modules(modules)));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        tokio::spawn(http::listen::serve(listener, None, router, 64, stop.clone()));
        Self { address, _stop: stop.drop_guard() }
    }

    /// Sends a request. Dropping the connection is what a scraper does that has lost its patience.
    async fn send(&self, path: &str, headers: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).await.expect("a connection");
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n{headers}connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("a request");
        stream
    }

    async fn get(&self, path: &str, headers: &str) -> Answer {
        let mut stream = self.send(path, headers).await;
        let mut text = String::new();
        let read = time::timeout(AMPLE, stream.read_to_string(&mut text)).await;
        read.expect("an answer in time").expect("an answer");
        let (headers, body) = text.split_once("\r\n\r\n").expect("a header and a body");
        let status = headers.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        Answer { status, headers: headers.to_lowercase(), body: body.to_owned() }
    }

    /// What a probe of a target found.
    async fn probe(&self, target: impl ToString) -> Exposition {
        let answer = self.get(&path(target), "").await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        parse(&answer.body, Format::Text).expect("the text format")
    }
}

fn path(target: impl ToString) -> String {
    format!("/probe?target={}&module=m", target.to_string())
}

/// Waits for a condition.
async fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < AMPLE, "waited in vain for {what}");
        time::sleep(Duration::from_millis(10)).await;
    }
}

/// The value of a series by its labels in the order of the family; `None` if it is absent.
fn value(found: &Exposition, name: &str, labels: &[&str]) -> Option<f64> {
    let of = |(sample, has): &&(String, Vec<(String, String)>)| {
        sample == name && labels.iter().all(|label| has.iter().any(|(_, value)| value == label))
    };
    let sample = found.samples().keys().find(of)?;
    found.samples().get(sample).copied()
}

/// Asserts that a probe failed in this stage with this fault.
fn assert_failed(found: &Exposition, stage: &str, fault: &str) {
    assert_eq!(found.only("probe_success"), 0.0);
    assert_eq!(value(found, "probe_failed_stage", &[stage, fault]), Some(1.0), "{:?}", found.samples());
    assert_eq!(value(found, "probe_stage_duration_seconds", &[stage]), None);
    assert!(!found.families().any(|name| name.starts_with("probe_kafka_")), "{:?}", found.samples());
}

#[tokio::test]
async fn working_target_is_reported_with_every_stage_in_every_format() {
    let (fake, server) = (Fake::start().await, Server::start(&[]).await);
    let found = server.probe(fake.address).await;
    assert_eq!(found.only("probe_success"), 1.0);
    for stage in ["dns", "tcp", "api_versions", "metadata"] {
        assert!(value(&found, "probe_stage_duration_seconds", &[stage]).is_some(), "{stage}");
    }
    assert_eq!(value(&found, "probe_stage_duration_seconds", &["sasl"]), None);
    assert_eq!((found.only("probe_kafka_brokers"), found.only("probe_kafka_controller_id")), (1.0, 1.0));
    assert_eq!(value(&found, "probe_kafka_cluster_info", &["fake-cluster"]), Some(1.0));
    for absent in ["probe_failed_stage", "probe_broker_success", "probe_ssl_earliest_cert_expiry"] {
        assert!(!found.families().any(|name| name == absent), "{absent}");
    }
    let openmetrics = server.get(&path(fake.address), "accept: application/openmetrics-text\r\n").await;
    let read = parse(&openmetrics.body, Format::OpenMetrics).expect("OpenMetrics");
    assert_eq!(Vec::from_iter(read.samples().keys()), Vec::from_iter(found.samples().keys()));
    assert!(openmetrics.headers.contains("application/openmetrics-text"), "{}", openmetrics.headers);
    assert_eq!(fake.count::<MetadataRequest>(), 2, "one request for each probe");
    wait_for("the connections to be closed", || fake.open() == 0).await;
}

#[tokio::test]
async fn request_without_a_probe_is_refused_with_the_place_and_the_remedy() {
    let (fake, server) =
        (Fake::start().await, Server::start(&[("targets", r"kafka-\d\.example:9092")]).await);
    for (path, words) in [
        ("/probe".to_owned(), "module: name a section [module:NAME]"),
        ("/probe?module=m".to_owned(), "target: name a broker"),
        (
            "/probe?target=kafka-1.example:9092&module=x".to_owned(),
            "no section [module:x]; its modules are m",
        ),
        ("/probe?target=kafka-1.example:9092&target=b:1&module=m".to_owned(), "name each of them once"),
        (path("kafka-1.example:99999"), "target: expected HOST:PORT"),
        (path("http://kafka-1.example:9092"), "target: expected HOST:PORT"),
        (path("kafka-1.example:9092%0d%0ax:1"), "target: expected HOST:PORT"),
        (path(fake.address), "targets of [module:m] do not allow 127.0.0.1:"),
    ] {
        let answer = server.get(&path, "").await;
        assert_eq!(answer.status, 400, "{path}: {}", answer.body);
        assert!(answer.body.contains(words) && answer.body.ends_with('\n'), "{path}: {}", answer.body);
    }
    let header = "x-prometheus-scrape-timeout-seconds: soon\r\n";
    let answer = server.get(&path("kafka-1.example:9092"), header).await;
    assert!(answer.status == 400 && answer.body.contains("expected a number of seconds"), "{}", answer.body);
    assert_eq!(fake.accepted(), 0, "an address that is not allowed is not contacted");
}

#[tokio::test]
async fn failure_names_its_stage_and_fault_and_is_answered_with_200() {
    let server = Server::start(&[]).await;
    let silent = Fake::with(Manners::Mute, None).await;
    let closed = Fake::with(Manners::Curt, None).await;
    let header = "x-prometheus-scrape-timeout-seconds: 1\r\n";
    let begun = Instant::now();
    let answer = server.get(&path(silent.address), header).await;
    assert!(begun.elapsed() >= Duration::from_millis(450), "half a second less than the scrape");
    assert!(begun.elapsed() < Duration::from_secs(4), "the header counts, not the 5 s of the module");
    assert_eq!(answer.status, 200);
    let found = parse(&answer.body, Format::Text).expect("text");
    assert_failed(&found, "api_versions", "timeout");
    assert_failed(&server.probe(closed.address).await, "api_versions", "disconnected");
    let refused = format!("127.0.0.1:{}", port::free_port());
    assert_failed(&server.probe(refused).await, "tcp", "refused");
    let strange = Fake::start().await;
    strange.on(|_: MetadataRequest, _| Reply::Garbage(vec![255; 64]));
    assert_failed(&server.probe(strange.address).await, "metadata", "protocol");
    let empty = Fake::start().await;
    let nothing = metadata(&[], "", &[]);
    empty.on(move |_: MetadataRequest, _| Reply::Answer(nothing.clone()));
    assert_failed(&server.probe(empty.address).await, "metadata", "not_ready");
}

#[tokio::test]
async fn tls_and_login_of_the_module_are_used_and_their_failures_are_named() {
    let (ours, strangers) = (Authority::new("ours"), Authority::new("strangers"));
    let folder = tempfile::tempdir().expect("a folder");
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, ours.pem()).expect("a file");
    let keys = [
        ("targets", r"localhost:\d+"),
        ("security.protocol", "sasl_ssl"),
        ("ssl.ca.location", ca.to_str().expect("UTF-8")),
        ("sasl.mechanism", "PLAIN"),
        ("sasl.username", "me"),
        ("sasl.password", "hush hush"),
    ];
    let server = Server::start(&keys).await;
    let broker = async |authority: &Authority| {
        let identity = authority.server(Duration::from_secs(86_400));
        let chain = CertificateDer::pem_slice_iter(identity.certificate.as_bytes()).flatten().collect();
        let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).expect("a key");
        let tls = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("a certificate");
        Fake::with(Manners::Polite, Some(tls)).await
    };
    let target = |fake: &Fake| format!("localhost:{}", fake.address.port());
    let good = broker(&ours).await;
    good.plain("me", "hush hush");
    let found = server.probe(target(&good)).await;
    assert_eq!(found.only("probe_success"), 1.0, "{:?}", found.samples());
    assert!(found.only("probe_ssl_earliest_cert_expiry") > 1_700_000_000.0);
    for stage in ["tls", "sasl"] {
        assert!(value(&found, "probe_stage_duration_seconds", &[stage]).is_some(), "{stage}");
    }
    good.plain("me", "another password");
    assert_failed(&server.probe(target(&good)).await, "sasl", "authentication");
    let unknown = broker(&strangers).await;
    unknown.plain("me", "hush hush");
    let found = server.probe(target(&unknown)).await;
    assert_failed(&found, "tls", "certificate_unknown_ca");
    assert!(found.only("probe_ssl_earliest_cert_expiry") > 1_700_000_000.0, "it was seen nevertheless");
    assert_eq!(unknown.count::<SaslAuthenticateRequest>(), 0, "the password is not sent to a stranger");
    let plain = Fake::start().await;
    let found = server.probe(target(&plain)).await;
    assert_eq!(found.only("probe_success"), 0.0);
    assert_eq!(found.labels_of("probe_failed_stage", "stage"), ["tls".to_owned()].into());
}

#[tokio::test]
async fn password_that_another_program_renews_is_used_for_the_next_probe() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("password");
    std::fs::write(&file, "hush hush").expect("a file");
    let keys = [
        ("security.protocol", "sasl_plaintext"),
        ("sasl.mechanism", "PLAIN"),
        ("sasl.username", "me"),
        ("sasl.password.file", file.to_str().expect("UTF-8")),
    ];
    let (fake, modules) = (Fake::start().await, Arc::new(Modules::default()));
    let settings = configured(&keys).modules;
    modules.replace(&settings).expect("modules that can be used");
    let stop = CancellationToken::new();
    let _stop = stop.clone().drop_guard();
    tokio::spawn(renew_files(modules.clone(), stop));
    let target = fake.address.to_string();
    let works = async || modules.probe("m", &target, None).await.expect("a report").is_success();
    fake.plain("me", "hush hush");
    assert!(works().await);
    fake.plain("me", "whisper it");
    assert!(!works().await, "the password before is refused");
    std::fs::write(&file, "whisper it\n").expect("a file");
    let begun = Instant::now();
    while !works().await {
        assert!(begun.elapsed() < AMPLE, "the renewed password is not used");
        time::sleep(Duration::from_millis(50)).await;
    }
    assert!(modules.replace(&settings).expect("modules"), "these settings hold the password before");
    assert!(!works().await);
}

#[tokio::test]
async fn silent_targets_leave_room_for_others_until_the_limit_is_reached() {
    let server = Arc::new(Server::start(&[("timeout", "60s")]).await);
    let good = Fake::start().await;
    let mut silent = Vec::new();
    let mut waiting = Vec::new();
    for count in 1..=MAX_PROBES {
        let fake = Fake::with(Manners::Mute, None).await;
        waiting.push(server.send(&path(fake.address), "").await);
        wait_for("the silent target to be contacted", || fake.accepted() == 1).await;
        silent.push(fake);
        let answer = server.get(&path(good.address), "").await;
        if count < MAX_PROBES {
            assert_eq!(answer.status, 200, "{count} silent targets: {}", answer.body);
        } else {
            assert_eq!(answer.status, 503, "{}", answer.body);
            assert!(answer.headers.contains("retry-after: 1"), "{}", answer.headers);
            assert!(answer.body.contains("8 probes run"), "{}", answer.body);
        }
    }
    // The scraper gives up: its probe ends at once, and the next one may begin.
    waiting.pop();
    let last = silent.pop().expect("a target");
    wait_for("the connection to be closed", || last.open() == 0).await;
    let found = server.probe(good.address).await;
    assert_eq!(found.only("probe_success"), 1.0);
    assert!(silent.iter().all(|fake| fake.open() == 1), "the other probes go on");
}

#[tokio::test]
async fn two_requests_for_one_target_share_one_probe_which_goes_on_without_the_first() {
    let (slow, modules) = (Fake::start().await, Modules::default());
    modules.replace(&configured(&[]).modules).expect("modules that can be used");
    let target = slow.address.to_string();
    let mut first = Box::pin(modules.probe("m", &target, None));
    assert!((&mut first).now_or_never().is_none(), "the first probe runs");
    let mut second = Box::pin(modules.probe("m", &target, None));
    assert!((&mut second).now_or_never().is_none(), "the second request waits");
    drop(first);
    assert!(second.await.expect("a report").is_success());
    assert_eq!((slow.accepted(), slow.count::<MetadataRequest>()), (1, 1));
    assert!(modules.probe("m", &target, None).await.expect("a report").is_success());
    assert_eq!(slow.accepted(), 2, "a report is not kept");
}

#[tokio::test]
async fn request_that_may_not_wait_for_a_longer_probe_of_the_same_target_is_refused() {
    let (silent, modules) = (Fake::with(Manners::Mute, None).await, Modules::default());
    modules.replace(&configured(&[("timeout", "60s")]).modules).expect("modules that can be used");
    let target = silent.address.to_string();
    let mut first = Box::pin(modules.probe("m", &target, None));
    assert!((&mut first).now_or_never().is_none(), "the first probe runs");
    let short = modules.probe("m", &target, Some(Duration::from_millis(100))).await;
    assert_eq!(short.expect_err("no report"), Refusal::StillRunning);
}

#[test]
fn family_of_a_probe_keeps_the_rules_for_names_and_is_in_the_page() {
    let page = include_str!("../docs/multi-target.md");
    for family in catalog::target::ALL {
        let (name, help) = (family.name, family.help);
        assert!(name.starts_with("probe_") && !name.ends_with("_total"), "{name}");
        assert_eq!(name.ends_with("_info"), family.kind == Kind::Info, "{name}");
        assert!(help.ends_with('.') && help.len() < 200, "{name}: {} characters", help.len());
        let labels: String = family.labels.iter().map(|label| format!(" `{label}`")).collect();
        assert!(
            page.contains(&format!("| `{name}` |{labels} |")),
            "docs/multi-target.md lacks {name} with{labels}"
        );
        assert!(!catalog::all().any(|other| other.name == name), "{name} is no metric of the service itself");
    }
}

#[test]
fn module_of_the_page_is_a_good_configuration() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, secret) = (folder.path().join("config.ini"), folder.path().join("secret"));
    std::fs::write(&secret, "hush hush\n").expect("a file");
    let page = include_str!("../docs/multi-target.md");
    let block = page.split("```ini\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a block");
    std::fs::write(&file, block.replace("/run/secrets/kafka", &secret.display().to_string()))
        .expect("a file");
    let sources = Sources { file: Some(file), bootstrap: Some("unused:1".to_owned()), ..Sources::default() };
    let [module] = config::load(&sources).expect("a configuration").modules.try_into().expect("one module");
    assert!(module.targets.allow("kafka-3.eu.example.com:9093"));
    assert!(!module.targets.allow("kafka-3.eu.example.com:9092"));
    assert_eq!(module.kafka.get("sasl.password"), Some("hush hush"));
}
