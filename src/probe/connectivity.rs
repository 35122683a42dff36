//! Can a session be opened to each broker, and where does the time go?
//!
//! Every check opens a fresh connection and goes through all stages; nothing is reused, so a check
//! says what a client that connects now would see. The timer starts before the name lookup.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use futures_util::future::join_all;
use tokio::sync::{Semaphore, watch};

use crate::{
    cluster::metadata,
    config,
    kafka::{
        BrokerId, Error, Fault, Stage,
        admin::Broker,
        wire::{self, Opening},
    },
    latency::{Bounds, Buckets, RecentMean},
    task::{Cycle, Latest},
    text::Chain,
};

/// The mean of a broker's connection time is taken over this window.
const MEAN_WINDOW: Duration = Duration::from_secs(60);

/// Sessions that are opened at the same time: more than a cluster has brokers, but metadata that lists thousands must
/// not take all descriptors of this process.
const MOST_AT_ONCE: usize = 256;

/// The last check of every broker of the metadata.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// By broker; one that left the metadata is gone.
    pub brokers: BTreeMap<BrokerId, Check>,
}

/// What is known of one broker's sessions.
#[derive(Debug, Clone)]
pub struct Check {
    /// The advertised host: hostile text.
    pub host: String,
    /// The advertised port.
    pub port: u16,
    /// The rack, where one is set.
    pub rack: Option<String>,
    /// The address that was connected to last.
    pub address: Option<IpAddr>,
    /// The stages of the last check that were completed, in order.
    pub stages: Vec<(Stage, Duration)>,
    /// Their sum, if the check succeeded.
    pub total: Option<Duration>,
    /// What ended the last check; `None` means up.
    pub failure: Option<Failure>,
    /// Since when the broker has been up, or down.
    pub since: SystemTime,
    /// Checks made.
    pub checks: u64,
    /// Checks that failed, by stage and kind.
    pub failures: BTreeMap<(Stage, Fault), u64>,
    /// Durations of the completed stages, by stage.
    pub durations: BTreeMap<Stage, Buckets>,
    /// Durations of successful checks.
    pub totals: Buckets,
    /// The earliest expiry in the broker's certificate chain.
    pub certificate_expiry: Option<SystemTime>,
    /// Mean of `total` over the last 60 s.
    pub mean_total: Option<Duration>,
}

impl Check {
    /// Whether the last check succeeded.
    pub fn up(&self) -> bool {
        self.failure.is_none()
    }
}

/// Where and why a check ended.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The stage.
    pub stage: Stage,
    /// The kind.
    pub fault: Fault,
    /// The whole chain of errors in one line: for the page and the log, hostile text.
    pub message: String,
}

/// The task.
pub struct Probe {
    cluster: Arc<config::Cluster>,
    settings: Arc<wire::Client>,
    metadata: watch::Receiver<Latest<metadata::Snapshot>>,
    known: BTreeMap<BrokerId, History>,
}

/// What is kept of a broker between checks.
struct History {
    check: Check,
    recent: RecentMean,
}

impl Probe {
    /// A probe that has checked nothing yet.
    pub fn new(
        cluster: Arc<config::Cluster>,
        settings: Arc<wire::Client>,
        metadata: watch::Receiver<Latest<metadata::Snapshot>>,
    ) -> Self {
        Self { cluster, settings, metadata, known: BTreeMap::new() }
    }
}

impl History {
    fn new(broker: &Broker) -> Self {
        let empty = Buckets::new(&Bounds::default());
        let check = Check {
            host: broker.host.clone(),
            port: broker.port,
            rack: broker.rack.clone(),
            address: None,
            stages: Vec::new(),
            total: None,
            failure: None,
            since: SystemTime::now(),
            checks: 0,
            failures: BTreeMap::new(),
            durations: BTreeMap::new(),
            totals: empty,
            certificate_expiry: None,
            mean_total: None,
        };
        Self { check, recent: RecentMean::over(MEAN_WINDOW) }
    }

    fn add(&mut self, opening: Opening, now: Instant) {
        let check = &mut self.check;
        let was_up = check.checks == 0 || check.up();
        check.checks += 1;
        check.address = opening.address.or(check.address);
        check.certificate_expiry = opening.certificate_expiry.or(check.certificate_expiry);
        for (stage, took) in &opening.stages {
            let buckets = check.durations.entry(*stage);
            buckets.or_insert_with(|| Buckets::new(&Bounds::default())).record(*took);
        }
        match &opening.result {
            Ok(_) => {
                let total = opening.stages.iter().map(|(_, took)| *took).sum();
                check.totals.record(total);
                self.recent.record(now, total);
                (check.total, check.failure) = (Some(total), None);
            }
            Err(error) => {
                let (stage, fault) = (error.stage().unwrap_or(Stage::Dns), error.fault());
                *check.failures.entry((stage, fault)).or_default() += 1;
                check.total = None;
                check.failure = Some(Failure { stage, fault, message: Chain(error).to_string() });
            }
        }
        check.stages = opening.stages;
        check.mean_total = self.recent.mean(now);
        if check.up() != was_up {
            check.since = SystemTime::now();
        }
    }
}

/// One line when a broker goes down, and one when it is back.
fn note(cluster: &str, broker: BrokerId, was_up: bool, check: &Check) {
    match &check.failure {
        Some(failure) if was_up => {
            let Failure { stage, fault, message } = failure;
            let (stage, fault, hint) = (stage.as_str(), fault.as_str(), fault.hint_once(cluster));
            tracing::warn!(cluster, %broker, stage, fault, hint, "broker cannot be reached: {message}");
        }
        None if !was_up => tracing::info!(cluster, %broker, "broker can be reached again"),
        _ => {}
    }
}

impl Cycle for Probe {
    type Snapshot = Snapshot;

    async fn cycle(&mut self) -> Result<Snapshot, Error> {
        let metadata = metadata::first(&mut self.metadata, self.cluster.connectivity.timeout / 2).await?;
        let moved = |history: &History, broker: &Broker| {
            history.check.host != broker.host || history.check.port != broker.port
        };
        self.known
            .retain(|id, history| metadata.brokers.get(id).is_some_and(|broker| !moved(history, broker)));
        let (settings, timeout) = (&self.settings, self.cluster.connectivity.timeout);
        let turns = &Semaphore::new(MOST_AT_ONCE);
        let checks = metadata.brokers.iter().map(|(id, broker)| async move {
            let _turn = turns.acquire().await;
            (*id, wire::open(settings, &broker.endpoint(), timeout).await)
        });
        let openings = join_all(checks).await;
        let now = Instant::now();
        let mut ours = None;
        for (id, opening) in openings {
            // A check that failed for a reason of this process says nothing of the broker.
            if opening.result.as_ref().is_err_and(|error| error.fault().is_ours()) {
                ours = opening.result.err();
                continue;
            }
            let Some(broker) = metadata.brokers.get(&id) else { continue };
            let history = self.known.entry(id).or_insert_with(|| History::new(broker));
            history.check.rack.clone_from(&broker.rack);
            let was_up = history.check.up();
            history.add(opening, now);
            note(&self.cluster.name, id, was_up, &history.check);
        }
        if let Some(error) = ours {
            return Err(error);
        }
        Ok(Snapshot {
            brokers: self.known.iter().map(|(id, history)| (*id, history.check.clone())).collect(),
        })
    }
}
