//! Clusters whose configuration both clients accept.

use std::sync::Arc;

use crate::{
    certificates::{OwnCertificate, Purpose},
    config::{self, Config, Errors, Problem},
    export::otlp,
    http,
    kafka::{PropertyError, native, wire},
};

/// A configured cluster that was checked as far as that is possible without connecting.
pub struct Checked {
    /// Its settings.
    pub cluster: Arc<config::Cluster>,
    /// The wire client of the cluster: its settings and the counters of its connections.
    pub wire: Arc<wire::Client>,
}

/// Checks the client properties of every cluster, with both clients.
///
/// # Errors
/// Everything that is wrong.
pub fn check(config: &Config) -> Result<Vec<Checked>, Errors> {
    let mut errors = Errors::default();
    let mut checked = Vec::new();
    for cluster in &config.clusters {
        let mut refused = native::check(cluster);
        match wire::Client::from_properties(&cluster.name, &cluster.kafka) {
            Ok(wire) => checked.push(Checked { cluster: Arc::new(cluster.clone()), wire: Arc::new(wire) }),
            Err(found) => {
                // Both clients may refuse a property. The message of librdkafka has the better advice.
                let known = |error: &PropertyError| refused.iter().any(|refused| refused.key == error.key);
                let fresh: Vec<_> = found.into_iter().filter(|error| !known(error)).collect();
                refused.extend(fresh);
            }
        }
        if refused.is_empty() {
            refused = native::check_together(cluster);
        }
        let of =
            if config.clusters.len() > 1 { format!("cluster {}: ", cluster.name) } else { String::new() };
        for PropertyError { key, place, message } in refused {
            errors.add(Problem { place, message: format!("{of}{key}: {message}") });
        }
    }
    if let Some(Err(message)) = config.http.tls.as_ref().map(http::listen::check) {
        errors.add(Problem { place: String::new(), message });
    }
    if let Err(message) = otlp::check(&config.otlp) {
        errors.add(Problem { place: String::new(), message });
    }
    errors.or(checked)
}

/// The certificates that are presented to Kafka's brokers.
pub(super) fn kafka_certificates(clusters: &[Checked]) -> Vec<OwnCertificate> {
    let certificates = clusters.iter().filter_map(|Checked { cluster, wire }| {
        let expires = wire.own_certificate_expiry()?;
        Some(OwnCertificate { cluster: cluster.name.clone(), purpose: Purpose::Kafka, expires })
    });
    certificates.collect()
}
