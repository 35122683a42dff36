//! `probe` and `topic`: one look at a cluster for a terminal or a script.
//!
//! Both run the service's own tasks for a moment; nothing is measured in another way. Reports go to standard
//! output, everything else to standard error.

use std::{
    fmt::Write,
    io::{self, IsTerminal},
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    app::{self, Checked, Running},
    board::{Board, Readings},
    cli::Format,
    cluster::metadata,
    config::Config,
    exit::Exit,
    kafka::{Error, Fault, wire},
    latency::Summary,
    monitor::HistoryFile,
    probe::{heartbeat::Outcome, topic},
    task::{self, Latest, Schedule},
    text::Chain,
    text::plain,
};

/// Between two heartbeats of a probe on one partition.
const INTERVAL: Duration = Duration::from_millis(100);
/// For connecting, and for the topic to be there.
const PATIENCE: Duration = Duration::from_secs(15);

/// For a broker that closes the connection without an answer to the first request.
const CLOSED: &str = "the broker closed the connection without an answer: the port may ask for TLS or SASL; check security.protocol";

/// What a probe is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// Heartbeats on each partition.
    pub count: u32,
    /// A heartbeat that takes longer is bad.
    pub deadline: Duration,
    /// Of the report.
    pub format: Format,
}

/// Sends a few heartbeats and reports: the report, and whether all is well.
///
/// # Errors
/// A configuration that cannot be used.
pub async fn probe(mut config: Config, wanted: Wanted) -> Result<(String, Exit), String> {
    for cluster in &mut config.clusters {
        let heartbeat = &mut cluster.heartbeat;
        heartbeat.enabled = true;
        heartbeat.limit = Some(u64::from(wanted.count));
        (heartbeat.interval, heartbeat.deadline) = (INTERVAL, wanted.deadline);
        // What is not back by then is reported as lost; nobody waits for two minutes in a terminal.
        heartbeat.horizon = wanted.deadline * 2;
        cluster.connectivity.enabled = true;
        (cluster.lag.enabled, cluster.freshness.enabled) = (false, false);
    }
    let checked = app::check(&config).map_err(|errors| errors.to_string())?;
    let mut reports = Vec::new();
    for checked in &checked {
        let begun = Instant::now();
        let running = Running::start(checked, HistoryFile::NotConfigured, None)
            .map_err(|error| Chain(&error).to_string())?;
        wait(&running.board, wanted).await;
        let board = running.stop(Duration::from_secs(1)).await;
        reports.push(Report { readings: board.read(), lasted: begun.elapsed() });
    }
    let good = reports.iter().all(Report::is_good);
    let report = match wanted.format {
        Format::Text => reports.iter().map(text).collect(),
        Format::Json => format!(
            "{:#}\n",
            json!({ "ok": good, "clusters": reports.iter().map(report_json).collect::<Vec<_>>() })
        ),
    };
    Ok((report, if good { Exit::Ok } else { Exit::Unavailable }))
}

/// What a probe of one cluster saw.
struct Report {
    readings: Readings,
    /// From the start of the probe to its end.
    lasted: Duration,
}

impl Report {
    /// Heartbeats that were handed over to Kafka's client and not skipped.
    fn sent(&self) -> u64 {
        let totals = self.readings.heartbeat.totals;
        totals.scheduled - totals.of(Outcome::Skipped) - totals.of(Outcome::Unsent)
    }

    /// Whether every broker takes a session and every heartbeat that was not skipped is good. A heartbeat that was
    /// skipped because this machine stalled says nothing of Kafka.
    fn is_good(&self) -> bool {
        let totals = self.readings.heartbeat.totals;
        let connectivity = self.readings.connectivity.fresh();
        let sessions = connectivity.is_some_and(|snapshot| snapshot.brokers.values().all(|check| check.up()));
        let judged = totals.scheduled - totals.of(Outcome::Skipped);
        sessions && judged > 0 && totals.of(Outcome::Ok) == judged
    }

    /// The part of the time in which this machine did not let the probe run, from 0 to 1.
    fn stalled(&self) -> f64 {
        self.readings.heartbeat.stalled.as_secs_f64() / self.lasted.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

/// Whether a probe that could not ask for the metadata can end at once: what is wrong stays wrong, however long it waits.
fn is_final(readings: &Readings) -> bool {
    let failure = readings.metadata.failure.as_ref().filter(|_| readings.metadata.snapshot.is_none());
    failure.is_some_and(|failure| {
        matches!(
            failure.fault,
            Fault::Authentication
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

/// Until every heartbeat has its outcome, nothing can follow, or patience ends.
async fn wait(board: &Board, wanted: Wanted) {
    let progress = io::stderr().is_terminal();
    let sending = INTERVAL * wanted.count;
    let end = Instant::now() + PATIENCE + sending + 2 * wanted.deadline;
    let mut heartbeat = board.heartbeat.clone();
    while Instant::now() < end {
        let snapshot = heartbeat.borrow_and_update().clone();
        let readings = board.read();
        let partitions =
            readings.metadata.fresh().and_then(|metadata| metadata.heartbeat_topic.as_ref().ok());
        let expected = partitions.map(|topic| topic.partitions.len() as u64 * u64::from(wanted.count));
        if progress && snapshot.totals.scheduled > 0 {
            tracing::info!("{} of {} heartbeats", snapshot.totals.scheduled, expected.unwrap_or(0));
        }
        let sent = expected.is_some_and(|expected| expected > 0 && snapshot.totals.scheduled >= expected);
        let unreachable =
            readings.metadata.failure.is_some() && snapshot.totals.scheduled >= u64::from(wanted.count);
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

fn text(report: &Report) -> String {
    let mut out = String::new();
    write_text(report, &mut out).expect("writing to a String cannot fail");
    out
}

fn write_text(report: &Report, out: &mut String) -> std::fmt::Result {
    let readings = &report.readings;
    let heartbeat = &readings.heartbeat;
    match readings.metadata.fresh() {
        Some(metadata) => {
            let id = metadata.cluster_id.as_deref().unwrap_or("unknown");
            let took = metadata.duration.as_secs_f64() * 1e3;
            writeln!(
                out,
                "cluster {}  id {}  {} brokers  metadata {took:.1} ms",
                readings.name,
                plain(id),
                metadata.brokers.len()
            )?;
        }
        None => writeln!(out, "cluster {}  not reached", readings.name)?,
    }
    if let Some(failure) = &readings.metadata.failure {
        writeln!(out, "  metadata: {}", failure.message)?;
        // A broker says nothing to a client that does not begin with TLS or SASL where it has to.
        let closed = failure.fault == Fault::Disconnected && readings.metadata.snapshot.is_none();
        let hint = if closed { Some(CLOSED) } else { failure.fault.hint() };
        if let Some(hint) = hint {
            writeln!(out, "  hint: {hint}")?;
        }
    }
    for (id, check) in readings.connectivity.fresh().iter().flat_map(|snapshot| &snapshot.brokers) {
        let stages =
            check.stages.iter().map(|(stage, took)| format!("{stage} {:.1}", took.as_secs_f64() * 1e3));
        let stages = stages.collect::<Vec<_>>().join("  ");
        let state = if check.up() { "up  " } else { "DOWN" };
        writeln!(out, "  broker {id:<4} {state} {}:{}  {stages} ms", plain(&check.host), check.port)?;
        if let Some(failure) = &check.failure {
            writeln!(out, "    {}", failure.message)?;
        }
    }
    let totals = heartbeat.totals;
    let outcomes = Outcome::ALL.into_iter().filter(|outcome| totals.of(*outcome) > 0);
    let outcomes: Vec<_> =
        outcomes.map(|outcome| format!("{} {}", totals.of(outcome), outcome.as_str())).collect();
    if totals.scheduled > 0 {
        let partitions = heartbeat.partitions.len();
        writeln!(
            out,
            "  {} heartbeats on {partitions} partitions: {}",
            totals.scheduled,
            outcomes.join(", ")
        )?;
    }
    if report.sent() == 0 {
        writeln!(out, "  Nothing was sent: no connection to the cluster")?;
    }
    let latencies = [("acknowledged", &heartbeat.produce), ("end to end", &heartbeat.end_to_end)];
    for (name, recent) in latencies.into_iter().filter(|_| report.sent() > 0) {
        if let Some(summary) = recent.summary(Instant::now(), Duration::from_secs(300)) {
            let deadline = readings.settings.heartbeat.deadline;
            // What was not there by the deadline has no latency but this.
            let ms = |time: Duration| match time > deadline {
                true => format!("> {}", deadline.as_secs_f64() * 1e3),
                false => format!("{:.1}", time.as_secs_f64() * 1e3),
            };
            let Summary { p50, p90, p99, max, .. } = summary;
            writeln!(
                out,
                "  {name:<13} p50 {}  p90 {}  p99 {}  max {} ms",
                ms(p50),
                ms(p90),
                ms(p99),
                ms(max)
            )?;
        }
    }
    for bad in heartbeat.bad.iter().rev().take(5) {
        let fault = bad.fault.map_or("", |fault| fault.as_str());
        writeln!(
            out,
            "  bad: partition {} #{} {} {fault}",
            bad.partition,
            bad.sequence,
            bad.outcome.as_str()
        )?;
    }
    if !heartbeat.stalled.is_zero() {
        let (stalled, lasted) = (heartbeat.stalled.as_secs_f64(), report.lasted.as_secs_f64());
        let (share, skipped) = (100.0 * report.stalled(), totals.of(Outcome::Skipped));
        writeln!(
            out,
            "  This machine did not let the probe run for {stalled:.2} of {lasted:.1} s ({share:.1} %); {skipped} \
             heartbeats are not judged for that reason."
        )?;
    }
    writeln!(out, "{}", if report.is_good() { "all good" } else { "NOT WELL" })
}

fn report_json(report: &Report) -> serde_json::Value {
    let readings = &report.readings;
    let heartbeat = &readings.heartbeat;
    let outcomes: serde_json::Map<_, _> = Outcome::ALL
        .iter()
        .map(|outcome| (outcome.as_str().to_owned(), heartbeat.totals.of(*outcome).into()))
        .collect();
    let summary = |recent: &crate::latency::Recent| {
        recent.summary(Instant::now(), Duration::from_secs(300)).map(|summary| {
            json!({
                "p50_seconds": summary.p50.as_secs_f64(),
                "p90_seconds": summary.p90.as_secs_f64(),
                "p99_seconds": summary.p99.as_secs_f64(),
                "max_seconds": summary.max.as_secs_f64(),
            })
        })
    };
    let brokers = readings.connectivity.fresh().map(|snapshot| {
        let brokers = snapshot.brokers.iter().map(|(id, check)| {
            let stages = check
                .stages
                .iter()
                .map(|(stage, took)| (stage.as_str().to_owned(), took.as_secs_f64().into()));
            json!({
                "id": id.0,
                "host": check.host,
                "port": check.port,
                "up": check.up(),
                "stages_seconds": stages.collect::<serde_json::Map<_, _>>(),
                "failure": check.failure.as_ref().map(|failure| failure.message.clone()),
            })
        });
        brokers.collect::<Vec<_>>()
    });
    json!({
        "cluster": &*readings.name,
        "ok": report.is_good(),
        "sent": report.sent(),
        "stalled_seconds": heartbeat.stalled.as_secs_f64(),
        "stalled_ratio": report.stalled(),
        "cluster_id": readings.metadata.fresh().and_then(|metadata| metadata.cluster_id.clone()),
        "metadata_failure": readings.metadata.failure.as_ref().map(|failure| failure.message.clone()),
        "brokers": brokers,
        "scheduled": heartbeat.totals.scheduled,
        "outcomes": outcomes,
        "produce": summary(&heartbeat.produce),
        "end_to_end": summary(&heartbeat.end_to_end),
    })
}

/// What topic assurance would do, or does, on each cluster. All is well with a plan that could be made, and
/// with an order of which nothing is left.
///
/// # Errors
/// A configuration that cannot be used.
pub async fn topic(config: Config, apply: bool) -> Result<(String, Exit), String> {
    let checked = app::check(&config).map_err(|errors| errors.to_string())?;
    let (mut report, mut exit) = (String::new(), Exit::Ok);
    for checked in &checked {
        let name = &checked.cluster.name;
        let (words, well) = match look(checked, apply).await {
            Ok(told) => told,
            Err(error) => (format!("  cannot be told: {}\n", Chain(&error)), false),
        };
        if !well {
            exit = Exit::Unavailable;
        }
        write!(report, "cluster {name}, topic {}\n{words}", checked.cluster.heartbeat.topic)
            .expect("writing to a String cannot fail");
    }
    Ok((report, exit))
}

/// In words, and whether nothing is left of what was ordered.
async fn look(checked: &Checked, apply: bool) -> Result<(String, bool), Error> {
    let cluster = &checked.cluster;
    let wire = std::sync::Arc::new(wire::Cluster::new(checked.wire.clone(), cluster.metadata.timeout));
    let (publish, metadata) = watch::channel(Latest::new(cluster.metadata.interval));
    let stop = CancellationToken::new();
    let _stop = stop.clone().drop_guard();
    let every = Schedule::every(
        format!("{}/metadata", cluster.name),
        cluster.metadata.interval,
        cluster.metadata.timeout,
    );
    let nudge = every.nudge.clone();
    tokio::spawn(task::run(metadata::Probe::new(cluster.clone(), wire.clone()), every, publish, stop));
    let mut probe = topic::Probe::new(cluster.clone(), wire, metadata, nudge);
    let mut snapshot = probe.inspect().await?;
    let mut words = String::new();
    for action in &snapshot.pending {
        words.push_str(&format!("  {action}\n"));
    }
    if snapshot.pending.is_empty() {
        words.push_str("  nothing to do\n");
    }
    for reason in &snapshot.blocked {
        words.push_str(&format!("  held: {}\n", reason.as_str().replace('_', " ")));
    }
    let mut left = 0;
    if apply {
        let planned = snapshot.pending.len();
        let done = probe.apply(&mut snapshot).await?;
        words.push_str(&format!("  {done} of {planned} done\n"));
        left = snapshot.pending.len();
    }
    Ok((words, left == 0))
}
