//! The start and the end of all tasks that send something.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures_util::future::join_all;
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{
    alerts::{AlertTask, RecordCounts},
    metrics::{FLUSH, MetricTask, source},
    report::ReportTask,
    results::{MetricExports, Results},
    traces::{TraceCounts, TraceTask},
};
use crate::{
    board::Board,
    clock::since_1970,
    config::{self, Config},
    export::otlp::Exporter,
    probe::heartbeat::trace_queue::TraceReceiver,
    process::Monitor,
    task::{self, Cycle, Latest, Schedule},
};

/// The running tasks.
pub struct Push {
    /// The counts of everything that is sent.
    pub results: Results,
    tasks: Vec<JoinHandle<()>>,
    stop: CancellationToken,
}

impl Push {
    /// Starts the tasks of everything that is configured to be sent. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// The setting that cannot be used, and why.
    pub fn start(
        config: &Config,
        boards: Vec<Board>,
        monitor: Arc<Monitor>,
        traces: Option<TraceReceiver>,
    ) -> Result<Self, String> {
        let begun = SystemTime::now();
        let instance = instance(config, begun);
        let stop = CancellationToken::new();
        let mut push = Self { results: Results::default(), tasks: Vec::new(), stop };
        if let Some(report) = &config.report {
            push.spawn(ReportTask::schedule(report), ReportTask::new(report, boards.clone()));
        }
        if config.alerts.topic.is_some() || config.alerts.metrics_topic.is_some() {
            for board in &boards {
                push.alerts(&config.alerts, board)?;
            }
        }
        if let Some(metrics) = &config.otlp.metrics {
            let source = source(boards, monitor);
            let exporter = Exporter::new(metrics, &config.labels, &instance, source, begun)?;
            let report = exporter.report();
            let schedule = MetricTask::schedule(metrics.interval);
            let latest = push.spawn(schedule, MetricTask::new(exporter, metrics.interval));
            push.results.metrics = Some(MetricExports { latest, report });
        }
        if let (Some(settings), Some(receiver)) = (&config.otlp.traces, traces) {
            let counts = Arc::new(TraceCounts::default());
            let work = TraceTask::new(settings, &instance, receiver, counts.clone())?;
            push.spawn(TraceTask::schedule(), work);
            push.results.traces = Some(counts);
        }
        Ok(push)
    }

    fn alerts(&mut self, settings: &config::Alerts, board: &Board) -> Result<(), String> {
        let counts = Arc::<RecordCounts>::default();
        let work = AlertTask::new(settings, board.clone(), counts.clone())?;
        self.spawn(AlertTask::schedule(settings, &board.name), work);
        self.results.alerts.push((board.name.clone(), counts));
        Ok(())
    }

    /// Starts a task; returns the channel of its record.
    fn spawn<C: Cycle>(&mut self, schedule: Schedule, work: C) -> watch::Receiver<Latest<C::Snapshot>> {
        let (publish, latest) = watch::channel(Latest::new(schedule.interval));
        self.tasks.push(tokio::spawn(task::run(work, schedule, publish, self.stop.clone())));
        latest
    }

    /// The time that [`Push::stop`] may take.
    pub fn flush(&self) -> Duration {
        if self.tasks.is_empty() { Duration::ZERO } else { FLUSH }
    }

    /// Sends everything once more, and ends the tasks.
    pub async fn stop(self) {
        self.stop.cancel();
        if tokio::time::timeout(FLUSH, join_all(self.tasks)).await.is_err() {
            tracing::warn!("the last export did not get through in time");
        }
    }
}

/// An id of this run of the service: the name of the instance, and when it began.
fn instance(config: &Config, begun: SystemTime) -> String {
    let name = config.clusters.first().map_or("", |cluster| cluster.heartbeat.instance.as_str());
    let since = since_1970(begun);
    format!("{name}-{:x}", since.as_nanos())
}
