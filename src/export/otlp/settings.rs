//! How series are encoded, and the attributes of the resource.

use std::collections::BTreeMap;

use crate::config;

/// From when on the numbers of counters and histograms count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Temporality {
    /// Everything since the start, as Prometheus wants it.
    Cumulative = 2,
    /// What came since the last request.
    Delta = 1,
}

/// How to encode.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The temporality of counters and histograms.
    pub temporality: Temporality,
    /// Whether histograms have exponential buckets; else they have the classic buckets.
    pub exponential: bool,
    /// The attributes of the resource: the service and the instance.
    pub resource: Vec<(String, String)>,
    /// Constant labels, which every point carries.
    pub constant: BTreeMap<String, String>,
}

/// The attributes of the resource: those that are configured, and the version and the id of this instance.
pub(in crate::export) fn resource(target: &config::Target, instance: &str) -> Vec<(String, String)> {
    let own = [("service.version", env!("CARGO_PKG_VERSION")), ("service.instance.id", instance)];
    let own = own.into_iter().filter(|(name, _)| !target.resource.contains_key(*name));
    let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
    target.resource.clone().into_iter().chain(own).collect()
}
