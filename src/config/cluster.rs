//! `[cluster:NAME]`: one of several clusters, and which of the common keys it sets for itself.

use super::{
    anomaly::Anomaly,
    connect::{self, Connect},
    connectivity::Connectivity,
    coordinators::Coordinators,
    durability::Durability,
    error::{Errors, Problem},
    freshness::Freshness,
    heartbeat::Heartbeat,
    history::History,
    kafka::Properties,
    known::Known,
    lag::Lag,
    log_dirs::LogDirs,
    metadata::Metadata,
    mirror::Mirrors,
    msk_iam,
    negative_checks::NegativeChecks,
    place::Place,
    reader::Reader,
    remote_reads::RemoteReads,
    replicas::Replicas,
    rule::BrokenRule,
    schema_registry::SchemaRegistry,
    secret_file::SecretFiles,
    settings::{Setting, Settings},
    sources::BOOTSTRAP_FLAG,
    topic::Topic,
    transaction_probe::TransactionProbe,
    transactions::Transactions,
};

/// Sections that a cluster may set for itself, with the section in front of the key.
const OWN_SECTIONS: [&str; 20] = [
    "heartbeat",
    "topic",
    "connectivity",
    "coordinators",
    "transaction_coordinators",
    "transaction_probe",
    "replicas",
    "remote_reads",
    "durability",
    "metadata",
    "lag",
    "freshness",
    "anomaly",
    "log_dirs",
    "transactions",
    "schema_registry",
    "negative_checks",
    "connect",
    "producer",
    "consumer",
];

/// Sections whose name is also the first word of properties of librdkafka, such as `topic.metadata.refresh.sparse`. If a key
/// of such a section is unknown, the key is read as a property.
const ALSO_PROPERTIES: [&str; 2] = ["topic", "metadata"];

/// One cluster and what is done with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Cluster {
    /// The value of the label `kafka_cluster`.
    pub name: String,
    /// `[kafka]`: client properties of both clients.
    pub kafka: Properties,
    /// The files of the secrets among the properties of `[kafka]`.
    pub kafka_secrets: SecretFiles,
    /// `[producer]`: client properties of the heartbeat producer alone.
    pub producer: Properties,
    /// `[consumer]`: client properties of the heartbeat consumer alone.
    pub consumer: Properties,
    /// `[heartbeat]`
    pub heartbeat: Heartbeat,
    /// `[topic]`
    pub topic: Topic,
    /// `[connectivity]`
    pub connectivity: Connectivity,
    /// `[coordinators]`
    pub coordinators: Coordinators,
    /// `[transaction_coordinators]`
    pub transaction_coordinators: Coordinators,
    /// `[transaction_probe]`
    pub transaction_probe: TransactionProbe,
    /// `[replicas]`
    pub replicas: Replicas,
    /// `[remote_reads]`
    pub remote_reads: RemoteReads,
    /// `[durability]`
    pub durability: Durability,
    /// `[metadata]`
    pub metadata: Metadata,
    /// `[lag]`
    pub lag: Lag,
    /// `[freshness]`
    pub freshness: Freshness,
    /// `[log_dirs]`
    pub log_dirs: LogDirs,
    /// `[transactions]`
    pub transactions: Transactions,
    /// `[schema_registry]`
    pub schema_registry: SchemaRegistry,
    /// `[negative_checks]`
    pub negative_checks: NegativeChecks,
    /// `[connect]` and each `[connect:NAME]` of the cluster.
    pub connect: Connect,
    /// Each `[mirror:NAME]` whose target is this cluster.
    pub mirrors: Mirrors,
    /// `[history]`, which is the same for all clusters.
    pub history: History,
    /// `[anomaly]`
    pub anomaly: Anomaly,
}

impl Cluster {
    /// Whether a cluster that runs with these settings needs no restart for the other ones. A secret of `[kafka]` that is in a
    /// file may differ, because a running cluster reads that file again.
    pub fn needs_no_restart_for(&self, other: &Self) -> bool {
        let without_secrets = |cluster: &Self| {
            let mut kept = cluster.clone();
            kept.schema_registry.service = kept.schema_registry.service.without_file_secrets();
            kept.connect = kept.connect.without_file_secrets();
            kept.kafka.0.retain(|key, _| cluster.kafka_secrets.get(key).is_none());
            kept
        };
        without_secrets(self) == without_secrets(other)
    }
}

/// Every cluster of the settings: one for each `[cluster:NAME]`, or the one of `[kafka]`.
pub(super) fn clusters(settings: &Settings, known: &Known, errors: &mut Errors) -> Vec<Cluster> {
    let names: Vec<&str> =
        settings.sections().filter_map(|(section, _)| section.strip_prefix("cluster:")).collect();
    if names.is_empty() {
        let name = settings.get("kafka", "name").map_or("", |setting| &setting.value);
        let cluster = Cluster::read(name, settings, errors);
        cluster.check("", settings, errors);
        connect::check(&[name], true, settings, errors);
        return vec![cluster];
    }
    let bootstrap = settings.get("kafka", "bootstrap.servers").map(|setting| &setting.place);
    if bootstrap == Some(&Place::Flag(BOOTSTRAP_FLAG)) {
        let message =
            "cannot be used with [cluster:NAME]: each cluster names its own bootstrap.servers".to_owned();
        errors.add(Problem { place: BOOTSTRAP_FLAG.to_owned(), message });
    }
    connect::check(&names, false, settings, errors);
    let mut clusters = Vec::new();
    // With a thousand clusters, a copy of the settings of all others for each of them would take seconds.
    let common = settings.without_clusters();
    for name in names {
        check_name(name, settings, errors);
        let section = format!("cluster:{name}");
        let own = settings.section(&section);
        let settings = settings_of(name, common.clone(), own, known, errors);
        let cluster = Cluster::read(name, &settings, errors);
        cluster.check(&format!("cluster {name}: "), &settings, errors);
        clusters.push(cluster);
    }
    clusters
}

/// The name of a cluster is in the brackets of its section, and nowhere else.
fn check_name(name: &str, settings: &Settings, errors: &mut Errors) {
    if name.trim().is_empty() {
        let message = "[cluster:] : a cluster needs a name: [cluster:NAME]".to_owned();
        errors.add(Problem { place: String::new(), message });
    }
    if let Some(setting) = settings.get(&format!("cluster:{name}"), "name") {
        let message = format!("[cluster:{name}] name: the name is in the brackets");
        errors.add(Problem { place: setting.place.to_string(), message });
    }
}

/// The common settings with a cluster's own keys laid over them.
fn settings_of<'a>(
    cluster: &str,
    common: Settings,
    own: impl Iterator<Item = (&'a String, &'a Setting)>,
    known: &Known,
    errors: &mut Errors,
) -> Settings {
    let mut settings = common;
    for (key, setting) in own {
        let own = key.split_once('.').filter(|(section, _)| OWN_SECTIONS.contains(section));
        let problem = own.and_then(|(section, rest)| known.problem(section, rest));
        match (own, problem) {
            (Some((section, rest)), None) => settings.set(section, rest, setting.clone()),
            (Some((section, _)), Some(problem)) if !ALSO_PROPERTIES.contains(&section) => {
                let message = format!("[cluster:{cluster}] {key}: {problem}");
                errors.add(Problem { place: setting.place.to_string(), message });
            }
            _ => settings.set("kafka", &**key, setting.clone()),
        }
    }
    settings
}

impl Cluster {
    /// Reads a cluster from the common settings with the cluster's own keys laid over them.
    fn read(name: &str, settings: &Settings, errors: &mut Errors) -> Self {
        let mut kafka = Properties::read("kafka", settings);
        msk_iam::complete(&mut kafka);
        let mut cluster = Self {
            name: name.to_owned(),
            kafka,
            kafka_secrets: SecretFiles::of("kafka", settings),
            producer: Properties::read("producer", settings),
            consumer: Properties::read("consumer", settings),
            heartbeat: Heartbeat::read(Reader::new("heartbeat", settings, errors)),
            topic: Topic::read(Reader::new("topic", settings, errors)),
            connectivity: Connectivity::read(Reader::new("connectivity", settings, errors)),
            coordinators: Coordinators::read(Reader::new("coordinators", settings, errors)),
            transaction_coordinators: Coordinators::read(Reader::new(
                "transaction_coordinators",
                settings,
                errors,
            )),
            transaction_probe: TransactionProbe::read(Reader::new("transaction_probe", settings, errors)),
            replicas: Replicas::read(Reader::new("replicas", settings, errors)),
            remote_reads: RemoteReads::read(Reader::new("remote_reads", settings, errors)),
            durability: Durability::read(Reader::new("durability", settings, errors)),
            metadata: Metadata::read(Reader::new("metadata", settings, errors)),
            lag: Lag::read(Reader::new("lag", settings, errors)),
            freshness: Freshness::read(Reader::new("freshness", settings, errors)),
            log_dirs: LogDirs::read(Reader::new("log_dirs", settings, errors)),
            transactions: Transactions::read(Reader::new("transactions", settings, errors)),
            schema_registry: SchemaRegistry::read(Reader::new("schema_registry", settings, errors)),
            negative_checks: NegativeChecks::read(Reader::new("negative_checks", settings, errors)),
            connect: Connect::read(name, settings, errors),
            // They are assigned when all clusters are known.
            mirrors: Mirrors::default(),
            history: History::read(Reader::new("history", settings, errors)),
            anomaly: Anomaly::read(Reader::new("anomaly", settings, errors)),
        };
        cluster.lag.own_groups = cluster.coordinator_names();
        cluster
    }

    /// The begin of the names of the groups and of the transactional ids with which coordinators are checked. A number follows it.
    pub fn coordinator_names(&self) -> String {
        format!("{}-coordinator-", self.heartbeat.topic)
    }

    /// The topic of the records that are written in transactions.
    pub fn transaction_topic(&self) -> String {
        format!("{}-transactions", self.heartbeat.topic)
    }

    /// The transactional id of the producer that runs transactions. Each instance has its own.
    pub fn transactional_id(&self) -> String {
        let chosen = self.transaction_probe.transactional_id.clone();
        chosen.unwrap_or_else(|| format!("{}-{}", self.transaction_topic(), self.heartbeat.instance))
    }

    /// Checks the rules across the keys of a section. `of` names the cluster where there are several.
    fn check(&self, of: &str, settings: &Settings, errors: &mut Errors) {
        let rules = self.heartbeat.broken_rules().into_iter().map(|rule| ("heartbeat", rule));
        let rules = rules.chain(self.topic.broken_rule().map(|rule| ("topic", rule)));
        let intervals = [
            ("coordinators", self.coordinators.interval),
            ("transaction_coordinators", self.transaction_coordinators.interval),
            ("transaction_probe", self.transaction_probe.interval),
            ("replicas", self.replicas.interval),
            ("remote_reads", self.remote_reads.interval),
            ("durability", self.durability.interval),
            ("schema_registry", self.schema_registry.interval),
            ("negative_checks", self.negative_checks.interval),
            ("connect", self.connect.interval),
        ];
        let of_interval = |(section, interval)| Some((section, BrokenRule::of_interval(interval)?));
        let rules = rules.chain(intervals.into_iter().filter_map(of_interval));
        let rules = rules.chain(self.transaction_probe.broken_rule().map(|rule| ("transaction_probe", rule)));
        for (section, BrokenRule { keys, message }) in rules {
            let set = keys.iter().filter_map(|key| settings.get(section, key));
            let is_own = |Setting { place, .. }: &&Setting| !matches!(place, Place::Default { .. });
            let place = set.into_iter().find(is_own).map(|set| set.place.to_string()).unwrap_or_default();
            errors.add(Problem { place, message: format!("{of}[{section}] {message}") });
        }
    }
}
