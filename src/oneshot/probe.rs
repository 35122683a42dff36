//! `probe`: sends a few heartbeats and reports.

use std::{
    io::{self, IsTerminal},
    time::{Duration, Instant},
};

use super::{json, report::Report, text};
use crate::{
    app::{self, Running, Shared},
    board::{Board, Readings},
    config::Config,
    exit::Exit,
    kafka::Fault,
    text::Chain,
};

/// The time between two heartbeats of a probe on one partition.
const INTERVAL: Duration = Duration::from_millis(100);
/// How long connecting may take, and the topic may be missing.
const PATIENCE: Duration = Duration::from_secs(15);

/// How the report of a probe is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For scripts.
    Json,
}

/// What a probe does.
#[derive(Debug, Clone, Copy)]
pub struct ProbeOrder {
    /// The number of heartbeats on each partition.
    pub count: u32,
    /// A heartbeat that takes longer is bad.
    pub deadline: Duration,
    /// The format of the report.
    pub format: Format,
}

/// Sends a few heartbeats to each cluster. Returns the report, and [`Exit::Unavailable`] if a cluster is not well.
///
/// # Errors
/// What is wrong with the configuration.
pub async fn probe(mut config: Config, order: ProbeOrder) -> Result<(String, Exit), String> {
    for cluster in &mut config.clusters {
        let heartbeat = &mut cluster.heartbeat;
        heartbeat.enabled = true;
        heartbeat.limit = Some(u64::from(order.count));
        heartbeat.interval = INTERVAL;
        heartbeat.deadline = order.deadline;
        // A heartbeat that is not received by then is reported as lost. The usual horizon of two minutes is too long for a
        // person at a terminal.
        heartbeat.horizon = order.deadline * 2;
        cluster.connectivity.enabled = true;
        cluster.lag.enabled = false;
        cluster.freshness.enabled = false;
        cluster.mirrors.0.clear();
    }
    let checked = app::check(&mut config).map_err(|errors| errors.to_string())?;
    let mut reports = Vec::new();
    for checked in &checked {
        let begun = Instant::now();
        let running =
            Running::start(checked, Shared::nothing()).map_err(|error| Chain(&error).to_string())?;
        wait(&running.board, order).await;
        let board = running.stop(Duration::from_secs(1)).await;
        reports.push(Report { readings: board.read(), lasted: begun.elapsed() });
    }
    let good = reports.iter().all(Report::is_good);
    let report = match order.format {
        Format::Text => reports.iter().map(text::write).collect(),
        Format::Json => format!("{:#}\n", json::write(&reports, good)),
    };
    Ok((report, if good { Exit::Ok } else { Exit::Unavailable }))
}

/// Whether the metadata failed with a fault that waiting does not mend, so that the probe can end at once.
fn is_final(readings: &Readings) -> bool {
    let failure = readings.metadata.failure.as_ref().filter(|_| readings.metadata.snapshot.is_none());
    failure.is_some_and(|failure| {
        matches!(
            failure.fault,
            Fault::Authentication
                | Fault::InvalidClient
                | Fault::Tls
                | Fault::CertificateExpired
                | Fault::CertificateUnknownCa
                | Fault::CertificateWrongHost
                | Fault::CertificateRefused
                | Fault::Protocol
                | Fault::Disconnected
        )
    })
}

/// Waits until every heartbeat has its outcome, until nothing more can happen, or until the patience ends.
async fn wait(board: &Board, order: ProbeOrder) {
    let progress = io::stderr().is_terminal();
    let sending = INTERVAL * order.count;
    let end = Instant::now() + PATIENCE + sending + 2 * order.deadline;
    let mut heartbeat = board.heartbeat.clone();
    while Instant::now() < end {
        let snapshot = heartbeat.borrow_and_update().clone();
        let readings = board.read();
        let partitions =
            readings.metadata.fresh().and_then(|metadata| metadata.heartbeat_topic.as_ref().ok());
        let expected = partitions.map(|topic| topic.partitions.len() as u64 * u64::from(order.count));
        if progress && snapshot.totals.scheduled > 0 {
            tracing::info!("{} of {} heartbeats", snapshot.totals.scheduled, expected.unwrap_or(0));
        }
        let sent = expected.is_some_and(|expected| expected > 0 && snapshot.totals.scheduled >= expected);
        let unreachable =
            readings.metadata.failure.is_some() && snapshot.totals.scheduled >= u64::from(order.count);
        if is_final(&readings) {
            return;
        }
        if (sent || unreachable) && snapshot.totals.in_flight == 0 && readings.connectivity.tried() {
            return;
        }
        // A new snapshot comes at least once a second.
        _ = tokio::time::timeout(Duration::from_secs(2), heartbeat.changed()).await;
    }
}
