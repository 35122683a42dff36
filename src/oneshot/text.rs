//! The report of a probe for people.

use std::{
    fmt::{Result, Write},
    time::{Duration, Instant},
};

use super::report::Report;
use crate::{
    board::Readings,
    kafka::Fault,
    latency::{Recent, Summary},
    probe::heartbeat::Outcome,
    text::plain,
};

/// The hint for a broker that closes the connection without an answer to the first request.
const CLOSED: &str = "the broker closed the connection without an answer: the port may ask for TLS or SASL; check security.protocol";

/// The number of bad heartbeats that are listed, the newest first.
const BAD: usize = 5;

/// The report of one cluster.
pub(super) fn write(report: &Report) -> String {
    let mut out = String::new();
    write_report(report, &mut out).expect("writing to a String cannot fail");
    out
}

fn write_report(report: &Report, out: &mut String) -> Result {
    let readings = &report.readings;
    write_metadata(readings, out)?;
    write_suspects(readings, out)?;
    write_brokers(readings, out)?;
    write_outcomes(report, out)?;
    if report.sent() > 0 {
        write_latency("acknowledged", &readings.heartbeat.produce, readings, out)?;
        write_latency("end to end", &readings.heartbeat.end_to_end, readings, out)?;
    }
    for bad in readings.heartbeat.bad.iter().rev().take(BAD) {
        let fault = bad.fault.map_or("", |fault| fault.as_str());
        let (partition, sequence, outcome) = (bad.partition, bad.sequence, bad.outcome.as_str());
        writeln!(out, "  bad: partition {partition} #{sequence} {outcome} {fault}")?;
    }
    write_stalls(report, out)?;
    writeln!(out, "{}", if report.is_good() { "all good" } else { "NOT WELL" })
}

fn write_metadata(readings: &Readings, out: &mut String) -> Result {
    if let Some(metadata) = readings.metadata.fresh() {
        let id = plain(metadata.cluster_id.as_deref().unwrap_or("unknown"));
        let (brokers, took) = (metadata.brokers.len(), metadata.duration.as_secs_f64() * 1e3);
        writeln!(out, "cluster {}  id {id}  {brokers} brokers  metadata {took:.1} ms", readings.name)?;
    } else {
        writeln!(out, "cluster {}  not reached", readings.name)?;
    }
    let Some(failure) = &readings.metadata.failure else { return Ok(()) };
    writeln!(out, "  metadata: {}", failure.message)?;
    // A broker that requires TLS or SASL does not answer a client that begins with neither of them.
    let closed = failure.fault == Fault::Disconnected && readings.metadata.snapshot.is_none();
    let hint = if closed { Some(CLOSED) } else { failure.fault.hint() };
    hint.map_or(Ok(()), |hint| writeln!(out, "  hint: {hint}"))
}

fn write_suspects(readings: &Readings, out: &mut String) -> Result {
    for suspect in readings.verdict.diagnosis.iter().flat_map(|diagnosis| &diagnosis.suspects) {
        writeln!(out, "  {}: {}", suspect.confidence, plain(&suspect.headline))?;
        for evidence in &suspect.evidence {
            writeln!(out, "    {}", plain(evidence))?;
        }
    }
    Ok(())
}

fn write_brokers(readings: &Readings, out: &mut String) -> Result {
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
    Ok(())
}

fn write_outcomes(report: &Report, out: &mut String) -> Result {
    let heartbeat = &report.readings.heartbeat;
    let totals = heartbeat.totals;
    if totals.scheduled > 0 {
        let outcomes = Outcome::ALL.into_iter().filter(|outcome| totals.of(*outcome) > 0);
        let outcomes = outcomes.map(|outcome| format!("{} {}", totals.of(outcome), outcome.as_str()));
        let (outcomes, partitions) = (outcomes.collect::<Vec<_>>().join(", "), heartbeat.partitions.len());
        writeln!(out, "  {} heartbeats on {partitions} partitions: {outcomes}", totals.scheduled)?;
    }
    if report.sent() == 0 {
        writeln!(out, "  Nothing was sent: no connection to the cluster")?;
    }
    Ok(())
}

fn write_latency(name: &str, recent: &Recent, readings: &Readings, out: &mut String) -> Result {
    let Some(summary) = recent.summary(Instant::now(), Duration::from_secs(300)) else { return Ok(()) };
    let deadline = readings.settings.heartbeat.deadline;
    // A heartbeat that was not received by the deadline is recorded with a latency just above the deadline.
    let ms = |time: Duration| {
        if time > deadline {
            format!("> {}", deadline.as_secs_f64() * 1e3)
        } else {
            format!("{:.1}", time.as_secs_f64() * 1e3)
        }
    };
    let Summary { p50, p90, p99, max, .. } = summary;
    let [p50, p90, p99, max] = [p50, p90, p99, max].map(ms);
    writeln!(out, "  {name:<13} p50 {p50}  p90 {p90}  p99 {p99}  max {max} ms")
}

fn write_stalls(report: &Report, out: &mut String) -> Result {
    let heartbeat = &report.readings.heartbeat;
    if heartbeat.stalled.is_zero() {
        return Ok(());
    }
    let (stalled, lasted) = (heartbeat.stalled.as_secs_f64(), report.lasted.as_secs_f64());
    let (share, skipped) = (100.0 * report.stalled(), heartbeat.totals.of(Outcome::Skipped));
    writeln!(
        out,
        "  This machine did not let the probe run for {stalled:.2} of {lasted:.1} s ({share:.1} %); {skipped} \
         heartbeats are not judged for that reason."
    )
}
