//! One cycle of the task of Kafka Connect with 1,000 connectors and 10,000 tasks, of which every twentieth has failed: the processor
//! time of the whole cycle, beside that of parsing the same answer into any JSON, which keeps everything.
//!
//! `cargo bench --bench connect -- [CYCLES]`. The worker is a process of its own.

#![expect(clippy::print_stdout, reason = "a bench prints what it saw")]

use std::{
    env,
    fmt::Write as _,
    hint::black_box,
    io::{BufRead, BufReader, Read, Write as _},
    net::TcpListener,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use kafka_heartbeat::{
    config::{self, FlagSetting, Sources},
    probe::connect::Probe,
    task::{Cycle, Latest},
};
use measure::{number, processor_seconds};
use tokio::sync::watch;

#[expect(dead_code, reason = "each bench uses a part of what is shared")]
mod measure;

const CONNECTORS: usize = 1000;
const TASKS: usize = 10;
/// One task of so many has failed.
const FAILED: usize = 20;
/// The first argument of the process that is the worker.
const WORKER: &str = "worker";

/// The answer to `GET /connectors?expand=status`.
fn listing() -> String {
    let trace = format!(
        "org.apache.kafka.connect.errors.ConnectException: no file{}",
        "\\n\\tat a.b.C.d(E.java:1)".repeat(50)
    );
    let mut body = String::from("{");
    for connector in 0..CONNECTORS {
        let name = format!("connector-{connector}");
        let comma = if connector == 0 { "" } else { "," };
        write!(body, "{comma}\"{name}\":{{\"status\":{{\"name\":\"{name}\",\"type\":\"sink\",\"connector\":{{\"state\":\"RUNNING\",\"worker_id\":\"10.0.0.1:8083\"}},\"tasks\":[").expect("memory");
        for task in 0..TASKS {
            let comma = if task == 0 { "" } else { "," };
            write!(body, "{comma}{{\"id\":{task},\"worker_id\":\"10.0.0.{}:8083\",", task % 3)
                .expect("memory");
            if (connector * TASKS + task).is_multiple_of(FAILED) {
                write!(body, "\"state\":\"FAILED\",\"trace\":\"{trace}\"}}").expect("memory");
            } else {
                body.push_str("\"state\":\"RUNNING\"}");
            }
        }
        body.push_str("]}}");
    }
    body + "}"
}

/// Serves one connection at a time with the answers of a worker, until the process ends.
fn serve() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    println!("{}", listener.local_addr().expect("an address").port());
    let connectors = listing();
    for stream in listener.incoming() {
        let mut stream = BufReader::new(stream.expect("a connection"));
        let mut request = String::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).unwrap_or(0) == 0 {
                break;
            }
            if line == "\r\n" {
                let body = match request.split_whitespace().nth(1).unwrap_or_default() {
                    path if path.starts_with("/connectors") => &connectors,
                    "/health" => "{}",
                    _ => "{\"version\":\"4.1.0\",\"commit\":\"x\",\"kafka_cluster_id\":\"x\"}",
                };
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length:";
                let answer = format!("{head} {}\r\nconnection: close\r\n\r\n{body}", body.len());
                if stream.get_mut().write_all(answer.as_bytes()).is_err() {
                    break;
                }
                break;
            }
            if request.is_empty() {
                request = line;
            }
        }
        // What the client sends after its request is read, so that the answer is not cut off.
        _ = stream.get_mut().shutdown(std::net::Shutdown::Write);
        _ = stream.read_to_end(&mut Vec::new());
    }
}

/// The worker, which ends with this value.
struct Worker(Child);

impl Drop for Worker {
    fn drop(&mut self) {
        self.0.kill().expect("the worker runs");
        self.0.wait().expect("the worker has ended");
    }
}

fn main() {
    if env::args().nth(1).as_deref() == Some(WORKER) {
        return serve();
    }
    let Some(arguments) = measure::arguments() else { return };
    let cycles = number(&arguments, 0, 30) as u32;
    let this = env::current_exe().expect("the path of the bench");
    let mut child = Command::new(this).arg(WORKER).stdout(Stdio::piped()).spawn().expect("the worker");
    let mut port = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut port).expect("the port");
    let _worker = Worker(child);
    let setting = |key: &str, value: String| FlagSetting {
        section: "connect:payments",
        key: key.to_owned(),
        value,
        flag: "bench",
    };
    let sources = Sources {
        bootstrap: Some("127.0.0.1:1".to_owned()),
        settings: vec![setting("url", format!("http://127.0.0.1:{}", port.trim()))],
        ..Sources::default()
    };
    let config = config::load(&sources).expect("a configuration");
    let cluster = Arc::new(config.clusters[0].clone());
    let (_metadata, known) = watch::channel(Latest::new(Duration::from_secs(60)));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut probe = Probe::new(cluster, known);
    let cycle = |probe: &mut Probe| runtime.block_on(probe.cycle()).expect("a cycle");
    let snapshot = cycle(&mut probe);
    let seen = snapshot.clusters.values().next().expect("a Connect cluster");
    println!("{} bytes, state {}", listing().len(), seen.state().as_str());
    let mine = std::process::id();
    let before = processor_seconds(mine);
    (0..cycles).for_each(|_| _ = black_box(cycle(&mut probe)));
    let ours = (processor_seconds(mine) - before) * 1e3 / f64::from(cycles);
    let body = listing();
    let before = processor_seconds(mine);
    for _ in 0..cycles {
        let parsed: serde_json::Value = serde_json::from_slice(body.as_bytes()).expect("JSON");
        drop(black_box(parsed));
    }
    let floor = (processor_seconds(mine) - before) * 1e3 / f64::from(cycles);
    println!(
        "a cycle: {ours:.1} ms of processor time; the answer parsed into any JSON: {floor:.1} ms; ratio {:.2}",
        ours / floor
    );
}
