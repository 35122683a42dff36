//! What the service does under load, and what it costs when there is none.
//!
//! `cargo bench --bench load -- many` (20 partitions, 10 heartbeats a second each), `-- overload` (2,000 a second on
//! three partitions, then 10), `-- idle` (one a second on three): on the cluster of `KAFKA_BOOTSTRAP_SERVERS`.
//! `-- mock`: 5,000 a second over 100 partitions of an embedded cluster. A minute each, counted by the service itself.

use std::{
    collections::BTreeMap,
    env,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use rdkafka::mocking::MockCluster;
use serde_json::Value;

const MINUTE: Duration = Duration::from_secs(60);
const LISTEN: &str = "127.0.0.1:18098";

fn main() {
    let wanted: Vec<String> = env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    for what in &wanted {
        match what.as_str() {
            "many" => report(
                what,
                &Service::start("many", &[("TOPIC__PARTITIONS", "20"), ("HEARTBEAT__INTERVAL", "100ms")]),
                MINUTE,
            ),
            "idle" => report(what, &Service::start("idle", &[]), MINUTE),
            "overload" => overload(),
            "mock" => mock(),
            other => eprintln!("{other}: expected many, overload, idle or mock"),
        }
    }
}

/// Far more than the cluster can take, then a trickle: the trickle must be well within half a minute.
fn overload() {
    let load = [("TOPIC__PARTITIONS", "3"), ("HEARTBEAT__INTERVAL", "1500us")];
    report("overload", &Service::start("overload", &load), MINUTE);
    let after = Service::start("overload", &[("HEARTBEAT__INTERVAL", "300ms")]);
    pause(Duration::from_secs(30));
    let before = after.totals();
    report("after the overload, from the 30th second on", &after, Duration::from_secs(15));
    eprintln!("  before that: {before:?}");
}

fn mock() {
    let cluster = MockCluster::new(3).expect("an embedded cluster");
    cluster.create_topic("bench-mock", 100, 3).expect("a topic");
    let load = [
        ("KAFKA__BOOTSTRAP_SERVERS", cluster.bootstrap_servers()),
        ("HEARTBEAT__INTERVAL", "20ms".to_owned()),
        ("CONSUMER__FETCH_WAIT_MAX_MS", "5".to_owned()),
    ];
    let load: Vec<_> = load.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let service = Service::start("mock", &load);
    report("mock", &service, MINUTE);
}

struct Service {
    child: Child,
}

impl Service {
    fn start(name: &str, settings: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kafka-heartbeat"));
        command.args(["--listen", LISTEN]).stdout(Stdio::null()).stderr(Stdio::null());
        if let Ok(bootstrap) = env::var("KAFKA_BOOTSTRAP_SERVERS") {
            command.env("KAFKA_HEARTBEAT__KAFKA__BOOTSTRAP_SERVERS", bootstrap);
        }
        command.env("KAFKA_HEARTBEAT__HEARTBEAT__TOPIC", format!("bench-{name}"));
        for (key, value) in settings {
            command.env(format!("KAFKA_HEARTBEAT__{key}"), value);
        }
        let service = Self { child: command.spawn().expect("the program runs") };
        pause(Duration::from_secs(2));
        service
    }

    /// Counts by outcome, with `scheduled` and `in_flight`; the books must balance.
    fn totals(&self) -> BTreeMap<String, u64> {
        let url = format!("http://{LISTEN}/api/v1/status");
        let body = ureq::get(&url).call().expect("an answer").body_mut().read_to_string().expect("text");
        let status: Value = serde_json::from_str(&body).expect("JSON");
        let heartbeats = &status["clusters"][0]["heartbeats"];
        let count = |value: &Value| value.as_u64().expect("a count");
        let outcomes = heartbeats["outcomes"].as_object().expect("outcomes");
        let mut totals: BTreeMap<_, _> =
            outcomes.iter().map(|(name, value)| (name.clone(), count(value))).collect();
        let in_flight = count(&heartbeats["in_flight"]);
        let scheduled = count(&heartbeats["scheduled"]);
        assert_eq!(totals.values().sum::<u64>() + in_flight, scheduled, "the books balance");
        totals.retain(|_, count| *count > 0);
        totals.insert("scheduled".to_owned(), scheduled);
        totals.insert("in_flight".to_owned(), in_flight);
        totals
    }

    /// (processor time in seconds, resident memory in MiB)
    fn cost(&self) -> (f64, f64) {
        let read =
            |file: &str| std::fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).expect("Linux");
        let stat = read("stat");
        let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
        let ticks = |index: usize| fields[index].parse::<f64>().expect("ticks");
        let status = read("status");
        let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
        let kib: f64 = memory.split_whitespace().next().expect("a number").parse().expect("a number");
        ((ticks(11) + ticks(12)) / 100.0, kib / 1024.0)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.child.kill().expect("our child");
        self.child.wait().expect("our child");
    }
}

fn report(what: &str, service: &Service, time: Duration) {
    let (before, _) = service.cost();
    let mut most = 0.0_f64;
    for _ in 0..time.as_secs() {
        pause(Duration::from_secs(1));
        most = most.max(service.cost().1);
    }
    let (after, _) = service.cost();
    let share = 100.0 * (after - before) / time.as_secs_f64();
    eprintln!("{what}: {:?}; {share:.1} % of a core, at most {most:.0} MiB", service.totals());
}

#[expect(clippy::disallowed_methods, reason = "a load lasts as long as it lasts")]
fn pause(time: Duration) {
    thread::sleep(time);
}
