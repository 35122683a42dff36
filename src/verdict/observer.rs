//! Turns the snapshots of the tasks into the scene that the diagnosis goes by.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime},
};

use super::{
    comparisons::{coordinators, differing, replicas, transactions},
    connect::connect,
    controller,
    elsewhere::{elsewhere, other_clusters, section},
    history::History,
    mirrors::mirrors,
    registry::registry,
};
use crate::{
    cluster::{metadata, sections::Sections},
    diagnosis::{self, Broker, Partition, Scene, Session, Trouble},
    kafka::{BrokerId, Fault, admin::Coordinated},
    probe::{
        self, connectivity, coordinators, extra_sessions, heartbeat, heartbeat::Outcome, replicas,
        schema_registry, topic, transaction_probe,
    },
    task::{Failure, Latest},
};

/// So many of the last heartbeats of a partition are looked at.
const LOOKED_AT: usize = 10;

/// A partition is in trouble if so many of them were bad and one of the newest half was.
const BAD: usize = 2;

/// After a stall of this process, its heartbeats in flight and its connections need so long to recover.
const RECOVERS: Duration = Duration::from_secs(10);

/// The wall clock was set if it moves by more than this against the monotonic clock.
const STEP: Duration = Duration::from_secs(1);

/// So many brokers are remembered, those that left the metadata included.
const REMEMBERED: usize = 10_000;

/// librdkafka reports throttle times in its statistics every five seconds. After the time for which a broker throttled the client,
/// the next report may be so far away.
const NEXT_REPORT: Duration = Duration::from_secs(6);

/// A longer throttle time is not believed.
const LONGEST_THROTTLE: Duration = Duration::from_secs(120);

/// The snapshots of one moment.
pub(super) struct Snapshots<'a> {
    pub(super) heartbeat: &'a heartbeat::Snapshot,
    pub(super) metadata: &'a Latest<metadata::Snapshot>,
    pub(super) connectivity: &'a Latest<connectivity::Snapshot>,
    pub(super) extra: &'a extra_sessions::Snapshot,
    pub(super) coordinators: &'a Latest<coordinators::Snapshot>,
    pub(super) transaction_coordinators: &'a Latest<coordinators::Snapshot>,
    pub(super) transaction_probe: &'a Latest<transaction_probe::Snapshot>,
    pub(super) replicas: &'a Latest<replicas::Snapshot>,
    pub(super) topic: &'a Latest<topic::Snapshot>,
    pub(super) schema_registry: &'a Latest<schema_registry::Snapshot>,
    pub(super) connect: &'a Latest<probe::connect::Snapshot>,
    pub(super) mirrors: &'a Latest<probe::mirrors::Snapshot>,
}

/// What was reported of the throttling of one request.
#[derive(Debug, Clone, Copy)]
struct Throttle {
    /// The number of throttle times since the start, and their sum in seconds.
    totals: (u64, f64),
    /// The time of the last report, and the mean of its throttle times. `None` before the first report.
    last: Option<(Instant, Duration)>,
}

/// What has to be remembered from one moment to the next.
pub(super) struct Observer {
    /// The name of the section of the configuration.
    name: String,
    topic: String,
    sections: Sections,
    histories: BTreeMap<BrokerId, History>,
    throttle: BTreeMap<&'static str, Throttle>,
    controller: controller::Watch,
    had_topic: bool,
    /// The last moment by both clocks, and when the wall clock was last found to be set.
    clocks: Option<(Instant, SystemTime)>,
    stepped: Option<Instant>,
}

impl Observer {
    pub(super) fn new(name: String, topic: String, sections: Sections) -> Self {
        Self {
            name,
            topic,
            sections,
            histories: BTreeMap::new(),
            throttle: BTreeMap::new(),
            controller: controller::Watch::default(),
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
        self.sections.publish(&self.name, section(metadata.as_deref(), &self.histories));
        let brokers = self.brokers(snapshots, metadata.as_deref(), at);
        let partitions = partitions(snapshots, metadata.as_deref(), &brokers);
        let (topic_missing, topic_denied) = topic(snapshots, metadata.as_deref());
        Scene {
            at,
            prober: prober(snapshots, at).or_else(|| self.step(now)),
            stalled: stall(snapshots),
            login: login(snapshots),
            topic: self.topic.clone(),
            topic_missing: topic_missing && (self.had_topic || !creates(snapshots)),
            topic_denied,
            min_isr: snapshots.topic.fresh().and_then(|topic| topic.min_isr),
            partitions,
            brokers,
            elsewhere: elsewhere(metadata.as_deref(), &self.sections.others(&self.name)),
            other_clusters: other_clusters(self.sections.other_clusters(&self.name)),
            metadata: snapshots.metadata.failure.as_ref().map(failed),
            differing: differing(snapshots.connectivity, snapshots.extra),
            compared: snapshots.connectivity.fresh().map_or(0, |connectivity| connectivity.agreement.len()),
            controller: self.controller.observe(snapshots.metadata),
            throttled: self.throttled(snapshots.heartbeat),
            replicas: replicas(snapshots.replicas),
            coordinators: coordinators(Coordinated::Groups, snapshots.coordinators)
                .chain(coordinators(Coordinated::Transactions, snapshots.transaction_coordinators))
                .collect(),
            transactions: transactions(snapshots.transaction_probe),
            registry: registry(snapshots.schema_registry),
            connect: connect(snapshots.connect),
            mirrors: mirrors(snapshots.mirrors),
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
                Some((check.at, failed.or(check.total.map(Ok))?, true))
            });
            let extra = snapshots.extra.get(broker).map(|session| (session.at, session.result, false));
            let mut sessions: Vec<_> = check.into_iter().chain(extra).collect();
            sessions.sort_by_key(|(at, ..)| *at);
            sessions.into_iter().for_each(|(at, ended, is_check)| history.add(at, ended, is_check));
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

    /// The mean throttle time of each request by its last report, as long as it may hold the request up.
    fn throttled(&mut self, heartbeat: &heartbeat::Snapshot) -> BTreeMap<&'static str, Duration> {
        for (request, times) in &heartbeat.throttle {
            let totals = (times.count(), times.sum_seconds());
            let known = self.throttle.entry(request).or_insert(Throttle { totals, last: None });
            let count = totals.0.saturating_sub(known.totals.0);
            if count > 0 {
                let mean = Duration::try_from_secs_f64((totals.1 - known.totals.1) / count as f64);
                let mean = mean.unwrap_or_default().min(LONGEST_THROTTLE);
                *known = Throttle { totals, last: Some((heartbeat.at, mean)) };
            }
        }
        let holds = |(request, throttle): (&&'static str, &Throttle)| {
            let (at, mean) = throttle.last?;
            (heartbeat.at.saturating_duration_since(at) < mean + NEXT_REPORT).then_some((*request, mean))
        };
        self.throttle.iter().filter_map(holds).collect()
    }
}

/// Whether this process was not able to measure a moment ago.
fn was_blind(heartbeat: &heartbeat::Snapshot) -> bool {
    let ended = heartbeat.prober_trouble;
    ended.is_some_and(|ended| heartbeat.at.saturating_duration_since(ended) < RECOVERS)
}

/// Why this process cannot measure: it had no file descriptor left, or did not send heartbeats that were due.
fn prober(snapshots: &Snapshots<'_>, at: SystemTime) -> Option<String> {
    let heartbeat = snapshots.heartbeat;
    let oldest = at.checked_sub(RECOVERS).unwrap_or(SystemTime::UNIX_EPOCH);
    let mut beats =
        heartbeat.partitions.values().flat_map(|partition| partition.beats.iter().rev().take(LOOKED_AT));
    let words = if heartbeat.short_of_descriptors {
        "this process had no file descriptor left a moment ago"
    } else if beats.any(|beat| beat.outcome == Some(Outcome::Skipped) && beat.intended >= oldest) {
        "this process did not run for a moment, and sent no heartbeats meanwhile"
    } else {
        return None;
    };
    was_blind(heartbeat).then(|| words.to_owned())
}

/// That this process did not run.
fn stall(snapshots: &Snapshots<'_>) -> Option<String> {
    let words = "this process did not run for a moment, or too late";
    was_blind(snapshots.heartbeat).then(|| words.to_owned())
}

/// Why there is no usable credential to log in with, if Kafka is not the reason.
fn login(snapshots: &Snapshots<'_>) -> Option<diagnosis::Failure> {
    let failures = [&snapshots.metadata.failure, &snapshots.connectivity.failure];
    let works = snapshots.metadata.failure.is_none() && snapshots.metadata.snapshot.is_some();
    failures.into_iter().flatten().find(|failure| failure.fault.is_no_evidence(works)).map(failed)
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
        acknowledged: ended.is_some_and(|ended| ended.produce.is_some()),
        since: since.unwrap_or(snapshot.written),
    })
}
