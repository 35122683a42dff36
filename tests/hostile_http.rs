//! Clients of the HTTP server that are silent or slow, open many connections or send bad requests: the health checks are
//! answered all the same, and no broker is reported as failed.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rdkafka::mocking::MockCluster;
use serde_json::Value;
use support::{
    certs::Authority,
    service::{Service, free_port, program},
    try_wait, wait_for,
};

#[path = "hostile_http/slow.rs"]
mod slow;
#[expect(dead_code, reason = "each test binary uses a part of the support")]
mod support;

/// The time after which a supervisor gives up; the server's own limits are longer.
const SUPERVISOR: Duration = Duration::from_secs(2);

/// A demo with a limit of open files; dropping it kills it.
struct Demo {
    child: Child,
    address: String,
}

impl Demo {
    fn start(files: u32, environment: &[(&str, &str)]) -> Self {
        let address = format!("127.0.0.1:{}", free_port());
        let program = program().get_program().to_owned();
        let mut shell = Command::new("sh");
        shell.args(["-c", "ulimit -n \"$0\" && exec \"$@\"", &files.to_string()]);
        shell.arg(program).args(["demo", "--listen", &address]).envs(environment.iter().copied());
        shell.env_remove("RUST_LOG").env_remove("LOG_LEVEL").stdin(Stdio::null());
        let child = shell.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a demo");
        let demo = Self { child, address };
        wait_for("every broker to be up", Duration::from_secs(30), || {
            let metrics = demo.get("/metrics")?;
            (metrics.lines().filter(|line| line.starts_with("heartbeat_broker_up{")).count() == 3)
                .then_some(())
        });
        demo
    }

    /// The body of the answer; absent if it did not come in time.
    fn get(&self, path: &str) -> Option<String> {
        get(&self.address, path)
    }

    fn metrics(&self) -> String {
        wait_for("metrics", Duration::from_secs(20), || self.get("/metrics"))
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        self.child.kill().expect("a process of ours");
        self.child.wait().expect("the process has ended");
    }
}

fn get(address: &str, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(SUPERVISOR)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.starts_with("HTTP/1.1 200").then(|| body.to_owned())
}

fn silent(address: &str, count: usize) -> Vec<TcpStream> {
    (0..count).map(|_| TcpStream::connect(address).expect("a connection")).collect()
}

/// Whether the server has closed a connection.
fn is_closed(stream: &mut TcpStream) -> bool {
    stream.set_nonblocking(true).expect("a socket");
    match stream.read(&mut [0]) {
        Ok(read) => read == 0,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}

fn failures_of_brokers(metrics: &str) -> Vec<&str> {
    let down = |line: &&str| line.starts_with("heartbeat_broker_up{") && line.ends_with(" 0");
    let failed =
        |line: &&str| line.starts_with("heartbeat_broker_check_failures_total{") && !line.ends_with(" 0");
    metrics.lines().filter(|line| down(line) || failed(line)).collect()
}

#[test]
fn two_hundred_silent_connections_leave_descriptors_for_kafka_and_health() {
    let demo = Demo::start(256, &[]);
    let _silent = silent(&demo.address, 200);
    let begun = Instant::now();
    let mut answers = 0;
    // Longer than two cycles of the connectivity check, which is due every 3 s.
    wait_for("seven seconds to pass", Duration::from_secs(60), || {
        assert_eq!(demo.get("/livez").as_deref(), Some("ok\n"), "after {answers} answers");
        assert_eq!(demo.get("/readyz").as_deref(), Some("ok\n"), "after {answers} answers");
        answers += 1;
        (begun.elapsed() > Duration::from_secs(7)).then_some(())
    });
    let metrics = demo.metrics();
    assert_eq!(failures_of_brokers(&metrics), Vec::<&str>::new());
}

/// A service whose limit of open files changes while it runs, and a connection to it that stays open: requests on this
/// connection are answered although the service can open no further descriptor.
struct Limited {
    service: Service,
    agent: ureq::Agent,
}

impl Limited {
    fn start(kafka: &MockCluster<'_, rdkafka::producer::DefaultProducerContext>, heartbeat: &str) -> Self {
        let servers = kafka.bootstrap_servers();
        let service = Service::start(&format!(
            "[kafka]\nname = k\nbootstrap.servers = {servers}\n[heartbeat]\n{heartbeat}\
             [connectivity]\ninterval = 1s\n[metadata]\ninterval = 1s\n"
        ));
        let up = || (service.sum("heartbeat_broker_up", &[]) >= 3.0).then_some(());
        wait_for("every broker to be up", Duration::from_secs(30), up);
        let timeout = Some(Duration::from_secs(5));
        let agent = ureq::Agent::config_builder().timeout_global(timeout).build().into();
        let limited = Self { service, agent };
        limited.wait_for_verdict("ok");
        limited
    }

    /// Sets the service's limit of open files. Files that are open stay open.
    fn limit(&self, files: u64) {
        let (pid, limit) = (self.service.pid().to_string(), format!("--nofile={files}:1024"));
        let set = Command::new("prlimit").args(["--pid", &pid, &limit]).status().expect("prlimit");
        assert!(set.success());
    }

    fn get(&self, path: &str) -> Option<String> {
        let url = format!("http://{}{path}", self.service.address());
        self.agent.get(&url).call().ok()?.body_mut().read_to_string().ok()
    }

    /// The status of the cluster from the API.
    fn status(&self) -> Option<Value> {
        let answer: Value = serde_json::from_str(&self.get("/api/v1/status")?).ok()?;
        Some(answer["clusters"][0].clone())
    }

    /// The status of the cluster from the API, and the metrics.
    fn counts(&self) -> (Value, String) {
        let both = || Some((self.status()?, self.get("/metrics")?));
        wait_for("an answer", Duration::from_secs(20), both)
    }

    fn wait_for_verdict(&self, verdict: &str) -> Value {
        let found = try_wait(Duration::from_secs(120), || {
            self.status().filter(|status| status["verdict"] == verdict)
        });
        found.unwrap_or_else(|| panic!("no verdict {verdict}: {:#?}\n{}", self.status(), self.service.log()))
    }
}

#[test]
fn missing_descriptors_are_the_fault_of_this_process_and_not_of_a_broker() {
    let kafka = MockCluster::new(3).expect("an embedded cluster");
    kafka.create_topic("kafka-heartbeat", 3, 3).expect("a topic");
    let limited = Limited::start(&kafka, "interval = 200ms\n");
    limited.limit(8);
    let fault = limited.wait_for_verdict("prober_fault");
    assert!(fault["reasons"].to_string().contains("this process has run out of descriptors"), "{fault}");
    let used = ["process_open_fds", "process_max_fds"].map(|name| {
        let metrics = limited.counts().1;
        let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
        value.unwrap_or_else(|| panic!("{name} is absent although descriptors are short"))
    });
    assert!(used[0] >= used[1], "descriptors in use and allowed: {used:?}");
    limited.limit(1024);
    limited.wait_for_verdict("ok");
    let service = &limited.service;
    let metrics = service.get("/metrics").expect("metrics");
    assert_eq!(failures_of_brokers(&metrics), Vec::<&str>::new());
    let faults = ["task=\"connectivity\"", "fault=\"descriptors\""];
    assert!(service.series("heartbeat_cycle_faults_total", &faults) > Some(0.0));
    let log = service.log();
    let remedies = log.lines().filter(|line| line.contains("raise the limit of open files")).count();
    assert_eq!(remedies, 1, "{log}");
}

#[test]
fn heartbeats_without_a_descriptor_to_connect_with_are_skipped_and_no_slo_event() {
    let kafka = MockCluster::new(3).expect("an embedded cluster");
    kafka.create_topic("kafka-heartbeat", 3, 3).expect("a topic");
    for partition in 0..3 {
        kafka.partition_leader("kafka-heartbeat", partition, Some(partition + 1)).expect("a leader");
    }
    let limited = Limited::start(&kafka, "interval = 500ms\ndeadline = 2s\nhorizon = 4s\n");
    let count = |status: &Value, what: &str| status["heartbeats"][what].as_u64().expect("a count");
    let outcome =
        |status: &Value, what: &str| status["heartbeats"]["outcomes"][what].as_u64().expect("a count");
    let ok_of = |metrics: &str, broker: &str| -> f64 {
        let labels = [format!("broker=\"{broker}\""), "outcome=\"ok\"".to_owned()];
        let of = |line: &&str| {
            line.starts_with("heartbeat_outcomes_total{") && labels.iter().all(|label| line.contains(label))
        };
        let values =
            metrics.lines().filter(of).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        values.sum()
    };
    let (before, metrics) = limited.counts();
    limited.limit(8);
    let begun = Instant::now();
    // The connections of one broker are cut. It listens again at once, but this process cannot connect.
    kafka.broker_down(1).expect("a broker that is down");
    kafka.broker_up(1).expect("a broker that is up again");
    wait_for("eight seconds to pass, four times the deadline", Duration::from_secs(60), || {
        (begun.elapsed() > Duration::from_secs(8)).then_some(())
    });
    limited.limit(1024);
    let (during, meanwhile) = limited.counts();
    assert_eq!(count(&during, "slo_bad_events"), count(&before, "slo_bad_events"), "{during:#}");
    assert!(outcome(&during, "skipped") >= outcome(&before, "skipped") + 8, "{during:#}");
    assert_eq!(during["prober_healthy"], false, "{during:#}");
    assert_eq!(during["verdict"], "prober_fault", "{during:#}");
    assert!(during["reasons"].to_string().contains("has run out of descriptors"), "{during:#}");
    assert!(meanwhile.contains("heartbeat_prober_healthy{kafka_cluster=\"k\"} 0"));
    for broker in ["2", "3"] {
        let grown = ok_of(&meanwhile, broker) - ok_of(&metrics, broker);
        assert!(grown >= 6.0, "the connections to broker {broker} are open: {grown} good heartbeats");
    }
    let after = limited.wait_for_verdict("ok");
    assert_eq!(after["prober_healthy"], true, "{after:#}");
    assert_eq!(count(&after, "slo_bad_events"), count(&before, "slo_bad_events"), "{after:#}");
    let ok = ok_of(&limited.counts().1, "1");
    wait_for("good heartbeats of the broker that was cut off", Duration::from_secs(20), || {
        (ok_of(&limited.counts().1, "1") >= ok + 5.0).then_some(())
    });
}

#[test]
fn connections_at_the_limit_close_the_oldest_silent_one() {
    let demo = Demo::start(1024, &[("KAFKA_HEARTBEAT__HTTP__CONNECTIONS", "8")]);
    let mut silent = silent(&demo.address, 40);
    assert_eq!(demo.get("/livez").as_deref(), Some("ok\n"));
    let open = wait_for("the oldest to be closed", Duration::from_secs(10), || {
        let open: Vec<usize> = (0..silent.len()).filter(|index| !is_closed(&mut silent[*index])).collect();
        (open.len() <= 8).then_some(open)
    });
    assert!(open.iter().all(|index| *index >= 32), "the youngest stay: {open:?}");
}

#[test]
fn connections_that_are_all_answered_leave_health_a_reserve() {
    let demo = Demo::start(1024, &[("KAFKA_HEARTBEAT__HTTP__CONNECTIONS", "2")]);
    let watchers: Vec<TcpStream> = (0..2)
        .map(|_| {
            let mut stream = TcpStream::connect(&demo.address).expect("a connection");
            stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
            stream.write_all(b"GET /events HTTP/1.1\r\nhost: x\r\n\r\n").expect("a request sent");
            assert!(stream.read(&mut [0; 64]).expect("an event") > 0);
            stream
        })
        .collect();
    assert_eq!(demo.get("/livez").as_deref(), Some("ok\n"));
    assert_eq!(demo.get("/metrics"), None, "only health checks are answered");
    drop(watchers);
    assert!(try_wait(Duration::from_secs(10), || demo.get("/metrics")).is_some(), "there is room again");
}

#[test]
fn slow_and_huge_requests_are_ended_and_disturb_no_other() {
    let demo = Demo::start(1024, &[]);
    // Ten megabytes of header: the server answers or closes long before it has read them.
    let mut huge = TcpStream::connect(&demo.address).expect("a connection");
    huge.set_write_timeout(Some(Duration::from_secs(10))).expect("a socket");
    huge.write_all(b"GET / HTTP/1.1\r\nx: ").expect("the begin of a request");
    let sent = (0..160).take_while(|_| huge.write_all(&[b'x'; 64 * 1024]).is_ok()).count();
    assert!(sent < 160, "the server must not take 10 MB of header");
    _ = huge.shutdown(Shutdown::Both);
    // One byte each second: the server closes the connection when the time for the first request is over.
    let mut slow = TcpStream::connect(&demo.address).expect("a connection");
    let mut request = b"GET /metrics HTTP/1.1\r\nhost: x\r\nx-long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".iter();
    let mut sent = Instant::now();
    wait_for("the slow connection to be closed", Duration::from_secs(30), || {
        assert_eq!(demo.get("/livez").as_deref(), Some("ok\n"));
        if sent.elapsed() >= Duration::from_secs(1) {
            sent = Instant::now();
            slow.set_nonblocking(false).expect("a socket");
            _ = slow.write_all(&[*request
                .next()
                .expect("the request lasts longer than the time that the server allows")]);
        }
        is_closed(&mut slow).then_some(())
    });
    assert_eq!(failures_of_brokers(&demo.metrics()), Vec::<&str>::new());
}

#[test]
fn silent_tls_handshakes_starve_no_other_handshake() {
    let folder = tempfile::tempdir().expect("a folder");
    let identity = Authority::new("test").server(Duration::from_secs(3600));
    let paths = identity.write(folder.path(), "server");
    let service = Service::start_guarded(&format!(
        "[kafka]\nbootstrap.servers = 127.0.0.1:1\n[http]\ntls.certificate = {}\ntls.key = {}\n",
        paths.certificate.display(),
        paths.key.display()
    ));
    let mut open = silent(service.address(), 384);
    let url = format!("https://{}/livez", service.address());
    for _ in 0..7 {
        let check = program().args(["healthcheck", "--url", &url]).output().expect("the program runs");
        assert!(check.status.success(), "{check:?}");
        open.extend(silent(service.address(), 64));
    }
    wait_for("silent handshakes to be closed", Duration::from_secs(20), || {
        open.iter_mut().all(is_closed).then_some(())
    });
}
