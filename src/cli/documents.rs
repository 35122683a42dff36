//! Commands that print a document without connecting: `acls`, `slo`, `metrics`, `check-config` and the version.

use std::path::PathBuf;

use super::{
    configuration::{Environment, load, load_for_documents},
    terminal::{complain, say},
};
use crate::{
    acls,
    config::{Config, Sources},
    exit::Exit,
    export::reference,
    process, slo,
};

/// Prints the permissions that the configuration needs.
pub(super) fn permissions(
    file: Option<PathBuf>,
    format: acls::Format,
    principal: Option<&str>,
    environment: Environment,
) -> Exit {
    match load_for_documents(file, environment) {
        Ok(config) => {
            say(&acls::acls(&config, format, principal));
            Exit::Ok
        }
        Err(exit) => exit,
    }
}

/// Prints the rules for what the configuration promises.
pub(super) fn rules(
    file: Option<PathBuf>,
    availability: Option<f64>,
    format: slo::Format,
    environment: Environment,
) -> Exit {
    let config = match load_for_documents(file, environment) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    match slo::rules(&config, availability, format) {
        Ok(rules) => {
            say(&rules);
            Exit::Ok
        }
        Err(error) => {
            complain(&error);
            Exit::Config
        }
    }
}

/// Prints every metric.
pub(super) fn metrics() -> Exit {
    say(&reference::markdown());
    Exit::Ok
}

/// Prints the version of the program, its revision and the version of librdkafka.
pub(super) fn version() -> Exit {
    let (version, revision, librdkafka) =
        (env!("CARGO_PKG_VERSION"), process::revision(), process::librdkafka());
    say(&format!("kafka-heartbeat {version} (revision {revision}, librdkafka {librdkafka})\n"));
    Exit::Ok
}

/// Checks a configuration, and prints the names of its clusters.
pub(super) fn check_configuration(file: PathBuf, environment: Environment) -> Exit {
    let sources = Sources { file: Some(file), env: environment, ..Sources::default() };
    match load(&sources) {
        Ok((config, _)) => {
            say(&format!("ok: {} cluster(s): {}\n", config.clusters.len(), names(&config)));
            Exit::Ok
        }
        Err(exit) => exit,
    }
}

fn names(config: &Config) -> String {
    config.clusters.iter().map(|cluster| cluster.name.as_str()).collect::<Vec<_>>().join(", ")
}
