//! Metrics pushed by OpenTelemetry's protocol, by the same loop that looks at clusters.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{sync::watch, task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    board::Board,
    config::Config,
    export::otlp::{Exporter, Report, Source},
    kafka::{Error, Fault},
    metrics::{
        Sink,
        render::{self, Exports},
    },
    process::Monitor,
    task::{self, Cycle, Latest, Schedule},
};

/// For the last export, of what heartbeats ended as while the service stopped.
const FLUSH: Duration = Duration::from_secs(2);

/// The running task, if there is one.
pub struct Push {
    /// What became of the exports.
    pub latest: Option<watch::Receiver<Latest<Report>>>,
    task: Option<JoinHandle<()>>,
    stop: CancellationToken,
}

impl Push {
    /// Starts to push, where an endpoint is configured.
    ///
    /// # Errors
    /// What of the settings cannot be used, in words.
    pub fn start(config: &Config, boards: Vec<Board>, monitor: Arc<Monitor>) -> Result<Self, String> {
        let stop = CancellationToken::new();
        let Some(otlp) = &config.otlp else { return Ok(Self { latest: None, task: None, stop }) };
        let begun = SystemTime::now();
        let exporter =
            Exporter::new(otlp, &config.labels, instance(config, begun), source(boards, monitor), begun)?;
        let (publish, latest) = watch::channel(Latest::new(otlp.interval));
        let work = Pushing { exporter, interval: otlp.interval };
        // The first export has something to tell, and services that start together do not push together.
        let schedule = Schedule {
            delay: otlp.interval.min(FIRST),
            ..Schedule::every("otlp", otlp.interval, otlp.interval)
        };
        let task = tokio::spawn(task::run(work, schedule, publish, stop.clone()));
        Ok(Self { latest: Some(latest), task: Some(task), stop })
    }

    /// How long [`Push::stop`] may take.
    pub fn flush(&self) -> Duration {
        if self.task.is_some() { FLUSH } else { Duration::ZERO }
    }

    /// Exports once more, and ends.
    pub async fn stop(self) {
        self.stop.cancel();
        if let Some(task) = self.task
            && tokio::time::timeout(FLUSH, task).await.is_err()
        {
            tracing::warn!("the last export did not get through in time");
        }
    }
}

/// From the start to the first export.
const FIRST: Duration = Duration::from_secs(5);

/// Tells processes apart, and runs of one: by the instance's name and when it began.
fn instance(config: &Config, begun: SystemTime) -> String {
    let name = config.clusters.first().map_or("", |cluster| cluster.heartbeat.instance.as_str());
    let since = begun.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("{name}-{:x}", since.as_nanos())
}

/// Everything that is served is pushed, but for the names that are there for older dashboards.
fn source(boards: Vec<Board>, monitor: Arc<Monitor>) -> Source {
    Arc::new(move |encoder| {
        let readings: Vec<_> = boards.iter().map(Board::read).collect();
        let process = monitor.read();
        let mut own = Vec::new();
        readings.iter().for_each(|readings| render::cluster(readings, &mut own));
        render::process(&process, &mut own);
        encoder.take(own);
        readings.iter().for_each(|one| render::collected(one, readings.len() == 1, encoder));
    })
}

struct Pushing {
    exporter: Exporter,
    interval: Duration,
}

impl Cycle for Pushing {
    type Snapshot = Report;

    async fn cycle(&mut self) -> Result<Report, Error> {
        let until = Instant::now() + self.interval.mul_f32(0.9);
        self.exporter.export(until).await.map_err(|words| Error::new(Fault::Other, words))
    }

    async fn end(&mut self) {
        if let Err(words) = self.exporter.export(Instant::now() + FLUSH).await {
            tracing::warn!("the last export failed: {words}");
        }
    }
}

/// What is told of exports.
pub fn read(latest: Option<&watch::Receiver<Latest<Report>>>) -> Option<Exports> {
    let latest = latest?.borrow();
    let report = latest.snapshot.as_ref().map(|(report, _)| **report).unwrap_or_default();
    let Report { requests, bytes, retries, rejected } = report;
    Some(Exports {
        cycles: latest.cycles,
        duration: latest.last_duration,
        requests,
        bytes,
        retries,
        rejected,
    })
}
