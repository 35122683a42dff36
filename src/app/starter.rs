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
    ha::{Leadership, Permit},
    kafka::{admin::Coordinated, rotation::Rotation, wire},
    monitor::{self, EventSource, HistoryFile},
    probe::{
        connect, connectivity, coordinators, durability, heartbeat, mirrors, negative_checks, remote_reads,
        replicas, schema_registry, topic, transaction_probe,
    },
    store::KeptSamples,
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
    /// What the clusters of the process know of each other for mirrors.
    peers: mirrors::Peers,
    /// The permit to collect the cluster.
    permit: Permit,
    tasks: Tasks,
}

impl Starter {
    pub(super) fn new(
        cluster: Arc<config::Cluster>,
        client: Arc<wire::Client>,
        wire: Arc<wire::Cluster>,
        peers: mirrors::Peers,
        leadership: &Leadership,
    ) -> Self {
        let permit = leadership.permit(&cluster.name);
        Self { cluster, client, wire, peers, permit, tasks: Tasks::default() }
    }

    /// Starts every other task that runs for the cluster. The metadata task was started before, and the heartbeats follow it.
    pub(super) fn start_all(
        mut self,
        (metadata, nudge_metadata): (Published<metadata::Snapshot>, Arc<Notify>),
        heartbeat: &watch::Receiver<Arc<heartbeat::Snapshot>>,
        history: HistoryFile,
        verdict: EventSource,
    ) -> Started {
        if let Some(rotation) = Rotation::new(self.cluster.clone(), self.wire.clone()) {
            self.tasks.all.spawn(rotation.run(self.tasks.stop.clone()));
        }
        let topic = self.topic(&metadata, &nudge_metadata);
        let channels = Channels {
            connectivity: self.connectivity(&metadata),
            durability: self.durability(&metadata, &topic, heartbeat, &history),
            topic,
            coordinators: self.coordinators(Task::Coordinators, Coordinated::Groups, &metadata),
            transaction_coordinators: self.coordinators(
                Task::TransactionCoordinators,
                Coordinated::Transactions,
                &metadata,
            ),
            transaction_probe: self.transaction_probe(&metadata, heartbeat),
            replicas: self.replicas(&metadata),
            remote_reads: self.remote_reads(&metadata),
            collect: self.collection(&metadata, history, verdict),
            transactions: self.transactions(&metadata),
            log_dirs: self.log_dirs(&metadata),
            schema_registry: self.schema_registry(),
            negative_checks: self.negative_checks(&metadata),
            connect: self.connect(&metadata),
            mirrors: self.mirrors(&metadata),
            metadata,
        };
        Started { channels, nudge_metadata, running: self.tasks }
    }

    /// Starts the metadata task. Returns what it publishes, and what asks for a cycle now.
    pub(super) fn metadata(&mut self) -> (Published<metadata::Snapshot>, Arc<Notify>) {
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

    /// Starts the task that reads from every replica.
    fn replicas(&mut self, metadata: &Published<metadata::Snapshot>) -> Published<replicas::Snapshot> {
        let settings = &self.cluster.replicas;
        let schedule = self.schedule(Task::Replicas, settings.interval, settings.timeout);
        self.start(Task::Replicas, schedule, |Self { cluster, wire, .. }| {
            replicas::Probe::new(cluster.clone(), wire.clone(), metadata.clone())
        })
    }

    /// Starts the task that reads from remote storage.
    fn remote_reads(
        &mut self,
        metadata: &Published<metadata::Snapshot>,
    ) -> Published<remote_reads::Snapshot> {
        let settings = &self.cluster.remote_reads;
        let schedule = self.schedule(Task::RemoteReads, settings.interval, settings.timeout);
        self.start(Task::RemoteReads, schedule, |Self { cluster, wire, .. }| {
            remote_reads::Probe::new(cluster.clone(), wire.clone(), metadata.clone())
        })
    }

    /// Starts the durability audit. It continues with the samples of the history file.
    fn durability(
        &mut self,
        metadata: &Published<metadata::Snapshot>,
        topic: &Published<topic::Snapshot>,
        heartbeat: &watch::Receiver<Arc<heartbeat::Snapshot>>,
        history: &HistoryFile,
    ) -> Published<durability::Snapshot> {
        let settings = &self.cluster.durability;
        let schedule = self.schedule(Task::Durability, settings.interval, settings.timeout);
        let keeper = match history {
            HistoryFile::Open(store) => Some(KeptSamples::new(store.clone(), &self.cluster.name)),
            HistoryFile::NotConfigured | HistoryFile::NotOpened => None,
        };
        self.start(Task::Durability, schedule, |Self { cluster, wire, .. }| {
            let inputs = durability::Inputs {
                cluster: cluster.clone(),
                known: wire.clone(),
                metadata: metadata.clone(),
                topic: topic.clone(),
                heartbeat: heartbeat.clone(),
            };
            let probe = durability::Probe::new(inputs);
            match keeper {
                Some(keeper) => probe.with(Arc::new(keeper)),
                None => probe,
            }
        })
    }

    /// Starts a task that checks coordinators.
    fn coordinators(
        &mut self,
        task: Task,
        of: Coordinated,
        metadata: &Published<metadata::Snapshot>,
    ) -> Published<coordinators::Snapshot> {
        let settings = match of {
            Coordinated::Groups => self.cluster.coordinators,
            Coordinated::Transactions => self.cluster.transaction_coordinators,
        };
        let schedule = self.schedule(task, settings.interval, settings.timeout);
        self.start(task, schedule, |Self { cluster, wire, .. }| {
            coordinators::Probe::new(cluster.clone(), of, settings, wire.clone(), metadata.clone())
        })
    }

    /// Starts the task that runs transactions.
    fn transaction_probe(
        &mut self,
        metadata: &Published<metadata::Snapshot>,
        heartbeat: &watch::Receiver<Arc<heartbeat::Snapshot>>,
    ) -> Published<transaction_probe::Snapshot> {
        let settings = &self.cluster.transaction_probe;
        let schedule = self.schedule(Task::TransactionProbe, settings.interval, settings.timeout);
        self.start(Task::TransactionProbe, schedule, |Self { cluster, wire, .. }| {
            transaction_probe::Probe::new(transaction_probe::Inputs {
                cluster: cluster.clone(),
                known: wire.clone(),
                metadata: metadata.clone(),
                heartbeat: heartbeat.clone(),
            })
        })
    }

    /// Starts the collection task.
    fn collection(
        &mut self,
        metadata: &Published<metadata::Snapshot>,
        history: HistoryFile,
        verdict: EventSource,
    ) -> Published<monitor::Snapshot> {
        let interval = monitor::interval(&self.cluster);
        let schedule = self.schedule(Task::Collect, interval, interval);
        self.start(Task::Collect, schedule, |Self { cluster, wire, .. }| {
            monitor::Probe::new(cluster.clone(), wire.clone(), metadata.clone())
                .with(history)
                .with_events_of(verdict)
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

    /// Starts the task of the Schema Registry.
    fn schema_registry(&mut self) -> Published<schema_registry::Snapshot> {
        let settings = &self.cluster.schema_registry;
        let schedule = self.schedule(Task::SchemaRegistry, settings.interval, settings.timeout);
        self.start(Task::SchemaRegistry, schedule, |Self { cluster, .. }| {
            schema_registry::Probe::new(cluster.clone())
        })
    }

    /// Starts the task that tries what the cluster should refuse.
    fn negative_checks(
        &mut self,
        metadata: &Published<metadata::Snapshot>,
    ) -> Published<negative_checks::Snapshot> {
        let settings = &self.cluster.negative_checks;
        let schedule = self.schedule(Task::NegativeChecks, settings.interval, settings.timeout);
        self.start(Task::NegativeChecks, schedule, |Self { cluster, client, .. }| {
            negative_checks::Probe::new(cluster.clone(), client.clone(), metadata.clone())
        })
    }

    /// Starts the task of the Connect clusters.
    fn connect(&mut self, metadata: &Published<metadata::Snapshot>) -> Published<connect::Snapshot> {
        let settings = &self.cluster.connect;
        let schedule = self.schedule(Task::Connect, settings.interval, settings.timeout);
        self.start(Task::Connect, schedule, |Self { cluster, .. }| {
            connect::Probe::new(cluster.clone(), metadata.clone())
        })
    }

    /// Starts the task of the mirrors whose target is the cluster.
    fn mirrors(&mut self, metadata: &Published<metadata::Snapshot>) -> Published<mirrors::Snapshot> {
        let settings = &self.cluster.mirrors;
        let schedule = self.schedule(Task::Mirrors, settings.interval(), settings.timeout());
        self.start(Task::Mirrors, schedule, |Self { cluster, wire, peers, .. }| {
            mirrors::Probe::new(mirrors::Inputs {
                cluster: cluster.clone(),
                known: wire.clone(),
                metadata: metadata.clone(),
                peers: peers.clone(),
            })
        })
    }

    fn schedule(&self, task: Task, interval: Duration, timeout: Duration) -> Schedule {
        let permit = if is_collection(task) { self.permit.clone() } else { Permit::always() };
        Schedule {
            permit,
            ..Schedule::every(format!("{}/{}", self.cluster.name, task.as_str()), interval, timeout)
        }
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

/// Whether one of several instances does the work of the task for all of them: the task asks what brokers answer in the same way to
/// each client.
fn is_collection(task: Task) -> bool {
    matches!(task, Task::Collect | Task::Transactions | Task::LogDirs)
}
