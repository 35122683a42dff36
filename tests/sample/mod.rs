//! Two clusters written by hand: one with nearly every event and hostile names, and one that was never reached.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use kafka_heartbeat::{
    availability::Archive,
    board::{Board, Channels, Readings},
    certificates::{OwnCertificate, Purpose},
    cluster::{Api, Ends, Tiers, metadata},
    collect::{
        freshness::{self, Freshness},
        log_dirs::{self, LogDir},
        time_lag::{Method, TimeLag},
        topics,
        topology::{Change, Health, Topology},
        transactions,
    },
    config::{self, Config, Sources},
    diagnosis::{Confidence, Diagnosis, Kind, Suspect},
    evaluate::{
        events::{Event, Events},
        groups::Group,
        judge::{self, Judgement, Rate, Status},
        lag::{Lag, lag},
        rebalances::{Moves, Rebalances},
    },
    gate::Gate,
    ha::{Leadership, Role},
    kafka::{
        BrokerId, Capability, Credential, CredentialKind, Fault, RenewalFailure, Request, Stage,
        TopicPartition,
        admin::{self, Broker, GroupKind, GroupState, Member, Quorum},
        wire,
    },
    latency::{Bounds, Buckets, Recent, RecentMean, SpanContext},
    monitor::{self, HistoryFile},
    probe::{
        agreement::Disagreement,
        connectivity::{self, Check},
        coordinators, durability,
        heartbeat::{self, Beat, BrokerCounts, EndedHeartbeat, Outcome, Partition, Totals},
        replicas, schema_registry,
        topic::{self, Action, Blocked},
    },
    process::{ConfigFacts, Exports, Process, Published, Traces},
    rest,
    task::{Failure, Latest, Polls},
    verdict::{State, Verdict},
};
use tokio::sync::watch;

mod connect;
mod mirrors;
mod negative_checks;
mod remote_reads;
mod transaction_probe;

/// A hostile name, as a host, a rack or a cluster id may be.
pub(crate) const HOSTILE: &str = "a\"b\\c\nd<script>alert('é')</script>";

const MINUTE: Duration = Duration::from_secs(60);

/// An archive in which nothing is kept.
fn archive(cluster: &str) -> Archive {
    Archive { cluster: cluster.into(), timeline: Arc::default(), file: HistoryFile::NotConfigured }
}

/// The configuration that the sample belongs to.
pub(crate) fn config() -> Config {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config.ini");
    let text = "[cluster:eu]\nbootstrap.servers = b1:9092\nschema_registry.schema.registry.url = http://r1:8081,http://r2:8081\n\
                schema_registry.write = true\nnegative_checks.enabled = true\nremote_reads.enabled = true\ntransaction_probe.enabled = true\n[cluster:us]\nbootstrap.servers = b2:9092\n\
                [connect:payments]\ncluster = eu\nurl = http://c1:8083,http://c2:8083\n\
                [mirror:dr]\nsource = us\ntarget = eu\n\
                [labels]\nenvironment = pro\"d\\uct<i>on\n";
    std::fs::write(&file, text).expect("a file");
    config::load(&Sources { file: Some(file), ..Sources::default() }).expect("a valid configuration")
}

/// The two clusters, as seen at `wall`.
pub(crate) fn sample(config: &Config, wall: SystemTime) -> Vec<Readings> {
    let [eu, us] = [0, 1].map(|index| Arc::new(config.clusters[index].clone()));
    let minute = Duration::from_secs(60);
    vec![
        Readings {
            name: eu.name.as_str().into(),
            settings: eu,
            started: wall - 100 * minute,
            requests: 512,
            violations: 3,
            throttled: BTreeMap::from([("Metadata".to_owned(), Duration::from_millis(1500))]),
            credential: Some(credential(wall)),
            file_credentials: vec![file_credential(wall)],
            heartbeat: Arc::new(heartbeats(wall)),
            connectivity: latest(connectivity(wall), wall),
            metadata: latest(metadata(), wall),
            topic: failing(latest(topic(), wall), wall),
            coordinators: latest(coordinators(), wall),
            transaction_coordinators: latest(transaction_coordinators(), wall),
            transaction_probe: latest(transaction_probe::transaction_probe(wall), wall),
            replicas: latest(replicas(), wall),
            remote_reads: latest(remote_reads::remote_reads(wall), wall),
            durability: latest(durability(wall), wall),
            collect: latest(collected(wall), wall),
            transactions: latest(transactions(), wall),
            log_dirs: latest(log_dirs(), wall),
            schema_registry: latest(schema_registry(wall), wall),
            negative_checks: latest(negative_checks::negative_checks(wall), wall),
            connect: latest(connect::connect(wall), wall),
            mirrors: latest(mirrors::mirrors(wall), wall),
            availability: archive("eu"),
            collects: true,
            role: Role::Leader,
            verdict: Arc::new(Verdict {
                state: State::Degraded,
                reasons: vec!["2 of 60 heartbeats were bad".to_owned(), format!("broker 2: {HOSTILE}")],
                missing: None,
                since: wall - 5 * minute,
                diagnosis: Some(diagnosis(wall)),
                events: Events::default(),
            }),
        },
        Readings {
            name: us.name.as_str().into(),
            settings: us,
            started: wall - 100 * minute,
            requests: 0,
            violations: 0,
            throttled: BTreeMap::new(),
            credential: None,
            file_credentials: Vec::new(),
            heartbeat: Arc::new(silence(wall)),
            connectivity: Latest::new(minute),
            metadata: Latest::new(minute),
            topic: Latest::new(minute),
            coordinators: Latest::new(minute),
            transaction_coordinators: Latest::new(minute),
            transaction_probe: Latest::new(minute),
            replicas: Latest::new(minute),
            remote_reads: Latest::new(minute),
            durability: Latest::new(minute),
            collect: Latest::new(minute),
            transactions: Latest::new(minute),
            log_dirs: Latest::new(minute),
            schema_registry: Latest::new(minute),
            negative_checks: Latest::new(minute),
            connect: Latest::new(minute),
            mirrors: Latest::new(minute),
            availability: archive("us"),
            collects: false,
            role: Role::Leaderless,
            verdict: Arc::new(Verdict {
                state: State::Unknown,
                reasons: vec!["nothing judged yet".to_owned()],
                missing: None,
                since: wall - 100 * minute,
                diagnosis: None,
                events: Events::default(),
            }),
        },
    ]
}

/// A broker with a hostile rack that is likely to blame, and a symptom that nobody explains.
fn diagnosis(wall: SystemTime) -> Diagnosis {
    let suspect = Suspect {
        kind: Kind::Rack,
        subject: HOSTILE.to_owned(),
        confidence: Confidence::Likely,
        since: wall - Duration::from_secs(12),
        headline: format!("No broker of the rack {HOSTILE} can be reached"),
        evidence: vec!["no session with broker 2 could be opened: stage tcp failed: refused".to_owned()],
        against: vec![format!("the rack {HOSTILE} has one broker")],
        confirm: "look at the network and the power of the rack or of the availability zone",
    };
    Diagnosis {
        suspects: vec![suspect],
        unexplained: vec![format!("the metadata cannot be read: {HOSTILE}")],
    }
}

/// A process whose facts are all known except the number of open files.
pub(crate) fn process(wall: SystemTime) -> Process {
    Process {
        version: "1.2.3",
        revision: "abc",
        librdkafka: "2.12.1".to_owned(),
        started: Some(wall - Duration::from_secs(6000)),
        busy: Duration::from_millis(1500),
        workers: 2,
        cpu: Some(Duration::from_millis(2250)),
        memory: Some(12_345_678),
        fds: None,
        most_fds: None,
        exports: Some(Exports {
            cycles: [9, 1, 0, 0],
            duration: Some(ms(34)),
            requests: 12,
            bytes: 34_567,
            retries: 3,
            rejected: 2,
        }),
        config: Some(ConfigFacts {
            last_was_successful: true,
            read: wall - Duration::from_secs(600),
            hash: 4_023_233_417,
        }),
        scrapes: Some(buckets(&[ms(3), ms(17)])),
        traces: Some(Traces { exported: 7, failed: 2, dropped: 1 }),
        certificates: vec![
            OwnCertificate {
                cluster: "eu".to_owned(),
                purpose: Purpose::Kafka,
                expires: wall + Duration::from_secs(3 * 86_400),
            },
            OwnCertificate {
                cluster: String::new(),
                purpose: Purpose::Http,
                expires: wall + Duration::from_secs(30 * 86_400),
            },
        ],
        published: vec![Published { cluster: "prod".into(), sent: 12, failed: 1 }],
    }
}

/// A token that was renewed twice and cannot be renewed now.
fn credential(wall: SystemTime) -> Credential {
    Credential {
        kind: CredentialKind::Token,
        expires: Some(wall + MINUTE),
        renewals: 2,
        failures: BTreeMap::from([(Fault::TokenEndpoint, 3)]),
        fetches: Some(buckets(&[ms(20), ms(40)])),
        clock_difference: Some(600.0),
        failure: Some(RenewalFailure {
            fault: Fault::TokenEndpoint,
            message: format!("no token from idp.example: {HOSTILE}"),
            since: wall - MINUTE,
        }),
    }
}

/// A certificate in a file that was renewed once, and then replaced by one that cannot be used.
fn file_credential(wall: SystemTime) -> Credential {
    Credential {
        kind: CredentialKind::Certificate,
        expires: None,
        renewals: 1,
        failures: BTreeMap::from([(Fault::CredentialFile, 2)]),
        fetches: None,
        clock_difference: None,
        failure: Some(RenewalFailure {
            fault: Fault::CredentialFile,
            message: format!("config.ini:3: ssl.key.location: {HOSTILE}"),
            since: wall - MINUTE,
        }),
    }
}

fn latest<T>(snapshot: T, wall: SystemTime) -> Latest<T> {
    let mut latest = Latest::new(Duration::from_secs(600));
    latest.snapshot = Some((Arc::new(snapshot), tokio::time::Instant::now()));
    latest.succeeded = Some(wall);
    latest.cycles = [40, 0, 0, 0];
    latest.polls = Polls { count: 400, slow: 3, busy: ms(12) };
    latest.last_duration = Some(ms(12));
    latest
}

fn failing<T>(mut latest: Latest<T>, wall: SystemTime) -> Latest<T> {
    latest.cycles = [40, 2, 1, 0];
    latest.faults = BTreeMap::from([(Fault::Authorization, 2), (Fault::Timeout, 1)]);
    latest.failure =
        Some(Failure { fault: Fault::Timeout, stage: None, message: HOSTILE.to_owned(), since: wall });
    latest
}

fn silence(wall: SystemTime) -> heartbeat::Snapshot {
    heartbeat::Snapshot {
        at: Instant::now(),
        written: wall,
        partitions: BTreeMap::new(),
        events: 0,
        bad_events: 0,
        unacknowledged_events: 0,
        totals: Totals::default(),
        startup: None,
        renewals: [0; 5],
        same_name: None,
        stalled: Duration::ZERO,
        schedule_delay: buckets(&[]),
        produce_errors: BTreeMap::new(),
        fetch_errors: BTreeMap::new(),
        throttle: BTreeMap::new(),
        prober_healthy: true,
        short_of_descriptors: false,
        prober_trouble: None,
        produce: Recent::new(Instant::now()),
        end_to_end: Recent::new(Instant::now()),
        acked_mean: RecentMean::over(MINUTE),
        received_mean: RecentMean::over(MINUTE),
        bad: VecDeque::new(),
        acked: 0,
        received: 0,
    }
}

fn heartbeats(wall: SystemTime) -> heartbeat::Snapshot {
    let now = Instant::now();
    let (mut produce, mut end_to_end) = (Recent::new(now), Recent::new(now));
    let (mut acked_mean, mut received_mean) = (RecentMean::over(MINUTE), RecentMean::over(MINUTE));
    for step in 1..=100 {
        produce.record(now, ms(step) / 20);
        end_to_end.record(now, ms(step) / 10);
        acked_mean.record(now, ms(step) / 20);
        received_mean.record(now, ms(step) / 10);
    }
    let mut outcomes = [0; 8];
    for (outcome, count) in [(Outcome::Ok, 56), (Outcome::Late, 1), (Outcome::UnackedMissing, 1)] {
        outcomes[outcome as usize] = count;
    }
    let mut twice = outcomes;
    twice[Outcome::Ok as usize] *= 2;
    twice[Outcome::Late as usize] *= 2;
    twice[Outcome::UnackedMissing as usize] *= 2;
    heartbeat::Snapshot {
        partitions: BTreeMap::from([
            (0, partition(Some(BrokerId(1)), Some(HOSTILE), outcomes, wall)),
            (1, partition(None, None, outcomes, wall)),
        ]),
        events: 116,
        bad_events: 4,
        unacknowledged_events: 3,
        totals: Totals { scheduled: 120, outcomes: twice, in_flight: 4 },
        startup: Some(ms(240)),
        renewals: [1, 1, 2, 3, 3],
        same_name: Some(wall - Duration::from_secs(60)),
        schedule_delay: buckets(&[ms(1) / 5, ms(1) / 4, ms(3)]),
        produce_errors: BTreeMap::from([(Fault::NotEnoughReplicas, 3)]),
        fetch_errors: BTreeMap::from([(Fault::Authorization, 2)]),
        throttle: BTreeMap::from([("Produce", buckets(&[ms(120)]))]),
        produce,
        end_to_end,
        acked_mean,
        received_mean,
        bad: (0..15).map(|number| Arc::new(bad(number, wall))).collect(),
        acked: 114,
        received: 113,
        ..silence(wall)
    }
}

fn partition(
    leader: Option<BrokerId>,
    rack: Option<&str>,
    outcomes: [u64; 8],
    wall: SystemTime,
) -> Partition {
    let deadline = Duration::from_secs(10) + Duration::from_nanos(1);
    let account = BrokerCounts {
        outcomes,
        produce: buckets(&[ms(1), ms(2), deadline]),
        end_to_end: events(&[ms(2), ms(5), deadline], wall),
        delivery: buckets(&[ms(2), ms(1) * 5 / 2]),
        bad: 1,
        unacknowledged: 1,
    };
    Partition {
        scheduled: 60,
        in_flight: 2,
        by_broker: BTreeMap::from([(leader, account)]),
        anomalies: [1, 0, 0, 7, 0, 0, 3],
        last_success: leader.map(|_| wall - ms(2500)),
        leader,
        rack: rack.map(str::to_owned),
        beats: (0..60).map(|index| beat(index, wall)).collect(),
        overdue: None,
        acknowledged: None,
    }
}

fn beat(index: u64, wall: SystemTime) -> Beat {
    let (outcome, bad) = match index {
        20 => (Some(Outcome::Late), true),
        21 => (Some(Outcome::UnackedMissing), true),
        30 => (Some(Outcome::Skipped), false),
        57 => (None, true),
        58.. => (None, false),
        _ => (Some(Outcome::Ok), false),
    };
    let end_to_end = (outcome == Some(Outcome::Ok)).then(|| ms(1 + index * index % 37 * (index % 5)));
    Beat {
        sequence: 1000 + index,
        intended: wall - Duration::from_secs(60 - index),
        outcome,
        bad,
        end_to_end,
    }
}

fn bad(number: u64, wall: SystemTime) -> EndedHeartbeat {
    let late = number.is_multiple_of(2);
    EndedHeartbeat {
        id: format!("{HOSTILE}-1-0-{number}"),
        partition: 0,
        sequence: number,
        broker: late.then_some(BrokerId(1)),
        intended: wall - Duration::from_secs(900 - number),
        outcome: if late { Outcome::Late } else { Outcome::UnackedMissing },
        schedule_delay: Some(ms(1)),
        produce: late.then(|| ms(11_000)),
        end_to_end: late.then(|| ms(11_500)),
        fault: (!late).then_some(Fault::Timeout),
        failed: None,
        missed: true,
        offset: None,
        ended: ms(11_500),
        leader_changes: Vec::new(),
        read_failure: None,
        trace: None,
    }
}

fn connectivity(wall: SystemTime) -> connectivity::Snapshot {
    let stages = vec![
        (Stage::Dns, ms(1) / 2),
        (Stage::Tcp, ms(2)),
        (Stage::Tls, ms(9)),
        (Stage::ApiVersions, ms(3)),
        (Stage::Sasl, ms(6)),
    ];
    let total = stages.iter().map(|(_, took)| *took).sum();
    let good = Check {
        host: HOSTILE.to_owned(),
        port: 9092,
        rack: Some("eu-1".to_owned()),
        address: Some([192, 0, 2, 1].into()),
        durations: stages.iter().map(|(stage, took)| (*stage, buckets(&[*took]))).collect(),
        stages,
        total: Some(total),
        failure: None,
        since: wall - Duration::from_secs(5000),
        at: wall,
        checks: 7,
        failures: BTreeMap::from([((Stage::Sasl, Fault::Other), 2)]),
        totals: buckets(&[total]),
        certificate_expiry: Some(wall + Duration::from_secs(40 * 86_400)),
        mean_total: Some(total),
        slow: false,
    };
    let never = Check {
        host: "broker-2.example".to_owned(),
        rack: None,
        address: None,
        stages: vec![(Stage::Dns, ms(1))],
        total: None,
        failure: Some(connectivity::Failure {
            stage: Stage::Tcp,
            fault: Fault::Refused,
            message: format!("session with {HOSTILE}:9092\r: stage tcp failed: refused"),
        }),
        since: wall - Duration::from_secs(300),
        failures: BTreeMap::from([((Stage::Tcp, Fault::Refused), 7)]),
        durations: BTreeMap::from([(Stage::Dns, buckets(&[ms(1)]))]),
        totals: buckets(&[]),
        certificate_expiry: None,
        mean_total: None,
        slow: false,
        ..good.clone()
    };
    let old = Disagreement::OtherBroker(0);
    connectivity::Snapshot {
        brokers: BTreeMap::from([(BrokerId(1), good), (BrokerId(2), never)]),
        agreement: BTreeMap::from([(BrokerId(1), None), (BrokerId(2), Some(old))]),
    }
}

fn metadata() -> metadata::Snapshot {
    let broker = |host: &str| Broker { host: host.to_owned(), port: 9092, rack: None };
    let partition = |leader| admin::Partition {
        leader,
        leader_epoch: Some(3),
        replicas: vec![BrokerId(1), BrokerId(2)],
        isr: vec![BrokerId(1)],
    };
    let topic = admin::Topic {
        id: None,
        partitions: BTreeMap::from([(0, partition(Some(BrokerId(1)))), (1, partition(None))]),
    };
    metadata::Snapshot {
        cluster_id: Some(HOSTILE.to_owned()),
        brokers: BTreeMap::from([(BrokerId(1), broker(HOSTILE)), (BrokerId(2), broker("broker-2.example"))]),
        topics: Arc::new(
            (0..11)
                .map(|number| format!("topic-{number}"))
                .chain([HOSTILE.to_owned()])
                .map(|name| (name, Ok(topic.clone())))
                .collect(),
        ),
        controller: Some(BrokerId(2)),
        quorum: Some(Quorum { leader: BrokerId(1), epoch: 17 }),
        voters: BTreeMap::from([(BrokerId(1), Some(ms(0)))]),
        quorum_fault: None,
        quorum_capability: Capability::Ok,
        heartbeat_topic: Ok(topic),
        duration: ms(4),
        durations: buckets(&[ms(4), ms(4), ms(6)]),
    }
}

fn topic() -> topic::Snapshot {
    topic::Snapshot {
        topic: "kafka-heartbeat".to_owned(),
        ready: true,
        pending: vec![Action::Expand { from: 2, to: 3 }],
        blocked: vec![Blocked::UnderReplicated],
        uncovered: vec![BrokerId(2)],
        min_isr: Some(2),
        retention: Some(60 * MINUTE),
        only_deletes: Some(true),
        configs: Capability::Ok,
        reassignments: Capability::Ok,
    }
}

/// Four partitions: a good one, two of a coordinator that does not answer, and one that has not been checked.
fn coordinators() -> coordinators::Snapshot {
    let now = Instant::now();
    let check = |broker, failed: Option<(Api, Fault)>| coordinators::Check {
        broker: Some(BrokerId(broker)),
        failure: failed.map(|(request, fault)| coordinators::Failure { request, fault, since: now }),
        at: now,
    };
    let counts = |durations: &[Duration], failures: &[((Api, Fault), u64)]| coordinators::Counts {
        checks: 12,
        failures: failures.iter().copied().collect(),
        durations: [Api::OffsetCommit, Api::OffsetFetch].map(|api| (api, buckets(durations))).into(),
    };
    let failures = [((Api::OffsetCommit, Fault::Timeout), 3), ((Api::OffsetFetch, Fault::Other), 1)];
    coordinators::Snapshot {
        capability: Capability::Ok,
        total: Some(4),
        partitions: BTreeMap::from([
            (0, check(1, None)),
            (1, check(2, Some((Api::OffsetCommit, Fault::Timeout)))),
            (2, check(2, Some((Api::FindCoordinator, Fault::NoLeader)))),
        ]),
        brokers: BTreeMap::from([
            (Some(BrokerId(1)), counts(&[ms(4), ms(5)], &[])),
            (Some(BrokerId(2)), counts(&[ms(9)], &failures)),
        ]),
    }
}

/// One partition, whose coordinator does not answer.
fn transaction_coordinators() -> coordinators::Snapshot {
    let now = Instant::now();
    let failure = coordinators::Failure { request: Api::InitProducerId, fault: Fault::Timeout, since: now };
    let check = coordinators::Check { broker: Some(BrokerId(2)), failure: Some(failure), at: now };
    let counts = coordinators::Counts {
        checks: 5,
        failures: BTreeMap::from([((Api::InitProducerId, Fault::Timeout), 2)]),
        durations: BTreeMap::from([(Api::InitProducerId, buckets(&[ms(7)]))]),
    };
    coordinators::Snapshot {
        capability: Capability::Ok,
        total: Some(1),
        partitions: BTreeMap::from([(0, check)]),
        brokers: BTreeMap::from([(Some(BrokerId(2)), counts)]),
    }
}

/// A replica with a damaged record and a late partition.
fn replicas() -> replicas::Snapshot {
    let replica = replicas::Replica {
        reads: 9,
        failures: BTreeMap::from([(Fault::Timeout, 2)]),
        visible: buckets(&[ms(1), ms(40)]),
        damaged_total: 3,
        damaged: [replicas::Damage { partition: 0, offset: 17 }].into(),
        late: [1].into(),
    };
    replicas::Snapshot { capability: Capability::Ok, brokers: BTreeMap::from([(BrokerId(2), replica)]) }
}

/// An audit with a lost record.
fn durability(wall: SystemTime) -> durability::Snapshot {
    let sample = durability::Sample {
        topic_id: None,
        partition: 0,
        offset: 17,
        run: 1,
        sequence: 41,
        checksum: 5,
        acknowledged: wall - 11 * MINUTE,
        leader: Some(BrokerId(2)),
        leader_epoch: Some(3),
        checked: MINUTE,
    };
    let mut lost = durability::LostRecords::default();
    lost.add(durability::LostRecord {
        topic: HOSTILE.into(),
        sample,
        loss: durability::Loss::Truncated,
        now: "the log ends at offset 12".to_owned(),
        found: wall - MINUTE,
    });
    durability::Snapshot {
        checked: [("1m", 120), ("10m", 90), ("1h", 0), ("retention", 30)]
            .map(|(age, count)| (age.into(), count))
            .into(),
        lost_by: [0, 0, 1],
        lost,
        unchecked: [1, 2, 0, 3, 0, 0],
        samples: 150,
        overdue: 2,
    }
}

/// A registry with a node that answers reads and fails writes, and one that lacks a subject.
fn schema_registry(wall: SystemTime) -> schema_registry::Snapshot {
    let failing = rest::Failing {
        fault: rest::Fault::Status5xx,
        message: format!("r1:8081: the answer is 500: {HOSTILE}"),
        since: wall - 2 * MINUTE,
        times: 4,
    };
    let node = |missing, write: Option<rest::Failing>| {
        let mut measured = [(); 3].map(|()| rest::Measured::none());
        for measured in &mut measured[..2] {
            measured.ended = 40;
            measured.durations = buckets(&[ms(3), ms(70)]);
            measured.last = Some(ms(3));
        }
        if write.is_some() {
            measured[1].failures = BTreeMap::from([(rest::Fault::Status5xx, 4)]);
            measured[1].last = None;
        }
        measured[1].failing = write;
        let mode = Some(schema_registry::Mode::ReadWrite);
        schema_registry::Node { measured, mode, subjects: Some(17), missing }
    };
    schema_registry::Snapshot {
        nodes: BTreeMap::from([
            ("r1:8081".into(), node(0, Some(failing.clone()))),
            ("r2:8081".into(), node(1, None)),
        ]),
        capability: Capability::Ok,
        writes: Some(failing),
        begun: wall,
    }
}

/// A hostile topic that grows and one that was never written; a group that lags and lost records, and one that
/// cannot be read.
fn collected(wall: SystemTime) -> monitor::Snapshot {
    let ms_since_1970 = wall.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_millis();
    let newest_ms = i64::try_from(ms_since_1970).expect("small") - 2_500;
    let ends = |start, end| Ends { start: Some(start), end: Some(end) };
    let partition = |ends, newest_ms| topics::Partition { ends, stable: None, tiers: None, newest_ms };
    let busy = topics::Topic {
        partitions: BTreeMap::from([
            (
                0,
                topics::Partition {
                    tiers: Some(Tiers { earliest_local: Some(60), latest_tiered: Some(59) }),
                    ..partition(ends(10, 110), Some(newest_ms))
                },
            ),
            (1, partition(Ends { start: Some(7), end: None }, None)),
        ]),
        freshness: Some(Freshness {
            state: freshness::State::Ok,
            newest_ms: Some(newest_ms),
            oldest_ms: Some(newest_ms - 60_000),
            appended_at: Some(wall - Duration::from_secs(2)),
        }),
        compacted: true,
        appended: 37,
        rate: Some(1.5),
        future: 2,
    };
    let silent = topics::Topic {
        partitions: BTreeMap::from([(
            0,
            topics::Partition { stable: Some(0), ..partition(ends(0, 0), None) },
        )]),
        freshness: Some(Freshness {
            state: freshness::State::Empty,
            newest_ms: None,
            oldest_ms: None,
            appended_at: None,
        }),
        compacted: false,
        appended: 0,
        rate: None,
        future: 0,
    };
    let aged = |age, error: Option<u64>, method, mut lag: Lag| {
        lag.time = Some(TimeLag { age: ms(age), error: error.map(ms), method });
        lag
    };
    let lags = BTreeMap::from([
        (0, aged(90_000, Some(30_000), Method::History, lag(40, ends(10, 110), false))),
        (1, aged(7_200_000, None, Method::Clamped, lag(5, ends(20, 120), false))),
        (2, aged(0, Some(0), Method::Current, lag(8, ends(0, 8), false))),
        (3, lag(121, ends(20, 120), true)),
    ]);
    let whole = BTreeMap::from([
        (0, aged(5_000, Some(0), Method::Record, lag(40, ends(10, 110), false))),
        (1, lag(121, ends(20, 120), true)),
    ]);
    let member = Member {
        id: "consumer-1-0000".to_owned(),
        client: HOSTILE.to_owned(),
        host: "10.0.0.7".to_owned(),
        partitions: BTreeMap::from([(HOSTILE.into(), vec![0, 2])]),
    };
    let group = |topics: BTreeMap<Arc<str>, _>, fault: Option<Fault>| Group {
        state: GroupState::Stable,
        kind: GroupKind::Consumer,
        epoch: Some(9),
        members: fault.is_none().then(|| vec![member.clone()]),
        lost: topics.keys().map(|topic| (topic.clone(), 15)).collect(),
        topics,
        unread: BTreeMap::new(),
        fault,
        rebalances: Rebalances {
            count: 4,
            members: fault.is_none().then_some(Moves { joined: 3, left: 2 }),
            time: Duration::from_secs(42),
            lasting: Some(Duration::ZERO),
        },
    };
    monitor::Snapshot {
        topics: BTreeMap::from([(HOSTILE.into(), busy), ("never-written".into(), silent)]),
        groups: BTreeMap::from([
            (HOSTILE.into(), group(BTreeMap::from([(HOSTILE.into(), lags)]), None)),
            ("whole".into(), group(BTreeMap::from([("never-written".into(), whole)]), None)),
            ("unreadable".into(), group(BTreeMap::new(), Some(Fault::NoLeader))),
        ]),
        topology: Topology {
            health: BTreeMap::from([(
                HOSTILE.into(),
                Health {
                    partitions: 2,
                    offline: 1,
                    under_replicated: 1,
                    reassigning: Some(0),
                    under_min_isr: Some(1),
                    imbalanced: 0,
                },
            )]),
            changes: BTreeMap::from([(Change::LeaderMoved, 3)]),
        },
        judged: judged(wall),
        events: Arc::new(VecDeque::from([Arc::new(Event {
            at: wall - Duration::from_secs(300),
            kind: "topic_created".into(),
            subject: HOSTILE.to_owned(),
            words: format!("Topic {HOSTILE} was created."),
        })])),
        filtered: BTreeMap::from([("lag.groups", 2), ("lag.topics", 0), ("freshness.topics", 1)]),
        described: Capability::Unknown,
        listing: Capability::Ok,
        reading: Capability::Denied,
        hiding: vec![Request::Metadata],
        faults: BTreeMap::from([((Api::OffsetFetch, Fault::NoLeader), 1)]),
        duration: ms(17),
        judging: ms(2),
        saving: ms(1),
        written: Some(monitor::Written {
            opened: true,
            last: Some(wall),
            failures: BTreeMap::from([("disk_full", 3)]),
        }),
    }
}

/// A transaction that hangs, one that is only slow, and one that the principal may not describe.
fn transactions() -> transactions::Snapshot {
    let at = |topic: &str, partition| TopicPartition { topic: topic.into(), partition };
    let held = |by| transactions::Held { time: ms(90_500), records: 17, by };
    let by = |id: Option<&str>, hanging| transactions::HeldBackBy {
        producer: 4711,
        id: id.map(str::to_owned),
        hanging,
    };
    transactions::Snapshot {
        held: BTreeMap::from([
            (at(HOSTILE, 0), held(Some(by(None, Some(true))))),
            (at(HOSTILE, 1), held(Some(by(Some(HOSTILE), Some(false))))),
            (at(HOSTILE, 2), held(Some(by(None, None)))),
            (at("secret", 0), held(None)),
        ]),
        faults: BTreeMap::from([((Api::DescribeProducers, Fault::Authorization), 1)]),
    }
}

/// Two brokers, one of which has a folder for each disk.
fn log_dirs() -> log_dirs::Snapshot {
    let dir = |path: &str| LogDir {
        path: path.to_owned(),
        fault: None,
        total: Some(1 << 40),
        usable: Some(1 << 30),
        topics: BTreeMap::from([(HOSTILE.into(), 12_345)]),
        moving: 1,
    };
    let (first, second) = (vec![dir(HOSTILE), dir("/disk-2")], vec![dir("/disk-1")]);
    log_dirs::Snapshot {
        brokers: BTreeMap::from([(BrokerId(1), Ok(first)), (BrokerId(2), Ok(second))]),
        whole: true,
    }
}

/// A group that has stopped, one that keeps up, one that Kafka does not know any more; a topic that has fallen silent.
fn judged(wall: SystemTime) -> Judgement {
    let topic = |status, verdicts: &[(i32, judge::Progress)]| judge::TopicJudgement {
        status,
        since: wall - Duration::from_secs(600),
        advanced: Some(wall - Duration::from_secs(900)),
        stuck: verdicts.iter().filter(|(_, verdict)| *verdict == judge::Progress::Stop).count(),
        verdicts: verdicts.iter().copied().collect(),
        partitions: 4,
        left: None,
    };
    let group = |verdict, topics: &[(&str, judge::TopicJudgement)]| judge::GroupJudgement {
        verdict,
        since: wall - Duration::from_secs(60),
        topics: topics.iter().map(|(name, topic)| ((*name).into(), topic.clone())).collect(),
        absent: verdict.is_none(),
    };
    let bad = [(0, judge::Progress::Stop), (1, judge::Progress::Lost), (3, judge::Progress::Reset)];
    let left = TimeLag { age: ms(3_700_000), error: None, method: Method::Clamped };
    let deleted = judge::TopicJudgement { left: Some((2, left)), ..topic(Status::Offline, &[]) };
    Judgement {
        groups: BTreeMap::from([
            (HOSTILE.into(), group(Some(judge::Progress::Lost), &[(HOSTILE, topic(Status::Offline, &bad))])),
            (
                "whole".into(),
                group(Some(judge::Progress::Ok), &[("never-written", topic(Status::Online, &[]))]),
            ),
            ("gone".into(), group(None, &[(HOSTILE, deleted)])),
        ]),
        rates: BTreeMap::from([(
            HOSTILE.into(),
            Rate { actual: 0.0, expected: 12.5, score: -5.0, kind: Some(judge::Kind::Drop) },
        )]),
    }
}

fn buckets(durations: &[Duration]) -> Buckets {
    let mut buckets = Buckets::new(&Bounds::default());
    durations.iter().for_each(|duration| buckets.record(*duration));
    buckets
}

fn events(durations: &[Duration], wall: SystemTime) -> Buckets {
    let mut buckets = Buckets::new(&Bounds::default());
    for (number, duration) in durations.iter().enumerate() {
        let name = || {
            let trace = SpanContext { trace: 0xee << 64 | number as u128, span: 1 + number as u64 };
            (format!("00000000000000ee-17-0-{number}").into(), (number % 2 == 1).then_some(trace))
        };
        buckets.record_event(*duration, wall + *duration, Duration::ZERO, name);
    }
    buckets
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A board whose snapshots never change.
pub(crate) fn board(readings: Readings) -> Board {
    let settings =
        wire::Client::from_properties(&readings.name, &readings.settings.kafka).expect("good settings");
    let tasks = Channels {
        connectivity: watch::channel(readings.connectivity).1,
        metadata: watch::channel(readings.metadata).1,
        topic: watch::channel(readings.topic).1,
        coordinators: watch::channel(readings.coordinators).1,
        transaction_coordinators: watch::channel(readings.transaction_coordinators).1,
        transaction_probe: watch::channel(readings.transaction_probe).1,
        replicas: watch::channel(readings.replicas).1,
        remote_reads: watch::channel(readings.remote_reads).1,
        durability: watch::channel(readings.durability).1,
        collect: watch::channel(readings.collect).1,
        transactions: watch::channel(readings.transactions).1,
        log_dirs: watch::channel(readings.log_dirs).1,
        schema_registry: watch::channel(readings.schema_registry).1,
        negative_checks: watch::channel(readings.negative_checks).1,
        connect: watch::channel(readings.connect).1,
        mirrors: watch::channel(readings.mirrors).1,
    };
    let heartbeat = watch::channel(readings.heartbeat).1;
    let verdict = watch::channel(readings.verdict).1;
    let inputs = tasks.gate_inputs(&readings.settings, heartbeat.clone(), verdict.clone());
    Board {
        name: readings.name,
        settings: readings.settings,
        started: readings.started,
        wire: Arc::new(settings),
        heartbeat,
        tasks,
        verdict,
        gate: Gate::new(inputs, Arc::default()).0,
        availability: watch::channel(readings.availability.timeline).1,
        history_file: readings.availability.file,
        leadership: Leadership::alone(),
    }
}
