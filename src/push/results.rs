//! How many exports, traces and records were sent since the start.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use tokio::sync::watch;

use super::{alerts::RecordCounts, traces::TraceCounts};
use crate::{
    export::otlp::Report,
    process::{Exports, Published, Traces},
    sync::lock,
    task::Latest,
};

/// The counts of everything that is sent.
#[derive(Clone, Default)]
pub struct Results {
    /// Absent without an endpoint for metrics.
    pub(super) metrics: Option<MetricExports>,
    /// Absent without an endpoint for traces.
    pub(super) traces: Option<Arc<TraceCounts>>,
    /// By cluster. Empty where no topic is configured.
    pub(super) alerts: Arc<Mutex<BTreeMap<Arc<str>, Arc<RecordCounts>>>>,
}

/// Exports of metrics: the record of the task, and the counts of the exporter.
#[derive(Clone)]
pub(super) struct MetricExports {
    pub(super) latest: watch::Receiver<Latest<()>>,
    pub(super) report: Arc<Mutex<Report>>,
}

impl Results {
    /// The counts of exports of metrics, of traces, and of records by cluster.
    pub fn read(&self) -> (Option<Exports>, Option<Traces>, Vec<Published>) {
        let exports = self.metrics.as_ref().map(MetricExports::read);
        let traces = self.traces.as_ref().map(|counts| counts.read());
        let alerts = lock(&self.alerts);
        let published = alerts.iter().map(|(cluster, counts)| {
            let (sent, failed) = counts.read();
            Published { cluster: cluster.clone(), sent, failed }
        });
        (exports, traces, published.collect())
    }
}

impl MetricExports {
    fn read(&self) -> Exports {
        let latest = self.latest.borrow();
        let Report { requests, bytes, retries, rejected } = *lock(&self.report);
        let cycles = latest.cycles;
        Exports { cycles, duration: latest.last_duration, requests, bytes, retries, rejected }
    }
}
