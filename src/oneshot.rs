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
    cli::{Exit, Format},
    config::Config,
    kafka::{Error, fault::Chain, wire},
    latency::Summary,
    probe::{heartbeat::Outcome, metadata, topic},
    task::{self, Latest, Schedule},
};

/// Between two heartbeats of a probe on one partition.
const INTERVAL: Duration = Duration::from_millis(100);
/// For connecting, and for the topic to be there.
const PATIENCE: Duration = Duration::from_secs(15);

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
        let running = Running::start(checked, None, None).map_err(|error| Chain(&error).to_string())?;
        wait(&running.board, wanted).await;
        let board = running.stop(Duration::from_secs(1)).await;
        reports.push(board.read());
    }
    let good = reports.iter().all(all_good);
    let report = match wanted.format {
        Format::Text => reports.iter().map(text).collect(),
        Format::Json => format!(
            "{:#}\n",
            json!({ "ok": good, "clusters": reports.iter().map(report_json).collect::<Vec<_>>() })
        ),
    };
    Ok((report, if good { Exit::Ok } else { Exit::Unavailable }))
}

/// Until every heartbeat has its outcome, or patience ends.
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
        if (sent || unreachable) && snapshot.totals.in_flight == 0 && readings.connectivity.tried() {
            return;
        }
        // A new snapshot comes at least once a second.
        _ = tokio::time::timeout(Duration::from_secs(2), heartbeat.changed()).await;
    }
}

fn all_good(readings: &Readings) -> bool {
    let totals = readings.heartbeat.totals;
    let sessions = readings
        .connectivity
        .fresh()
        .is_some_and(|snapshot| snapshot.brokers.values().all(|check| check.up()));
    sessions && totals.scheduled > 0 && totals.of(Outcome::Ok) == totals.scheduled
}

fn text(readings: &Readings) -> String {
    let mut out = String::new();
    write_text(readings, &mut out).expect("writing to a String cannot fail");
    out
}

fn write_text(readings: &Readings, out: &mut String) -> std::fmt::Result {
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
        if let Some(hint) = failure.fault.hint() {
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
    writeln!(
        out,
        "  {} heartbeats on {} partitions: {}",
        totals.scheduled,
        heartbeat.partitions.len(),
        outcomes.join(", ")
    )?;
    for (name, recent) in [("acknowledged", &heartbeat.produce), ("end to end", &heartbeat.end_to_end)] {
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
    writeln!(out, "{}", if all_good(readings) { "all good" } else { "NOT WELL" })
}

fn plain(text: &str) -> String {
    crate::kafka::fault::plain(text)
}

fn report_json(readings: &Readings) -> serde_json::Value {
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
        "ok": all_good(readings),
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
    let mut snapshot = probe.look().await?;
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
