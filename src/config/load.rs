//! From the sources to a validated [`Config`], with every error at once.

use std::{collections::BTreeMap, path::PathBuf};

use super::{
    alerts::Alerts,
    cluster::{self, Cluster},
    compat::Compat,
    directory::{self, Directory},
    environment,
    error::{Errors, Problem},
    file::{self, File},
    ha::{Ha, Provider},
    history::History,
    http::Http,
    ini,
    known::{EXAMPLE, Known},
    labels,
    layers::lay_over,
    legacy,
    log::{self, Log},
    mirror::{self, NamedCluster},
    module::{self, Module},
    otel,
    otlp::Otlp,
    print::Listing,
    reader::Reader,
    report::Report,
    secret, secret_file,
    settings::Settings,
    shutdown::Shutdown,
    slo::Slo,
    sources::Sources,
};
use crate::files;

/// The validated configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// The clusters, at least one. `[kafka]` alone gives one.
    pub clusters: Vec<Cluster>,
    /// Each `[module:NAME]`: the modules of `GET /probe`.
    pub modules: Vec<Module>,
    /// `[history]`
    pub history: History,
    /// `[report]`; `None` if no report is written.
    pub report: Option<Report>,
    /// `[alerts]`
    pub alerts: Alerts,
    /// `[slo]`
    pub slo: Slo,
    /// `[ha]`
    pub ha: Ha,
    /// `[http]`
    pub http: Http,
    /// `[otlp]`
    pub otlp: Otlp,
    /// Sentences about settings that are ignored or dangerous, for the log.
    pub warnings: Vec<String>,
    /// The files of `[clusters] directory` that are not used, each with what is wrong with it.
    pub refused: Vec<String>,
    /// `[clusters] directory`; `None` without one.
    pub directory: Option<PathBuf>,
    /// The names of the clusters that the files of `[clusters] directory` define.
    of_files: Vec<String>,
    /// `[labels]`: constant labels on every series.
    pub labels: BTreeMap<String, String>,
    /// `[log]`
    pub log: Log,
    /// `[compat]`
    pub compat: Compat,
    /// `[shutdown]`
    pub shutdown: Shutdown,
    listing: Listing,
}

impl Config {
    /// The merged settings as a configuration file: each key with its value, and in a comment above it the source of
    /// the value. Secrets are shown as `***`.
    pub fn listing(&self) -> &str {
        self.listing.as_str()
    }

    /// The sections outside of the clusters that differ from those of another configuration, as they are written in the file.
    pub fn sections_unlike(&self, other: &Self) -> Vec<&'static str> {
        let sections = [
            ("[history]", self.history == other.history),
            ("[report]", self.report == other.report),
            ("[alerts]", self.alerts == other.alerts),
            ("[slo]", self.slo == other.slo),
            ("[clusters]", self.directory == other.directory),
            ("[ha]", self.ha == other.ha),
            ("[http]", self.http.needs_no_restart_for(&other.http)),
            ("[otlp]", self.otlp == other.otlp),
            ("[labels]", self.labels == other.labels),
            ("[log]", self.log == other.log),
            ("[compat]", self.compat == other.compat),
            ("[shutdown]", self.shutdown == other.shutdown),
        ];
        sections.into_iter().filter(|(_, is_equal)| !is_equal).map(|(name, _)| name).collect()
    }

    /// The name of the group in this cluster in which the instances elect the one that collects. `None` if they do not, or do so
    /// elsewhere.
    pub fn election_in(&self, cluster: &str) -> Option<&str> {
        let Provider::Kafka(group) = &self.ha.provider else { return None };
        let home =
            group.cluster.as_deref().or_else(|| self.clusters.first().map(|first| first.name.as_str()));
        (home == Some(cluster)).then_some(&*group.group)
    }

    /// Leaves out a cluster that a file of `[clusters] directory` defines and that cannot be used. `false` if the cluster is defined
    /// elsewhere: then its errors are those of the whole configuration.
    pub fn leave_out(&mut self, cluster: &str, errors: &Errors) -> bool {
        let is_of_file = self.of_files.iter().any(|name| name == cluster);
        if is_of_file {
            self.clusters.retain(|other| other.name != cluster);
            self.refused.push(errors.to_string());
        }
        is_of_file
    }

    fn read(settings: &Settings, known: &Known, errors: &mut Errors) -> Self {
        let labels = labels::labels(settings, errors);
        let mut clusters = cluster::clusters(settings, known, errors);
        let named = clusters.iter().map(|cluster| NamedCluster {
            name: cluster.name.clone(),
            heartbeat: cluster.heartbeat.clone(),
            groups: cluster.coordinators.enabled.then(|| cluster.coordinator_names()),
        });
        for (target, mirror) in mirror::mirrors(settings, &named.collect::<Vec<_>>(), errors) {
            let target = clusters.iter_mut().find(|cluster| cluster.name == target);
            target.into_iter().for_each(|cluster| cluster.mirrors.0.push(mirror.clone()));
        }
        let names: Vec<_> = clusters.iter().map(|cluster| cluster.name.as_str()).collect();
        let ha = Ha::read(Reader::new("ha", settings, errors), &names);
        let compat = Compat::read(Reader::new("compat", settings, errors));
        for cluster in &mut clusters {
            cluster.lag.members |= compat.needs_members();
        }
        Self {
            clusters,
            modules: module::modules(settings, errors),
            history: History::read(Reader::new("history", settings, errors)),
            report: Report::read(Reader::new("report", settings, errors)),
            alerts: Alerts::read(Reader::new("alerts", settings, errors)),
            slo: Slo::read(Reader::new("slo", settings, errors)),
            ha,
            http: Http::read(Reader::new("http", settings, errors)),
            otlp: Otlp::read(Reader::new("otlp", settings, errors)),
            warnings: Vec::new(),
            refused: Vec::new(),
            directory: Reader::new("clusters", settings, errors).path("directory"),
            of_files: Vec::new(),
            labels,
            log: Log::read(Reader::new("log", settings, errors)),
            compat,
            shutdown: Shutdown::read(Reader::new("shutdown", settings, errors)),
            listing: Listing::new(settings, known),
        }
    }
}

/// Reads and validates everything.
///
/// # Errors
/// All that is wrong, with places.
pub fn load(sources: &Sources) -> Result<Config, Errors> {
    let (config, errors) = read(sources)?;
    errors.or(config)
}

/// The configuration as far as it can be understood, and all that is wrong with it. A caller that checks more can
/// report its own errors together with these.
///
/// # Errors
/// The file cannot be read. No other error is reported then, because what is missing may be in that file.
pub fn read(sources: &Sources) -> Result<(Config, Errors), Errors> {
    let Some(path) = &sources.file else { return Ok(read_text(None, sources)) };
    let name = path.display().to_string();
    match files::read_text(path) {
        Ok(text) => Ok(read_text(Some(File { name: &name, text: &text }), sources)),
        Err(error) => {
            let message = format!("cannot read the configuration: {error}");
            let mut errors = Errors::default();
            errors.add(Problem { place: name, message });
            Err(errors)
        }
    }
}

/// The same as [`read`] with a file that is already in memory; `None` for a configuration without a file.
pub(super) fn read_text(file: Option<File<'_>>, sources: &Sources) -> (Config, Errors) {
    let mut errors = Errors::default();
    let example = ini::parse(EXAMPLE);
    let known = Known::from_example(&example);
    let standard = otel::variables(&sources.env);
    let layers = vec![
        file::defaults(&example),
        legacy::freshness_exporter(&sources.env),
        file.map(|file| file_settings(file, sources, &known, &mut errors)).unwrap_or_default(),
        standard.settings,
        with_secret_files(environment::settings(&sources.env, &known, &mut errors), &mut errors),
        with_secret_files(sources.flags(), &mut errors),
        log::variables(&sources.env),
    ];
    let mut settings = lay_over(layers).unwrap_or_else(|message| {
        errors.add(Problem { place: String::new(), message });
        Settings::default()
    });
    let directory = directory::add(&mut settings, &sources.env, &known, &mut errors);
    let warnings = standard.warnings.into_iter().chain(remember_secrets(&settings)).collect();
    let config = Config::read(&settings, &known, &mut errors);
    let Directory { refused, clusters: of_files } = directory;
    (Config { warnings, refused, of_files, ..config }, errors)
}

fn file_settings(file: File<'_>, sources: &Sources, known: &Known, errors: &mut Errors) -> Settings {
    let mut settings = file::settings(file, known, errors);
    file::replace_variables(&mut settings, &sources.env, errors);
    with_secret_files(settings, errors)
}

fn with_secret_files(mut settings: Settings, errors: &mut Errors) -> Settings {
    secret_file::read(&mut settings, errors);
    settings
}

/// Remembers every secret, so that the log does not show it. Returns a warning for each secret that is too short for
/// that.
fn remember_secrets(settings: &Settings) -> Vec<String> {
    let mut warnings = Vec::new();
    for (section, keys) in settings.sections() {
        for (key, setting) in keys {
            let source = match &setting.file {
                Some(path) => path.to_string_lossy().into_owned(),
                None => format!("[{section}] {key}"),
            };
            let short = secret::remember(&source, key, &setting.value);
            warnings.extend(short.into_iter().map(|what| secret::short(section, key, &what)));
        }
    }
    warnings
}
