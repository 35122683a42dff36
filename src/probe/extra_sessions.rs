//! Extra sessions with the brokers that may be to blame, between the checks of the connectivity task.
//!
//! When heartbeats are overdue, the next check of their leader may be seconds away, and a silent broker holds it for the whole
//! timeout. So a session with each broker concerned is opened at once, with a shorter limit. These sessions serve the diagnosis
//! alone: they are not counted among the checks of the connectivity task.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{agreement, connectivity, heartbeat};
use crate::{
    cluster::{metadata, sections::Sections},
    config,
    kafka::{
        BrokerId, Fault, Stage,
        admin::Broker,
        wire::{self, Endpoint},
    },
    task::Latest,
};

/// The snapshots of the other tasks are looked at this often.
const TICK: Duration = Duration::from_millis(250);

/// The least time from one extra session with a broker to the next.
const GAP: Duration = Duration::from_secs(1);

/// The same for a broker with [`MANY`] failures in a row.
const LONG_GAP: Duration = Duration::from_secs(5);

/// After so many failures in a row, a broker is asked less often.
const MANY: u32 = 30;

/// Fresh metadata are asked for after each of the first failures. The other brokers may have learned of the failure by then.
const ASKING: u32 = 10;

/// The number of brokers with an extra session at the same time.
const AT_ONCE: usize = 8;

/// The limit of an extra session, unless sessions with the broker usually take longer than a quarter of it.
const LIMIT: Duration = Duration::from_secs(1);

/// The result of an extra session is kept for so long.
const KEPT: Duration = Duration::from_secs(10);

/// The last extra session with a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtraSession {
    /// The end of the session.
    pub at: SystemTime,
    /// The sum of all stages, or the stage that failed and the kind of the failure.
    pub result: Result<Duration, (Stage, Fault)>,
    /// The number of extra sessions in a row that failed.
    pub failures: u32,
    /// A partition of the heartbeat topic that the broker refused to lead in the last two sessions, although it names itself:
    /// another broker answers at its address. `None` if it leads what it names, and if it was not asked.
    pub refused: Option<i32>,
    /// The same for the last session alone. A broker that has just become a leader may name itself a moment before it leads.
    pub refused_once: Option<i32>,
}

impl ExtraSession {
    /// Whether the broker refused the login.
    fn is_refused_login(&self) -> bool {
        self.result.is_err_and(|(_, fault)| fault == Fault::Authentication)
    }
}

/// The last extra session with each broker that may be to blame.
pub type Snapshot = BTreeMap<BrokerId, ExtraSession>;

/// What the extra sessions follow.
pub struct Inputs {
    /// The settings of the cluster.
    pub cluster: Arc<config::Cluster>,
    /// The settings of the wire client.
    pub client: Arc<wire::Client>,
    /// What the ledger of heartbeats publishes.
    pub heartbeat: watch::Receiver<Arc<heartbeat::Snapshot>>,
    /// Sessions with each broker.
    pub connectivity: watch::Receiver<Latest<connectivity::Snapshot>>,
    /// The metadata of the cluster.
    pub metadata: watch::Receiver<Latest<metadata::Snapshot>>,
    /// What the sections for all clusters know of their brokers.
    pub sections: Sections,
    /// Asks for fresh metadata.
    pub nudge_metadata: Arc<Notify>,
}

/// Opens extra sessions until `stop`.
pub async fn run(inputs: Inputs, publisher: watch::Sender<Arc<Snapshot>>, stop: CancellationToken) {
    let mut opening = JoinSet::new();
    let mut began: BTreeMap<BrokerId, Instant> = BTreeMap::new();
    let mut quorum = Quorum::default();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(TICK) => {}
            Some(Ok((broker, opened))) = opening.join_next() => {
                publish(&publisher, broker, opened, &inputs.nudge_metadata);
            }
        }
        let concerned = inputs.concerned(&publisher.borrow());
        forget(&publisher, &concerned);
        began.retain(|_, began| began.elapsed() < KEPT);
        let metadata = inputs.metadata.borrow().snapshot.clone();
        let Some((metadata, taken)) = metadata else { continue };
        if quorum.is_in_doubt(metadata.quorum_fault, taken) {
            inputs.nudge_metadata.notify_one();
        }
        let mut waiting: Vec<BrokerId> = concerned.into_iter().collect();
        waiting.sort_by_key(|broker| began.get(broker).copied());
        for broker in waiting {
            let Some(address) = metadata.brokers.get(&broker) else { continue };
            let gap = match publisher.borrow().get(&broker) {
                // Some systems lock an account after refused logins.
                Some(last) if last.is_refused_login() => inputs.cluster.connectivity.interval.max(LONG_GAP),
                Some(last) if last.failures > MANY => LONG_GAP,
                _ => GAP,
            };
            let rests = began.get(&broker).is_some_and(|began| began.elapsed() < gap);
            if rests || opening.len() >= AT_ONCE {
                continue;
            }
            began.insert(broker, Instant::now());
            opening.spawn(open(
                inputs.client.clone(),
                inputs.cluster.clone(),
                broker,
                address.endpoint(),
                inputs.limit(broker),
            ));
        }
    }
}

/// The metadata in which the leader of the quorum was not known.
#[derive(Debug, Default)]
struct Quorum {
    /// When the last of them were taken.
    taken: Option<Instant>,
    /// Their number in a row.
    count: u32,
}

impl Quorum {
    /// Whether fresh metadata should be asked for. Only the first few times, so that a cluster that never answers requests about
    /// the quorum is not asked more often for ever.
    fn is_in_doubt(&mut self, fault: Option<Fault>, taken: Instant) -> bool {
        if self.taken == Some(taken) {
            return false;
        }
        self.taken = Some(taken);
        let is_silent = matches!(fault, Some(Fault::Timeout | Fault::NoLeader));
        self.count = if is_silent { self.count.saturating_add(1) } else { 0 };
        (1..=ASKING).contains(&self.count)
    }
}

/// How a session with a broker ended.
struct Opened {
    at: SystemTime,
    result: Result<Duration, (Stage, Fault)>,
    /// A partition that the broker refuses to lead, although it names itself.
    refused: Option<i32>,
}

async fn open(
    client: Arc<wire::Client>,
    cluster: Arc<config::Cluster>,
    broker: BrokerId,
    endpoint: Endpoint,
    limit: Duration,
) -> (BrokerId, Opened) {
    let opening = wire::open(&client, &endpoint, limit).await;
    let at = SystemTime::now();
    let took = opening.stages.iter().map(|(_, took)| *took).sum::<Duration>();
    let session = match opening.result {
        Ok(session) => session,
        Err(error) => {
            let result = Err((error.stage().unwrap_or(Stage::Dns), error.fault()));
            return (broker, Opened { at, result, refused: None });
        }
    };
    let view = match cluster.connectivity.agreement {
        true => agreement::ask(&session, broker, &cluster.heartbeat.topic, Instant::now() + limit).await,
        false => None,
    };
    (broker, Opened { at, result: Ok(took), refused: view.and_then(|view| view.refused) })
}

impl Inputs {
    /// The brokers that may be to blame: the leaders of overdue heartbeats, their replicas if there is more than one leader, and
    /// the brokers whose last session failed or took far longer than the ones before.
    fn concerned(&self, known: &Snapshot) -> BTreeSet<BrokerId> {
        let heartbeat = self.heartbeat.borrow().clone();
        let overdue = || heartbeat.partitions.iter().filter(|(_, partition)| partition.overdue.is_some());
        let mut brokers: BTreeSet<BrokerId> =
            overdue().filter_map(|(_, partition)| partition.overdue?.leader).collect();
        if brokers.len() > 1
            && let Some(Ok(topic)) =
                self.metadata.borrow().fresh().map(|metadata| metadata.heartbeat_topic.clone())
        {
            let replicas = overdue().filter_map(|(number, _)| topic.partitions.get(number));
            brokers.extend(replicas.flat_map(|partition| partition.replicas.iter().copied()));
        }
        let failed = |session: &ExtraSession| session.result.is_err();
        brokers.extend(known.iter().filter(|(_, session)| failed(session)).map(|(broker, _)| *broker));
        let connectivity = self.connectivity.borrow();
        let checks = || connectivity.fresh().into_iter().flat_map(|snapshot| &snapshot.brokers);
        brokers.extend(checks().filter(|(_, check)| !check.up()).map(|(broker, _)| *broker));
        if !brokers.is_empty() && known.values().all(|session| session.failures <= ASKING) {
            let others = self.others(&brokers);
            brokers.extend(others);
        }
        brokers.extend(checks().filter(|(_, check)| check.slow).map(|(broker, _)| *broker));
        brokers.extend(self.failing_elsewhere());
        brokers
    }

    /// The brokers that another section for the same cluster has just found to fail. A session over the listener of this section
    /// shows whether only the other listener has the fault.
    fn failing_elsewhere(&self) -> BTreeSet<BrokerId> {
        let others = self.sections.others(&self.cluster.name);
        let sessions = others.iter().flat_map(|(_, section)| &section.brokers);
        let failing = sessions.filter(|(_, session)| (1..=ASKING).contains(&session.failures));
        failing.map(|(broker, _)| *broker).collect()
    }

    /// Brokers beside these, first those of the same racks: one broker is to blame only if the others work at the same time.
    fn others(&self, brokers: &BTreeSet<BrokerId>) -> Vec<BrokerId> {
        let metadata = self.metadata.borrow();
        let Some(metadata) = metadata.fresh() else { return Vec::new() };
        let racks = brokers.iter().filter_map(|id| metadata.brokers.get(id)?.rack.as_deref());
        let racks: BTreeSet<&str> = racks.collect();
        let near = |broker: &Broker| broker.rack.as_deref().is_some_and(|rack| racks.contains(rack));
        let others = metadata.brokers.iter().filter(|(id, _)| !brokers.contains(id));
        let mut others: Vec<_> = others.map(|(id, broker)| (!near(broker), *id)).collect();
        others.sort();
        others.into_iter().map(|(_, id)| id).take(AT_ONCE.saturating_sub(brokers.len())).collect()
    }

    /// The limit of a session with this broker.
    fn limit(&self, broker: BrokerId) -> Duration {
        let connectivity = self.connectivity.borrow();
        let check = connectivity.fresh().and_then(|snapshot| snapshot.brokers.get(&broker));
        let (usual, last) = (check.and_then(|check| check.mean_total), check.and_then(|check| check.total));
        (4 * usual.unwrap_or_default())
            .max(2 * last.unwrap_or_default())
            .max(LIMIT)
            .min(self.cluster.connectivity.timeout)
    }
}

/// Publishes how a session ended, unless it failed for a reason of this process.
fn publish(
    publisher: &watch::Sender<Arc<Snapshot>>,
    broker: BrokerId,
    opened: Opened,
    nudge_metadata: &Notify,
) {
    let Opened { at, result, refused } = opened;
    if result.is_err_and(|(_, fault)| fault.is_ours()) {
        return;
    }
    publisher.send_modify(|sessions| {
        let before = sessions.get(&broker);
        let failures = if result.is_err() { before.map_or(0, |session| session.failures) + 1 } else { 0 };
        let again = refused.filter(|_| before.is_some_and(|session| session.refused_once.is_some()));
        if (1..=ASKING).contains(&failures) {
            nudge_metadata.notify_one();
        }
        let session = ExtraSession { at, result, failures, refused: again, refused_once: refused };
        Arc::make_mut(sessions).insert(broker, session);
    });
}

/// Forgets the brokers that are not concerned any more.
fn forget(publisher: &watch::Sender<Arc<Snapshot>>, concerned: &BTreeSet<BrokerId>) {
    let now = SystemTime::now();
    let stays = |broker: &BrokerId, session: &ExtraSession| {
        concerned.contains(broker) || now.duration_since(session.at).is_ok_and(|age| age < KEPT)
    };
    publisher.send_if_modified(|sessions| {
        if sessions.iter().all(|(broker, session)| stays(broker, session)) {
            return false;
        }
        Arc::make_mut(sessions).retain(|broker, session| stays(broker, session));
        true
    });
}
