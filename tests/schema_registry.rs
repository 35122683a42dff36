//! The task of the Schema Registry against scripted registries: each fault, two nodes, and a registry without its Kafka.
//!
//! The answers are those of Confluent's registry. No test here needs Kafka. A duration in a test is a limit that must be reached or must
//! not be reached.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderMap, Method, Response, Uri},
};
use kafka_heartbeat::{
    config::{self, FlagSetting, Sources},
    kafka::Capability,
    probe::schema_registry::{Mode, Operation, Probe, Snapshot, State},
    rest::Fault,
    task::Cycle,
};
use serde_json::{Value, json};
use web::{huge, redirect, respond, secure};

#[expect(dead_code, reason = "only a certificate of a server is needed")]
#[path = "support/certs.rs"]
mod certs;
#[path = "support/port.rs"]
mod port;
#[path = "support/web.rs"]
mod web;

/// The longest time of a cycle. Nodes that do not answer cost a part of it.
const LIMIT: &str = "8s";

/// The secret of the tests, which must not be in any text.
const SECRET: &str = "hush-hush-hush";

/// How a node answers.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Answers {
    /// As a registry that works.
    Well,
    /// Reads from its memory; its Kafka is gone.
    WithoutKafka,
    /// As Confluent's registry in the mode READONLY.
    ReadOnly,
    /// Reads well; the login may not write.
    Forbidden,
    /// As Apicurio's registry, which wants a schema of the subject before a write.
    WithoutSubject,
    /// Writes well, and its own reads stay as they are: the thread that reads the topic has ended.
    Stale,
    /// With this status and this text.
    With(u16, &'static str),
    /// Never.
    Never,
    /// With a redirect to itself.
    Redirect,
    /// With 100 MB of JSON.
    Huge,
}

/// What all nodes of a registry have in common: the level of the subject.
type Level = Arc<Mutex<Option<String>>>;

/// One scripted node.
#[derive(Clone)]
struct Node {
    url: String,
    answers: Arc<Mutex<Answers>>,
    subjects: Arc<Mutex<Vec<&'static str>>>,
    level: Level,
    requests: Arc<Mutex<Vec<String>>>,
    /// The number of pieces of a long answer that were taken.
    pieces: Arc<AtomicUsize>,
}

impl Node {
    async fn start(answers: Answers, level: &Level) -> Self {
        let listener = web::listener();
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let node = Self {
            url,
            answers: Arc::new(Mutex::new(answers)),
            subjects: Arc::new(Mutex::new(vec!["orders-value"])),
            level: level.clone(),
            requests: Arc::default(),
            pieces: Arc::default(),
        };
        let served = node.clone();
        let handler = move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
            let node = served.clone();
            async move { node.answer(&method, &uri, &headers, &body).await }
        };
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(handler)).await });
        node
    }

    fn set(&self, answers: Answers) {
        *self.answers.lock().expect("no panic") = answers;
    }

    async fn answer(&self, method: &Method, uri: &Uri, headers: &HeaderMap, body: &Bytes) -> Response<Body> {
        let login = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or("-");
        self.requests.lock().expect("no panic").push(format!("{method} {} {login}", uri.path()));
        let answers = *self.answers.lock().expect("no panic");
        match answers {
            Answers::Never => std::future::pending().await,
            Answers::With(status, text) => respond(status, text.to_owned()),
            Answers::Redirect => redirect(&format!("{}{uri}", self.url)),
            Answers::Huge => huge(&self.pieces),
            _ => self.api(answers, method, uri, body),
        }
    }

    fn api(&self, answers: Answers, method: &Method, uri: &Uri, body: &Bytes) -> Response<Body> {
        let error = |status: u16, code: u64, message: &str| {
            respond(status, json!({ "error_code": code, "message": message }).to_string())
        };
        let mut level = self.level.lock().expect("no panic");
        match (method.as_str(), uri.path()) {
            ("GET", "/subjects") => respond(200, json!(*self.subjects.lock().expect("no panic")).to_string()),
            ("GET", "/mode") => {
                let mode = if answers == Answers::ReadOnly { "READONLY" } else { "READWRITE" };
                respond(200, json!({ "mode": mode }).to_string())
            }
            ("GET", "/config/kafka-heartbeat-probe") => match &*level {
                _ if answers == Answers::Stale => error(404, 40408, "no level is configured"),
                None => error(404, 40408, "no level is configured"),
                Some(level) => respond(200, json!({ "compatibilityLevel": level }).to_string()),
            },
            ("PUT", "/config/kafka-heartbeat-probe") => match answers {
                Answers::WithoutKafka => {
                    error(500, 50001, &format!("Error while updating; the request had {SECRET}\u{1b}[31m"))
                }
                Answers::ReadOnly => error(422, 42205, "Subject is in read-only mode"),
                Answers::WithoutSubject => error(404, 40401, "No artifact was found"),
                Answers::Forbidden => error(403, 40301, "User is denied operation Write"),
                _ => {
                    let put: Value = serde_json::from_slice(body).expect("JSON");
                    *level = put["compatibility"].as_str().map(str::to_owned);
                    respond(200, put.to_string())
                }
            },
            _ => error(404, 404, "HTTP 404 Not Found"),
        }
    }

    fn count(&self, begin: &str) -> usize {
        let requests = self.requests.lock().expect("no panic");
        requests.iter().filter(|request| request.starts_with(begin)).count()
    }
}

/// A probe of these addresses, with further keys of the section.
fn probe_of(urls: &[&str], keys: &[(&str, &str)]) -> Probe {
    let urls = urls.join(",");
    let set = |key: &str, value: &str| FlagSetting {
        section: "schema_registry",
        key: key.to_owned(),
        value: value.to_owned(),
        flag: "--test",
    };
    let timeout = keys.iter().find(|(key, _)| *key == "timeout").map_or(LIMIT, |(_, timeout)| timeout);
    let fixed = [set("schema.registry.url", &urls), set("timeout", timeout)];
    let keys = keys.iter().filter(|(key, _)| *key != "timeout");
    let settings = fixed.into_iter().chain(keys.map(|(key, value)| set(key, value))).collect();
    let sources = Sources { bootstrap: Some("b:1".to_owned()), settings, ..Sources::default() };
    let config = config::load(&sources).expect("a configuration");
    Probe::new(Arc::new(config.clusters[0].clone()))
}

const WRITE: &[(&str, &str)] = &[("write", "true"), ("basic.auth.user.info", "me:hush-hush-hush")];

/// The snapshot of the next cycle, which must end within its timeout.
async fn cycle(probe: &mut Probe) -> Snapshot {
    let begun = Instant::now();
    let snapshot = probe.cycle().await.expect("a snapshot");
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    let text = format!("{snapshot:?}");
    assert!(!text.contains(SECRET) && !text.contains('\u{1b}'), "{text}");
    snapshot
}

/// The last fault of an operation at a node.
fn fault(snapshot: &Snapshot, node: usize, operation: Operation) -> Option<Fault> {
    let node = snapshot.nodes.values().nth(node).expect("a node");
    Some(node.of(operation).failing.as_ref()?.fault)
}

#[tokio::test]
async fn write_reaches_every_node_and_costs_the_requests_that_the_page_names() {
    let level = Level::default();
    let nodes = [Node::start(Answers::Well, &level).await, Node::start(Answers::Well, &level).await];
    let mut probe = probe_of(&[&nodes[0].url, &nodes[1].url], WRITE);
    for number in 1..=4 {
        let snapshot = cycle(&mut probe).await;
        assert_eq!((snapshot.state(), snapshot.capability), (State::Ok, Capability::Ok));
        for node in snapshot.nodes.values() {
            assert_eq!((node.subjects, node.mode), (Some(1), Some(Mode::ReadWrite)));
            assert_eq!(node.of(Operation::ReadBack).durations.count(), number);
        }
    }
    assert_eq!(level.lock().expect("no panic").as_deref(), Some("FORWARD_TRANSITIVE"), "the fourth level");
    for node in &nodes {
        assert_eq!([node.count("GET /subjects "), node.count("GET /mode ")], [4, 4]);
        assert_eq!([node.count("PUT /config/"), node.count("GET /config/")], [2, 6], "each writes in turn");
        let requests = node.requests.lock().expect("no panic").clone();
        assert!(requests.iter().all(|request| request.ends_with("Basic bWU6aHVzaC1odXNoLWh1c2g=")));
    }
}

#[tokio::test]
async fn registry_without_kafka_answers_reads_and_is_reported_for_its_writes() {
    let level = Level::default();
    let nodes = [Node::start(Answers::Well, &level).await, Node::start(Answers::Well, &level).await];
    let mut probe = probe_of(&[&nodes[0].url, &nodes[1].url], WRITE);
    assert_eq!(cycle(&mut probe).await.state(), State::Ok);
    nodes.iter().for_each(|node| node.set(Answers::WithoutKafka));
    let first = cycle(&mut probe).await;
    assert_eq!(first.state(), State::Degraded, "the node may be the reason");
    let second = cycle(&mut probe).await;
    assert_eq!(second.state(), State::WritesFail);
    assert!(second.nodes.values().all(|node| node.is_up()), "reads are answered");
    let failing = second.writes.expect("writes fail");
    assert!(failing.lasts() && failing.fault == Fault::Status5xx);
    assert!(
        failing.message.contains("the answer is 500: Error while updating; the request had ***"),
        "{failing:?}"
    );
    nodes.iter().for_each(|node| node.set(Answers::Well));
    cycle(&mut probe).await;
    assert_eq!(cycle(&mut probe).await.state(), State::Ok);
}

#[tokio::test]
async fn read_only_mode_and_a_login_that_may_not_write_are_no_faults() {
    let node = Node::start(Answers::ReadOnly, &Level::default()).await;
    let mut probe = probe_of(&[&node.url], WRITE);
    let snapshot = cycle(&mut probe).await;
    let mode = snapshot.nodes.values().next().and_then(|node| node.mode);
    assert_eq!((snapshot.state(), mode, node.count("PUT ")), (State::Ok, Some(Mode::ReadOnly), 0));
    node.set(Answers::Forbidden);
    for _ in 0..3 {
        let snapshot = cycle(&mut probe).await;
        assert_eq!((snapshot.state(), snapshot.capability), (State::Ok, Capability::Denied));
    }
    assert_eq!(node.count("PUT "), 1, "a refusal is believed for a while");
    let node = Node::start(Answers::WithoutSubject, &Level::default()).await;
    let snapshot = cycle(&mut probe_of(&[&node.url], WRITE)).await;
    assert_eq!((snapshot.state(), snapshot.capability), (State::Ok, Capability::Unsupported));
}

#[tokio::test]
async fn node_that_does_not_follow_and_nodes_that_disagree_are_degraded() {
    let level = Level::default();
    let nodes = [Node::start(Answers::Well, &level).await, Node::start(Answers::Stale, &level).await];
    let mut probe = probe_of(&[&nodes[0].url, &nodes[1].url], &[WRITE, &[("timeout", "3s")]].concat());
    *nodes[0].subjects.lock().expect("no panic") = vec!["orders-value", "new"];
    let first = cycle(&mut probe).await;
    let second = cycle(&mut probe).await;
    let at = |snapshot: &Snapshot, node: &Node| {
        let name = node.url.trim_start_matches("http://");
        let found = &snapshot.nodes[name];
        (found.of(Operation::ReadBack).failing.as_ref().map(|failing| failing.fault), found.missing)
    };
    assert_eq!([at(&first, &nodes[0]), at(&first, &nodes[1])], [(None, 0), (Some(Fault::Stale), 0)]);
    assert_eq!(at(&second, &nodes[1]).1, 1, "the node lacks the subject in two cycles");
    assert_eq!(second.state(), State::Degraded);
}

#[tokio::test]
async fn each_fault_of_a_node_has_its_name_and_holds_up_no_other_node() {
    let level = Level::default();
    let good = Node::start(Answers::Well, &level).await;
    let table = [
        (Answers::Never, Fault::Timeout),
        (Answers::With(401, "{\"error_code\":401,\"message\":\"Unauthorized\"}"), Fault::Unauthorized),
        (Answers::With(403, ""), Fault::Forbidden),
        (Answers::With(404, "<html>"), Fault::NotFound),
        (Answers::With(429, ""), Fault::Status4xx),
        (Answers::With(500, "<html>hush-hush-hush"), Fault::Status5xx),
        (Answers::With(200, "<html>hush-hush-hush"), Fault::NotJson),
        (Answers::With(200, "{\"subjects\":[]}"), Fault::Unexpected),
        (Answers::Redirect, Fault::Redirect),
        (Answers::Huge, Fault::TooLarge),
    ];
    for (answers, expected) in table {
        let bad = Node::start(answers, &level).await;
        let mut probe = probe_of(&[&bad.url, &good.url], WRITE);
        let snapshot = cycle(&mut probe).await;
        let name = bad.url.trim_start_matches("http://");
        let failing = snapshot.nodes[name].of(Operation::Read).failing.clone().expect("a failure");
        assert_eq!(failing.fault, expected, "{answers:?}: {failing:?}");
        assert_eq!(snapshot.state(), State::Degraded);
        assert_eq!(snapshot.nodes.values().filter(|node| node.is_up()).count(), 1, "{answers:?}");
        assert_eq!(bad.count("GET "), 1, "no redirect is followed, and nothing is asked again");
        assert!(bad.pieces.load(Relaxed) < 40, "{} MB were sent", bad.pieces.load(Relaxed));
    }
    let alone = Node::start(Answers::With(401, ""), &level).await;
    let mut probe = probe_of(&[&alone.url], &[]);
    assert_eq!(cycle(&mut probe).await.state(), State::Unknown, "the login is the reason");
}

#[tokio::test]
async fn node_that_is_down_closes_or_has_another_certificate_is_told_apart() {
    let refused = format!("http://127.0.0.1:{}", port::free_port());
    let mut down = probe_of(&[&refused], WRITE);
    for _ in 0..2 {
        let snapshot = cycle(&mut down).await;
        assert_eq!(
            (snapshot.state(), fault(&snapshot, 0, Operation::Read)),
            (State::Down, Some(Fault::Refused))
        );
        assert_eq!(snapshot.nodes.values().next().map(|node| node.of(Operation::Write).ended), Some(0));
    }
    let hangs_up = web::listener();
    let url = format!("http://{}", hangs_up.local_addr().expect("an address"));
    tokio::spawn(async move { while hangs_up.accept().await.is_ok() {} });
    let snapshot = cycle(&mut probe_of(&[&url], &[])).await;
    assert_eq!(fault(&snapshot, 0, Operation::Read), Some(Fault::Disconnected));

    let folder = tempfile::tempdir().expect("a folder");
    let (own, other) = (certs::Authority::new("own"), certs::Authority::new("other"));
    let url = secure(&own.server(Duration::from_secs(3600)), "[]").await;
    let ca = |authority: &certs::Authority, name: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, authority.pem()).expect("a file");
        path.display().to_string()
    };
    let (own, other) = (ca(&own, "own.pem"), ca(&other, "other.pem"));
    let table = [(other.as_str(), Some(Fault::CertificateUnknownCa)), (own.as_str(), None)];
    for (ca, expected) in table {
        let snapshot = cycle(&mut probe_of(&[&url], &[("ssl.ca.location", ca)])).await;
        assert_eq!(fault(&snapshot, 0, Operation::Read), expected, "{snapshot:?}");
    }
}
