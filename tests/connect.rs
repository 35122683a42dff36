//! The task of Kafka Connect against scripted workers: each fault, two workers that disagree, and a task that flaps.
//!
//! The answers are those of Kafka Connect 4.1. No test here needs Kafka. A duration in a test is a limit that must be reached or must
//! not be reached.

use std::{
    sync::{Arc, Mutex, atomic::AtomicUsize},
    time::{Duration, Instant, SystemTime},
};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Method, Response, Uri},
};
use kafka_heartbeat::{
    cluster::metadata,
    config::{self, FlagSetting, Sources},
    kafka::Capability,
    latency::{Bounds, Buckets},
    probe::connect::{Cluster, Connectors, Probe, Request, Snapshot, State, Status},
    rest::Fault,
    task::{Cycle, Latest},
};
use serde_json::{Value, json};
use tokio::sync::watch;
use web::{huge, redirect, respond, secure};

#[expect(dead_code, reason = "only a certificate of a server is needed")]
#[path = "support/certs.rs"]
mod certs;
#[path = "support/port.rs"]
mod port;
#[path = "support/web.rs"]
mod web;

/// The longest time of a cycle. Workers that do not answer cost a part of it.
const LIMIT: &str = "8s";

/// The secret of the tests, which must not be in any text.
const SECRET: &str = "hush-hush-hush";

/// The id of the Kafka cluster of the configuration.
const ID: &str = "MkU3OEVBNTcwNTJENDM2Qg";

/// How a worker answers.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Answers {
    /// As a worker that works.
    Well,
    /// As a worker of Kafka 3.8, which has no health.
    WithoutHealth,
    /// As a worker whose main thread does not get on: its Kafka is gone.
    Unhealthy,
    /// As a worker while a rebalance is under way.
    Rebalancing,
    /// As a worker of another Kafka cluster.
    OfAnotherCluster,
    /// Its own version well, and the connectors with this status.
    ListFails(u16),
    /// Its own version well, and the connectors never.
    ListHangs,
    /// Its own version well, and the connectors as 100 MB of JSON.
    ListIsHuge,
    /// Everything with this status and this text.
    With(u16, &'static str),
    /// Never.
    Never,
    /// With a redirect to itself.
    Redirect,
}

/// One scripted worker.
#[derive(Clone)]
struct Worker {
    url: String,
    answers: Arc<Mutex<Answers>>,
    connectors: Arc<Mutex<Value>>,
    requests: Arc<Mutex<Vec<String>>>,
    /// The number of pieces of a long answer that were taken.
    pieces: Arc<AtomicUsize>,
}

impl Worker {
    async fn start(answers: Answers) -> Self {
        let listener = web::listener();
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let worker = Self {
            url,
            answers: Arc::new(Mutex::new(answers)),
            connectors: Arc::new(Mutex::new(connector("orders", &["RUNNING", "RUNNING"]))),
            requests: Arc::default(),
            pieces: Arc::default(),
        };
        let served = worker.clone();
        let handler = move |method: Method, uri: Uri, headers: HeaderMap| {
            let worker = served.clone();
            async move { worker.answer(&method, &uri, &headers).await }
        };
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(handler)).await });
        worker
    }

    fn set(&self, answers: Answers) {
        *self.answers.lock().expect("no panic") = answers;
    }

    fn list(&self, connectors: Value) {
        *self.connectors.lock().expect("no panic") = connectors;
    }

    fn name(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    async fn answer(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Response<Body> {
        let login = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or("-");
        self.requests.lock().expect("no panic").push(format!("{method} {uri} {login}"));
        let answers = *self.answers.lock().expect("no panic");
        let error = |status: u16, words: &str| {
            respond(status, json!({ "error_code": status, "message": words }).to_string())
        };
        match (answers, uri.path()) {
            (Answers::Never, _) | (Answers::ListHangs, "/connectors") => std::future::pending().await,
            (Answers::With(status, text), _) => respond(status, text.to_owned()),
            (Answers::Redirect, _) => redirect(&format!("{}{uri}", self.url)),
            (_, "/") => {
                let id = if answers == Answers::OfAnotherCluster { "another\u{1b}[31m" } else { ID };
                let root =
                    json!({ "version": "4.1.0", "commit": "13f70256db3c994c", "kafka_cluster_id": id });
                respond(200, root.to_string())
            }
            (Answers::WithoutHealth, "/health") => error(404, "HTTP 404 Not Found"),
            (Answers::Unhealthy, "/health") => {
                let words =
                    "Worker was unable to handle this request and may be unable to handle other requests.";
                respond(500, json!({ "status": "unhealthy", "message": words }).to_string())
            }
            (_, "/health") => {
                let words = "Worker has completed startup and is ready to handle requests.";
                respond(200, json!({ "status": "healthy", "message": words }).to_string())
            }
            (Answers::Rebalancing, "/connectors") => error(
                409,
                "Cannot complete request momentarily due to stale configuration (typically caused by a concurrent config change)",
            ),
            (Answers::ListFails(status), "/connectors") => {
                error(status, &format!("Request timed out {SECRET}"))
            }
            (Answers::ListIsHuge, "/connectors") => huge(&self.pieces),
            (_, "/connectors") if uri.query() == Some("expand=status") => {
                respond(200, self.connectors.lock().expect("no panic").to_string())
            }
            _ => error(404, "HTTP 404 Not Found"),
        }
    }

    fn count(&self, begin: &str) -> usize {
        let requests = self.requests.lock().expect("no panic");
        requests.iter().filter(|request| request.starts_with(begin)).count()
    }
}

/// A running connector whose tasks have these states, as a worker lists it. The traces of failed tasks hold a secret of the service.
fn connector(name: &str, tasks: &[&str]) -> Value {
    let trace =
        format!("org.apache.kafka.connect.errors.ConnectException: {SECRET}\u{1b}[31m\n\tat a.b.C(D.java:1)");
    let task = |(id, state): (usize, &&str)| match *state {
        "FAILED" => {
            json!({ "id": id, "state": state, "worker_id": "10.0.0.1:8083", "version": "4.1.0", "trace": trace })
        }
        _ => json!({ "id": id, "state": state, "worker_id": "10.0.0.1:8083", "version": "4.1.0" }),
    };
    let tasks: Vec<_> = tasks.iter().enumerate().map(task).collect();
    let own = json!({ "state": "RUNNING", "worker_id": "10.0.0.2:8083", "version": "4.1.0" });
    json!({ name: { "status": { "name": name, "connector": own, "tasks": tasks, "type": "sink" } } })
}

/// A metadata task that knows this id of the cluster.
fn metadata(id: Option<&str>) -> watch::Receiver<Latest<metadata::Snapshot>> {
    let mut latest = Latest::new(Duration::from_secs(60));
    let snapshot = metadata::Snapshot {
        cluster_id: id.map(str::to_owned),
        brokers: Default::default(),
        topics: Arc::default(),
        controller: None,
        quorum: None,
        voters: Default::default(),
        quorum_fault: None,
        quorum_capability: Capability::Ok,
        heartbeat_topic: Err(kafka_heartbeat::kafka::Fault::UnknownTopic),
        duration: Duration::ZERO,
        durations: Buckets::new(&Bounds::default()),
    };
    latest.snapshot = Some((Arc::new(snapshot), tokio::time::Instant::now()));
    latest.succeeded = Some(SystemTime::now());
    watch::channel(latest).1
}

/// A probe of one Connect cluster with workers at these addresses, with further keys of the section.
fn probe_of(urls: &[&str], keys: &[(&str, &str)]) -> Probe {
    let urls = urls.join(",");
    let set = |section: &'static str, key: &str, value: &str| FlagSetting {
        section,
        key: key.to_owned(),
        value: value.to_owned(),
        flag: "--test",
    };
    let fixed = [set("connect:payments", "url", &urls), set("connect", "timeout", LIMIT)];
    let settings =
        fixed.into_iter().chain(keys.iter().map(|(key, value)| set("connect:payments", key, value)));
    let sources =
        Sources { bootstrap: Some("b:1".to_owned()), settings: settings.collect(), ..Sources::default() };
    let config = config::load(&sources).expect("a configuration");
    Probe::new(Arc::new(config.clusters[0].clone()), metadata(Some(ID)))
}

const LOGIN: &[(&str, &str)] = &[("basic.auth.user.info", "me:hush-hush-hush")];

/// The snapshot of the next cycle, which must end within its timeout.
async fn cycle(probe: &mut Probe) -> Snapshot {
    let begun = Instant::now();
    let snapshot = probe.cycle().await.expect("a snapshot");
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    let text = format!("{snapshot:?}");
    assert!(!text.contains(SECRET) && !text.contains('\u{1b}'), "{text}");
    snapshot
}

fn payments(snapshot: &Snapshot) -> &Cluster {
    &snapshot.clusters["payments"]
}

fn connectors(snapshot: &Snapshot) -> &Connectors {
    payments(snapshot).connectors.as_deref().expect("the connectors are known")
}

/// The last fault of a request to a worker.
fn fault(snapshot: &Snapshot, worker: &str, request: Request) -> Option<Fault> {
    Some(payments(snapshot).workers[worker].of(request).failing.as_ref()?.fault)
}

#[tokio::test]
async fn cycle_costs_two_requests_to_each_worker_and_one_for_all_connectors() {
    let workers = [Worker::start(Answers::Well).await, Worker::start(Answers::Well).await];
    let mut probe = probe_of(&[&workers[0].url, &workers[1].url], LOGIN);
    for _ in 0..3 {
        let snapshot = cycle(&mut probe).await;
        assert_eq!(payments(&snapshot).state(), State::Ok);
        let connectors = connectors(&snapshot);
        assert_eq!((connectors.connectors[0], connectors.tasks[0]), (1, 2), "running");
        assert_eq!(connectors.workers["10.0.0.1:8083"], 2);
        for worker in payments(&snapshot).workers.values() {
            assert_eq!((worker.version.as_deref(), worker.is_healthy()), (Some("4.1.0"), Some(true)));
        }
    }
    for worker in &workers {
        assert_eq!([worker.count("GET / "), worker.count("GET /health ")], [3, 3]);
        let requests = worker.requests.lock().expect("no panic").clone();
        assert!(
            requests.iter().all(|request| request.ends_with("Basic bWU6aHVzaC1odXNoLWh1c2g=")),
            "{requests:?}"
        );
    }
    let lists = workers.each_ref().map(|worker| worker.count("GET /connectors?expand=status "));
    assert_eq!(lists, [3, 0], "the worker that answered is asked again");
    let all: usize = workers.iter().map(|worker| worker.count("")).sum();
    assert_eq!(all, 15, "nothing else is asked, and no configuration of a connector");
}

#[tokio::test]
async fn failed_and_flapping_task_is_an_event_with_the_first_line_of_its_trace() {
    let worker = Worker::start(Answers::Well).await;
    let mut probe = probe_of(&[&worker.url], LOGIN);
    cycle(&mut probe).await;
    for flap in 1..=3 {
        worker.list(connector("orders", &["RUNNING", "FAILED"]));
        let snapshot = cycle(&mut probe).await;
        let orders = &connectors(&snapshot).by_name["orders"];
        assert_eq!((orders.failures, orders.changes, orders.has_failed()), (flap, 2 * flap - 1, true));
        assert_eq!(payments(&snapshot).state(), State::Ok, "Connect itself works");
        let task = &orders.tasks[&1];
        assert_eq!(task.status, Status::Failed);
        let trace = "org.apache.kafka.connect.errors.ConnectException: ***\\u{1b}[31m";
        assert_eq!(task.trace.as_deref(), Some(trace));
        let sentences: Vec<_> = snapshot.failures.since(0).map(|failed| failed.sentence.as_str()).collect();
        let sentence = format!(
            "Task 1 of connector orders of Connect cluster payments failed on worker 10.0.0.1:8083: {trace}."
        );
        assert_eq!(sentences, [sentence], "a task that flaps is one event in ten minutes");
        worker.list(connector("orders", &["RUNNING", "RUNNING"]));
        let snapshot = cycle(&mut probe).await;
        assert_eq!(connectors(&snapshot).by_name["orders"].changes, 2 * flap);
    }
}

#[tokio::test]
async fn connectors_that_the_filter_leaves_out_are_in_no_count() {
    let worker = Worker::start(Answers::Well).await;
    let mut all = connector("orders", &["RUNNING"]);
    let test = connector("test-1", &["FAILED", "UNASSIGNED", "PAUSED"]);
    all.as_object_mut().expect("an object").extend(test.as_object().expect("an object").clone());
    worker.list(all);
    let snapshot = cycle(&mut probe_of(&[&worker.url], &[("connectors.exclude", "test-.*")])).await;
    assert_eq!(connectors(&snapshot).tasks.iter().sum::<u64>(), 1);
    let snapshot = cycle(&mut probe_of(&[&worker.url], &[("max.connectors", "1")])).await;
    let found = connectors(&snapshot);
    assert_eq!(found.tasks[..5], [1, 1, 1, 0, 1], "running, failed, paused, stopped, unassigned");
    let worst: Vec<_> = found.worst(1).map(|(name, _)| &**name).collect();
    assert_eq!((worst, found.beyond(1)), (vec!["test-1"], 1), "the failed one first");
}

#[tokio::test]
async fn next_worker_is_asked_if_one_does_not_return_the_connectors() {
    let bad = [Answers::ListHangs, Answers::ListFails(500), Answers::ListIsHuge, Answers::ListFails(409)];
    let faults = [Fault::Timeout, Fault::Status5xx, Fault::TooLarge, Fault::Conflict];
    for (answers, expected) in bad.into_iter().zip(faults) {
        let (bad, good) = (Worker::start(answers).await, Worker::start(Answers::Well).await);
        let mut probe = probe_of(&[&bad.url, &good.url], LOGIN);
        let snapshot = cycle(&mut probe).await;
        assert_eq!(fault(&snapshot, bad.name(), Request::Connectors), Some(expected), "{answers:?}");
        assert_eq!(connectors(&snapshot).connectors[0], 1);
        cycle(&mut probe).await;
        assert_eq!(bad.count("GET /connectors"), 1, "the other one is asked from now on");
        assert!(bad.pieces.load(std::sync::atomic::Ordering::Relaxed) < 90, "the rest is not read");
    }
}

#[tokio::test]
async fn state_says_whether_the_workers_rebalance_fail_or_are_of_another_cluster() {
    let table = [
        (Answers::WithoutHealth, State::Ok),
        (Answers::Rebalancing, State::Rebalancing),
        (Answers::OfAnotherCluster, State::WrongCluster),
        (Answers::ListFails(500), State::Failing),
        (Answers::ListFails(403), State::Unknown),
        (Answers::Unhealthy, State::Failing),
        (Answers::With(401, "{\"error_code\":401,\"message\":\"Unauthorized\"}"), State::Unknown),
        (Answers::With(404, "<html>"), State::Down),
        (Answers::With(200, "<html>hush-hush-hush"), State::Down),
        (Answers::With(200, "{\"version\":7}"), State::Down),
        (Answers::Redirect, State::Down),
    ];
    for (answers, expected) in table {
        let worker = Worker::start(answers).await;
        let mut probe = probe_of(&[&worker.url], LOGIN);
        for _ in 0..2 {
            let snapshot = cycle(&mut probe).await;
            assert_eq!(payments(&snapshot).state(), expected, "{answers:?}");
            assert_eq!(
                payments(&snapshot).connectors.is_none(),
                !matches!(answers, Answers::WithoutHealth | Answers::Unhealthy | Answers::OfAnotherCluster)
            );
        }
        let health = if answers == Answers::WithoutHealth { 1 } else { 2 };
        assert!(worker.count("GET /health") <= health, "{answers:?}");
        worker.set(Answers::Well);
        assert_eq!(payments(&cycle(&mut probe).await).state(), State::Ok, "after {answers:?}");
    }
}

#[tokio::test]
async fn two_workers_that_disagree_are_told_apart_by_name() {
    let (good, other) = (Worker::start(Answers::Well).await, Worker::start(Answers::OfAnotherCluster).await);
    let mut probe = probe_of(&[&good.url, &other.url], LOGIN);
    let snapshot = cycle(&mut probe).await;
    assert_eq!(payments(&snapshot).state(), State::WrongCluster);
    let wrong = |worker: &Worker| payments(&snapshot).workers[worker.name()].wrong_cluster.clone();
    assert_eq!([wrong(&good), wrong(&other)], [None, Some("another\\u{1b}[31m".to_owned())]);
    other.set(Answers::Unhealthy);
    let snapshot = cycle(&mut probe).await;
    assert_eq!(payments(&snapshot).state(), State::Degraded);
    assert_eq!(payments(&snapshot).workers[other.name()].is_healthy(), Some(false));
    other.set(Answers::Never);
    let snapshot = cycle(&mut probe).await;
    assert_eq!(payments(&snapshot).state(), State::Degraded);
    assert_eq!(fault(&snapshot, other.name(), Request::Worker), Some(Fault::Timeout));
    assert_eq!(connectors(&snapshot).connectors[0], 1, "a worker that is silent holds up no other one");
}

#[tokio::test]
async fn worker_that_is_down_or_has_another_certificate_is_told_apart() {
    let refused = format!("http://127.0.0.1:{}", port::free_port());
    let mut probe = probe_of(&[&refused], LOGIN);
    for times in 1..=2 {
        let snapshot = cycle(&mut probe).await;
        let worker = payments(&snapshot).workers.values().next().expect("a worker");
        let failing = worker.of(Request::Worker).failing.clone().expect("a failure");
        assert_eq!(
            (payments(&snapshot).state(), failing.fault, failing.times),
            (State::Down, Fault::Refused, times)
        );
        assert_eq!(worker.of(Request::Connectors).ended, 0, "nothing else is asked");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (own, other) = (certs::Authority::new("own"), certs::Authority::new("other"));
    let url =
        secure(&own.server(Duration::from_secs(3600)), "{\"version\":\"4.1.0\",\"kafka_cluster_id\":null}")
            .await;
    for (authority, expected) in [(&other, Some(Fault::CertificateUnknownCa)), (&own, None)] {
        let path = folder.path().join("ca.pem");
        std::fs::write(&path, authority.pem()).expect("a file");
        let path = path.display().to_string();
        let snapshot = cycle(&mut probe_of(&[&url], &[("ssl.ca.location", &path)])).await;
        let name = payments(&snapshot).workers.keys().next().expect("a worker").clone();
        assert_eq!(fault(&snapshot, &name, Request::Worker), expected, "{snapshot:?}");
    }
}
