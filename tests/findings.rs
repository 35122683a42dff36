//! Findings are published when they start, when their severity changes and when it is known that they are over.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use kafka_heartbeat::{
    board::Readings,
    cluster::{Ends, metadata},
    collect::topology::Health,
    config::Alerts,
    diagnosis::{Confidence, Diagnosis, Kind, Suspect},
    evaluate::{events::Events, groups::Group, lag::lag, rebalances::Rebalances},
    export::alerts::Findings,
    kafka::{
        Fault,
        admin::{GroupKind, GroupState},
    },
    monitor,
    task::Latest,
    verdict::{State, Verdict},
};
use sample::{config, sample};
use serde_json::Value;

#[expect(dead_code, reason = "each test binary uses a part of the sample")]
mod sample;

fn settings() -> Alerts {
    let topic = Some("system-alerts".to_owned());
    Alerts {
        topic,
        metrics_topic: None,
        interval: Duration::from_secs(30),
        lag_warning: 1000,
        lag_critical: 10_000,
    }
}

fn at(second: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_780_000_000 + second)
}

/// A cluster on which nothing is found: one topic, one group, nothing else.
fn calm() -> Readings {
    let mut readings = sample(&config(), at(0)).remove(0);
    readings.verdict = Arc::new(Verdict {
        state: State::Ok,
        reasons: Vec::new(),
        missing: None,
        since: at(0),
        diagnosis: None,
        events: Events::default(),
    });
    readings.connectivity = Latest::new(Duration::from_secs(5));
    change(&mut readings.metadata, |metadata: &mut metadata::Snapshot| {
        let topics = Arc::make_mut(&mut metadata.topics);
        let topic = topics.values().find(|topic| topic.is_ok()).expect("a topic").clone();
        *topics = BTreeMap::from([("t".to_owned(), topic)]);
    });
    let healthy = Health { partitions: 3, under_min_isr: Some(0), reassigning: Some(0), ..Health::default() };
    change(&mut readings.collect, |collect: &mut monitor::Snapshot| {
        *collect = monitor::Snapshot::default();
        collect.topology.health.insert("t".into(), healthy);
        collect.groups.insert("g".into(), group());
    });
    lags(&mut readings, Some(7));
    readings
}

fn group() -> Group {
    Group {
        state: GroupState::Stable,
        kind: GroupKind::Consumer,
        members: None,
        epoch: None,
        topics: BTreeMap::new(),
        lost: BTreeMap::new(),
        unread: BTreeMap::new(),
        fault: None,
        rebalances: Rebalances::default(),
    }
}

fn change<T: Clone>(latest: &mut Latest<T>, with: impl FnOnce(&mut T)) {
    let (snapshot, at) = latest.snapshot.take().expect("a snapshot");
    let mut snapshot = T::clone(&snapshot);
    with(&mut snapshot);
    latest.snapshot = Some((Arc::new(snapshot), at));
}

/// Sets the lag of the group in records, if it is known.
fn lags(readings: &mut Readings, records: Option<i64>) {
    let lag = lag(100, Ends { start: Some(0), end: records.map(|records| 100 + records) }, true);
    change(&mut readings.collect, |collect| {
        let group = collect.groups.get_mut("g").expect("the group");
        group.topics = BTreeMap::from([("t".into(), BTreeMap::from([(0, lag)]))]);
    });
}

/// The findings that are published now.
fn publish(findings: &mut Findings, readings: &Readings, second: u64) -> Vec<(String, String, String)> {
    let news = findings.news(readings, &settings(), at(second));
    news.into_iter()
        .map(|message| {
            let value: Value = serde_json::from_str(&message.value).expect("JSON");
            assert_eq!(value["type"], message.key, "the record's key is its type");
            findings.published(message);
            let text = |key: &str| value[key].as_str().expect("a word").to_owned();
            (text("type"), text("severity"), text("state"))
        })
        .collect()
}

fn record(kind: &str, severity: &str, state: &str) -> Vec<(String, String, String)> {
    vec![(kind.to_owned(), severity.to_owned(), state.to_owned())]
}

#[test]
fn finding_is_published_when_it_starts_gets_worse_and_is_over() {
    let (mut readings, mut findings) = (calm(), Findings::default());
    assert_eq!(publish(&mut findings, &readings, 0), []);
    lags(&mut readings, Some(5000));
    let news = findings.news(&readings, &settings(), at(30));
    let value: Value = serde_json::from_str(&news[0].value).expect("JSON");
    let expected = serde_json::json!({
        "type": "consumer_lag",
        "message": "group g has a lag of 5000 records on t-0",
        "severity": "warning",
        "timestamp": "2026-05-28T20:27:10.000Z",
        "metadata": { "group": "g", "topic": "t", "partition": 0, "lag": 5000, "threshold": 1000 },
        "state": "firing",
        "since": "2026-05-28T20:27:10.000Z",
        "cluster": "eu",
        "id": "eu/consumer_lag/g/t/0",
    });
    assert_eq!(value, expected);
    // The record was not acknowledged, so it is published again.
    drop(news);
    assert_eq!(publish(&mut findings, &readings, 60), record("consumer_lag", "warning", "firing"));
    assert_eq!(publish(&mut findings, &readings, 90), []);
    lags(&mut readings, Some(20_000));
    let news = findings.news(&readings, &settings(), at(120));
    let value: Value = serde_json::from_str(&news[0].value).expect("JSON");
    assert_eq!(
        (&value["severity"], &value["since"]),
        (&"critical".into(), &"2026-05-28T20:27:40.000Z".into())
    );
    assert_eq!(publish(&mut findings, &readings, 120), record("consumer_lag", "critical", "firing"));
    lags(&mut readings, Some(1000));
    assert_eq!(publish(&mut findings, &readings, 150), record("consumer_lag", "critical", "resolved"));
    assert_eq!(publish(&mut findings, &readings, 180), []);
}

#[test]
fn data_that_are_not_known_end_no_finding() {
    let (mut readings, mut findings) = (calm(), Findings::default());
    lags(&mut readings, Some(5000));
    let sick = Health { partitions: 3, offline: 1, under_replicated: 2, ..Health::default() };
    change(&mut readings.collect, |collect| _ = collect.topology.health.insert("t".into(), sick));
    readings.verdict = Arc::new(Verdict {
        state: State::Down,
        reasons: vec!["no heartbeat gets through".to_owned()],
        missing: None,
        since: at(0),
        diagnosis: None,
        events: Events::default(),
    });
    let kinds: Vec<_> = publish(&mut findings, &readings, 0).into_iter().map(|(kind, ..)| kind).collect();
    // Reassignments are not known, so it is not known whether replicas are missing.
    assert_eq!(kinds, ["cluster_unwell", "offline_partitions", "consumer_lag"]);
    let before = readings.clone();
    readings.collect = Latest::new(Duration::from_secs(30));
    for state in [State::Unknown, State::ProberFault] {
        readings.verdict = Arc::new(Verdict {
            state,
            reasons: Vec::new(),
            missing: None,
            since: at(0),
            diagnosis: None,
            events: Events::default(),
        });
        assert_eq!(publish(&mut findings, &readings, 30), [], "no collection is fresh");
    }
    readings.collect = before.collect.clone();
    lags(&mut readings, None);
    change(&mut readings.collect, |collect| {
        collect.topology.health.clear();
        collect.groups.get_mut("g").expect("the group").fault = Some(Fault::Timeout);
    });
    let topic = |readings: &mut Readings, topic| {
        change(&mut readings.metadata, |metadata| metadata.topics = Arc::new(topic));
    };
    topic(&mut readings, BTreeMap::from([("t".to_owned(), Err(Fault::NoLeader))]));
    assert_eq!(publish(&mut findings, &readings, 60), [], "neither the topic nor the group could be asked");
    // Both were deleted.
    topic(&mut readings, BTreeMap::new());
    change(&mut readings.collect, |collect| collect.groups.clear());
    let mut over = record("offline_partitions", "critical", "resolved");
    over.extend(record("consumer_lag", "warning", "resolved"));
    assert_eq!(publish(&mut findings, &readings, 90), over);
    readings.verdict = Arc::new(Verdict {
        state: State::Ok,
        reasons: Vec::new(),
        missing: None,
        since: at(0),
        diagnosis: None,
        events: Events::default(),
    });
    assert_eq!(publish(&mut findings, &readings, 120), record("cluster_unwell", "critical", "resolved"));
}

#[test]
fn finding_of_a_dead_broker_ends_only_when_no_partition_lacks_it() {
    let (mut readings, mut findings) = (calm(), Findings::default());
    readings.connectivity = sample(&config(), at(0)).remove(0).connectivity;
    change(&mut readings.connectivity, |connectivity| {
        let mut checks = connectivity.brokers.values_mut();
        checks.next().expect("a broker").total = None;
        checks.for_each(|check| check.total = Some(Duration::from_millis(1)));
    });
    assert_eq!(publish(&mut findings, &readings, 0), record("broker_unreachable", "warning", "firing"));
    // The broker leaves the metadata, and no session with it is tried any more.
    change(&mut readings.connectivity, |connectivity| _ = connectivity.brokers.pop_first());
    let replicas = |readings: &mut Readings, under_replicated| {
        change(&mut readings.collect, |collect| {
            collect.topology.health.get_mut("t").expect("the topic").under_replicated = under_replicated;
        });
    };
    replicas(&mut readings, 2);
    let news = publish(&mut findings, &readings, 30);
    assert_eq!(news, record("under_replicated_partitions", "warning", "firing"));
    replicas(&mut readings, 0);
    let mut over = record("broker_unreachable", "warning", "resolved");
    over.extend(record("under_replicated_partitions", "warning", "resolved"));
    assert_eq!(publish(&mut findings, &readings, 60), over);
}

/// A suspect of this kind and confidence.
fn suspect(kind: Kind, subject: &str, confidence: Confidence) -> Suspect {
    Suspect {
        kind,
        subject: subject.to_owned(),
        confidence,
        since: at(0),
        headline: format!("The {} does not answer", kind.as_str()),
        evidence: vec!["2 sessions\nfailed".to_owned()],
        against: Vec::new(),
        confirm: "",
    }
}

fn suspects(readings: &mut Readings, suspects: Vec<Suspect>) {
    Arc::make_mut(&mut readings.verdict).diagnosis = Some(Diagnosis { suspects, unexplained: Vec::new() });
}

#[test]
fn suspect_is_a_finding_when_it_is_likely_when_it_is_certain_and_when_it_is_cleared() {
    let (mut readings, mut findings) = (calm(), Findings::default());
    suspects(&mut readings, vec![suspect(Kind::Broker, "3", Confidence::Suspected)]);
    assert_eq!(publish(&mut findings, &readings, 0), []);
    suspects(&mut readings, vec![suspect(Kind::Broker, "3", Confidence::Likely)]);
    let news = findings.news(&readings, &settings(), at(30));
    let value: Value = serde_json::from_str(&news[0].value).expect("JSON");
    assert_eq!((&value["id"], &value["severity"]), (&"eu/suspect/broker/3".into(), &"warning".into()));
    assert_eq!(value["message"], "The broker does not answer");
    let metadata = serde_json::json!({
        "kind": "broker",
        "subject": "3",
        "confidence": "likely",
        "evidence": [r"2 sessions\nfailed"],
    });
    assert_eq!(value["metadata"], metadata);
    assert_eq!(publish(&mut findings, &readings, 30), record("suspect", "warning", "firing"));
    assert_eq!(publish(&mut findings, &readings, 60), []);
    suspects(&mut readings, vec![suspect(Kind::Broker, "3", Confidence::Certain)]);
    assert_eq!(publish(&mut findings, &readings, 90), record("suspect", "warning", "firing"));
    assert_eq!(publish(&mut findings, &readings, 120), []);
    // While the process cannot measure, nothing is known to have ended.
    suspects(&mut readings, vec![suspect(Kind::Prober, "", Confidence::Certain)]);
    assert_eq!(publish(&mut findings, &readings, 150), record("suspect", "warning", "firing"));
    suspects(&mut readings, Vec::new());
    let over = publish(&mut findings, &readings, 180);
    assert_eq!(
        over,
        [record("suspect", "warning", "resolved"), record("suspect", "warning", "resolved")].concat()
    );
}

#[test]
fn suspect_is_critical_while_no_heartbeat_gets_through() {
    let (mut readings, mut findings) = (calm(), Findings::default());
    suspects(&mut readings, vec![suspect(Kind::Cluster, "", Confidence::Likely)]);
    Arc::make_mut(&mut readings.verdict).state = State::Down;
    let news = publish(&mut findings, &readings, 0);
    assert!(news.contains(&("suspect".to_owned(), "critical".to_owned(), "firing".to_owned())), "{news:?}");
}
