//! The report of a probe for scripts.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::report::Report;
use crate::{board::Readings, diagnosis::Suspect, latency::Recent, probe::heartbeat::Outcome};

/// The reports of all clusters, and whether all is well.
pub(super) fn write(reports: &[Report], good: bool) -> Value {
    json!({ "ok": good, "clusters": reports.iter().map(cluster).collect::<Vec<_>>() })
}

fn cluster(report: &Report) -> Value {
    let readings = &report.readings;
    let heartbeat = &readings.heartbeat;
    let outcomes: Map<_, _> = Outcome::ALL
        .iter()
        .map(|outcome| (outcome.as_str().to_owned(), heartbeat.totals.of(*outcome).into()))
        .collect();
    json!({
        "cluster": &*readings.name,
        "ok": report.is_good(),
        "sent": report.sent(),
        "stalled_seconds": heartbeat.stalled.as_secs_f64(),
        "stalled_ratio": report.stalled(),
        "cluster_id": readings.metadata.fresh().and_then(|metadata| metadata.cluster_id.clone()),
        "metadata_failure": readings.metadata.failure.as_ref().map(|failure| failure.message.clone()),
        "suspects": readings.verdict.diagnosis.as_ref().map(|diagnosis| {
            diagnosis.suspects.iter().map(suspect).collect::<Vec<_>>()
        }),
        "brokers": brokers(readings),
        "scheduled": heartbeat.totals.scheduled,
        "outcomes": outcomes,
        "produce": summary(&heartbeat.produce),
        "end_to_end": summary(&heartbeat.end_to_end),
    })
}

fn suspect(suspect: &Suspect) -> Value {
    json!({
        "kind": suspect.kind.as_str(),
        "subject": suspect.subject,
        "confidence": suspect.confidence.as_str(),
        "headline": suspect.headline,
        "evidence": suspect.evidence,
    })
}

/// The percentiles of the last five minutes; `None` without a value.
fn summary(recent: &Recent) -> Option<Value> {
    recent.summary(Instant::now(), Duration::from_secs(300)).map(|summary| {
        json!({
            "p50_seconds": summary.p50.as_secs_f64(),
            "p90_seconds": summary.p90.as_secs_f64(),
            "p99_seconds": summary.p99.as_secs_f64(),
            "max_seconds": summary.max.as_secs_f64(),
        })
    })
}

/// The sessions with each broker; `None` if none was tried.
fn brokers(readings: &Readings) -> Option<Vec<Value>> {
    let snapshot = readings.connectivity.fresh()?;
    let brokers = snapshot.brokers.iter().map(|(id, check)| {
        let stages =
            check.stages.iter().map(|(stage, took)| (stage.as_str().to_owned(), took.as_secs_f64().into()));
        json!({
            "id": id.0,
            "host": check.host,
            "port": check.port,
            "up": check.up(),
            "stages_seconds": stages.collect::<Map<_, _>>(),
            "failure": check.failure.as_ref().map(|failure| failure.message.clone()),
        })
    });
    Some(brokers.collect())
}
