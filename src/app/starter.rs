//! Starts the tasks of a cluster, each with the results of other tasks that it needs.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::{
    board::{Channels, Task},
    cluster::metadata,
    collect::{log_dirs, transactions},
    config,
    kafka::{rotation::Rotation, wire},
    monitor::{self, HistoryFile},
    probe::{connectivity, coordinators, topic},
    task::{self, Cycle, Latest, Schedule},
};

/// What a task publishes.
type Published<S> = watch::Receiver<Latest<S>>;

/// The tasks of a cluster, and the token that ends them.
#[derive(Default)]
pub(super) struct Tasks {
    pub(super) all: JoinSet<()>,
    pub(super) stop: CancellationToken,
}

/// The started tasks of one cluster, and the channels on which they publish.
pub(super) struct Started {
    pub(super) channels: Channels,
    /// Asks the metadata task for a cycle now.
    pub(super) nudge_metadata: Arc<Notify>,
    pub(super) running: Tasks,
}

/// Starts the tasks of one cluster. Each private method starts one task and returns the channel on which that task publishes.
pub(super) struct Starter {
    cluster: Arc<config::Cluster>,
    /// The settings of the wire client, for sessions of their own.
    client: Arc<wire::Client>,
    /// The wire client that the tasks share.
    wire: Arc<wire::Cluster>,
    tasks: Tasks,
}

impl Starter {
    pub(super) fn new(
        cluster: Arc<config::Cluster>,
        client: Arc<wire::Client>,
        wire: Arc<wire::Cluster>,
    ) -> Self {
        Self { cluster, client, wire, tasks: Tasks::default() }
    }

    /// Starts every task that runs for the cluster.
    pub(super) fn start_all(mut self, history: HistoryFile) -> Started {
        if let Some(rotation) = Rotation::new(self.cluster.clone(), self.wire.clone()) {
            self.tasks.all.spawn(rotation.run(self.tasks.stop.clone()));
        }
        let (metadata, nudge_metadata) = self.metadata();
        let channels = Channels {
            connectivity: self.connectivity(&metadata),
            topic: self.topic(&metadata, &nudge_metadata),
            coordinators: self.coordinators(&metadata),
            collect: self.collection(&metadata, history),
            transactions: self.transactions(&metadata),
            log_dirs: self.log_dirs(&metadata),
            metadata,
        };
        Started { channels, nudge_metadata, running: self.tasks }
    }

    /// Starts the metadata task. Returns what it publishes, and what asks for a cycle now.
    fn metadata(&mut self) -> (Published<metadata::Snapshot>, Arc<Notify>) {
        let settings = &self.cluster.metadata;
        let schedule = self.schedule(Task::Metadata, settings.interval, settings.timeout);
        let nudge = schedule.nudge.clone();
        let probe = |starter: &Self| metadata::Probe::new(starter.cluster.clone(), starter.wire.clone());
        (self.start(Task::Metadata, schedule, probe), nudge)
    }

    /// Starts the connectivity task.
    fn connectivity(
        &mut self,
        metadata: &Published<metadata::Snapshot>,
    ) -> Published<connectivity::Snapshot> {
        let interval = self.cluster.connectivity.interval;
        let schedule = self.schedule(Task::Connectivity, interval, interval);
        self.start(Task::Connectivity, schedule, |Self { cluster, client, .. }| {
            connectivity::Probe::new(cluster.clone(), client.clone(), metadata.clone())
        })
    }

    /// Starts the task of the heartbeat topic. It runs again when the metadata changes.
    fn topic(
        &mut self,
        metadata: &Published<metadata::Snapshot>,
        nudge_metadata: &Arc<Notify>,
    ) -> Published<topic::Snapshot> {
        let settings = &self.cluster.topic;
        let schedule = self.schedule(Task::Topic, settings.interval, settings.timeout);
        let nudge = schedule.nudge.clone();
        let topic = self.start(Task::Topic, schedule, |Self { cluster, wire, .. }| {
            topic::Probe::new(cluster.clone(), wire.clone(), metadata.clone(), nudge_metadata.clone())
        });
        if Task::Topic.runs(&self.cluster) {
            let watch = topic::watch(metadata.clone(), topic.clone(), nudge, self.tasks.stop.clone());
            self.tasks.all.spawn(watch);
        }
        topic
    }

    /// Starts the task of coordinators.
    fn coordinators(
        &mut self,
        metadata: &Published<metadata::Snapshot>,
    ) -> Published<coordinators::Snapshot> {
        let settings = &self.cluster.coordinators;
        let schedule = self.schedule(Task::Coordinators, settings.interval, settings.timeout);
        self.start(Task::Coordinators, schedule, |Self { cluster, wire, .. }| {
            coordinators::Probe::new(cluster.clone(), wire.clone(), metadata.clone())
        })
    }

    /// Starts the collection task.
    fn collection(
        &mut self,
        metadata: &Published<metadata::Snapshot>,
        history: HistoryFile,
    ) -> Published<monitor::Snapshot> {
        let interval = monitor::interval(&self.cluster);
        let schedule = self.schedule(Task::Collect, interval, interval);
        self.start(Task::Collect, schedule, |Self { cluster, wire, .. }| {
            monitor::Probe::new(cluster.clone(), wire.clone(), metadata.clone()).with(history)
        })
    }

    /// Starts the task of open transactions.
    fn transactions(
        &mut self,
        metadata: &Published<metadata::Snapshot>,
    ) -> Published<transactions::Snapshot> {
        let settings = &self.cluster.transactions;
        let schedule = self.schedule(Task::Transactions, settings.interval, settings.timeout);
        self.start(Task::Transactions, schedule, |Self { cluster, wire, .. }| {
            transactions::Probe::new(cluster.clone(), wire.clone(), metadata.clone())
        })
    }

    /// Starts the task of log directories.
    fn log_dirs(&mut self, metadata: &Published<metadata::Snapshot>) -> Published<log_dirs::Snapshot> {
        let settings = &self.cluster.log_dirs;
        let schedule = self.schedule(Task::LogDirs, settings.interval, settings.timeout);
        self.start(Task::LogDirs, schedule, |Self { cluster, wire, .. }| {
            log_dirs::Probe::new(cluster.clone(), wire.clone(), metadata.clone())
        })
    }

    fn schedule(&self, task: Task, interval: Duration, timeout: Duration) -> Schedule {
        Schedule::every(format!("{}/{}", self.cluster.name, task.as_str()), interval, timeout)
    }

    /// Starts a task, unless the task is switched off: then nothing is ever published.
    fn start<C: Cycle>(
        &mut self,
        task: Task,
        schedule: Schedule,
        probe: impl FnOnce(&Self) -> C,
    ) -> Published<C::Snapshot> {
        let (publish, latest) = watch::channel(Latest::new(schedule.interval));
        if task.runs(&self.cluster) {
            let work = probe(self);
            self.tasks.all.spawn(task::run(work, schedule, publish, self.tasks.stop.clone()));
        }
        latest
    }
}
