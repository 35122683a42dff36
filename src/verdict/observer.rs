//! Turns the snapshots of the tasks into the scene that the diagnosis goes by.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use super::history::History;
use crate::{
    cluster::metadata,
    diagnosis::{self, Broker, Coordinators, Partition, Scene, Session, Trouble},
    kafka::{BrokerId, Fault},
    probe::{connectivity, coordinators, extra_sessions, heartbeat, heartbeat::Outcome, topic},
    task::{Failure, Latest},
};

/// So many of the last heartbeats of a partition are looked at.
const LOOKED_AT: usize = 10;

/// A partition is in trouble if so many of them were bad and one of the newest half was.
const BAD: usize = 2;

/// After a stall of this process, its heartbeats in flight and its connections need so long to recover.
const RECOVERS: Duration = Duration::from_secs(10);

/// The checks of a coordinator have failed for so long if it is not just being moved.
const MOVES: Duration = Duration::from_secs(5);

/// The wall clock was set if it moves by more than this against the monotonic clock.
const STEP: Duration = Duration::from_secs(1);

/// So many brokers are remembered, those that left the metadata included.
const REMEMBERED: usize = 10_000;

/// The throttle times of this window are looked at. librdkafka reports them every 15 s.
const THROTTLE_WINDOW: Duration = Duration::from_secs(16);

/// The snapshots of one moment.
pub(super) struct Snapshots<'a> {
    pub(super) heartbeat: &'a heartbeat::Snapshot,
    pub(super) metadata: &'a Latest<metadata::Snapshot>,
    pub(super) connectivity: &'a Latest<connectivity::Snapshot>,
    pub(super) extra: &'a extra_sessions::Snapshot,
    pub(super) coordinators: &'a Latest<coordinators::Snapshot>,
    pub(super) topic: &'a Latest<topic::Snapshot>,
}

/// The throttle times of all requests since the start: by request, their number and their sum in seconds.
type Throttle = BTreeMap<&'static str, (u64, f64)>;

/// What has to be remembered from one moment to the next.
pub(super) struct Observer {
    topic: String,
    histories: BTreeMap<BrokerId, History>,
    throttle: VecDeque<(Instant, Throttle)>,
    had_quorum: bool,
    had_topic: bool,
    /// The last moment by both clocks, and when the wall clock was last found to be set.
    clocks: Option<(Instant, SystemTime)>,
    stepped: Option<Instant>,
}

impl Observer {
    pub(super) fn new(topic: String) -> Self {
        Self {
            topic,
            histories: BTreeMap::new(),
            throttle: VecDeque::new(),
            had_quorum: false,
            had_topic: false,
            clocks: None,
            stepped: None,
        }
    }

    /// The scene of this moment.
    pub(super) fn observe(&mut self, snapshots: &Snapshots<'_>, at: SystemTime) -> Scene {
        let now = Instant::now();
        self.notice_step(now, at);
        let metadata = snapshots.metadata.snapshot.as_ref().map(|(snapshot, _)| snapshot.clone());
        self.had_topic |= metadata.as_ref().is_some_and(|metadata| metadata.heartbeat_topic.is_ok());
        self.learn_sessions(snapshots, metadata.as_deref(), at);
        let brokers = self.brokers(snapshots, metadata.as_deref(), at);
        let partitions = partitions(snapshots, metadata.as_deref(), &brokers);
        let (topic_missing, topic_denied) = topic(snapshots, metadata.as_deref());
        Scene {
            at,
            prober: prober(snapshots).or_else(|| self.step(now)),
            login: login(snapshots),
            topic: self.topic.clone(),
            topic_missing: topic_missing && (self.had_topic || !creates(snapshots)),
            topic_denied,
            partitions,
            brokers,
            metadata: snapshots.metadata.failure.as_ref().map(failed),
            quorum_lost: self.quorum_lost(metadata, snapshots.metadata.failure.is_none()),
            throttled: self.throttled(snapshots.heartbeat),
            coordinators: coordinators(snapshots.coordinators),
        }
    }

    /// Notices that the wall clock was set. Then all instants of before are wrong, and the sessions are forgotten.
    fn notice_step(&mut self, now: Instant, at: SystemTime) {
        if let Some((instant, wall)) = self.clocks.replace((now, at)) {
            let expected = wall + now.saturating_duration_since(instant);
            let ahead = at.duration_since(expected).unwrap_or_else(|behind| behind.duration());
            if ahead > STEP {
                self.stepped = Some(now);
                self.histories.clear();
            }
        }
    }

    /// That the wall clock was set a moment ago.
    fn step(&self, now: Instant) -> Option<String> {
        let recent = self.stepped.is_some_and(|at| now.saturating_duration_since(at) < RECOVERS);
        recent.then(|| "the clock of this machine was set a moment ago".to_owned())
    }

    /// Adds the last check of each broker, and its last extra session.
    fn learn_sessions(
        &mut self,
        snapshots: &Snapshots<'_>,
        metadata: Option<&metadata::Snapshot>,
        at: SystemTime,
    ) {
        let Some(metadata) = metadata else { return };
        if self.histories.len() > REMEMBERED {
            self.histories.retain(|broker, _| metadata.brokers.contains_key(broker));
        }
        for (broker, history) in &mut self.histories {
            if !metadata.brokers.contains_key(broker) {
                history.left(at);
            }
        }
        let checks = snapshots.connectivity.snapshot.as_ref().map(|(snapshot, _)| snapshot);
        for broker in metadata.brokers.keys() {
            let history = self.histories.entry(*broker).or_default();
            let check = checks.and_then(|checks| checks.brokers.get(broker)).and_then(|check| {
                let failed = check.failure.as_ref().map(|failure| Err((failure.stage, failure.fault)));
                Some((check.at, failed.or(check.total.map(Ok))?))
            });
            let extra = snapshots.extra.get(broker).map(|session| (session.at, session.result));
            let mut sessions: Vec<_> = check.into_iter().chain(extra).collect();
            sessions.sort_by_key(|(at, _)| *at);
            sessions.into_iter().for_each(|(at, ended)| history.add(at, ended));
        }
    }

    fn brokers(
        &self,
        snapshots: &Snapshots<'_>,
        metadata: Option<&metadata::Snapshot>,
        at: SystemTime,
    ) -> BTreeMap<BrokerId, Broker> {
        let Some(metadata) = metadata else { return BTreeMap::new() };
        let taken = snapshots.metadata.succeeded;
        let is_in_sync = |broker: &BrokerId| {
            let topics = metadata.topics.values().flatten().flat_map(|topic| topic.partitions.values());
            topics.into_iter().any(|partition| partition.isr.contains(broker))
        };
        let oldest = at.checked_sub(3 * snapshots.connectivity.interval).unwrap_or(SystemTime::UNIX_EPOCH);
        let broker = |(id, broker): (&BrokerId, &crate::kafka::admin::Broker)| {
            let session = self.histories.get(id).map(|history| match history.session(taken, None, oldest) {
                // All partitions are looked at only for a broker that fails.
                Session::Failed { .. } => history.session(taken, taken.filter(|_| is_in_sync(id)), oldest),
                session => session,
            });
            let (host, port, rack) = (broker.host.clone(), broker.port, broker.rack.clone());
            (*id, Broker { host, port, rack, session: session.unwrap_or(Session::Unknown) })
        };
        metadata.brokers.iter().map(broker).collect()
    }

    /// Whether the quorum had a leader, and has none now.
    fn quorum_lost(&mut self, metadata: Option<Arc<metadata::Snapshot>>, answered: bool) -> bool {
        let Some(metadata) = metadata.filter(|_| answered) else { return false };
        self.had_quorum |= metadata.quorum.is_some();
        self.had_quorum && metadata.quorum_fault == Some(Fault::NoLeader)
    }

    /// The mean throttle time of each request within the window.
    fn throttled(&mut self, heartbeat: &heartbeat::Snapshot) -> BTreeMap<&'static str, Duration> {
        let totals = heartbeat.throttle.iter();
        let totals: Throttle =
            totals.map(|(request, times)| (*request, (times.count(), times.sum_seconds()))).collect();
        self.throttle.push_back((heartbeat.at, totals.clone()));
        let is_old =
            |(at, _): &(Instant, Throttle)| heartbeat.at.saturating_duration_since(*at) > THROTTLE_WINDOW;
        while self.throttle.len() > 1 && self.throttle.front().is_some_and(is_old) {
            self.throttle.pop_front();
        }
        let before = self.throttle.front().map(|(_, totals)| totals.clone()).unwrap_or_default();
        let mean = |(request, (count, sum)): (&'static str, (u64, f64))| {
            let (count_before, sum_before) = before.get(request).copied().unwrap_or_default();
            let count = count.checked_sub(count_before).filter(|count| *count > 0)?;
            Some((request, Duration::try_from_secs_f64((sum - sum_before) / count as f64).ok()?))
        };
        totals.into_iter().filter_map(mean).collect()
    }
}

/// The partitions of `__consumer_offsets` whose coordinators have failed for longer than a move takes, by their checks.
fn coordinators(latest: &Latest<coordinators::Snapshot>) -> BTreeMap<Option<BrokerId>, Coordinators> {
    let mut failing: BTreeMap<Option<BrokerId>, Coordinators> = BTreeMap::new();
    let checks = latest.fresh().into_iter().flat_map(|snapshot| &snapshot.partitions);
    for (partition, check) in checks {
        let failure =
            check.failure.filter(|failure| check.at.saturating_duration_since(failure.since) >= MOVES);
        if let Some(failure) = failure {
            let none = Coordinators { partitions: Vec::new(), fault: failure.fault };
            failing.entry(check.broker).or_insert(none).partitions.push(*partition);
        }
    }
    failing
}

/// Why this process cannot measure.
fn prober(snapshots: &Snapshots<'_>) -> Option<String> {
    let heartbeat = snapshots.heartbeat;
    let ended = heartbeat.prober_trouble?;
    let reason = match heartbeat.short_of_descriptors {
        true => "this process had no file descriptor left a moment ago",
        false => "this process did not run for a moment, or too late",
    };
    (heartbeat.at.saturating_duration_since(ended) < RECOVERS).then(|| reason.to_owned())
}

/// Why there is no usable credential to log in with, if Kafka is not the reason.
fn login(snapshots: &Snapshots<'_>) -> Option<diagnosis::Failure> {
    let failures = [&snapshots.metadata.failure, &snapshots.connectivity.failure];
    let works = snapshots.metadata.failure.is_none() && snapshots.metadata.snapshot.is_some();
    let is_ours = |fault: Fault| fault.is_ours() && !(works && fault.is_of_one_broker());
    failures.into_iter().flatten().find(|failure| is_ours(failure.fault)).map(failed)
}

fn failed(failure: &Failure) -> diagnosis::Failure {
    diagnosis::Failure { stage: failure.stage, fault: failure.fault, message: failure.message.clone() }
}

/// Whether the service is about to create the heartbeat topic.
fn creates(snapshots: &Snapshots<'_>) -> bool {
    let topic = snapshots.topic.fresh();
    topic.is_some_and(|topic| topic.blocked.is_empty() && snapshots.topic.failure.is_none())
}

/// Whether the heartbeat topic does not exist, and whether the principal may not describe or create it.
fn topic(snapshots: &Snapshots<'_>, metadata: Option<&metadata::Snapshot>) -> (bool, bool) {
    let missing = metadata.is_some_and(|metadata| metadata.heartbeat_topic == Err(Fault::UnknownTopic));
    let denied = metadata.is_some_and(|metadata| metadata.heartbeat_topic == Err(Fault::Authorization));
    let known = snapshots.topic.fresh();
    let refused = known.is_some_and(|topic| !topic.ready && topic.blocked.contains(&topic::Blocked::Denied));
    // The topic is created in the first cycle. Before, it is not missed.
    (missing && !refused && known.is_some(), denied || refused)
}

/// The partitions with what is wrong with their heartbeats.
fn partitions(
    snapshots: &Snapshots<'_>,
    metadata: Option<&metadata::Snapshot>,
    brokers: &BTreeMap<BrokerId, Broker>,
) -> BTreeMap<i32, Partition> {
    let topic = metadata.and_then(|metadata| metadata.heartbeat_topic.as_ref().ok());
    let partition = |(number, heartbeats): (&i32, &heartbeat::Partition)| {
        let known = topic.and_then(|topic| topic.partitions.get(number));
        let partition = Partition {
            leader: known.map_or(heartbeats.leader, |known| known.leader),
            replicas: known.map(|known| known.replicas.clone()).unwrap_or_default(),
            isr: known.map(|known| known.isr.clone()).unwrap_or_default(),
            trouble: trouble(*number, heartbeats, snapshots.heartbeat, brokers),
        };
        (*number, partition)
    };
    snapshots.heartbeat.partitions.iter().map(partition).collect()
}

/// What is wrong with the last heartbeats of a partition; `None` if nothing is.
fn trouble(
    number: i32,
    partition: &heartbeat::Partition,
    snapshot: &heartbeat::Snapshot,
    brokers: &BTreeMap<BrokerId, Broker>,
) -> Option<Trouble> {
    let judged = partition.beats.iter().rev();
    let judged = judged.filter(|beat| beat.bad || matches!(beat.outcome, Some(Outcome::Ok)));
    let last: Vec<_> = judged.take(LOOKED_AT).collect();
    let bad = last.iter().filter(|beat| beat.bad).count();
    let recent = last.iter().take(LOOKED_AT / 2).any(|beat| beat.bad);
    let bad = if recent && bad >= BAD { bad } else { 0 };
    let fails = |leader: Option<BrokerId>| {
        let broker = leader.and_then(|leader| brokers.get(&leader));
        broker.is_some_and(|broker| matches!(broker.session, Session::Failed { .. }))
    };
    let overdue = partition.overdue.filter(|overdue| overdue.heartbeats > 1 || fails(overdue.leader));
    if bad == 0 && overdue.is_none() {
        return None;
    }
    let oldest_bad = last.iter().filter(|beat| beat.bad).map(|beat| beat.intended).min();
    let ended =
        snapshot.bad.iter().rev().find(|ended| {
            ended.partition == number && oldest_bad.is_some_and(|oldest| ended.intended >= oldest)
        });
    let leader = overdue.map(|overdue| overdue.leader).or(ended.map(|ended| ended.broker));
    let since = oldest_bad.into_iter().filter(|_| bad > 0).chain(overdue.map(|overdue| overdue.since)).min();
    Some(Trouble {
        leader: leader.unwrap_or(partition.leader),
        overdue: overdue.map_or(0, |overdue| overdue.heartbeats),
        bad,
        fault: ended.filter(|_| bad > 0).and_then(|ended| ended.fault),
        since: since.unwrap_or(snapshot.written),
    })
}
