//! The start and the end of all tasks that send something.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures_util::future::join_all;
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{
    alerts::{AlertTask, OpenFindings},
    metrics::{FLUSH, MetricTask, source},
    report::ReportTask,
    results::{MetricExports, Results},
    traces::{TraceCounts, TraceTask},
};
use crate::{
    board::Board,
    boards::Boards,
    clock::since_1970,
    config::{self, Config},
    export::otlp::Exporter,
    ha::{EVERY_CLUSTER, Leadership},
    probe::heartbeat::trace_queue::TraceReceiver,
    process::Monitor,
    sync::lock,
    task::{self, Cycle, Latest, Schedule},
};

/// The running tasks.
pub struct Push {
    /// The counts of everything that is sent.
    pub results: Results,
    tasks: Vec<JoinHandle<()>>,
    /// `[alerts]`
    settings: config::Alerts,
    /// The tasks that publish findings, one for each board.
    alerts: Vec<AlertsOfBoard>,
    stop: CancellationToken,
}

/// The task that publishes the findings of one board.
struct AlertsOfBoard {
    board: Board,
    findings: OpenFindings,
    task: JoinHandle<()>,
    stop: CancellationToken,
}

impl Push {
    /// Starts the tasks of everything that is configured to be sent. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// The setting that cannot be used, and why.
    pub fn start(
        config: &Config,
        boards: &Boards,
        monitor: Arc<Monitor>,
        traces: Option<TraceReceiver>,
        leadership: &Leadership,
    ) -> Result<Self, String> {
        let begun = SystemTime::now();
        let instance = instance(config, begun);
        let settings = config.alerts.clone();
        let stop = CancellationToken::new();
        let mut push =
            Self { results: Results::default(), tasks: Vec::new(), settings, alerts: Vec::new(), stop };
        if let Some(report) = &config.report {
            // The report is about all clusters.
            let permit = leadership.permit(EVERY_CLUSTER);
            let schedule = Schedule { permit, ..ReportTask::schedule(report) };
            push.spawn(schedule, ReportTask::new(report, boards.clone()));
        }
        push.follow(boards)?;
        if let Some(metrics) = &config.otlp.metrics {
            let source = source(boards.clone(), monitor);
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

    /// Publishes the findings of these boards from now on, and of no others. The counts and the open findings of a cluster
    /// that was started again go on.
    ///
    /// # Errors
    /// Why the findings of a cluster cannot be published. The findings of all other clusters are published.
    pub fn follow(&mut self, boards: &Boards) -> Result<(), String> {
        if self.settings.topic.is_none() && self.settings.metrics_topic.is_none() {
            return Ok(());
        }
        let boards = boards.list();
        let open: BTreeMap<_, _> =
            self.alerts.iter().map(|alerts| (alerts.board.name.clone(), alerts.findings.clone())).collect();
        self.alerts.retain(|alerts| {
            let goes_on = boards.iter().any(|board| board.is(&alerts.board));
            if !goes_on {
                alerts.stop.cancel();
            }
            goes_on
        });
        lock(&self.results.alerts).retain(|cluster, _| boards.iter().any(|board| board.name == *cluster));
        let mut failed = Vec::new();
        for board in boards.iter() {
            if !self.alerts.iter().any(|alerts| alerts.board.is(board))
                && let Err(words) = self.publish(board, open.get(&board.name).cloned().unwrap_or_default())
            {
                failed.push(format!("cluster {}: {words}", board.name));
            }
        }
        if failed.is_empty() { Ok(()) } else { Err(failed.join("; ")) }
    }

    /// Starts the task that publishes the findings of a board.
    fn publish(&mut self, board: &Board, findings: OpenFindings) -> Result<(), String> {
        let counts = lock(&self.results.alerts).get(&board.name).cloned().unwrap_or_default();
        let work = AlertTask::new(&self.settings, board.clone(), findings.clone(), counts.clone())?;
        let permit = board.leadership.permit(&board.name);
        let schedule = Schedule { permit, ..AlertTask::schedule(&self.settings, &board.name) };
        let stop = self.stop.child_token();
        let (publish, _) = watch::channel(Latest::new(schedule.interval));
        let task = tokio::spawn(task::run(work, schedule, publish, stop.clone()));
        self.alerts.push(AlertsOfBoard { board: board.clone(), findings, task, stop });
        lock(&self.results.alerts).insert(board.name.clone(), counts);
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
        if self.tasks.is_empty() && self.alerts.is_empty() { Duration::ZERO } else { FLUSH }
    }

    /// Sends everything once more, and ends the tasks.
    pub async fn stop(self) {
        self.stop.cancel();
        let tasks = self.tasks.into_iter().chain(self.alerts.into_iter().map(|alerts| alerts.task));
        if tokio::time::timeout(FLUSH, join_all(tasks)).await.is_err() {
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
