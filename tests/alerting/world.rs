//! The world of the test: a real Kafka, the service, Prometheus with our rules, Alertmanager with our routes, and
//! a receiver of notifications; a minute lasts two seconds.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::Command,
    time::{Duration, Instant, SystemTime},
};

use serde_json::{Value, json};

use super::notifications::{self, Inhibitions, Received, Traces, notified, receiver};
use crate::support::{
    kafka::{HEARTBEAT, Kafka, Listener},
    operations::{SUBJECTS, list, read, text},
    program::{Running, tool},
    service::{Service, free_port, program},
    try_wait, wait_for,
};

/// Seconds that a minute lasts.
pub(crate) const MINUTE: u64 = 2;
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A duration of the rules, in a world of short minutes.
fn short(text: &str) -> String {
    let (number, unit) = text.split_at(text.len() - 1);
    let number: u64 = number.parse().unwrap_or_else(|_| panic!("{text} is no duration of the rules"));
    let seconds = match unit {
        "s" => (number * MINUTE / 60).max(1),
        "m" => number * MINUTE,
        "h" => number * 60 * MINUTE,
        _ => number * 24 * 60 * MINUTE,
    };
    format!("{seconds}s")
}

/// A file of rules with all its durations in short minutes: windows, `for`, intervals, and limits in seconds.
pub(crate) fn in_short(rules: &str) -> String {
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

/// The SLO rules that the program writes for the configuration of this service.
fn slo_rules(service: &Service) -> String {
    let config = service.folder().join("config.ini");
    let written =
        program().args(["slo", "--config"]).arg(config).output().expect("the program can be started");
    assert!(written.status.success(), "{written:?}");
    String::from_utf8(written.stdout).expect("the rules of `slo` are text")
}

pub(crate) struct World {
    pub(crate) kafka: Kafka,
    pub(crate) service: Service,
    received: Received,
    /// What an Alertmanager without the inhibitions of suspects sends.
    uninhibited: Received,
    /// What was exported as traces.
    traces: Traces,
    /// Where Prometheus listens.
    prometheus: String,
    /// Prometheus and both Alertmanagers; dropping them ends them.
    _running: [Running; 3],
    folder: tempfile::TempDir,
}

/// Every task has a short interval, and what is off by default is on. The path of the history file is appended.
const SETTINGS: &str = "\
interval = 2s
[heartbeat]
interval = 250ms
deadline = 5s
horizon = 20s
[metadata]
interval = 1s
[connectivity]
interval = 1s
timeout = 1s
[topic]
interval = 2s
[transactions]
interval = 2s
min.age = 2s
[log_dirs]
enabled = true
interval = 2s
[freshness]
interval = 1s
topics.include = orders|fragile
[lag]
interval = 1s
topics.include = orders|paid
members = true
isolation = read_committed
[alerts]
topic = findings
interval = 1s
[history]
sample_interval_seconds = 1
recovering_minimum_duration_seconds = 3
path = ";

/// Whether an alert is about the machine that runs this test: its processors are busy, or its disk, on which the
/// brokers keep their logs, is full.
fn of_the_machine(alert: &str) -> bool {
    let starved = ["KafkaHeartbeatProberStalled", "KafkaHeartbeatProberUnhealthy", "KafkaSuspectProber"];
    starved.contains(&alert) || alert.starts_with("KafkaDisk")
}

/// The moment of a fault, on the monotonic clock and on the wall clock.
pub(crate) struct Fault {
    pub(crate) at: Instant,
    wall: SystemTime,
}

impl Fault {
    pub(crate) fn now() -> Self {
        Self { at: Instant::now(), wall: SystemTime::now() }
    }

    /// The moment on the wall clock.
    pub(crate) fn wall(&self) -> SystemTime {
        self.wall
    }

    /// Seconds from the fault to a moment that another program reported.
    fn until(&self, rfc3339: &str) -> f64 {
        let moment = humantime::parse_rfc3339_weak(&rfc3339[..rfc3339.len().min(19)]);
        let moment = moment.unwrap_or_else(|error| panic!("{rfc3339} is no moment: {error}"));
        moment.duration_since(self.wall).map_or(0.0, |since| since.as_secs_f64())
    }
}

impl World {
    /// `None` where Kafka, Prometheus or Alertmanager is missing: the test is skipped.
    pub(crate) fn start() -> Option<Self> {
        let (prometheus, alertmanager) = (tool("PROMETHEUS3")?, tool("ALERTMANAGER")?);
        let kafka = Kafka::start(3)?;
        kafka.create_topic("orders", 3);
        kafka.create_topic("paid", 1);
        kafka.create_topic("findings", 1);
        let folder = tempfile::tempdir().expect("a folder");
        let (webhook, received, traces) = receiver();
        let service = Service::start(&format!(
            "[kafka]\nname = k\nbootstrap.servers = {}\nsecurity.protocol = SASL_SSL\nsasl.mechanism = PLAIN\nsasl.username = {}\n\
             sasl.password = {}\nssl.ca.location = {}\n[otlp]\nendpoint = http://{webhook}\ncompression = none\n{SETTINGS}{}\n",
            kafka.bootstrap(Listener::SaslSsl),
            HEARTBEAT.user,
            HEARTBEAT.password,
            kafka.ca_pem_path().display(),
            folder.path().join("history.db").display(),
        ));
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap_or_else(|error| panic!("{name} cannot be written: {error}"));
            path.display().to_string()
        };
        let (address, first) =
            notifications::alertmanager(&alertmanager, folder.path(), &webhook, Inhibitions::All);
        let (other_webhook, uninhibited, _) = receiver();
        let (other_address, second) = notifications::alertmanager(
            &alertmanager,
            folder.path(),
            &other_webhook,
            Inhibitions::WithoutSuspects,
        );
        for subject in SUBJECTS {
            let rules = match subject {
                "slo" => slo_rules(&service),
                _ => read(&format!("prometheus/rules/{subject}.yml")),
            };
            file(&format!("rules-{subject}.yml"), &in_short(&rules));
        }
        let (target, rules) = (service.address(), folder.path().join("rules-*.yml"));
        let config = json!({
            "global": { "scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s" },
            "rule_files": [rules],
            "alerting": { "alertmanagers": [{ "static_configs": [{ "targets": [address, other_address] }] }] },
            "scrape_configs": [{ "job_name": "kafka-heartbeat", "static_configs": [{ "targets": [target] }] }],
        });
        let (config, address) =
            (file("prometheus.yml", &config.to_string()), format!("127.0.0.1:{}", free_port()));
        let mut command = Command::new(prometheus);
        command
            .args([format!("--config.file={config}"), format!("--web.listen-address={address}")])
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()));
        let third = Running::start(&mut command, folder.path(), "prometheus", &address);
        wait_for("Prometheus to be ready", PATIENCE, || {
            ureq::get(format!("http://{address}/-/ready")).call().ok().map(drop)
        });
        Some(Self {
            kafka,
            service,
            received,
            uninhibited,
            traces,
            prometheus: address,
            _running: [first, second, third],
            folder,
        })
    }

    /// The path of the history file.
    pub(crate) fn history(&self) -> std::path::PathBuf {
        self.folder.path().join("history.db")
    }

    /// The bodies of the requests that exported traces.
    pub(crate) fn traces(&self) -> Vec<Vec<u8>> {
        self.traces.lock().expect("no listener panicked").clone()
    }

    /// The answer of Prometheus to a request of its API, which has to be valid.
    pub(crate) fn prometheus(&self, path: &str, query: &[(&str, &str)]) -> Value {
        let mut request = ureq::get(format!("http://{}/api/v1/{path}", self.prometheus));
        for (name, value) in query {
            request = request.query(*name, *value);
        }
        let mut answer = request.call().unwrap_or_else(|error| panic!("{query:?}: {error}"));
        let text = answer.body_mut().read_to_string().unwrap_or_else(|error| panic!("{query:?}: {error}"));
        let answer: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        answer["data"].clone()
    }

    /// Whether Prometheus has seen a series.
    pub(crate) fn has(&self, selector: &str) -> bool {
        !list(&self.prometheus("query", &[("query", selector)])["result"]).is_empty()
    }

    /// The notifications since a moment, as receiver and alert name.
    pub(crate) fn notified(&self, since: Instant, status: &str) -> BTreeSet<(String, String)> {
        notified(&self.received, since, status)
    }

    /// Waits until a receiver was notified that an alert is firing or resolved.
    pub(crate) fn wait_for(&self, since: Instant, status: &str, receiver: &str, alert: &str) {
        let wanted = (receiver.to_owned(), alert.to_owned());
        wait_for(
            &format!("the receiver {receiver} to be notified that {alert} is {status}"),
            PATIENCE,
            || self.notified(since, status).contains(&wanted).then_some(()),
        );
    }

    /// Waits until an Alertmanager without the inhibitions of suspects has notified a receiver of an alert.
    pub(crate) fn wait_for_uninhibited(&self, since: Instant, receiver: &str, alert: &str) {
        let wanted = (receiver.to_owned(), alert.to_owned());
        wait_for(&format!("{alert} to be notified without inhibitions of suspects"), PATIENCE, || {
            notified(&self.uninhibited, since, "firing").contains(&wanted).then_some(())
        });
    }

    /// The alerts that were notified since a moment: with the inhibitions of suspects and without them. Alerts about the machine
    /// are left out.
    pub(crate) fn notified_with_and_without(&self, since: Instant) -> [BTreeSet<(String, String)>; 2] {
        [&self.received, &self.uninhibited].map(|received| {
            let mut all = notified(received, since, "firing");
            all.retain(|(_, name)| !of_the_machine(name));
            all
        })
    }

    /// Waits until no alert is active. Alerts of the severity info end by themselves and a budget stays spent for days, so
    /// these alerts are left out.
    pub(crate) fn wait_for_calm(&self) {
        let active = || {
            let received = self.received.lock().expect("no listener panicked");
            let mut last = BTreeMap::new();
            for message in &*received {
                let alert = &message.alert;
                last.insert((message.receiver.clone(), alert["fingerprint"].to_string()), alert.clone());
            }
            let remembered = |labels: &Value| {
                let warning = labels["severity"] == "warning";
                let name = text(&labels["alertname"]);
                labels["severity"] == "info"
                    || warning && (of_the_machine(name) || name.ends_with("BudgetBurn"))
            };
            let firing = last.into_values().filter(|alert| alert["status"] == "firing");
            firing
                .map(|alert| alert["labels"].clone())
                .filter(|labels| !remembered(labels))
                .collect::<Vec<_>>()
        };
        let over = try_wait(PATIENCE, || active().is_empty().then_some(()));
        assert!(over.is_some(), "these alerts are still active: {:#?}", active());
    }

    /// Asserts that since then the pager was notified of no other alerts than these.
    pub(crate) fn paged(&self, since: Instant, names: &[&str]) {
        let notified = self.notified(since, "firing");
        let others: Vec<_> = notified
            .iter()
            .filter(|(receiver, name)| receiver == "critical" && !names.contains(&name.as_str()))
            .collect();
        assert!(others.is_empty(), "{others:?}");
    }

    /// Asserts that since then no receiver was notified of other alerts than these and those about the machine.
    pub(crate) fn only(&self, since: Instant, names: &[&str]) {
        let notified = self.notified(since, "firing");
        let expected = |name: &str| names.contains(&name) || of_the_machine(name);
        let others: Vec<_> = notified.iter().filter(|(_, name)| !expected(name)).collect();
        assert!(others.is_empty(), "{others:?}");
    }

    /// What followed a fault: the notifications with the inhibitions of suspects and without them.
    pub(crate) fn timeline(&self, fault: &Fault, what: &str) -> String {
        let with = self.timeline_of(&self.received, fault, what);
        let without = format!("{what}, without the inhibitions of suspects");
        format!("{with}\n{}", self.timeline_of(&self.uninhibited, fault, &without))
    }

    /// What followed a fault, with seconds since the fault: the first bad heartbeat, and the notifications with the start of
    /// each alert.
    fn timeline_of(&self, received: &Received, fault: &Fault, what: &str) -> String {
        let mut lines = vec![(0.0, what.to_owned())];
        let bad = self.service.api("/api/v1/heartbeats?outcome=bad", "k");
        let due = list(&bad["bad"]).iter().map(|bad| fault.until(text(&bad["intended"])));
        if let Some(first) = due.filter(|due| *due > 0.0).min_by(f64::total_cmp) {
            lines.push((first, "the first heartbeat that turned out bad was due".to_owned()));
        }
        let received = received.lock().expect("no listener panicked");
        for message in received.iter().filter(|message| message.at >= fault.at) {
            let (after, alert) = ((message.at - fault.at).as_secs_f64(), &message.alert);
            let (receiver, name, status) = (&message.receiver, message.name(), text(&alert["status"]));
            let since = match status {
                "firing" => format!(", fires since {:.0}", fault.until(text(&alert["startsAt"]))),
                _ => String::new(),
            };
            lines.push((after, format!("the receiver {receiver} gets: {name} {status}{since}")));
        }
        lines.sort_by(|one, other| one.0.total_cmp(&other.0));
        lines.dedup_by(|one, other| one.1 == other.1);
        lines.into_iter().map(|(after, line)| format!("{after:6.1} s  {line}\n")).collect()
    }
}
