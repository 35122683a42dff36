//! What goes out by itself, by the same loop that looks at clusters: metrics and traces by OpenTelemetry's protocol, the
//! report as a file, and findings to topics of Kafka.

mod alerts;
mod report;
mod traces;

use std::{
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use alerts::Publishing;
use futures_util::future::join_all;
use report::Writing;
use tokio::{sync::watch, task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;
use traces::{Counts, Telling};

use crate::{
    board::Board,
    clock::since_1970,
    config::Config,
    export::otlp::{Exporter, Report, Source},
    kafka::{Error, Fault},
    metrics::render::{self, Exposed},
    probe::heartbeat::trace_queue::TraceReceiver,
    process::{Exports, Monitor, Published, Traces},
    sync::lock,
    task::{self, Cycle, Latest, Schedule},
};

/// For the last export, of what heartbeats ended as while the service stopped.
const FLUSH: Duration = Duration::from_secs(2);

/// The running tasks.
pub struct Push {
    /// What became of the exports.
    pub results: Results,
    tasks: Vec<JoinHandle<()>>,
    stop: CancellationToken,
}

/// What became of the exports, where there are some.
#[derive(Clone, Default)]
pub struct Results {
    metrics: Option<Pushed>,
    traces: Option<Arc<Counts>>,
    /// By cluster.
    alerts: Vec<(Arc<str>, Arc<alerts::Counts>)>,
}

#[derive(Clone)]
struct Pushed {
    latest: watch::Receiver<Latest<()>>,
    report: Arc<Mutex<Report>>,
}

impl Push {
    /// Starts to push what has somewhere to go. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// What of the settings cannot be used, in words.
    pub fn start(
        config: &Config,
        boards: Vec<Board>,
        monitor: Arc<Monitor>,
        inlet: Option<TraceReceiver>,
    ) -> Result<Self, String> {
        let (stop, begun) = (CancellationToken::new(), SystemTime::now());
        let instance = instance(config, begun);
        let mut push = Self { results: Results::default(), tasks: Vec::new(), stop };
        if let Some(report) = &config.report {
            let schedule = Writing::schedule(report);
            let (publish, _) = watch::channel(Latest::new(schedule.interval));
            let work = Writing::new(report, boards.clone());
            push.tasks.push(tokio::spawn(task::run(work, schedule, publish, push.stop.clone())));
        }
        if config.alerts.topic.is_some() || config.alerts.metrics.is_some() {
            for board in &boards {
                let (name, counts) = (board.name.clone(), Arc::<alerts::Counts>::default());
                let schedule = Publishing::schedule(&config.alerts, &name);
                let (publish, _) = watch::channel(Latest::new(schedule.interval));
                let work = Publishing::new(&config.alerts, board.clone(), counts.clone())?;
                push.results.alerts.push((name, counts));
                push.tasks.push(tokio::spawn(task::run(work, schedule, publish, push.stop.clone())));
            }
        }
        if let Some(metrics) = &config.otlp.metrics {
            let exporter = Exporter::new(metrics, &config.labels, &instance, source(boards, monitor), begun)?;
            let (publish, latest) = watch::channel(Latest::new(metrics.interval));
            push.results.metrics = Some(Pushed { latest, report: exporter.report() });
            let work = Pushing { exporter, interval: metrics.interval };
            // The first export has something to tell, and services that start together do not push together.
            let schedule = Schedule {
                delay: metrics.interval.min(FIRST),
                ..Schedule::every("otlp", metrics.interval, metrics.interval)
            };
            push.tasks.push(tokio::spawn(task::run(work, schedule, publish, push.stop.clone())));
        }
        if let (Some(traces), Some(inlet)) = (&config.otlp.traces, inlet) {
            let counts = Arc::new(Counts::default());
            let work = Telling::new(traces, &instance, inlet, counts.clone())?;
            let schedule = Telling::schedule();
            let (publish, _) = watch::channel(Latest::new(schedule.interval));
            push.results.traces = Some(counts);
            push.tasks.push(tokio::spawn(task::run(work, schedule, publish, push.stop.clone())));
        }
        Ok(push)
    }

    /// How long [`Push::stop`] may take.
    pub fn flush(&self) -> Duration {
        if self.tasks.is_empty() { Duration::ZERO } else { FLUSH }
    }

    /// Exports once more, and ends.
    pub async fn stop(self) {
        self.stop.cancel();
        if tokio::time::timeout(FLUSH, join_all(self.tasks)).await.is_err() {
            tracing::warn!("the last export did not get through in time");
        }
    }
}

/// From the start to the first export.
const FIRST: Duration = Duration::from_secs(5);

/// Tells processes apart, and runs of one: by the instance's name and when it began.
fn instance(config: &Config, begun: SystemTime) -> String {
    let name = config.clusters.first().map_or("", |cluster| cluster.heartbeat.instance.as_str());
    let since = since_1970(begun);
    format!("{name}-{:x}", since.as_nanos())
}

/// Everything that is served is pushed, but for the names that are there for older dashboards.
fn source(boards: Vec<Board>, monitor: Arc<Monitor>) -> Source {
    Arc::new(move |encoder| {
        let readings: Vec<_> = boards.iter().map(Board::read).collect();
        let process = monitor.read();
        render::everything(&Exposed::to_push(&readings, &process), encoder);
    })
}

struct Pushing {
    exporter: Exporter,
    interval: Duration,
}

impl Cycle for Pushing {
    type Snapshot = ();

    async fn cycle(&mut self) -> Result<(), Error> {
        let until = Instant::now() + self.interval.mul_f32(0.9);
        let done = self.exporter.export(until).await;
        done.map(drop).map_err(|words| Error::new(Fault::Other, words))
    }

    async fn end(&mut self) {
        if let Err(words) = self.exporter.export(Instant::now() + FLUSH).await {
            tracing::warn!("the last export failed: {words}");
        }
    }
}

impl Results {
    /// What is told of them.
    pub fn read(&self) -> (Option<Exports>, Option<Traces>, Vec<Published>) {
        let exports = self.metrics.as_ref().map(|Pushed { latest, report }| {
            let latest = latest.borrow();
            let report = *lock(&report);
            let Report { requests, bytes, retries, rejected } = report;
            let (cycles, duration) = (latest.cycles, latest.last_duration);
            Exports { cycles, duration, requests, bytes, retries, rejected }
        });
        let alerts = self.alerts.iter().map(|(cluster, counts)| {
            let (sent, failed) = counts.read();
            Published { cluster: cluster.clone(), sent, failed }
        });
        (exports, self.traces.as_ref().map(|counts| counts.read()), alerts.collect())
    }
}
