//! The broker and the connection of each request, and the number of requests.

use std::net::SocketAddr;

use kafka_heartbeat::kafka::{
    BrokerId, Fault,
    admin::{self, OffsetSpec, Topics},
    wire::VersionRange,
};
use kafka_protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, ListOffsetsRequest, ListOffsetsResponse, MetadataRequest,
    MetadataResponse,
    api_versions_response::ApiVersion,
    list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse},
};
use rdkafka::mocking::MockCluster;
use tokio::net::TcpListener;

use super::*;
use crate::fake::{Manners, Reply, metadata};

const METADATA: VersionRange = VersionRange { lowest: 4, highest: 12 };

/// The high watermark of each partition is ten times its number, and its log start offset, -2, is its number.
fn offsets(request: &ListOffsetsRequest, code: impl Fn(i32) -> i16) -> ListOffsetsResponse {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            let index = partition.partition_index;
            let offset = if partition.timestamp == -2 { i64::from(index) } else { i64::from(index) * 10 };
            ListOffsetsPartitionResponse::default()
                .with_partition_index(index)
                .with_error_code(code(index))
                .with_offset(offset)
        });
        ListOffsetsTopicResponse::default()
            .with_name(topic.name.clone())
            .with_partitions(partitions.collect())
    });
    ListOffsetsResponse::default().with_topics(topics.collect())
}

/// Three brokers with the same metadata; `leaders` gives the leader of each partition of the topic.
async fn three(leaders: &[i32]) -> [Fake; 3] {
    let fakes = [Fake::start().await, Fake::start().await, Fake::start().await];
    let answer = metadata(&[&fakes[0], &fakes[1], &fakes[2]], "hb", leaders);
    for fake in &fakes {
        let answer = answer.clone();
        fake.on(move |_: MetadataRequest, _| Reply::Answer(answer.clone()));
        fake.on(|request: ListOffsetsRequest, _| Reply::Answer(offsets(&request, |_| 0)));
    }
    fakes
}

/// An address where connecting is refused.
async fn refusing_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn cluster_opens_no_connection_before_a_request_and_then_reuses_it() {
    let fake = Fake::start().await;
    let cluster = cluster(&[&fake], AMPLE);
    assert_eq!(fake.accepted(), 0);
    for _ in 0..5 {
        admin::metadata(&cluster, Topics::All).await.unwrap();
    }
    assert_eq!((fake.accepted(), fake.count::<ApiVersionsRequest>()), (1, 1));
    assert_eq!(fake.count::<MetadataRequest>(), 5);
}

#[tokio::test]
async fn requests_at_the_same_time_share_one_new_session() {
    let fake = Fake::start().await;
    let cluster = cluster(&[&fake], AMPLE);
    let asked = (0..20).map(|_| admin::metadata(&cluster, Topics::All));
    for answer in futures_util::future::join_all(asked).await {
        answer.unwrap();
    }
    assert_eq!((fake.accepted(), fake.count::<MetadataRequest>()), (1, 20));
}

#[tokio::test]
async fn bootstrap_server_that_is_dead_is_passed_over() {
    let fake = Fake::start().await;
    let servers = format!("{},{}", refusing_address().await, fake.address);
    let cluster = Cluster::new(Arc::new(client(&[("bootstrap.servers", &servers)])), AMPLE);
    let answer = admin::metadata(&cluster, Topics::All).await.unwrap();
    assert_eq!(answer.brokers.len(), 1);
    assert_eq!(answer.cluster_id.as_deref(), Some("fake-cluster"));
}

#[tokio::test]
async fn bootstrap_server_that_is_silent_delays_the_response_and_does_not_prevent_it() {
    let (mute, fake) = (Fake::with(Manners::Mute, None).await, Fake::start().await);
    let cluster = cluster(&[&mute, &fake], Duration::from_secs(4));
    let answer = admin::metadata(&cluster, Topics::All).await.unwrap();
    assert!(answer.duration < Duration::from_secs(1), "the wait for the silent broker does not count");
    admin::metadata(&cluster, Topics::All).await.unwrap();
    assert_eq!((mute.accepted(), fake.accepted()), (1, 1), "the broker that answered gets the next request");
}

#[tokio::test]
async fn request_to_which_no_broker_responds_has_the_last_fault() {
    let servers = refusing_address().await.to_string();
    let cluster = Cluster::new(Arc::new(client(&[("bootstrap.servers", &servers)])), AMPLE);
    let error = admin::metadata(&cluster, Topics::All).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Refused);
}

#[tokio::test]
async fn idle_connection_that_the_broker_closed_is_opened_again_within_the_request() {
    let fake = Fake::start().await;
    let own = metadata(&[&fake], "", &[]);
    fake.on(move |_: MetadataRequest, call| match call.number {
        1 => Reply::Close,
        _ => Reply::Answer(own.clone()),
    });
    let cluster = cluster(&[&fake], AMPLE);
    admin::metadata(&cluster, Topics::All).await.unwrap();
    admin::metadata(&cluster, Topics::All).await.unwrap();
    assert_eq!((fake.accepted(), fake.count::<MetadataRequest>()), (2, 3));
}

#[tokio::test]
async fn broker_that_always_closes_the_connection_gets_a_request_twice_at_most() {
    let fake = Fake::start().await;
    fake.on(|_: MetadataRequest, _| Reply::Close);
    let cluster = cluster(&[&fake], AMPLE);
    let error = admin::metadata(&cluster, Topics::All).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Disconnected);
    assert!(fake.count::<MetadataRequest>() <= 2, "asked {} times", fake.count::<MetadataRequest>());
}

#[tokio::test]
async fn wrong_password_is_tried_at_two_brokers_for_each_request() {
    let [first, second] = [Fake::start().await, Fake::start().await];
    for fake in [&first, &second] {
        fake.plain("me", "hush");
    }
    let servers = format!("{},{}", first.address, second.address);
    let cluster = Cluster::new(
        Arc::new(client(&[
            ("bootstrap.servers", &servers),
            ("security.protocol", "sasl_plaintext"),
            ("sasl.mechanism", "PLAIN"),
            ("sasl.username", "me"),
            ("sasl.password", "wrong"),
        ])),
        AMPLE,
    );
    let error = admin::metadata(&cluster, Topics::All).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Authentication);
    assert_eq!((first.accepted(), second.accepted()), (1, 1), "further logins could lock the account");
}

#[tokio::test]
async fn offsets_are_requested_from_each_leader_once_and_from_all_at_once() {
    let fakes = three(&[1, 2, 3, 1, 2, 3, 1]).await;
    let cluster = cluster(&[&fakes[0]], AMPLE);
    let latest = admin::list_offsets(&cluster, "hb", &[0, 1, 2, 3, 4, 5, 6], OffsetSpec::Latest).await;
    for (partition, offset) in &latest {
        assert_eq!(*offset.as_ref().unwrap(), i64::from(*partition) * 10);
    }
    assert_eq!(latest.len(), 7);
    for fake in &fakes {
        assert_eq!((fake.count::<ListOffsetsRequest>(), fake.accepted()), (1, 1));
    }
    let earliest = admin::list_offsets(&cluster, "hb", &[4], OffsetSpec::Earliest).await;
    assert_eq!(*earliest[&4].as_ref().unwrap(), 4);
    assert_eq!(fakes[1].count::<ListOffsetsRequest>(), 2);
    assert_eq!(fakes[2].count::<ListOffsetsRequest>(), 1, "broker 3 leads no requested partition");
}

#[tokio::test]
async fn leader_that_hangs_fails_only_its_own_partitions() {
    let fakes = three(&[1, 2, 3]).await;
    fakes[1].on(|_: ListOffsetsRequest, _| Reply::Silence);
    let cluster = cluster(&[&fakes[0]], SHORT * 4);
    let begun = Instant::now();
    let offsets = admin::list_offsets(&cluster, "hb", &[0, 1, 2], OffsetSpec::Latest).await;
    assert!(begun.elapsed() < AMPLE / 2);
    assert!(offsets[&0].is_ok() && offsets[&2].is_ok());
    assert_eq!(offsets[&1].as_ref().unwrap_err().fault(), Fault::Timeout);
    // The next request opens a new session.
    fakes[1].on(|request: ListOffsetsRequest, _| Reply::Answer(self::offsets(&request, |_| 0)));
    let offsets = admin::list_offsets(&cluster, "hb", &[1], OffsetSpec::Latest).await;
    assert_eq!(*offsets[&1].as_ref().unwrap(), 10);
    assert_eq!(fakes[1].accepted(), 2);
}

#[tokio::test]
async fn leader_that_moved_is_found_by_the_next_request() {
    let fakes = three(&[1]).await;
    let cluster = cluster(&[&fakes[2]], AMPLE);
    assert!(admin::list_offsets(&cluster, "hb", &[0], OffsetSpec::Latest).await[&0].is_ok());
    fakes[0].on(|request: ListOffsetsRequest, _| Reply::Answer(offsets(&request, |_| 6)));
    let offsets = admin::list_offsets(&cluster, "hb", &[0], OffsetSpec::Latest).await;
    assert_eq!(offsets[&0].as_ref().unwrap_err().fault(), Fault::NoLeader, "an error, not a number");
    let moved = metadata(&[&fakes[0], &fakes[1], &fakes[2]], "hb", &[2]);
    for fake in &fakes {
        let moved = moved.clone();
        fake.on(move |_: MetadataRequest, _| Reply::Answer(moved.clone()));
    }
    assert!(admin::list_offsets(&cluster, "hb", &[0], OffsetSpec::Latest).await[&0].is_ok());
    assert_eq!((fakes[0].count::<ListOffsetsRequest>(), fakes[1].count::<ListOffsetsRequest>()), (2, 1));
}

#[tokio::test]
async fn partition_without_leader_or_response_is_an_error_and_other_partitions_are_ignored() {
    let fakes = three(&[1, 0, 1]).await;
    fakes[0].on(|request: ListOffsetsRequest, _| {
        let mut answer = offsets(&request, |_| 0);
        // Partition 2 is missing in the response, and partition 77 was not requested.
        answer.topics[0].partitions.retain(|partition| partition.partition_index != 2);
        let stray = ListOffsetsPartitionResponse::default().with_partition_index(77).with_offset(1);
        answer.topics[0].partitions.push(stray);
        Reply::Answer(answer)
    });
    let cluster = cluster(&[&fakes[0]], AMPLE);
    let offsets = admin::list_offsets(&cluster, "hb", &[0, 1, 2, 9], OffsetSpec::Latest).await;
    let faults: Vec<_> =
        offsets.iter().map(|(id, offset)| (*id, offset.as_ref().err().map(Error::fault))).collect();
    let expected =
        [(0, None), (1, Some(Fault::NoLeader)), (2, Some(Fault::Protocol)), (9, Some(Fault::NoLeader))];
    assert_eq!(faults, expected);
}

#[tokio::test]
async fn broker_gets_requests_in_its_own_versions() {
    let fakes = three(&[1, 2, 3]).await;
    fakes[0].versions::<ListOffsetsRequest>(1..=1);
    fakes[1].versions::<ListOffsetsRequest>(0..=5);
    fakes[2].versions::<ListOffsetsRequest>(2..=99);
    let cluster = cluster(&[&fakes[0]], AMPLE);
    for (fake, version) in fakes.iter().zip([1, 5, 7]) {
        fake.on(move |request: ListOffsetsRequest, call| {
            assert_eq!(call.version, version);
            Reply::Answer(offsets(&request, |_| 0))
        });
    }
    let offsets = admin::list_offsets(&cluster, "hb", &[0, 1, 2], OffsetSpec::Latest).await;
    assert!(offsets.values().all(Result::is_ok), "{offsets:?}");
}

#[tokio::test]
async fn broker_older_than_the_api_versions_request_gets_it_in_its_own_version() {
    for (theirs, requests) in [(0..=2, 2), (0..=0, 2), (0..=3, 1), (0..=4, 1)] {
        let fake = Fake::start().await;
        fake.versions::<ApiVersionsRequest>(theirs.clone());
        fake.versions::<MetadataRequest>(0..=8);
        let cluster = cluster(&[&fake], AMPLE);
        let answer = admin::metadata(&cluster, Topics::All).await;
        assert_eq!(answer.unwrap().brokers.len(), 1, "{theirs:?}");
        assert_eq!((fake.accepted(), fake.count::<ApiVersionsRequest>()), (1, requests), "{theirs:?}");
    }
}

#[tokio::test]
async fn api_versions_refusal_that_cannot_be_read_is_no_error() {
    let fake = Fake::start().await;
    fake.on(|_: ApiVersionsRequest, call| match call.version {
        // The response of librdkafka's mock: half in the compact encoding, half in the old one.
        3 => Reply::Garbage(vec![0, 35, 1, 0, 18, 0, 0, 0, 2, 0, 0, 0, 0]),
        _ => Reply::Answer(ApiVersionsResponse::default().with_api_keys(vec![
            ApiVersion::default().with_api_key(3).with_min_version(0).with_max_version(12),
        ])),
    });
    let cluster = cluster(&[&fake], AMPLE);
    assert!(admin::metadata(&cluster, Topics::All).await.is_ok());
    assert_eq!((fake.accepted(), fake.count::<ApiVersionsRequest>()), (1, 2));
}

#[tokio::test]
async fn mock_cluster_of_librdkafka_is_understood_with_its_flaws() {
    let mock = MockCluster::new(3).unwrap();
    mock.create_topic("hb", 4, 3).unwrap();
    let servers = mock.bootstrap_servers();
    let cluster = Cluster::new(Arc::new(client(&[("bootstrap.servers", &servers)])), AMPLE);
    let metadata = admin::metadata(&cluster, Topics::Named(&["hb", "missing"])).await.unwrap();
    assert_eq!((metadata.brokers.len(), metadata.topics["hb"].as_ref().unwrap().partitions.len()), (3, 4));
    assert_eq!(*metadata.topics["missing"].as_ref().unwrap_err(), Fault::UnknownTopic);
    let offsets = admin::list_offsets(&cluster, "hb", &[0, 1, 2, 3], OffsetSpec::Latest).await;
    assert!(offsets.values().all(|offset| matches!(offset, Ok(0))), "{offsets:?}");
    let error = admin::describe_quorum(&cluster).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Unsupported);
    // The controller of the mock is a broker that is not in its metadata.
    let error = admin::create_topic(&cluster, "new", 1, 1, &BTreeMap::new()).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Unsupported, "{}", words(&error));
}

#[tokio::test]
async fn request_without_a_version_in_common_with_the_broker_is_unsupported() {
    let fake = Fake::start().await;
    fake.versions::<MetadataRequest>(0..=3);
    let cluster = cluster(&[&fake], AMPLE);
    let error = admin::metadata(&cluster, Topics::All).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Unsupported);
    assert_eq!(fake.count::<MetadataRequest>(), 0);
}

#[tokio::test]
async fn broker_that_is_not_in_the_metadata_has_no_address() {
    let fake = Fake::start().await;
    let cluster = cluster(&[&fake], AMPLE);
    let asked: Result<MetadataResponse, _> =
        cluster.ask(BrokerId(7), &MetadataRequest::default(), METADATA).await;
    assert_eq!(asked.unwrap_err().fault(), Fault::NoLeader);
    assert_eq!(fake.accepted(), 0);
}

#[tokio::test]
async fn connections_to_brokers_that_left_are_closed() {
    let fakes = three(&[1, 2, 3]).await;
    let cluster = cluster(&[&fakes[0]], AMPLE);
    admin::list_offsets(&cluster, "hb", &[0, 1, 2], OffsetSpec::Latest).await;
    assert_eq!(fakes[2].open(), 1);
    let fewer = metadata(&[&fakes[0], &fakes[1]], "hb", &[1, 2]);
    for fake in &fakes {
        let fewer = fewer.clone();
        fake.on(move |_: MetadataRequest, _| Reply::Answer(fewer.clone()));
    }
    admin::metadata(&cluster, Topics::All).await.unwrap();
    eventually("the connection to broker 3 is closed", || fakes[2].open() == 0).await;
    assert_eq!(fakes[1].open(), 1);
}
