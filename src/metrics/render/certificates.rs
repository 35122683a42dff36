//! Our own certificates as series.

use std::time::SystemTime;

use super::text;
use crate::{
    clock::unix_seconds,
    metrics::{Series, Value, catalog::process::OWN_CERTIFICATE},
};

/// A certificate of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnCertificate {
    /// The cluster that it is shown to; empty where it belongs to no cluster.
    pub cluster: String,
    /// What it is used for: `kafka`, `http`, `otlp_metrics` or `otlp_traces`.
    pub purpose: &'static str,
    /// The earliest expiry of its chain.
    pub expires: SystemTime,
}

pub(super) fn certificates<'a>(all: &'a [OwnCertificate], series: &mut Vec<Series<'a>>) {
    series.extend(all.iter().map(|OwnCertificate { cluster, purpose, expires }| {
        OWN_CERTIFICATE.series([text(cluster), text(purpose)], Value::Number(unix_seconds(*expires)))
    }));
}
