//! Clients of the HTTP server that are silent, slow, many or rude: the health paths answer all the same, and no
//! broker is blamed.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rdkafka::mocking::MockCluster;
use support::{
    certs::Authority,
    service::{Service, free_port, program},
    try_wait, wait_for,
};

#[expect(dead_code, reason = "each test binary uses a part of the support")]
mod support;

/// A supervisor gives up after this; the server's own limits are longer.
const SUPERVISOR: Duration = Duration::from_secs(2);

/// A demo that may open only so many files; dropping it kills it.
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

    /// The body of an answer that came in time.
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
        self.child.wait().expect("its end");
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

#[test]
fn missing_descriptors_are_the_fault_of_this_process_and_not_of_a_broker() {
    let kafka = MockCluster::new(3).expect("an embedded cluster");
    kafka.create_topic("kafka-heartbeat", 3, 3).expect("a topic");
    let fast = "[heartbeat]\ninterval = 200ms\n[connectivity]\ninterval = 1s\n[metadata]\ninterval = 1s\n";
    let servers = kafka.bootstrap_servers();
    let service = Service::start(&format!("[kafka]\nname = k\nbootstrap.servers = {servers}\n{fast}"));
    let up = || (service.sum("heartbeat_broker_up", &[]) >= 3.0).then_some(());
    wait_for("every broker to be up", Duration::from_secs(30), up);
    // A connection that is open already is answered, though no further descriptor is to be had.
    let agent = ureq::Agent::new_with_defaults();
    let url = format!("http://{}/api/v1/status", service.address());
    let status = || agent.get(&url).call().ok()?.body_mut().read_to_string().ok();
    let has = |verdict: &'static str| {
        let verdict = format!("\"verdict\":\"{verdict}\"");
        move || status().filter(|status| status.contains(&verdict))
    };
    wait_for("a good verdict", Duration::from_secs(60), has("ok"));
    let limit = |files: u64| {
        let (pid, limit) = (service.pid().to_string(), format!("--nofile={files}:1024"));
        let set = Command::new("prlimit").args(["--pid", &pid, &limit]).status().expect("prlimit");
        assert!(set.success());
    };
    limit(8);
    let blamed = wait_for("the verdict to blame this process", Duration::from_secs(30), has("prober_fault"));
    assert!(blamed.contains("this process has run out of descriptors"), "{blamed}");
    limit(1024);
    wait_for("the verdict to be good again", Duration::from_secs(60), has("ok"));
    let metrics = service.get("/metrics").expect("metrics");
    assert_eq!(failures_of_brokers(&metrics), Vec::<&str>::new());
    let faults = ["task=\"connectivity\"", "fault=\"descriptors\""];
    assert!(service.series("heartbeat_cycle_faults_total", &faults) > Some(0.0));
    let log = service.log();
    let remedies = log.lines().filter(|line| line.contains("raise the limit of open files")).count();
    assert_eq!(remedies, 1, "{log}");
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
    assert_eq!(demo.get("/metrics"), None, "only the health paths are answered");
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
    // A byte a second: closed when the time for the first request is over, whatever still comes.
    let mut slow = TcpStream::connect(&demo.address).expect("a connection");
    let mut request = b"GET /metrics HTTP/1.1\r\nhost: x\r\nx-long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".iter();
    let mut sent = Instant::now();
    wait_for("the slow connection to be closed", Duration::from_secs(30), || {
        assert_eq!(demo.get("/livez").as_deref(), Some("ok\n"));
        if sent.elapsed() >= Duration::from_secs(1) {
            sent = Instant::now();
            slow.set_nonblocking(false).expect("a socket");
            _ = slow.write_all(&[*request.next().expect("the request is longer than the server's patience")]);
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
