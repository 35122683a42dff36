//! The probes that use the wire client, with responses that are late, refused or missing.

use std::sync::Arc;

use kafka_heartbeat::{
    cluster::metadata,
    config::{self, FlagSetting, Sources},
    kafka::{Capability, Fault},
    probe::{connectivity, topic},
    task::{Cycle, Latest},
};
use kafka_protocol::messages::{
    CreateTopicsRequest, CreateTopicsResponse, DescribeConfigsRequest, DescribeConfigsResponse,
    DescribeQuorumRequest, DescribeQuorumResponse, ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse, MetadataRequest, SaslAuthenticateRequest, SaslAuthenticateResponse,
    SaslHandshakeRequest, SaslHandshakeResponse, create_topics_response::CreatableTopicResult,
    describe_configs_response::DescribeConfigsResult,
};
use kafka_protocol::protocol::StrBytes;
use tokio::sync::{Notify, watch};

use super::*;
use crate::fake::{Call, Reply, metadata as described};

/// Ten minutes and a second pass at once; nothing is in flight meanwhile.
pub(crate) async fn ten_minutes_later() {
    time::pause();
    time::advance(Duration::from_secs(601)).await;
    time::resume();
}

fn config(fake: &Fake) -> Arc<config::Cluster> {
    let set = |section, key: &str, value: &str| FlagSetting {
        section,
        key: key.to_owned(),
        value: value.to_owned(),
        flag: "test",
    };
    let sources = Sources {
        bootstrap: Some(fake.address.to_string()),
        settings: vec![set("heartbeat", "topic", "hb"), set("metadata", "timeout", "4s")],
        ..Sources::default()
    };
    Arc::new(config::load(&sources).unwrap().clusters.remove(0))
}

fn metadata_probe(fake: &Fake) -> metadata::Probe {
    metadata::Probe::new(config(fake), Arc::new(cluster(&[fake], AMPLE)))
}

/// A topic probe with the snapshot of the metadata probe.
async fn topic_probe(fake: &Fake) -> topic::Probe {
    let wire = Arc::new(cluster(&[fake], AMPLE));
    let snapshot = metadata::Probe::new(config(fake), wire.clone()).cycle().await.unwrap();
    let mut latest = Latest::new(AMPLE);
    latest.snapshot = Some((Arc::new(snapshot), Instant::now()));
    topic::Probe::new(config(fake), wire, watch::channel(latest).1, Arc::new(Notify::new()))
}

#[tokio::test]
async fn metadata_is_published_although_no_broker_describes_the_quorum() {
    let fake = Fake::start().await;
    fake.on(|_: DescribeQuorumRequest, _| Reply::Silence);
    let mut probe = metadata_probe(&fake);
    for cycle in 1..=2 {
        let snapshot = probe.cycle().await.unwrap();
        assert_eq!((snapshot.quorum, snapshot.quorum_capability), (None, Capability::Unknown));
        assert!(
            snapshot.duration < Duration::from_millis(900),
            "the metadata waited: {:?}",
            snapshot.duration
        );
        assert_eq!(
            (fake.count::<MetadataRequest>(), fake.count::<DescribeQuorumRequest>()),
            (2 * cycle, cycle)
        );
    }
}

#[tokio::test]
async fn denied_quorum_request_is_not_repeated_until_the_brokers_change() {
    let (fake, other) = (Fake::start().await, Fake::start().await);
    fake.on(|_: DescribeQuorumRequest, _| {
        Reply::Answer(DescribeQuorumResponse::default().with_error_code(31))
    });
    let mut probe = metadata_probe(&fake);
    for _ in 0..3 {
        assert_eq!(probe.cycle().await.unwrap().quorum_capability, Capability::Denied);
    }
    assert_eq!(fake.count::<DescribeQuorumRequest>(), 1);
    let two = described(&[&fake, &other], "hb", &[1]);
    fake.on(move |_: MetadataRequest, _| Reply::Answer(two.clone()));
    for _ in 0..3 {
        probe.cycle().await.unwrap();
    }
    assert_eq!(fake.count::<DescribeQuorumRequest>(), 2);
}

#[tokio::test]
async fn topic_that_the_principal_may_not_see_is_not_reported_as_missing() {
    let fake = Fake::start().await;
    let (all, mut named) = (described(&[&fake], "", &[]), described(&[&fake], "hb", &[]));
    named.topics[0].error_code = 29;
    fake.on(move |request: MetadataRequest, _| {
        Reply::Answer(if request.topics.is_some() { named.clone() } else { all.clone() })
    });
    let snapshot = metadata_probe(&fake).cycle().await.unwrap();
    assert_eq!(snapshot.heartbeat_topic.unwrap_err(), Fault::Authorization);
    let mut probe = topic_probe(&fake).await;
    for _ in 0..2 {
        let snapshot = probe.cycle().await.unwrap();
        assert_eq!((snapshot.ready, snapshot.blocked), (false, vec![topic::Blocked::Denied]));
        assert_eq!(snapshot.uncovered.len(), 1, "no broker leads a partition that cannot be seen");
    }
    assert_eq!(fake.count::<CreateTopicsRequest>(), 0);
}

#[tokio::test]
async fn topic_on_a_single_broker_is_created_after_a_wait_for_other_brokers() {
    let fakes = [Fake::start().await, Fake::start().await, Fake::start().await];
    for fake in &fakes {
        fake.on(|_: CreateTopicsRequest, _| Reply::Answer(CreateTopicsResponse::default()));
    }
    let created = || fakes.iter().map(Fake::count::<CreateTopicsRequest>).sum::<usize>();
    let mut probe = topic_probe(&fakes[0]).await;
    let early = probe.cycle().await.unwrap();
    assert_eq!(
        (early.pending.len(), early.blocked.len(), created()),
        (1, 0, 0),
        "the topic is not created with one replica"
    );
    let began = Instant::now();
    while created() == 0 {
        assert!(began.elapsed() < AMPLE, "the topic is not created in time");
        probe.cycle().await.unwrap();
        time::sleep(Duration::from_millis(50)).await;
    }
    assert!(began.elapsed() > Duration::from_secs(2), "the other brokers had time to start");
    let three = described(&[&fakes[0], &fakes[1], &fakes[2]], "", &[]);
    fakes[0].on(move |_: MetadataRequest, _| Reply::Answer(three.clone()));
    let done = topic_probe(&fakes[0]).await.cycle().await.unwrap();
    assert_eq!((done.pending.len(), created()), (0, 2), "with three brokers the topic is created at once");
}

#[tokio::test]
async fn request_that_is_denied_is_unknown_and_sent_once() {
    let fake = Fake::start().await;
    let whole = described(&[&fake], "hb", &[1]);
    fake.on(move |_: MetadataRequest, _| Reply::Answer(whole.clone()));
    fake.on(|_: DescribeConfigsRequest, _| {
        let denied = DescribeConfigsResult::default();
        Reply::Answer(DescribeConfigsResponse::default().with_results(vec![denied.with_error_code(29)]))
    });
    fake.on(|_: ListPartitionReassignmentsRequest, _| {
        Reply::Answer(ListPartitionReassignmentsResponse::default().with_error_code(31))
    });
    let mut probe = topic_probe(&fake).await;
    for _ in 0..3 {
        let snapshot = probe.cycle().await.unwrap();
        assert_eq!((snapshot.configs, snapshot.reassignments), (Capability::Denied, Capability::Denied));
    }
    let asked = (fake.count::<DescribeConfigsRequest>(), fake.count::<ListPartitionReassignmentsRequest>());
    assert_eq!(asked, (1, 1));
}

#[tokio::test]
async fn reassignments_request_that_timed_out_fails_the_cycle() {
    let fake = Fake::start().await;
    let whole = described(&[&fake], "hb", &[1]);
    fake.on(move |_: MetadataRequest, _| Reply::Answer(whole.clone()));
    fake.on(|_: DescribeConfigsRequest, _| Reply::Answer(DescribeConfigsResponse::default()));
    fake.on(|_: ListPartitionReassignmentsRequest, _| {
        Reply::Answer(ListPartitionReassignmentsResponse::default().with_error_code(7))
    });
    let error = topic_probe(&fake).await.cycle().await.unwrap_err();
    assert_eq!(error.fault(), Fault::Timeout, "it is not known whether a replica is being moved");
}

#[tokio::test]
async fn topic_creation_denied_is_tried_again_after_ten_minutes() {
    const TOPIC_AUTHORIZATION_FAILED: i16 = 29;
    let fake = Fake::start().await;
    let creation = |code: i16| {
        move |request: CreateTopicsRequest, _: &Call| {
            let results = request.topics.iter().map(|topic| {
                CreatableTopicResult::default().with_name(topic.name.clone()).with_error_code(code)
            });
            Reply::Answer(CreateTopicsResponse::default().with_topics(results.collect()))
        }
    };
    fake.on(creation(TOPIC_AUTHORIZATION_FAILED));
    let mut probe = topic_probe(&fake).await;
    probe.cycle().await.unwrap();
    time::sleep(Duration::from_millis(3100)).await;
    for _ in 0..3 {
        assert_eq!(probe.cycle().await.unwrap().blocked, [topic::Blocked::Denied]);
    }
    assert_eq!(fake.count::<CreateTopicsRequest>(), 1, "a denied request is not repeated at once");
    ten_minutes_later().await;
    assert_eq!(probe.cycle().await.unwrap().blocked, [topic::Blocked::Denied]);
    assert_eq!(fake.count::<CreateTopicsRequest>(), 2, "the permission may have been granted");
    // After the operator grants the permission, the topic is created within ten minutes.
    fake.on(creation(0));
    ten_minutes_later().await;
    let snapshot = probe.cycle().await.unwrap();
    assert_eq!((snapshot.pending.len(), snapshot.blocked.len()), (0, 0));
    assert_eq!(fake.count::<CreateTopicsRequest>(), 3);
}

#[tokio::test]
async fn broker_that_is_slow_to_accept_connections_gets_fewer_checks() {
    let fake = Fake::start().await;
    let snapshot = metadata_probe(&fake).cycle().await.expect("metadata");
    let mut latest = Latest::new(AMPLE);
    latest.snapshot = Some((Arc::new(snapshot), Instant::now()));
    let settings = Arc::new(client(&[("bootstrap.servers", &fake.address.to_string())]));
    let mut probe = connectivity::Probe::new(config(&fake), settings, watch::channel(latest).1);
    assert_eq!(checks_until(&mut probe, 2).await, 2);
    fake.delay_accepted(SHORT);
    assert_eq!(checks_until(&mut probe, 3).await, 3);
    let accepted = fake.accepted();
    let rested = probe.cycle().await.expect("checks");
    let check = rested.brokers.values().next().expect("one broker");
    assert_eq!((check.up(), check.checks), (true, 3), "the check before stays");
    assert_eq!(fake.accepted(), accepted, "no connection was opened");
    assert_eq!(checks_until(&mut probe, 4).await, 4, "the broker is checked again");
}

/// Runs cycles until the only broker has had this many checks.
async fn checks_until(probe: &mut connectivity::Probe, wanted: u64) -> u64 {
    let checked = time::timeout(AMPLE, async {
        loop {
            let snapshot = probe.cycle().await.expect("checks");
            let checks = snapshot.brokers.values().next().expect("one broker").checks;
            if checks >= wanted {
                return checks;
            }
            time::sleep(SHORT / 10).await;
        }
    });
    checked.await.expect("the checks in time")
}

/// A client that logs in with the token of this file.
fn with_token(fake: &Fake, file: &std::path::Path) -> Client {
    client(&[
        ("bootstrap.servers", &fake.address.to_string()),
        ("security.protocol", "SASL_PLAINTEXT"),
        ("sasl.mechanism", "OAUTHBEARER"),
        ("sasl.oauthbearer.token.file", file.to_str().expect("a path of ASCII")),
    ])
}

#[tokio::test]
async fn broker_that_alone_refuses_the_audience_is_at_fault_and_its_peers_are_published() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    std::fs::write(&file, "opaque-token-of-the-test").expect("a file");
    let (good, picky) = (Fake::start().await, Fake::start().await);
    for fake in [&good, &picky] {
        fake.on(|_: SaslHandshakeRequest, _| Reply::Answer(SaslHandshakeResponse::default()));
        fake.on(|_: SaslAuthenticateRequest, _| Reply::Answer(SaslAuthenticateResponse::default()));
    }
    let refuse = |fake: &Fake| {
        fake.on(|_: SaslAuthenticateRequest, _| {
            let words = StrBytes::from_static_str("the audience is another one");
            let answer = SaslAuthenticateResponse::default().with_error_code(58);
            Reply::Answer(answer.with_error_message(Some(words)))
        });
    };
    let both = described(&[&good, &picky], "", &[]);
    good.on(move |_: MetadataRequest, _| Reply::Answer(both.clone()));
    let snapshot = metadata_probe(&good).cycle().await.expect("metadata");
    let mut latest = Latest::new(AMPLE);
    latest.snapshot = Some((Arc::new(snapshot), Instant::now()));
    let settings = Arc::new(with_token(&good, &file));
    let mut probe = connectivity::Probe::new(config(&good), settings, watch::channel(latest).1);
    refuse(&picky);
    let snapshot = probe.cycle().await.expect("the checks are published");
    let faults: Vec<_> =
        snapshot.brokers.values().map(|check| check.failure.as_ref().map(|failure| failure.fault)).collect();
    assert_eq!(faults, [None, Some(Fault::Audience)]);
    refuse(&good);
    let refused = time::timeout(AMPLE, async {
        loop {
            if let Err(error) = probe.cycle().await {
                return error;
            }
            time::sleep(SHORT / 10).await;
        }
    });
    let error = refused.await.expect("a refusal by both");
    assert_eq!(error.fault(), Fault::Audience, "{}", words(&error));
}
