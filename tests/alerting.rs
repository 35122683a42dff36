//! From a fault to the pager and back: a real Kafka, the service, a real Prometheus with our rules, a real Alertmanager
//! with our routes, and somebody who is told.
//!
//! Rules and routes are those of the repository, in a world in which a minute lasts two seconds. `PROMETHEUS3` and
//! `ALERTMANAGER` say where the programs are; without one the test says so and passes, except under `CI=true`.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

#[expect(dead_code, reason = "each test binary uses a part of the support")]
mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, Ordering::Relaxed},
        mpsc::{Receiver, RecvTimeoutError, channel},
    },
    thread,
    time::{Duration, Instant},
};

use axum::{Json, Router, extract, routing::post};
use serde_json::{Value, json};
use support::{
    groups::{commit, now_ms, write},
    kafka::{Kafka, Listener},
    service::{Service, free_port},
    try_wait, wait_for,
};

/// Seconds that a minute lasts.
const MINUTE: u64 = 2;
const PATIENCE: Duration = Duration::from_secs(120);

/// A process that ends with the test, and where it writes.
struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    fn start(command: &mut Command, folder: &Path, name: &str, address: &str) -> Self {
        let log = folder.join(name).with_extension("log");
        let file = File::create(&log).unwrap();
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        let running = Self { child: command.spawn().unwrap(), log };
        wait_for(name, PATIENCE, || std::net::TcpStream::connect(address).ok());
        running
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
        if thread::panicking() {
            eprintln!("{}", fs::read_to_string(&self.log).unwrap_or_default());
        }
    }
}

/// Where a program is, if that is said.
fn tool(variable: &str) -> Option<PathBuf> {
    let found = std::env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from);
    let strict = std::env::var_os("CI").is_some_and(|ci| ci == "true");
    assert!(found.is_some() || !strict, "{variable} does not say where the program is");
    if found.is_none() {
        eprintln!("no {variable}: it is not tried");
    }
    found
}

/// A duration of the rules, in a world of short minutes.
fn short(text: &str) -> String {
    let (number, unit) = text.split_at(text.len() - 1);
    let number: u64 = number.parse().unwrap();
    let seconds = match unit {
        "s" => (number * MINUTE / 60).max(1),
        "m" => number * MINUTE,
        "h" => number * 60 * MINUTE,
        _ => number * 24 * 60 * MINUTE,
    };
    format!("{seconds}s")
}

/// The same, of everything in a file of rules: windows, patience, intervals, and limits in seconds.
fn in_short(rules: &str) -> String {
    let mut text = String::new();
    for line in rules.lines() {
        let key = line
            .trim_start()
            .split_once(": ")
            .filter(|(key, _)| ["for", "keep_firing_for", "interval"].contains(key));
        if let Some((key, duration)) = key {
            let indent = &line[..line.len() - line.trim_start().len()];
            text += &format!("{indent}{key}: {}\n", short(duration));
            continue;
        }
        let mut rest = line;
        while let Some((before, after)) = rest.split_once('[') {
            let (window, after) = after.split_once(']').unwrap_or(("", after));
            let is_window =
                window.ends_with(['s', 'm', 'h', 'd']) && window[..window.len() - 1].parse::<u64>().is_ok();
            let window = if is_window { short(window) } else { window.to_owned() };
            text += &format!("{before}[{window}]");
            rest = after;
        }
        text += &format!("{rest}\n");
    }
    for (limit, minutes) in [("300", 5), ("600", 10), ("900", 15)] {
        for compared in ["> ", "<= bool "] {
            text =
                text.replace(&format!("{compared}{limit}\n"), &format!("{compared}{}\n", minutes * MINUTE));
        }
    }
    text
}

/// What somebody was told: by receiver and name, how often it began, and whether it goes on.
type Told = Arc<Mutex<Vec<(Instant, String, Value)>>>;

/// Somebody who is told, on a thread of its own until the process ends.
fn somebody() -> (String, Told) {
    let told = Told::default();
    let (listener, heard) = (std::net::TcpListener::bind("127.0.0.1:0").unwrap(), told.clone());
    let address = listener.local_addr().unwrap().to_string();
    listener.set_nonblocking(true).unwrap();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let hear = move |extract::Path(receiver): extract::Path<String>, Json(message): Json<Value>| {
                for alert in message["alerts"].as_array().unwrap() {
                    heard.lock().unwrap().push((Instant::now(), receiver.clone(), alert.clone()));
                }
                async {}
            };
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, Router::new().route("/{receiver}", post(hear))).await.unwrap();
        });
    });
    (address, told)
}

/// Our routes and inhibitions, with short waits, and everybody at this address.
fn alertmanager_config(address: &str) -> String {
    let text =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/alertmanager/alertmanager.yml")).unwrap();
    let mut config: Value = serde_norway::from_str(&text).unwrap();
    let wait = |route: &mut Value| {
        for key in ["group_wait", "group_interval"] {
            route[key] = json!("1s");
        }
    };
    wait(&mut config["route"]);
    config["route"]["routes"].as_array_mut().unwrap().iter_mut().for_each(wait);
    for receiver in config["receivers"].as_array_mut().unwrap() {
        let name = receiver["name"].as_str().unwrap().to_owned();
        let url = format!("http://{address}/{name}");
        *receiver = json!({ "name": name, "webhook_configs": [{ "url": url, "send_resolved": true }] });
    }
    config["global"] = json!({});
    config["templates"] = json!([]);
    config.to_string()
}

struct World {
    kafka: Kafka,
    told: Told,
    /// Ends with the world.
    _running: Vec<Running>,
    _service: Service,
    _folder: tempfile::TempDir,
}

impl World {
    /// `None` where something that it takes is not there.
    fn start() -> Option<Self> {
        let (prometheus, alertmanager) = (tool("PROMETHEUS3")?, tool("ALERTMANAGER")?);
        let kafka = Kafka::start(3)?;
        kafka.create_topic("orders", 3);
        let folder = tempfile::tempdir().unwrap();
        let bootstrap = kafka.bootstrap(Listener::Plaintext);
        let service = Service::start(&format!(
            "[kafka]\nname = k\nbootstrap.servers = {bootstrap}\n[heartbeat]\ninterval = 250ms\ndeadline = 5s\nhorizon = 20s\n\
             [metadata]\ninterval = 1s\n[connectivity]\ninterval = 1s\ntimeout = 1s\n[topic]\ninterval = 2s\n[transactions]\ninterval = 2s\n\
             [freshness]\ninterval = 1s\ntopics.include = orders\n[lag]\ninterval = 1s\ntopics.include = orders\n\
             [history]\nsample_interval_seconds = 1\nrecovering_minimum_duration_seconds = 3\n"
        ));
        let (webhook, told) = somebody();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let address = format!("127.0.0.1:{}", free_port());
        let config = file("alertmanager.yml", &alertmanager_config(&webhook));
        let mut command = Command::new(alertmanager);
        command
            .args([format!("--config.file={config}"), format!("--web.listen-address={address}")])
            .args([format!("--storage.path={}", folder.path().join("am").display())])
            .arg("--cluster.listen-address=");
        let first = Running::start(&mut command, folder.path(), "alertmanager", &address);
        let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("prometheus/rules");
        for rules in fs::read_dir(rules).unwrap().flatten() {
            let name = format!("rules-{}", rules.file_name().to_str().unwrap());
            file(&name, &in_short(&fs::read_to_string(rules.path()).unwrap()));
        }
        let (target, rules) = (service.address(), folder.path().join("rules-*.yml"));
        let config = json!({
            "global": { "scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s" },
            "rule_files": [rules],
            "alerting": { "alertmanagers": [{ "static_configs": [{ "targets": [address] }] }] },
            "scrape_configs": [{ "job_name": "kafka-heartbeat", "static_configs": [{ "targets": [target] }] }],
        });
        let (config, address) =
            (file("prometheus.yml", &config.to_string()), format!("127.0.0.1:{}", free_port()));
        let mut command = Command::new(prometheus);
        command
            .args([format!("--config.file={config}"), format!("--web.listen-address={address}")])
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()));
        let second = Running::start(&mut command, folder.path(), "prometheus", &address);
        Some(Self { kafka, told, _running: vec![first, second], _service: service, _folder: folder })
    }

    /// Who was told of what since a moment, as receiver and name.
    fn told(&self, since: Instant, status: &str) -> BTreeSet<(String, String)> {
        let told = self.told.lock().unwrap();
        let told = told.iter().filter(|(at, _, alert)| *at >= since && alert["status"] == status);
        told.map(|(_, who, alert)| (who.clone(), alert["labels"]["alertname"].as_str().unwrap().to_owned()))
            .collect()
    }

    fn wait_for(&self, since: Instant, status: &str, who: &str, what: &str) {
        let wanted = (who.to_owned(), what.to_owned());
        wait_for(&format!("{who} to be told that {what} is {status}"), PATIENCE, || {
            self.told(since, status).contains(&wanted).then_some(())
        });
    }

    /// Nothing that was told of goes on, but for budgets that are remembered as spent for days.
    fn wait_for_calm(&self) {
        let going_on = || {
            let told = self.told.lock().unwrap();
            let mut last = BTreeMap::new();
            for (_, who, alert) in &*told {
                last.insert((who.clone(), alert["fingerprint"].to_string()), alert.clone());
            }
            let remembered = |labels: &Value| {
                labels["severity"] == "warning"
                    && labels["alertname"].as_str().unwrap().ends_with("BudgetBurn")
            };
            let firing = last.into_values().filter(|alert| alert["status"] == "firing");
            firing
                .map(|alert| alert["labels"].clone())
                .filter(|labels| !remembered(labels))
                .collect::<Vec<_>>()
        };
        let over = try_wait(PATIENCE, || going_on().is_empty().then_some(()));
        assert!(over.is_some(), "this goes on: {:#?}", going_on());
    }

    /// Of nothing else was anybody told than of these, since then.
    fn only(&self, since: Instant, names: &[&str]) {
        let told = self.told(since, "firing");
        let others: Vec<_> = told.iter().filter(|(_, name)| !names.contains(&name.as_str())).collect();
        assert!(others.is_empty(), "{others:?}");
    }
}

/// What goes on beside the test: a record a second, and a group that has read all of them.
#[derive(Default)]
struct Traffic {
    /// Nobody writes.
    silent: AtomicBool,
    /// Nobody reads.
    stopped: AtomicBool,
    /// Records on the partition.
    end: AtomicI64,
}

impl Traffic {
    fn write(&self, kafka: &Kafka, count: i64) {
        write(kafka, "orders", 0, (0..count).map(|_| now_ms()));
        self.end.fetch_add(count, Relaxed);
    }

    /// Until the other end of the channel is dropped.
    fn run(&self, kafka: &Kafka, ended: &Receiver<()>) {
        while ended.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout) {
            if !self.silent.load(Relaxed) {
                self.write(kafka, 1);
            }
            if !self.stopped.load(Relaxed) {
                commit(kafka, "billing", "orders", &[(0, self.end.load(Relaxed))]);
            }
        }
    }
}

const OF_THE_CONSUMER: [&str; 10] = [
    "KafkaConsumerLagCritical",
    "KafkaConsumerLagWarning",
    "KafkaConsumerLagGrowing",
    "KafkaConsumerGroupStalled",
    "KafkaConsumerGroupOffline",
    "KafkaConsumerTimeLagHigh",
    "KafkaConsumerTimeLagBudgetBurn",
    "KafkaConsumerNearRetention",
    "KafkaTopicStale",
    "KafkaTopicFreshnessBudgetBurn",
];

#[test]
fn the_right_people_hear_of_the_right_things_and_that_they_are_over() {
    let Some(world) = World::start() else { return };
    let traffic = Traffic::default();
    thread::scope(|scope| {
        // Dropped in here, also by a panic: else nobody would tell the traffic that it is over.
        let (_running, ended) = channel::<()>();
        let (world, traffic) = (&world, &traffic);
        scope.spawn(move || traffic.run(&world.kafka, &ended));
        faults(world, traffic);
    });
}

fn faults(world: &World, traffic: &Traffic) {
    let kafka = &world.kafka;
    // All is well for a quarter of an hour, in short minutes.
    let begun = Instant::now();
    wait_for("a quiet while", PATIENCE, || {
        (begun.elapsed() > Duration::from_secs(15 * MINUTE)).then_some(())
    });
    world.only(begun, &[]);

    // The consumer stops, and so does whoever writes.
    let stopped = Instant::now();
    traffic.stopped.store(true, Relaxed);
    traffic.silent.store(true, Relaxed);
    traffic.write(kafka, 20_000);
    for name in ["KafkaConsumerLagCritical", "KafkaTopicStale", "KafkaConsumerGroupOffline"] {
        world.wait_for(stopped, "firing", "critical", name);
    }
    traffic.silent.store(false, Relaxed);
    traffic.stopped.store(false, Relaxed);
    world.wait_for_calm();
    world.only(stopped, &OF_THE_CONSUMER);

    // A broker dies, and comes back.
    let killed = Instant::now();
    kafka.broker(3).kill();
    world.wait_for(killed, "firing", "warning", "KafkaUnderReplicatedPartitions");
    world.wait_for(killed, "firing", "mail", "KafkaBrokerCountChanged");
    world.wait_for(killed, "firing", "critical", "KafkaHeartbeatAvailabilityBudgetBurn");
    kafka.broker(3).restart();
    world.wait_for_calm();
    world.only(
        killed,
        &[
            "KafkaUnderReplicatedPartitions",
            "KafkaBrokerCountChanged",
            "KafkaBrokerUnreachable",
            "KafkaBrokerConnectivityBudgetBurn",
            "KafkaHeartbeatAvailabilityBudgetBurn",
            "KafkaHeartbeatLatencyBudgetBurn",
            "KafkaHeartbeatProduceBudgetBurn",
            "KafkaHeartbeatLatencyHigh",
            "KafkaHeartbeatBrokersUncovered",
            // Sent again, where the acknowledgement died with the broker.
            "KafkaHeartbeatDuplicated",
        ],
    );

    // A rolling restart, one broker after the other, each when the one before is back: nobody is paged.
    let rolled = Instant::now();
    for broker in 1..=3 {
        kafka.broker(broker).stop();
        kafka.broker(broker).restart();
        kafka.broker(broker).wait_until_known();
        world.wait_for_calm();
    }
    let paged: Vec<_> =
        world.told(rolled, "firing").into_iter().filter(|(who, _)| who == "critical").collect();
    assert!(paged.is_empty(), "{paged:?}");
}
