//! Scraped by a real Prometheus: every sample arrives, native histograms and exemplars can be queried.
//!
//! `PROMETHEUS` says where the program is, else it is looked for on the path; without it these tests say so and pass,
//! except under `CI=true`.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

#[expect(dead_code, reason = "each test binary uses a part of the support")]
mod support;

use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;
use support::{
    service::{free_port, program},
    wait_for,
};

const PATIENCE: Duration = Duration::from_secs(60);

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
        let log = File::create(folder.path().join("log")).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let running = Self { child: command.spawn().unwrap(), address, folder };
        wait_for("an answer", PATIENCE, || std::net::TcpStream::connect(&running.address).ok());
        running
    }

    /// The embedded cluster with heartbeats.
    fn demo() -> Self {
        let address = format!("127.0.0.1:{}", free_port());
        let mut command = program();
        command.args(["demo", "--listen", &address]);
        Self::start(command, address, tempfile::tempdir().unwrap())
    }

    /// A Prometheus that scrapes this; `None` where there is none to start.
    fn prometheus(target: &str, features: &str) -> Option<Self> {
        let on_path = || {
            let path = std::env::var_os("PATH")?;
            std::env::split_paths(&path).map(|folder| folder.join("prometheus")).find(|file| file.is_file())
        };
        let Some(prometheus) = std::env::var_os("PROMETHEUS").map(PathBuf::from).or_else(on_path) else {
            let strict = std::env::var_os("CI").is_some_and(|ci| ci == "true");
            assert!(!strict, "PROMETHEUS does not say where the program is");
            eprintln!("no Prometheus: it is not tried");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("prometheus.yml");
        let text = format!(
            "global: {{ scrape_interval: 1s }}\nscrape_configs:\n  - job_name: kafka-heartbeat\n    \
             static_configs: [ {{ targets: ['{target}'] }} ]\n"
        );
        fs::write(&config, text).unwrap();
        let address = format!("127.0.0.1:{}", free_port());
        let mut command = Command::new(prometheus);
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

    /// The one number that a query gives.
    fn number(&self, query: &str) -> Option<f64> {
        let data = self.api("query", &[("query", query)])?;
        let number = data["result"].as_array()?.first()?["value"][1].as_str()?.parse::<f64>().ok()?;
        Some(number).filter(|number| number.is_finite())
    }

    fn scraped(&self) {
        wait_for("a few scrapes", PATIENCE, || (self.number("sum_over_time(up[1m])")? >= 4.0).then_some(()));
        let targets = self.api("targets", &[]).unwrap();
        let target = &targets["activeTargets"][0];
        assert_eq!((&target["health"], &target["lastError"]), (&"up".into(), &"".into()), "{target}");
    }
}

#[test]
fn a_slow_bucket_leads_to_the_heartbeat_behind_it() {
    let demo = Running::demo();
    let Some(prometheus) = Running::prometheus(&demo.address, "exemplar-storage") else { return };
    prometheus.scraped();
    let exposed = prometheus.number("heartbeat_exposed_series").unwrap();
    // Of a histogram one is exposed, and many are stored.
    assert!(prometheus.number("scrape_samples_scraped").unwrap() > exposed && exposed > 100.0);
    assert!(prometheus.number("sum(heartbeat_outcomes_total{outcome=\"ok\"})").unwrap() > 0.0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let (start, end) = ((now - 600).to_string(), (now + 60).to_string());
    let query = [
        ("query", "heartbeat_end_to_end_duration_seconds_bucket"),
        ("start", start.as_str()),
        ("end", end.as_str()),
    ];
    let found = prometheus.api("query_exemplars", &query).unwrap();
    let found: Vec<&Value> =
        found.as_array().unwrap().iter().flat_map(|series| series["exemplars"].as_array().unwrap()).collect();
    assert!(!found.is_empty());
    for exemplar in found {
        let id = exemplar["labels"]["heartbeat_id"].as_str().unwrap();
        assert_eq!(id.split('-').count(), 4, "instance, run, partition and number: {id}");
    }
}

#[test]
fn native_histograms_are_scraped_and_their_quantiles_are_those_of_the_classic_ones() {
    let demo = Running::demo();
    let Some(prometheus) = Running::prometheus(&demo.address, "native-histograms") else { return };
    prometheus.scraped();
    let native = wait_for("a quantile", PATIENCE, || {
        prometheus.number("histogram_quantile(0.5, sum(heartbeat_end_to_end_duration_seconds))")
    });
    let count = prometheus.number("histogram_count(sum(heartbeat_end_to_end_duration_seconds))").unwrap();
    assert!(count >= prometheus.number("min_over_time(sum(heartbeat_slo_events_total)[1m:1s])").unwrap());
    assert_eq!(
        prometheus.number("count(heartbeat_end_to_end_duration_seconds_bucket)"),
        None,
        "it is one sample"
    );
    // The demo's latencies are of a few milliseconds.
    assert!((0.000_05..1.0).contains(&native), "{native} s");
    let average = prometheus.number(
        "histogram_sum(sum(heartbeat_end_to_end_duration_seconds)) / histogram_count(sum(heartbeat_end_to_end_duration_seconds))",
    );
    assert!(average.unwrap() > 0.0);
}
