//! The connectivity of each broker: whether a session can be opened, and how long each stage takes.
//!
//! Every check opens a new connection and goes through all stages. Nothing is reused, so a check measures what a client
//! that connects now would experience. The timer starts before the name lookup.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use futures_util::future::join_all;
use tokio::sync::{Semaphore, watch};

use super::{
    agreement::{self, Agreement, View},
    usual::Usual,
};
use crate::{
    cluster::metadata,
    config,
    kafka::{
        BrokerId, Error, Fault, Stage,
        admin::Broker,
        wire::{self, Endpoint, Opening},
    },
    latency::{Bounds, Buckets, RecentMean},
    task::{Cycle, Latest},
    text::Chain,
};

/// The window of the mean of a broker's connection time.
const MEAN_WINDOW: Duration = Duration::from_secs(60);

/// The number of sessions that are opened at the same time. Most clusters have fewer brokers, but metadata that lists
/// thousands must not take all file descriptors of this process.
const MOST_AT_ONCE: usize = 256;

/// A broker that accepts new connections late gets the next check after this many times the wait for its first answer. Managed
/// services limit the rate of new connections in this way, and checks must not use up what the applications need.
const REST_PER_WAIT: u32 = 4;

/// The longest time for a session with a broker that has left the metadata: it may be gone.
const LEFT_TIMEOUT: Duration = Duration::from_secs(1);

/// The last check of every broker of the metadata.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// By broker. A broker that left the metadata is removed.
    pub brokers: BTreeMap<BrokerId, Check>,
    /// Whether the brokers agree in their metadata.
    pub agreement: agreement::Snapshot,
}

/// The checks of one broker.
#[derive(Debug, Clone)]
pub struct Check {
    /// The advertised host. The text may be hostile.
    pub host: String,
    /// The advertised port.
    pub port: u16,
    /// The rack; `None` if no rack is set.
    pub rack: Option<String>,
    /// The address of the last connection; `None` before the first.
    pub address: Option<IpAddr>,
    /// The stages that the last check completed, in order, with their durations.
    pub stages: Vec<(Stage, Duration)>,
    /// The sum of all stages of the last check; `None` if the check failed.
    pub total: Option<Duration>,
    /// The failure of the last check; `None` if the check succeeded.
    pub failure: Option<Failure>,
    /// The time since which the broker has been up, or down.
    pub since: SystemTime,
    /// The end of the last check.
    pub at: SystemTime,
    /// The number of checks.
    pub checks: u64,
    /// The number of failed checks, by stage and kind of the failure.
    pub failures: BTreeMap<(Stage, Fault), u64>,
    /// The durations of completed stages, by stage.
    pub durations: BTreeMap<Stage, Buckets>,
    /// The durations of successful checks.
    pub totals: Buckets,
    /// The earliest expiry in the broker's certificate chain; `None` without TLS and before the first handshake.
    pub certificate_expiry: Option<SystemTime>,
    /// The mean of `total` over the last 60 s; `None` if no check succeeded within them.
    pub mean_total: Option<Duration>,
    /// Whether the last check succeeded and took far longer than usual.
    pub slow: bool,
}

impl Check {
    /// Whether the last check succeeded.
    pub fn up(&self) -> bool {
        self.failure.is_none()
    }
}

/// The failure of a check.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The stage that failed.
    pub stage: Stage,
    /// The kind of the failure.
    pub fault: Fault,
    /// The error and its causes in one line, for the page and the log. The text may be hostile.
    pub message: String,
}

/// The task that checks every broker.
pub struct Probe {
    cluster: Arc<config::Cluster>,
    settings: Arc<wire::Client>,
    metadata: watch::Receiver<Latest<metadata::Snapshot>>,
    known: BTreeMap<BrokerId, History>,
    agreement: Agreement,
}

/// The checks of one broker, with the durations of the last minute.
struct History {
    check: Check,
    recent: RecentMean,
    usual: Usual,
    /// When the next check may begin.
    due: Instant,
}

impl Probe {
    /// A probe that has checked nothing yet.
    pub fn new(
        cluster: Arc<config::Cluster>,
        settings: Arc<wire::Client>,
        metadata: watch::Receiver<Latest<metadata::Snapshot>>,
    ) -> Self {
        Self { cluster, settings, metadata, known: BTreeMap::new(), agreement: Agreement::default() }
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
            at: SystemTime::now(),
            checks: 0,
            failures: BTreeMap::new(),
            durations: BTreeMap::new(),
            totals: empty,
            certificate_expiry: None,
            mean_total: None,
            slow: false,
        };
        Self { check, recent: RecentMean::over(MEAN_WINDOW), usual: Usual::default(), due: Instant::now() }
    }

    fn add(&mut self, opening: Opening, at: SystemTime, now: Instant) {
        let check = &mut self.check;
        check.at = at;
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
                check.slow = self.usual.learn(total);
                check.total = Some(total);
                check.failure = None;
            }
            Err(error) => {
                let stage = error.stage().unwrap_or(Stage::Dns);
                let fault = error.fault();
                *check.failures.entry((stage, fault)).or_default() += 1;
                check.total = None;
                check.slow = false;
                check.failure = Some(Failure { stage, fault, message: Chain(error).to_string() });
            }
        }
        check.stages = opening.stages;
        self.due = now + first_answer(&check.stages) * REST_PER_WAIT;
        check.mean_total = self.recent.mean(now);
        if check.up() != was_up {
            check.since = SystemTime::now();
        }
    }
}

/// The time from the connection to the first answer of the broker. A connection that waits to be accepted is open for TCP.
/// Zero if there was no answer: such a broker is checked in every cycle, so that its return is noticed.
fn first_answer(stages: &[(Stage, Duration)]) -> Duration {
    let first = stages.iter().find(|(stage, _)| matches!(stage, Stage::Tls | Stage::ApiVersions));
    first.map_or(Duration::ZERO, |(_, took)| *took)
}

/// Logs one line when a broker cannot be reached any more, and one when it can be reached again.
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

/// A fresh session with one broker.
struct Checked {
    broker: BrokerId,
    opening: Opening,
    /// The end of the last stage.
    at: SystemTime,
    /// What the broker says of the heartbeat topic. `None` if it did not answer, or is not asked.
    view: Option<View>,
}

impl Probe {
    /// Opens a fresh session with each broker that is due, and asks it for the heartbeat topic. The second list has the brokers
    /// that have left the metadata.
    async fn check(
        &mut self,
        brokers: &BTreeMap<BrokerId, Broker>,
        begun: Instant,
    ) -> (Vec<Checked>, Vec<Checked>) {
        let left = self.agreement.left(brokers, begun.into());
        let connectivity = &self.cluster.connectivity;
        let (settings, topic) = (&self.settings, &self.cluster.heartbeat.topic);
        let slots = &Semaphore::new(MOST_AT_ONCE);
        let check = |broker: BrokerId, endpoint: Endpoint, timeout: Duration| async move {
            let _slot = slots.acquire().await;
            // The rest of the time is for publishing: a late answer must not cost the results of all other brokers.
            let deadline = Instant::now() + timeout * 3 / 4;
            let opening = wire::open(settings, &endpoint, timeout).await;
            let at = SystemTime::now();
            let view = match &opening.result {
                Ok(session) if connectivity.agreement => {
                    agreement::ask(session, broker, topic, deadline.into()).await
                }
                _ => None,
            };
            Checked { broker, opening, at, view }
        };
        let is_due = |id: &BrokerId| self.known.get(id).is_none_or(|history| history.due <= begun);
        let due = brokers.iter().filter(|(id, _)| is_due(id));
        let due = due.map(|(id, broker)| check(*id, broker.endpoint(), connectivity.timeout));
        let left = left.iter().filter(|_| connectivity.agreement);
        let limit = LEFT_TIMEOUT.min(connectivity.timeout);
        let left = left.map(|(id, broker)| check(*id, broker.endpoint(), limit));
        tokio::join!(join_all(due), join_all(left))
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
        let begun = Instant::now();
        let (checked, left) = self.check(&metadata.brokers, begun).await;
        let now = Instant::now();
        let mut ours = None;
        let some_work = checked.iter().any(|checked| checked.opening.result.is_ok());
        left.into_iter().for_each(|checked| self.agreement.add(checked.broker, checked.view));
        for Checked { broker: id, opening, at, view } in checked {
            self.agreement.add(id, view);
            // A check that failed for a reason of this process is no evidence against the broker.
            if opening.result.as_ref().is_err_and(|error| error.fault().is_no_evidence(some_work)) {
                ours = opening.result.err();
                continue;
            }
            let Some(broker) = metadata.brokers.get(&id) else { continue };
            let history = self.known.entry(id).or_insert_with(|| History::new(broker));
            history.check.rack.clone_from(&broker.rack);
            let was_up = history.check.up();
            history.add(opening, at, now);
            note(&self.cluster.name, id, was_up, &history.check);
        }
        if let Some(error) = ours {
            return Err(error);
        }
        Ok(Snapshot {
            brokers: self.known.iter().map(|(id, history)| (*id, history.check.clone())).collect(),
            agreement: self.agreement.compare(begun.into()),
        })
    }
}
