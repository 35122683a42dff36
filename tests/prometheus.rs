//! Scrapes by a real Prometheus 2 and 3: every sample arrives, native histograms and exemplars can be queried, and the rules
//! for older names compute the values that the service exposes under these names.
//!
//! `PROMETHEUS` and `PROMETHEUS3` name the programs; without one of them its tests are skipped, except under `CI=true`.

#[expect(dead_code, reason = "each test binary uses a part of the support")]
mod support;

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;
use support::{
    operations::{dashboards, queries},
    service::{free_port, program},
    wait_for,
};

const PATIENCE: Duration = Duration::from_secs(60);

/// A version of Prometheus.
#[derive(Debug, Clone, Copy)]
enum Version {
    /// Prometheus 2, as packaged by Debian.
    Two,
    /// Prometheus 3.
    Three,
}

impl Version {
    const ALL: [Version; 2] = [Version::Two, Version::Three];

    /// The environment variable with the path of the program.
    fn variable(self) -> &'static str {
        match self {
            Version::Two => "PROMETHEUS",
            Version::Three => "PROMETHEUS3",
        }
    }

    /// The feature flag and the global configuration that enable native histograms.
    fn native(self) -> (&'static str, &'static str) {
        match self {
            Version::Two => ("native-histograms", ""),
            Version::Three => ("exemplar-storage", ", scrape_native_histograms: true"),
        }
    }
}

/// A process that ends with the test, and its folder.
struct Running {
    child: Child,
    address: String,
    folder: tempfile::TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("{}", fs::read_to_string(self.folder.path().join("log")).unwrap_or_default());
        }
    }
}

impl Running {
    fn start(mut command: Command, address: String, folder: tempfile::TempDir) -> Self {
        let log = File::create(folder.path().join("log")).expect("the log can be created");
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the log has a second handle"))
            .stderr(log);
        let running = Self { child: command.spawn().expect("the program starts"), address, folder };
        wait_for("an answer", PATIENCE, || std::net::TcpStream::connect(&running.address).ok());
        running
    }

    /// The embedded cluster with heartbeats.
    fn demo() -> Self {
        Self::demo_with(&[])
    }

    /// The embedded cluster with heartbeats and these switches of `[compat]`.
    fn demo_with(switches: &[&str]) -> Self {
        let address = format!("127.0.0.1:{}", free_port());
        let mut command = program();
        command.args(["demo", "--listen", &address]);
        for switch in switches {
            command.env(format!("KAFKA_HEARTBEAT__COMPAT__{switch}"), "true");
        }
        Self::start(command, address, tempfile::tempdir().expect("a temporary folder can be created"))
    }

    /// A Prometheus that scrapes this with these features; `None` where there is none to start.
    fn prometheus(version: Version, target: &str, features: &str, global: &str) -> Option<Self> {
        let Some(program) = std::env::var_os(version.variable()).map(PathBuf::from) else {
            let strict = std::env::var_os("CI").is_some_and(|ci| ci == "true");
            assert!(!strict, "{} does not name the path of the program", version.variable());
            eprintln!("no {}: it is not tried", version.variable());
            return None;
        };
        let folder = tempfile::tempdir().expect("a temporary folder can be created");
        let config = folder.path().join("prometheus.yml");
        let text = format!(
            "global: {{ scrape_interval: 1s{global} }}\nscrape_configs:\n  - job_name: kafka-heartbeat\n    \
             static_configs: [ {{ targets: ['{target}'] }} ]\n"
        );
        fs::write(&config, text).expect("the configuration can be written");
        let address = format!("127.0.0.1:{}", free_port());
        let mut command = Command::new(program);
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg(format!("--enable-feature={features}"));
        Some(Self::start(command, address, folder))
    }

    fn api(&self, path: &str, query: &[(&str, &str)]) -> Option<Value> {
        let mut request = ureq::get(format!("http://{}/api/v1/{path}", self.address));
        for (name, value) in query {
            request = request.query(*name, *value);
        }
        let text = request.call().ok()?.body_mut().read_to_string().ok()?;
        let answer: Value = serde_json::from_str(&text).ok()?;
        (answer["status"] == "success").then(|| answer["data"].clone())
    }

    /// The only value of the result of a query; absent if there is none.
    fn number(&self, query: &str) -> Option<f64> {
        let data = self.api("query", &[("query", query)])?;
        let number = data["result"].as_array()?.first()?["value"][1].as_str()?.parse::<f64>().ok()?;
        Some(number).filter(|number| number.is_finite())
    }

    fn scraped(&self) {
        wait_for("a few scrapes", PATIENCE, || (self.number("sum_over_time(up[1m])")? >= 4.0).then_some(()));
        let targets = self.api("targets", &[]).expect("Prometheus lists its targets");
        let target = &targets["activeTargets"][0];
        assert_eq!((&target["health"], &target["lastError"]), (&"up".into(), &"".into()), "{target}");
    }
}

#[test]
fn slow_bucket_has_the_exemplar_of_its_heartbeat() {
    let demo = Running::demo();
    for version in Version::ALL {
        let prometheus = Running::prometheus(version, &demo.address, "exemplar-storage", "");
        prometheus.iter().for_each(exemplars);
    }
}

fn exemplars(prometheus: &Running) {
    prometheus.scraped();
    let exposed = prometheus.number("heartbeat_exposed_series").expect("the number of series was scraped");
    // Of a histogram one is exposed, and many are stored.
    let scraped = prometheus.number("scrape_samples_scraped").expect("Prometheus counts the samples");
    assert!(scraped > exposed && exposed > 100.0);
    let good = prometheus.number("sum(heartbeat_outcomes_total{outcome=\"ok\"})");
    assert!(good.expect("outcomes were scraped") > 0.0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_secs();
    let (start, end) = ((now - 600).to_string(), (now + 60).to_string());
    let query = [
        ("query", "heartbeat_end_to_end_duration_seconds_bucket"),
        ("start", start.as_str()),
        ("end", end.as_str()),
    ];
    let found = prometheus.api("query_exemplars", &query).expect("Prometheus answers with exemplars");
    let found: Vec<&Value> = array(&found).iter().flat_map(|series| array(&series["exemplars"])).collect();
    assert!(!found.is_empty());
    for exemplar in found {
        let id = exemplar["labels"]["heartbeat_id"].as_str().expect("an exemplar names its heartbeat");
        assert_eq!(id.split('-').count(), 4, "instance, run, partition and number: {id}");
    }
}

#[test]
fn native_histograms_have_the_quantiles_of_the_classic_histograms() {
    let demo = Running::demo();
    for version in Version::ALL {
        let (feature, global) = version.native();
        let prometheus = Running::prometheus(version, &demo.address, feature, global);
        prometheus.iter().for_each(native);
    }
}

fn native(prometheus: &Running) {
    prometheus.scraped();
    let native = wait_for("a quantile", PATIENCE, || {
        prometheus.number("histogram_quantile(0.5, sum(heartbeat_end_to_end_duration_seconds))")
    });
    let count = prometheus.number("histogram_count(sum(heartbeat_end_to_end_duration_seconds))");
    let events = prometheus.number("min_over_time(sum(heartbeat_slo_events_total)[1m:1s])");
    assert!(count.expect("a native histogram was scraped") >= events.expect("events were scraped"));
    assert_eq!(
        prometheus.number("count(heartbeat_end_to_end_duration_seconds_bucket)"),
        None,
        "a native histogram is stored as one sample"
    );
    // The demo's latencies are of a few milliseconds.
    assert!((0.000_05..1.0).contains(&native), "{native} s");
    let average = prometheus.number(
        "histogram_sum(sum(heartbeat_end_to_end_duration_seconds)) / histogram_count(sum(heartbeat_end_to_end_duration_seconds))",
    );
    assert!(average.expect("a native histogram has a mean") > 0.0);
    // The panels query both kinds, too. Here no client is throttled, no identity provider, no registry and no Connect is asked,
    // no transaction is run, and there is no mirror.
    let panels: Vec<_> = dashboards().iter().flat_map(|(_, dashboard)| queries(dashboard)).collect();
    let panels: Vec<_> = panels
        .iter()
        .filter(|query| query.contains("seconds_bucket{"))
        .filter(|query| {
            ![
                "throttle",
                "token_fetch",
                "transaction_step",
                "schema_registry",
                "remote_read",
                "kafka_connect",
                "heartbeat_mirror_",
            ]
            .iter()
            .any(|absent| query.contains(absent))
        })
        .collect();
    assert!(panels.len() > 30, "{panels:#?}");
    for query in panels {
        wait_for(query, PATIENCE, || {
            let data = prometheus.api("query", &[("query", query)])?;
            let found = data["result"].as_array()?;
            (!found.is_empty() && found.iter().all(|series| series["metric"]["le"].is_null())).then_some(())
        });
    }
}

/// The elements of an array. Anything else fails the test.
fn array(value: &Value) -> &[Value] {
    value.as_array().expect("Prometheus and its rules have an array here")
}

/// The values of a result by labels, without the labels that only one of the two names has.
fn values(answer: &Value) -> BTreeMap<BTreeMap<String, String>, f64> {
    let left_out = ["__name__", "cluster_name", "kafka_cluster", "broker_ip"];
    let of = |one: &Value| {
        let labels = one["metric"].as_object()?.iter();
        let labels =
            labels.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()));
        let labels = labels.filter(|(name, _)| !left_out.contains(&name.as_str())).collect();
        Some((labels, one["value"][1].as_str()?.parse().ok()?))
    };
    array(&answer["result"]).iter().filter_map(of).collect()
}

#[test]
fn rules_for_older_names_compute_the_exposed_values() {
    let demo = Running::demo_with(&["KAFKA_EXPORTER", "KMINION", "KAFKA_CONSUMER_LAG"]);
    let Some(prometheus) = Running::prometheus(Version::Three, &demo.address, "exemplar-storage", "") else {
        return;
    };
    prometheus.scraped();
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/prometheus/compat.yml"));
    let text = text.expect("the rules can be read");
    let rules: Value = serde_norway::from_str(&text).expect("the rules are YAML");
    let rules = array(&rules["groups"]).iter().flat_map(|group| array(&group["rules"]));
    for rule in rules {
        let word = |key: &str| rule[key].as_str().expect("a rule has a name and an expression");
        let (record, expr) = (word("record"), word("expr"));
        wait_for(record, PATIENCE, || {
            // Both queries ask for the same moment, because heartbeats are counted all the time.
            let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
            let now = now.as_secs_f64().to_string();
            let ask = |query: &str| prometheus.api("query", &[("query", query), ("time", &now)]);
            let (served, computed) = (values(&ask(record)?), values(&ask(expr)?));
            let labels =
                |of: &BTreeMap<BTreeMap<String, String>, f64>| of.keys().cloned().collect::<Vec<_>>();
            // Values of one scrape are equal, with two exceptions: the means of cc-heartbeat cover another minute, and its
            // counts include heartbeats in flight, which have no outcome yet.
            let close = |one: f64, other: f64| {
                one == other
                    || record.contains("latency_ms")
                    || (record.starts_with("heartbeat_messages_") && (one - other).abs() <= 30.0)
            };
            let same = served
                .iter()
                .all(|(labels, value)| computed.get(labels).is_some_and(|computed| close(*value, *computed)));
            (!served.is_empty() && labels(&served) == labels(&computed) && same).then_some(())
        });
    }
}
