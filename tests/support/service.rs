//! The program itself, started as a user would, and what it serves.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Read,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

pub(crate) use super::kafka::free_port;
use super::{try_wait, wait_for};

/// The page that lists every metric.
const METRICS: &str = include_str!("../../docs/metrics.md");

/// A running service; dropping it kills it.
pub(crate) struct Service {
    child: Child,
    /// When the process was started.
    begun: Instant,
    address: String,
    log: PathBuf,
    folder: tempfile::TempDir,
}

/// Counts of one cluster, as `/api/v1/status` reports them.
#[derive(Debug, Clone)]
pub(crate) struct Totals {
    pub(crate) scheduled: u64,
    pub(crate) in_flight: u64,
    pub(crate) outcomes: BTreeMap<String, u64>,
    pub(crate) events: u64,
    pub(crate) bad_events: u64,
}

impl Totals {
    pub(crate) fn of(&self, outcome: &str) -> u64 {
        self.outcomes[outcome]
    }

    /// The number of heartbeats with an outcome other than `ok` and `skipped`.
    pub(crate) fn bad(&self) -> u64 {
        self.outcomes
            .iter()
            .filter(|(name, _)| !["ok", "skipped"].contains(&name.as_str()))
            .map(|(_, n)| n)
            .sum()
    }
}

/// The program, without the variables of the environment that would change its settings.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kafka-heartbeat"));
    command.env_remove("RUST_LOG").env_remove("LOG_LEVEL").stdin(Stdio::null());
    let standard = std::env::vars_os().map(|(name, _)| name);
    let standard = standard.filter(|name| name.to_string_lossy().starts_with("OTEL_"));
    standard.for_each(|name| _ = command.env_remove(name));
    command
}

impl Service {
    /// Starts the service with a configuration, on a free port, and waits until `/metrics` answers.
    pub(crate) fn start(config: &str) -> Self {
        let service = Self::start_guarded(config);
        wait_for("the service to answer", Duration::from_secs(10), || service.get("/metrics").ok());
        service
    }

    /// Starts a service that may require TLS or a login, so nothing is requested: waits until it listens.
    pub(crate) fn start_guarded(config: &str) -> Self {
        Self::start_in(&[], config)
    }

    /// Starts a service with these variables in its environment: waits until it listens.
    pub(crate) fn start_in(environment: &[(&str, &str)], config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.ini");
        std::fs::write(&file, config).unwrap();
        let log = folder.path().join("log");
        let address = format!("127.0.0.1:{}", free_port());
        let begun = Instant::now();
        let child = program()
            .args(["--config", file.to_str().unwrap(), "--listen", &address])
            .envs(environment.iter().copied())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let service = Self { child, begun, address, log, folder };
        wait_for("the service to listen", Duration::from_secs(10), || {
            service.log().contains("listening on").then_some(())
        });
        service
    }

    /// As [`Service::start`], and asserts that `/metrics` answers within a second of at least one of five starts. A busy
    /// machine may delay one start; a service that waits for Kafka would delay all of them.
    pub(crate) fn start_promptly(config: &str) -> Self {
        let mut starts = (0..5).map(|_| {
            let service = Self::start(config);
            (service.begun.elapsed(), service)
        });
        let prompt = starts.find(|(took, _)| *took < Duration::from_secs(1));
        prompt.expect("no start of five led to an answer within a second").1
    }

    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// (status, content type, body)
    pub(crate) fn request(&self, path: &str, accept: &str) -> Result<(u16, String, String), String> {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(5)))
            .build()
            .into();
        let url = format!("http://{}{path}", self.address);
        let mut answer = agent.get(url).header("accept", accept).call().map_err(|error| error.to_string())?;
        let kind = answer.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned());
        let body = answer.body_mut().read_to_string().map_err(|error| error.to_string())?;
        let (status, kind) = (answer.status().as_u16(), kind.unwrap_or_default());
        super::api::check(path, status, &kind, &body);
        Ok((status, kind, body))
    }

    pub(crate) fn get(&self, path: &str) -> Result<String, String> {
        let (status, _, body) = self.request(path, "*/*")?;
        if status == 200 { Ok(body) } else { Err(format!("{status}: {body}")) }
    }

    /// Asks every path of the API, and for one of the groups. Each answer is compared with the document.
    pub(crate) fn ask_every_path(&self) {
        let paths = super::api::DOCUMENT["paths"].as_object().expect("the document has paths");
        for path in paths.keys() {
            let (status, _, body) = self.request(path, "*/*").expect("an answer");
            assert!([200, 503].contains(&status), "{path} answered {status}: {body}");
        }
        let groups = self.get("/api/v1/groups?limit=1&fields=clusters.groups.group").expect("groups");
        let groups: Value = serde_json::from_str(&groups).expect("JSON");
        if let Some(group) = groups["clusters"][0]["groups"][0]["group"].as_str() {
            self.get(&format!("/api/v1/groups?group={group}")).expect("a group");
        }
    }

    /// What the API reports of a cluster.
    pub(crate) fn api(&self, path: &str, cluster: &str) -> Value {
        let join = if path.contains('?') { '&' } else { '?' };
        let body = self.get(&format!("{path}{join}cluster={cluster}")).unwrap();
        let answer: Value = serde_json::from_str(&body).unwrap();
        answer["clusters"][0].clone()
    }

    /// The counts of a cluster. Asserts that scheduled heartbeats are all outcomes and those in flight.
    pub(crate) fn totals(&self, cluster: &str) -> Totals {
        let status = self.api("/api/v1/status", cluster);
        let heartbeats = &status["heartbeats"];
        let number = |name: &str| heartbeats[name].as_u64().unwrap();
        let outcomes = heartbeats["outcomes"].as_object().unwrap();
        let outcomes: BTreeMap<_, _> =
            outcomes.iter().map(|(name, n)| (name.clone(), n.as_u64().unwrap())).collect();
        let totals = Totals {
            scheduled: number("scheduled"),
            in_flight: number("in_flight"),
            events: number("slo_events"),
            bad_events: number("slo_bad_events"),
            outcomes,
        };
        assert_eq!(totals.scheduled, totals.outcomes.values().sum::<u64>() + totals.in_flight, "{totals:?}");
        assert_eq!(totals.events - totals.bad_events, totals.of("ok"), "{totals:?}");
        totals
    }

    /// Waits until the counts of a cluster are as wanted; panics with the log after `limit` seconds.
    pub(crate) fn wait(
        &self,
        cluster: &str,
        what: &str,
        limit: u64,
        wanted: impl Fn(&Totals) -> bool,
    ) -> Totals {
        let found = try_wait(Duration::from_secs(limit), || {
            Some(self.totals(cluster)).filter(|totals| wanted(totals))
        });
        found.unwrap_or_else(|| {
            panic!("waited {limit} s in vain for {what}: {:?}\n{}", self.totals(cluster), self.log())
        })
    }

    /// The value of a series; `None` if it is absent. `labels` are parts of the line that must be there.
    pub(crate) fn series(&self, name: &str, labels: &[&str]) -> Option<f64> {
        self.values(name, labels).first().copied()
    }

    /// The sum over all series with these labels.
    pub(crate) fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        self.values(name, labels).iter().sum()
    }

    /// The values of all series with these labels. Panics if the service has no metric of this name: a misspelt name would be
    /// absent in every test.
    fn values(&self, name: &str, labels: &[&str]) -> Vec<f64> {
        let parts = ["", "_count", "_sum", "_bucket"];
        let is_listed = parts
            .iter()
            .filter_map(|part| name.strip_suffix(part))
            .any(|family| METRICS.contains(&format!("`{family}`")));
        assert!(is_listed, "docs/metrics.md does not list the metric {name}");
        let body = self.get("/metrics").unwrap();
        let lines = body.lines().filter(|line| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
                && labels.iter().all(|label| line.contains(label))
        });
        lines.map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap()).collect()
    }

    pub(crate) fn log(&self) -> String {
        let mut text = String::new();
        File::open(&self.log).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    /// Ends the service with SIGTERM. Returns its exit status and its log.
    pub(crate) fn stop(mut self) -> (ExitStatus, String) {
        signal(self.child.id(), "TERM");
        let ended =
            wait_for("the service to end", Duration::from_secs(25), || self.child.try_wait().unwrap());
        (ended, self.log())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if self.child.try_wait().unwrap().is_none() {
            self.child.kill().unwrap();
            self.child.wait().unwrap();
        }
    }
}

/// Sends a signal to a process that a test started.
pub(crate) fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &pid.to_string()]).status().unwrap();
    assert!(sent.success());
}
