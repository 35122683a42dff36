//! A cluster of three brokers on which everything is well, and what can go wrong there.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use super::super::facts::Facts;
use crate::{
    cluster::metadata,
    config::{Sources, load},
    diagnosis::Diagnosis,
    kafka::{
        BrokerId, Capability,
        admin::{Broker, Partition, Quorum, Topic},
    },
    latency::{Bounds, Buckets, Recent, RecentMean},
    monitor,
    probe::{
        connectivity::{self, Check},
        coordinators, heartbeat,
    },
    task::Latest,
    verdict::{State, Verdict},
};

const SECOND: Duration = Duration::from_secs(1);

/// The facts of a good moment.
pub(super) fn good() -> Facts {
    let sources = Sources { bootstrap: Some("b:1".to_owned()), ..Sources::default() };
    let mut settings = load(&sources).expect("valid").clusters.remove(0);
    settings.transaction_coordinators.enabled = true;
    let heartbeat = heartbeats();
    Facts {
        now: heartbeat.at,
        settings: Arc::new(settings),
        heartbeat: Arc::new(heartbeat),
        metadata: latest(metadata()),
        connectivity: latest(connectivity::Snapshot {
            brokers: [1, 2, 3].map(|id| (BrokerId(id), check())).into(),
            agreement: BTreeMap::new(),
        }),
        coordinators: latest(coordinators()),
        transaction_coordinators: latest(coordinators()),
        collect: latest(monitor::Snapshot::default()),
        verdict: Arc::new(Verdict {
            state: State::Ok,
            reasons: Vec::new(),
            diagnosis: Some(Diagnosis { suspects: Vec::new(), unexplained: Vec::new() }),
            ..Verdict::unknown()
        }),
    }
}

/// A snapshot that was just published.
pub(super) fn latest<T>(snapshot: T) -> Latest<T> {
    let mut latest = Latest::new(15 * SECOND);
    latest.snapshot = Some((Arc::new(snapshot), tokio::time::Instant::now()));
    latest
}

/// Changes the last snapshot of a task.
pub(super) fn change<T: Clone>(latest: &mut Latest<T>, change: impl FnOnce(&mut T)) {
    let (snapshot, _) = latest.snapshot.as_mut().expect("a snapshot");
    change(Arc::make_mut(snapshot));
}

/// Changes a topic of the metadata.
pub(super) fn change_topic(facts: &mut Facts, name: &str, with: impl FnOnce(&mut Topic)) {
    change(&mut facts.metadata, |metadata| {
        let topic = Arc::make_mut(&mut metadata.topics).get_mut(name).expect("the topic");
        with(topic.as_mut().expect("a topic without an error"));
    });
}

fn metadata() -> metadata::Snapshot {
    let brokers = [1, 2, 3].map(BrokerId);
    let partition = || Partition {
        leader: Some(BrokerId(1)),
        leader_epoch: Some(7),
        replicas: brokers.to_vec(),
        isr: brokers.to_vec(),
    };
    let topic = Topic { id: None, partitions: (0..3).map(|number| (number, partition())).collect() };
    let topics = ["hb", "orders"].map(|name| (name.to_owned(), Ok(topic.clone())));
    metadata::Snapshot {
        cluster_id: None,
        brokers: brokers.map(|id| (id, Broker { host: "b.example".to_owned(), port: 1, rack: None })).into(),
        topics: Arc::new(topics.into()),
        controller: Some(BrokerId(1)),
        quorum: Some(Quorum { leader: BrokerId(1), epoch: 5 }),
        voters: brokers.map(|id| (id, Some(Duration::ZERO))).into(),
        quorum_fault: None,
        quorum_capability: Capability::Ok,
        heartbeat_topic: Ok(topic),
        duration: SECOND / 100,
        durations: Buckets::new(&Bounds::default()),
    }
}

fn check() -> Check {
    Check {
        host: "b.example".to_owned(),
        port: 1,
        rack: None,
        address: None,
        stages: Vec::new(),
        total: Some(SECOND / 100),
        failure: None,
        since: SystemTime::UNIX_EPOCH,
        at: SystemTime::UNIX_EPOCH,
        checks: 1,
        failures: BTreeMap::new(),
        durations: BTreeMap::new(),
        totals: Buckets::new(&Bounds::default()),
        certificate_expiry: None,
        mean_total: None,
        slow: false,
    }
}

fn coordinators() -> coordinators::Snapshot {
    let check = coordinators::Check { broker: Some(BrokerId(2)), failure: None, at: Instant::now() };
    coordinators::Snapshot {
        capability: Capability::Ok,
        total: Some(2),
        partitions: BTreeMap::from([(0, check), (1, check)]),
        brokers: BTreeMap::new(),
    }
}

fn heartbeats() -> heartbeat::Snapshot {
    let (empty, now) = (Buckets::new(&Bounds::default()), Instant::now());
    heartbeat::Snapshot {
        at: now,
        written: SystemTime::now(),
        partitions: BTreeMap::new(),
        events: 100,
        bad_events: 4,
        unacknowledged_events: 0,
        totals: heartbeat::Totals::default(),
        startup: None,
        renewals: [0; 5],
        same_name: None,
        stalled: Duration::ZERO,
        schedule_delay: empty,
        produce_errors: BTreeMap::new(),
        fetch_errors: BTreeMap::new(),
        throttle: BTreeMap::new(),
        prober_healthy: true,
        short_of_descriptors: false,
        prober_trouble: None,
        produce: Recent::new(now),
        end_to_end: Recent::new(now),
        acked_mean: RecentMean::over(SECOND),
        received_mean: RecentMean::over(SECOND),
        bad: VecDeque::new(),
        acked: 0,
        received: 0,
    }
}
