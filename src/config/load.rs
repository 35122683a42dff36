//! Layers to a validated [`Config`], with every error at once.

use std::{collections::BTreeMap, fs, str::FromStr, time::Duration};

use config::{Map, Source, Value, ValueKind};

use super::{
    Cluster, Compat, Config, Connectivity, Heartbeat, Metadata, Properties, Property, Shutdown, Sources,
    Topic,
    error::{Errors, Problem},
    layer::{Known, Layer},
    legacy, otlp, rules, secret,
};

/// Every key and its default.
pub(super) const EXAMPLE: &str = include_str!("../../config.example.ini");

/// The place of a default.
const EXAMPLE_NAME: &str = "config.example.ini";

/// Sections that a cluster may set for itself, with the section in front of the key.
const TASK_SECTIONS: [&str; 11] = [
    "heartbeat",
    "topic",
    "connectivity",
    "metadata",
    "lag",
    "freshness",
    "anomaly",
    "log_dirs",
    "transactions",
    "producer",
    "consumer",
];

/// Of these, the ones with which no property of librdkafka begins; there is `topic.metadata.refresh.sparse`.
const OURS_ALONE: [&str; 7] =
    ["heartbeat", "connectivity", "lag", "freshness", "anomaly", "log_dirs", "transactions"];

/// Reads and validates everything.
///
/// # Errors
/// All that is wrong, with places.
pub fn load(sources: &Sources) -> Result<Config, Errors> {
    let (config, errors) = read(sources)?;
    errors.or(config)
}

/// The configuration as far as it can be understood, and all that is wrong with it: who checks further what
/// was understood can tell everything at once.
///
/// # Errors
/// The file cannot be read. Nothing else is reported then: whatever else is missing may be in that file.
pub fn read(sources: &Sources) -> Result<(Config, Errors), Errors> {
    let Some(path) = &sources.file else { return Ok(read_text(None, sources)) };
    let name = path.display().to_string();
    match fs::read_to_string(path) {
        Ok(text) => Ok(read_text(Some((&name, &text)), sources)),
        Err(error) => {
            let message = format!("cannot read the configuration: {error}");
            let mut errors = Errors::default();
            errors.add(Problem { place: name, message });
            Err(errors)
        }
    }
}

/// The same with the name and the text of the file, if there is one.
pub(super) fn read_text(file: Option<(&str, &str)>, sources: &Sources) -> (Config, Errors) {
    let mut errors = Errors::default();
    let example = Layer::from_text(EXAMPLE_NAME, EXAMPLE, None, &mut errors);
    let known = Known::from_example(&example);
    let mut layers = vec![example, Layer::of(legacy::freshness_exporter(&sources.env))];
    if let Some((name, text)) = file {
        let file = Layer::from_text(name, text, Some(&known), &mut errors);
        layers.push(file.with_variables(&sources.env, &mut errors).with_secret_files(&mut errors));
    }
    let environment = Layer::from_environment(&sources.env, &known, &mut errors);
    let (standard, mut warnings) = otlp::variables(&sources.env);
    layers.push(Layer::of(standard));
    layers.push(environment.with_secret_files(&mut errors));
    layers.push(sources.flags().with_secret_files(&mut errors));
    let mut builder = config::Config::builder();
    for layer in layers {
        builder = builder.add_source(layer);
    }
    let merged = builder.build().and_then(|config| config.collect()).unwrap_or_else(|error| {
        errors.add(Problem { place: String::new(), message: error.to_string() });
        Map::new()
    });
    let (sections, env) = (sections(merged), sources.env.clone());
    for (section, keys) in &sections {
        for (key, (value, _)) in keys {
            let short = secret::remember(key, value).into_iter();
            warnings.extend(short.map(|what| secret::short(section, key, &what)));
        }
    }
    let mut reader = Reader { sections, env, bootstrap_flag: sources.bootstrap.is_some(), errors };
    let config = Config { warnings, ..reader.config(&known) };
    (config, reader.errors)
}

/// (value, place) by key.
type Section = BTreeMap<String, (String, String)>;

fn sections(merged: Map<String, Value>) -> BTreeMap<String, Section> {
    let text = |value: Value| {
        let place = value.origin().unwrap_or_default().to_owned();
        match value.kind {
            ValueKind::String(text) => Some((text, place)),
            _ => None,
        }
    };
    let section = |value: Value| match value.kind {
        ValueKind::Table(keys) => {
            keys.into_iter().filter_map(|(key, value)| Some((key, text(value)?))).collect()
        }
        _ => Section::new(),
    };
    merged.into_iter().map(|(name, value)| (name, section(value))).collect()
}

pub(super) struct Reader {
    sections: BTreeMap<String, Section>,
    pub(super) env: BTreeMap<String, String>,
    /// Brokers were named on the command line.
    bootstrap_flag: bool,
    pub(super) errors: Errors,
}

impl Reader {
    fn config(&mut self, known: &Known) -> Config {
        for (label, message) in rules::labels(self.section("labels").keys()) {
            self.problem("labels", &label, message);
        }
        let names: Vec<String> = self
            .sections
            .keys()
            .filter_map(|name| name.strip_prefix("cluster:").map(str::to_owned))
            .collect();
        let common = self.sections.clone();
        let mut clusters = Vec::new();
        if self.bootstrap_flag && !names.is_empty() {
            let message = "says nothing beside [cluster:NAME], each of which names its own".to_owned();
            self.errors.add(Problem { place: "--bootstrap-servers".to_owned(), message });
        }
        if names.is_empty() {
            let name = self.text("kafka", "name");
            clusters.push(self.cluster(name));
            self.check(&clusters[0], "");
        }
        for name in names {
            if name.trim().is_empty() {
                self.problem("cluster:", "", "a cluster needs a name: [cluster:NAME]");
            }
            let section = format!("cluster:{name}");
            if self.sections[&section].contains_key("name") {
                self.problem(&section, "name", "the name is in the brackets");
            }
            self.sections.clone_from(&common);
            self.lay_over(&name, known);
            let of = format!("cluster {name}: ");
            let cluster = self.cluster(name);
            self.check(&cluster, &of);
            clusters.push(cluster);
        }
        self.sections = common;
        let compat = self.compat();
        for cluster in &mut clusters {
            cluster.lag.members |= compat.needs_members();
        }
        Config {
            clusters,
            history: Some(self.text("history", "path")).filter(|path| !path.is_empty()).map(Into::into),
            report: self.report(),
            alerts: self.alerts(),
            slo: self.slo(),
            http: self.http(),
            otlp: self.otlp(),
            warnings: Vec::new(),
            labels: self.section("labels").into_iter().map(|(key, (value, _))| (key, value)).collect(),
            log: self.log(),
            compat,
            shutdown: Shutdown { grace: self.duration("shutdown", "grace") },
        }
    }

    /// Puts a cluster's own keys over the common ones.
    fn lay_over(&mut self, cluster: &str, known: &Known) {
        for (key, value) in self.section(&format!("cluster:{cluster}")) {
            let task = key.split_once('.').filter(|(section, _)| TASK_SECTIONS.contains(section));
            let problem = task.and_then(|(section, rest)| known.problem(section, rest));
            let (section, key) = match (task, problem) {
                (Some((section, rest)), None) => (section, rest.to_owned()),
                (Some((section, _)), Some(problem)) if OURS_ALONE.contains(&section) => {
                    self.problem(&format!("cluster:{cluster}"), &key, &problem);
                    continue;
                }
                _ => ("kafka", key),
            };
            self.sections.entry(section.to_owned()).or_default().insert(key, value);
        }
    }

    /// Checks the rules across the keys of a cluster. The place of a broken rule is that of the first of its keys that
    /// somebody set.
    fn check(&mut self, cluster: &Cluster, of: &str) {
        for rules::Broken { section, keys, message } in rules::check(cluster) {
            let set =
                |key: &&&str| self.place(section, key).is_some_and(|place| !place.starts_with(EXAMPLE_NAME));
            let place = keys.iter().find(set).and_then(|key| self.place(section, key)).unwrap_or_default();
            self.errors.add(Problem { place, message: format!("{of}[{section}] {message}") });
        }
    }

    fn place(&self, section: &str, key: &str) -> Option<String> {
        Some(self.sections.get(section)?.get(key)?.1.clone())
    }

    fn cluster(&mut self, name: String) -> Cluster {
        let mut kafka = self.properties("kafka");
        kafka.0.remove("name");
        Cluster {
            name,
            kafka,
            producer: self.properties("producer"),
            consumer: self.properties("consumer"),
            heartbeat: self.heartbeat(),
            topic: Topic {
                create: self.switch("topic", "create"),
                expand: self.switch("topic", "expand"),
                rebalance: self.switch("topic", "rebalance"),
                partitions: self.automatic("topic", "partitions"),
                replication_factor: self.automatic("topic", "replication.factor"),
                interval: self.duration("topic", "interval"),
                timeout: self.timeout("topic"),
            },
            connectivity: Connectivity {
                enabled: self.switch("connectivity", "enabled"),
                interval: self.duration("connectivity", "interval"),
                timeout: self.timeout("connectivity"),
            },
            metadata: Metadata {
                expected_brokers: self.automatic("metadata", "expected.brokers"),
                interval: self.duration("metadata", "interval"),
                timeout: self.timeout("metadata"),
            },
            lag: self.lag(),
            freshness: self.freshness(),
            log_dirs: self.log_dirs(),
            transactions: self.transactions(),
            liveness: self.liveness(),
            anomaly: self.anomaly(),
        }
    }

    fn compat(&mut self) -> Compat {
        Compat {
            cc_heartbeat: self.switch("compat", "cc_heartbeat"),
            kafka_exporter: self.switch("compat", "kafka_exporter"),
            kafka_consumer_lag: self.switch("compat", "kafka_consumer_lag"),
            kminion: self.switch("compat", "kminion"),
            member_labels: self.switch("compat", "member_labels"),
        }
    }

    fn heartbeat(&mut self) -> Heartbeat {
        let objectives = self.text("heartbeat", "objectives");
        let objectives = objectives.split_whitespace().filter_map(|text| match duration(text) {
            Some(duration) => Some(duration),
            None => {
                self.expected("heartbeat", "objectives", "durations such as 100ms 1s, separated by blanks");
                None
            }
        });
        let objectives: Vec<Duration> = objectives.collect();
        let instance = match self.text("heartbeat", "instance") {
            auto if auto == "auto" => host_name(),
            name => name,
        };
        Heartbeat {
            enabled: self.switch("heartbeat", "enabled"),
            topic: self.text("heartbeat", "topic"),
            interval: self.duration("heartbeat", "interval"),
            deadline: self.duration("heartbeat", "deadline"),
            horizon: self.duration("heartbeat", "horizon"),
            payload_bytes: self.parsed("heartbeat", "payload.bytes", "a number of bytes"),
            objectives,
            instance,
            limit: None,
        }
    }

    fn section(&self, name: &str) -> Section {
        self.sections.get(name).cloned().unwrap_or_default()
    }

    fn properties(&self, section: &str) -> Properties {
        let properties = self.section(section).into_iter();
        Properties(properties.map(|(key, (value, place))| (key, Property { value, place })).collect())
    }

    pub(super) fn text(&self, section: &str, key: &str) -> String {
        self.sections
            .get(section)
            .and_then(|keys| keys.get(key))
            .map_or_else(String::new, |(value, _)| value.clone())
    }

    pub(super) fn problem(&mut self, section: &str, key: &str, message: &str) {
        let place = self.place(section, key).unwrap_or_default();
        self.errors.add(Problem { place, message: format!("[{section}] {key}: {message}") });
    }

    pub(super) fn expected(&mut self, section: &str, key: &str, what: &str) {
        let found = secret::shown(key, &self.text(section, key));
        self.problem(section, key, &format!("expected {what}, found {found:?}"));
    }

    pub(super) fn parsed<T: FromStr + Default>(&mut self, section: &str, key: &str, what: &str) -> T {
        let parsed = self.text(section, key).parse();
        parsed.unwrap_or_else(|_| {
            self.expected(section, key, what);
            T::default()
        })
    }

    /// Two keys that make sense together only.
    pub(super) fn pair(&mut self, section: &str, first: &str, second: &str) -> Option<(String, String)> {
        let (one, other) = (self.text(section, first), self.text(section, second));
        match (one.is_empty(), other.is_empty()) {
            (false, false) => return Some((one, other)),
            (true, true) => {}
            (true, false) => self.problem(section, second, &format!("needs {first} beside it")),
            (false, true) => self.problem(section, first, &format!("needs {second} beside it")),
        }
        None
    }

    /// Whether it is the first of two words.
    pub(super) fn is_first(&mut self, section: &str, key: &str, first: &str, second: &str) -> bool {
        let found = self.text(section, key);
        if found != first && found != second {
            self.expected(section, key, &format!("{first} or {second}"));
        }
        found == first
    }

    fn switch(&mut self, section: &str, key: &str) -> bool {
        self.parsed(section, key, "true or false")
    }

    fn automatic<T: FromStr>(&mut self, section: &str, key: &str) -> Option<T> {
        let text = self.text(section, key);
        let parsed = text.parse().ok();
        if parsed.is_none() && text != "auto" {
            self.expected(section, key, "auto or a number");
        }
        parsed
    }

    pub(super) fn duration(&mut self, section: &str, key: &str) -> Duration {
        duration(&self.text(section, key)).unwrap_or_else(|| {
            self.expected(section, key, "a duration such as 250ms, 10s or 5m");
            Duration::from_secs(1)
        })
    }

    /// A cycle that lasts longer than the interval would always be late: the shorter of the two counts.
    pub(super) fn timeout(&mut self, section: &str) -> Duration {
        self.duration(section, "timeout").min(self.duration(section, "interval"))
    }
}

/// A duration with a unit; zero is none.
fn duration(text: &str) -> Option<Duration> {
    humantime::parse_duration(text).ok().filter(|duration| !duration.is_zero())
}

fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = name.or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "kafka-heartbeat".to_owned() } else { name.to_owned() }
}
