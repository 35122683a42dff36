//! Clusters whose configuration both clients accept.

use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::{
    config::{self, Config, Errors, Problem},
    export::otlp,
    http,
    kafka::{PropertyError, native, wire},
    probe::{connect, schema_registry, target::Modules},
};

/// A configured cluster that was checked as far as that is possible without connecting.
pub struct Checked {
    /// Its settings.
    pub cluster: Arc<config::Cluster>,
    /// The wire client of the cluster: its settings and the counters of its connections.
    pub wire: Arc<wire::Client>,
}

/// The configuration with its clusters, or everything that is wrong with the configuration.
pub(super) type Read = Result<(Config, Vec<Checked>), String>;

/// Reads and checks the configuration.
pub type ReadConfig = Arc<dyn Fn() -> Result<(Config, Vec<Checked>), String> + Send + Sync>;

/// The thread that reads the configuration. `None` if no thread reads it. A file system that hangs blocks one thread, however
/// often a reload is asked for.
pub(super) type Reading = Option<JoinHandle<Read>>;

/// Checks the client properties of every cluster, with both clients. A cluster that a file of `[clusters] directory` defines is left
/// out of the configuration if it cannot be used.
///
/// # Errors
/// Everything that is wrong with the rest of the configuration.
pub fn check(config: &mut Config) -> Result<Vec<Checked>, Errors> {
    let mut errors = Errors::default();
    let mut checked = Vec::new();
    let are_many = config.clusters.len() > 1;
    for cluster in config.clusters.clone() {
        match check_cluster(&cluster, are_many) {
            Ok(cluster) => checked.push(cluster),
            Err(found) => {
                if !config.leave_out(&cluster.name, &found) {
                    errors.join(found);
                }
            }
        }
    }
    check_modules(&config.modules, &mut errors);
    if let Some(Err(message)) = config.http.tls.as_ref().map(http::listen::check) {
        errors.add(Problem { place: String::new(), message });
    }
    if let Err(message) = otlp::check(&config.otlp) {
        errors.add(Problem { place: String::new(), message });
    }
    errors.or(checked)
}

/// Checks one cluster.
fn check_cluster(cluster: &config::Cluster, are_many: bool) -> Result<Checked, Errors> {
    let mut refused = native::check(cluster);
    let wire = match wire::Client::from_properties(&cluster.name, &cluster.kafka) {
        Ok(wire) => Some(wire),
        Err(found) => {
            // Both clients may refuse a property. The message of librdkafka has the better advice.
            let known = |error: &PropertyError| refused.iter().any(|refused| refused.key == error.key);
            let fresh: Vec<_> = found.into_iter().filter(|error| !known(error)).collect();
            refused.extend(fresh);
            None
        }
    };
    if refused.is_empty() {
        refused = native::check_together(cluster);
    }
    refused.extend(schema_registry::check(cluster).err().unwrap_or_default());
    refused.extend(connect::check(cluster).err().unwrap_or_default());
    let of = if are_many { format!("cluster {}: ", cluster.name) } else { String::new() };
    let mut errors = Errors::default();
    for PropertyError { key, place, message } in refused {
        errors.add(Problem { place, message: format!("{of}{key}: {message}") });
    }
    match wire {
        Some(wire) => errors.or(Checked { cluster: Arc::new(cluster.clone()), wire: Arc::new(wire) }),
        None => Err(errors),
    }
}

/// Checks the client properties of every module of `GET /probe`, with both clients.
fn check_modules(modules: &[config::Module], errors: &mut Errors) {
    let refused: Vec<_> = modules
        .iter()
        .flat_map(|module| native::check_module(module).into_iter().map(|error| (module.name.clone(), error)))
        .collect();
    // Both clients may refuse a property. The message of librdkafka has the better advice.
    let known = |(module, error): &(String, PropertyError)| {
        refused.iter().any(|(other, refused)| other == module && refused.key == error.key)
    };
    let found = Modules::default().replace(modules).err().unwrap_or_default();
    let fresh: Vec<_> = found.into_iter().filter(|error| !known(error)).collect();
    errors.join(of_modules(refused.into_iter().chain(fresh).collect()));
}

/// Words the properties of modules that cannot be used, each with the name of its module.
pub(super) fn of_modules(refused: Vec<(String, PropertyError)>) -> Errors {
    let mut errors = Errors::default();
    for (module, PropertyError { key, place, message }) in refused {
        errors.add(Problem { place, message: format!("[module:{module}] {key}: {message}") });
    }
    errors
}

/// The clients of all clusters, each with the name of its cluster.
pub(super) fn kafka_clients(clusters: &[Checked]) -> Vec<(String, Arc<wire::Client>)> {
    clusters.iter().map(|Checked { cluster, wire }| (cluster.name.clone(), wire.clone())).collect()
}
