//! The latest snapshot of every task of one cluster: the only state that tasks and readers share.
//!
//! Each field is a watch channel: the task owns the sender, and readers hold a receiver. No lock is held across an await.
//! Clusters share nothing but [`Sections`] and [`mirrors::Peers`].

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::sync::watch;

use crate::{
    availability::{self, Archive, Timeline},
    closed_enum::closed_enum,
    cluster::{metadata, sections::Sections},
    collect::{log_dirs, transactions},
    config,
    evaluate::events::Event,
    gate::{self, Gate},
    ha::{Leadership, Role},
    kafka::{Capability, Credential, Fault, Request, wire},
    monitor::{self, HistoryFile},
    probe::{
        connect, connectivity, coordinators, durability, extra_sessions, heartbeat, mirrors, negative_checks,
        remote_reads, replicas, schema_registry, topic, transaction_probe,
    },
    task::{Latest, Record},
    verdict::{self, Verdict},
};

/// Defines everything that follows from the list of tasks: [`Task`], the [`Channels`] of the tasks, the snapshots of
/// [`Readings`] and the inputs of the verdict. A task is one entry of the list: its label, its field, the type of its snapshot,
/// whether it runs for a cluster with these settings, and the field of [`verdict::Inputs`] that takes its snapshots. The
/// brackets are empty if the verdict does not use the task.
macro_rules! tasks {
    ($(
        $(#[$doc:meta])*
        $task:ident = $label:literal: $field:ident: $snapshot:ty,
            runs if |$settings:ident| $runs:expr,
            verdict uses [$($input:ident)?];
    )+) => {
        closed_enum! {
            /// A periodic task of a cluster. Readiness, the metrics of cycles, and the tasks on the page and in the JSON API
            /// follow from this list, and from no other.
            #[derive(Debug, Clone, Copy, PartialEq, Eq)]
            pub enum Task {
                $($(#[$doc])* $task = $label),+
            }
        }

        impl Task {
            /// Whether the task runs for a cluster with these settings.
            pub fn runs(self, settings: &config::Cluster) -> bool {
                match self {
                    $(Task::$task => {
                        let $settings = settings;
                        $runs
                    })+
                }
            }
        }

        /// The channels on which the tasks of one cluster publish.
        #[derive(Clone)]
        pub struct Channels {
            $($(#[$doc])* pub $field: watch::Receiver<Latest<$snapshot>>,)+
        }

        impl Channels {
            /// The inputs of the verdict on the cluster.
            pub fn verdict_inputs(
                &self,
                settings: &config::Cluster,
                heartbeat: watch::Receiver<Arc<heartbeat::Snapshot>>,
                extra: watch::Receiver<Arc<extra_sessions::Snapshot>>,
                sections: Sections,
            ) -> verdict::Inputs {
                verdict::Inputs {
                    cluster: settings.name.clone(),
                    settings: settings.heartbeat.clone(),
                    expected_brokers: settings.metadata.expected_brokers,
                    heartbeat,
                    extra,
                    sections,
                    $($($input: self.$input.clone(),)?)+
                }
            }
        }

        /// The receivers of one cluster.
        #[derive(Clone)]
        pub struct Board {
            /// The name of the cluster in the configuration: the value of the label `kafka_cluster`.
            pub name: Arc<str>,
            /// The settings of the cluster, for pages that show them.
            pub settings: Arc<config::Cluster>,
            /// When the cluster was started: with the service, or by a reload of the configuration.
            pub started: SystemTime,
            /// The wire client of the cluster, whose counters the metrics show.
            pub wire: Arc<wire::Client>,
            /// What the ledger of heartbeats publishes, a few times a second.
            pub heartbeat: watch::Receiver<Arc<heartbeat::Snapshot>>,
            /// What the tasks publish.
            pub tasks: Channels,
            /// The verdict on the cluster.
            pub verdict: watch::Receiver<Arc<Verdict>>,
            /// The gate for upgrades of the cluster.
            pub gate: Gate,
            /// What was measured of the heartbeats by minute, quarter of an hour and day.
            pub availability: watch::Receiver<Arc<Timeline>>,
            /// The file that keeps what was measured.
            pub history_file: HistoryFile,
            /// Which clusters this instance collects.
            pub leadership: Leadership,
        }

        /// Everything that is known of a cluster at one moment. Holds no lock.
        #[derive(Clone)]
        pub struct Readings {
            /// The name of the cluster in the configuration.
            pub name: Arc<str>,
            /// The settings of the cluster.
            pub settings: Arc<config::Cluster>,
            /// When the cluster was started: with the service, or by a reload of the configuration.
            pub started: SystemTime,
            /// Number of requests that the wire client sent.
            pub requests: u64,
            /// Number of connections of the wire client that ended because the peer broke the protocol.
            pub violations: u64,
            /// How long brokers throttled the wire client, by Kafka's name of the request.
            pub throttled: BTreeMap<String, Duration>,
            /// The credential of the cluster that is renewed while the service runs. `None` without one.
            pub credential: Option<Credential>,
            /// The credentials of the cluster in files that are read again while the service runs. Empty without files.
            pub file_credentials: Vec<Credential>,
            /// What the ledger of heartbeats published last.
            pub heartbeat: Arc<heartbeat::Snapshot>,
            $($(#[$doc])* pub $field: Latest<$snapshot>,)+
            /// The verdict on the cluster.
            pub verdict: Arc<Verdict>,
            /// What was measured of the heartbeats by minute, quarter of an hour and day, until the last minute that is over, and
            /// the incidents.
            pub availability: Archive,
            /// Whether this instance collects the cluster.
            pub collects: bool,
            /// The part of this instance among all instances.
            pub role: Role,
        }

        impl Board {
            /// Whether this is the same board, and not one that replaced it after a reload of the configuration.
            pub fn is(&self, other: &Board) -> bool {
                self.heartbeat.same_channel(&other.heartbeat)
            }

            /// Reads every channel once.
            pub fn read(&self) -> Readings {
                Readings {
                    name: self.name.clone(),
                    settings: self.settings.clone(),
                    started: self.started,
                    requests: self.wire.requests(),
                    violations: self.wire.violations(),
                    throttled: self.wire.throttled(),
                    credential: self.wire.credential(),
                    file_credentials: self.wire.file_credentials(),
                    heartbeat: self.heartbeat.borrow().clone(),
                    $($field: self.tasks.$field.borrow().clone(),)+
                    verdict: self.verdict.borrow().clone(),
                    availability: Archive {
                        cluster: self.name.clone(),
                        timeline: self.availability.borrow().clone(),
                        file: self.history_file.clone(),
                    },
                    collects: self.leadership.collects(&self.name),
                    role: self.leadership.role(),
                }
            }
        }

        impl Readings {
            /// The record of a task, whether it runs or not.
            fn record(&self, task: Task) -> Record<'_> {
                match task {
                    $(Task::$task => self.$field.record(),)+
                }
            }
        }
    };
}

tasks! {
    /// Opens a new session with each broker.
    Connectivity = "connectivity": connectivity: connectivity::Snapshot,
        runs if |cluster| cluster.connectivity.enabled,
        verdict uses [connectivity];
    /// Asks for the metadata of the cluster.
    Metadata = "metadata": metadata: metadata::Snapshot,
        runs if |_cluster| true,
        verdict uses [metadata];
    /// Creates the heartbeat topic and keeps it as configured. Without heartbeats the topic is not needed.
    Topic = "topic": topic: topic::Snapshot,
        runs if |cluster| cluster.heartbeat.enabled,
        verdict uses [topic];
    /// Commits an offset at the coordinators of consumer groups and reads it again. The offset is one of the heartbeat topic.
    Coordinators = "coordinators": coordinators: coordinators::Snapshot,
        runs if |cluster| cluster.coordinators.enabled && cluster.heartbeat.enabled,
        verdict uses [coordinators];
    /// Asks the coordinators of transactions for producer ids.
    TransactionCoordinators = "transaction_coordinators": transaction_coordinators: coordinators::Snapshot,
        runs if |cluster| cluster.transaction_coordinators.enabled && cluster.heartbeat.enabled,
        verdict uses [transaction_coordinators];
    /// Runs transactions, and reads their records as a consumer of committed records does.
    TransactionProbe = "transaction_probe": transaction_probe: transaction_probe::Snapshot,
        runs if |cluster| cluster.transaction_probe.enabled && cluster.heartbeat.enabled,
        verdict uses [transaction_probe];
    /// Reads heartbeats from every replica.
    Replicas = "replicas": replicas: replicas::Snapshot,
        runs if |cluster| cluster.replicas.enabled && cluster.heartbeat.enabled,
        verdict uses [replicas];
    /// Reads heartbeats that are in remote storage alone.
    RemoteReads = "remote_reads": remote_reads: remote_reads::Snapshot,
        runs if |cluster| cluster.remote_reads.enabled && cluster.heartbeat.enabled,
        verdict uses [];
    /// Reads a sample of acknowledged heartbeats again.
    Durability = "durability": durability: durability::Snapshot,
        runs if |cluster| cluster.durability.enabled && cluster.heartbeat.enabled,
        verdict uses [durability];
    /// Asks for offsets, topics and consumer groups.
    Collect = "collect": collect: monitor::Snapshot,
        runs if |cluster| cluster.lag.enabled || cluster.freshness.enabled,
        verdict uses [];
    /// Asks for open transactions that hold back consumers.
    Transactions = "transactions": transactions: transactions::Snapshot,
        runs if |cluster| cluster.transactions.enabled,
        verdict uses [];
    /// Asks for the log directories of each broker.
    LogDirs = "log_dirs": log_dirs: log_dirs::Snapshot,
        runs if |cluster| cluster.log_dirs.enabled,
        verdict uses [];
    /// Asks the nodes of the Schema Registry beside the cluster.
    SchemaRegistry = "schema_registry": schema_registry: schema_registry::Snapshot,
        runs if |cluster| cluster.schema_registry.is_checked(),
        verdict uses [schema_registry];
    /// Tries at each broker what the broker should refuse.
    NegativeChecks = "negative_checks": negative_checks: negative_checks::Snapshot,
        runs if |cluster| cluster.negative_checks.enabled,
        verdict uses [negative_checks];
    /// Asks the Kafka Connect clusters beside the cluster.
    Connect = "connect": connect: connect::Snapshot,
        runs if |cluster| cluster.connect.is_checked(),
        verdict uses [connect];
    /// Looks for heartbeats of other clusters that a mirror copies to the cluster.
    Mirrors = "mirrors": mirrors: mirrors::Snapshot,
        runs if |cluster| !cluster.mirrors.0.is_empty(),
        verdict uses [mirrors];
}

impl Channels {
    /// The inputs of the task that records what was measured of the cluster.
    pub fn availability_inputs(
        &self,
        settings: &config::Cluster,
        heartbeat: watch::Receiver<Arc<heartbeat::Snapshot>>,
        verdict: watch::Receiver<Arc<Verdict>>,
        file: HistoryFile,
    ) -> availability::Inputs {
        let (cluster, durability) = (settings.name.clone(), self.durability.clone());
        availability::Inputs { cluster, heartbeat, durability, verdict, file }
    }

    /// The inputs of the gate for upgrades of the cluster.
    pub fn gate_inputs(
        &self,
        settings: &Arc<config::Cluster>,
        heartbeat: watch::Receiver<Arc<heartbeat::Snapshot>>,
        verdict: watch::Receiver<Arc<Verdict>>,
    ) -> gate::Inputs {
        gate::Inputs {
            settings: settings.clone(),
            heartbeat,
            metadata: self.metadata.clone(),
            connectivity: self.connectivity.clone(),
            coordinators: self.coordinators.clone(),
            transaction_coordinators: self.transaction_coordinators.clone(),
            collect: self.collect.clone(),
            verdict,
        }
    }
}

/// The ledger writes a snapshot at least once a second. A ledger whose last snapshot is older than this has stopped.
const OLDEST_LEDGER: Duration = Duration::from_secs(15);

impl Board {
    /// Whether the ledger of the cluster's heartbeats still writes snapshots.
    pub fn ledger_lives(&self) -> bool {
        self.heartbeat.borrow().at.elapsed() <= OLDEST_LEDGER
    }
}

impl Readings {
    /// Every request that the service sends and that needs its own permission, with the state of that permission. No other list
    /// of these requests exists.
    pub fn capabilities(&self) -> Vec<(Request, Capability)> {
        let mut all = Vec::new();
        if let Some(metadata) = self.metadata.fresh() {
            all.push((Request::DescribeQuorum, metadata.quorum_capability));
        }
        if let Some(topic) = self.topic.fresh() {
            all.push((Request::DescribeConfigs, topic.configs));
            all.push((Request::ListPartitionReassignments, topic.reassignments));
        }
        if let Some(coordinators) = self.coordinators.fresh() {
            all.push((Request::OffsetCommit, coordinators.capability));
        }
        if let Some(coordinators) = self.transaction_coordinators.fresh() {
            all.push((Request::InitProducerId, coordinators.capability));
        }
        if let Some(probe) = self.transaction_probe.fresh() {
            all.push((Request::AddPartitionsToTxn, probe.capability));
        }
        if let Some(replicas) = self.replicas.fresh() {
            all.push((Request::ReplicaFetch, replicas.capability));
        }
        if let Some(reads) = self.remote_reads.fresh() {
            all.push((Request::RemoteFetch, reads.capability));
        }
        if let Some(registry) = self.schema_registry.fresh().filter(|_| self.settings.schema_registry.write) {
            all.push((Request::SchemaRegistryWrite, registry.capability));
        }
        if let Some(mirrors) = self.mirrors.fresh() {
            all.push((Request::MirrorFetch, mirrors.capability()));
            all.extend(mirrors.checkpoints_capability().map(|state| (Request::CheckpointFetch, state)));
        }
        if let Some(collect) = self.collect.fresh() {
            all.push((Request::Metadata, collect.described));
            if self.settings.lag.enabled {
                all.push((Request::ListGroups, collect.listing));
            }
            all.push((Request::Fetch, collect.reading));
        }
        if self.settings.log_dirs.enabled {
            all.push((Request::DescribeLogDirs, log_dirs(&self.log_dirs)));
        }
        all
    }

    /// Requests that the cluster refuses, or answers in part, because the principal lacks a permission or may lack one. A
    /// request that was not answered is not among them.
    pub fn refused(&self) -> Vec<(Request, Capability)> {
        let collect = self.collect.fresh();
        let is_hiding = |request: &Request| collect.is_some_and(|collect| collect.hiding.contains(request));
        let is_refused = |(request, state): &(Request, Capability)| match state {
            Capability::Denied => true,
            Capability::Unknown => is_hiding(request),
            Capability::Ok | Capability::Unsupported => false,
        };
        self.capabilities().into_iter().filter(is_refused).collect()
    }

    /// Every event that is kept, the oldest first. Events stay true when later cycles fail: the snapshot may be stale. The
    /// collection task takes over the events of the verdict with its next cycle.
    pub fn events(&self) -> Vec<Arc<Event>> {
        let mut events: Vec<Arc<Event>> = Vec::new();
        if let Some((snapshot, _)) = &self.collect.snapshot {
            events.extend(snapshot.events.iter().cloned());
        }
        let taken: BTreeSet<*const Event> = events.iter().map(Arc::as_ptr).collect();
        let verdict = self.verdict.events.iter().filter(|event| !taken.contains(&Arc::as_ptr(event)));
        events.extend(verdict.cloned());
        events.sort_by_key(|event| event.at);
        events
    }

    /// How long ago the ledger last published. It publishes at least once a second while its thread works.
    pub fn ledger_age(&self) -> Duration {
        self.heartbeat.at.elapsed()
    }

    /// The record of every task that runs, in the order of [`Task::ALL`].
    pub fn tasks(&self) -> impl Iterator<Item = (Task, Record<'_>)> {
        let running = Task::ALL.into_iter().filter(|task| task.runs(&self.settings));
        running.map(|task| (task, self.record(task)))
    }
}

/// Whether brokers answer the request for their log directories.
fn log_dirs(latest: &Latest<log_dirs::Snapshot>) -> Capability {
    if let Some(failure) = &latest.failure {
        return Capability::of(failure.fault);
    }
    let Some(snapshot) = latest.fresh() else { return Capability::Unknown };
    let is_denied = snapshot.brokers.values().any(|dirs| dirs.as_ref().err() == Some(&Fault::Authorization));
    if is_denied { Capability::Denied } else { Capability::Ok }
}
