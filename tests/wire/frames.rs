//! One connection: pipelining, deadlines, and the effect of hostile frames.

use kafka_heartbeat::kafka::{
    Fault,
    admin::{self, Topics},
    wire::VersionRange,
};
use kafka_protocol::{
    messages::{ListOffsetsRequest, MetadataRequest, MetadataResponse},
    protocol::{Decodable, Encodable, StrBytes},
};
use proptest::{
    collection::vec,
    prelude::any,
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};

use super::*;
use crate::fake::Reply;

const METADATA: VersionRange = VersionRange { lowest: 4, highest: 12 };
const LIST_OFFSETS: VersionRange = VersionRange { lowest: 1, highest: 7 };

fn answer(name: &str) -> MetadataResponse {
    MetadataResponse::default().with_cluster_id(Some(StrBytes::from_string(name.to_owned())))
}

async fn ask(connection: &Connection, limit: Duration) -> Result<MetadataResponse, Error> {
    connection.ask(&MetadataRequest::default(), METADATA, Instant::now() + limit).await
}

#[tokio::test]
async fn responses_are_matched_to_their_requests_in_any_order() {
    let fake = Fake::start().await;
    fake.on(|_: MetadataRequest, call| {
        let answer = answer(&call.number.to_string());
        if call.number == 0 { Reply::Swapped(answer) } else { Reply::Answer(answer) }
    });
    let connection = connection(&fake).await;
    let (first, second) = tokio::join!(ask(&connection, AMPLE), ask(&connection, AMPLE));
    assert_eq!(first.unwrap().cluster_id.as_deref(), Some("0"));
    assert_eq!(second.unwrap().cluster_id.as_deref(), Some("1"));
    assert_eq!(fake.accepted(), 1);
}

#[tokio::test]
async fn requests_share_one_socket() {
    let fake = Fake::start().await;
    fake.on(|_: MetadataRequest, call| Reply::Answer(answer(&call.number.to_string())));
    let connection = connection(&fake).await;
    let asked = (0..200).map(|_| ask(&connection, AMPLE));
    let answers = futures_util::future::join_all(asked).await;
    let mut names: Vec<u32> =
        answers.into_iter().map(|answer| answer.unwrap().cluster_id.unwrap().parse().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, (0..200).collect::<Vec<_>>());
    assert_eq!(fake.accepted(), 1);
}

#[tokio::test]
async fn deadline_that_passes_closes_the_connection_and_fails_all_its_requests() {
    let fake = Fake::start().await;
    fake.on(|_: MetadataRequest, _| Reply::Silence);
    let connection = connection(&fake).await;
    let begun = Instant::now();
    let (patient, hasty) = tokio::join!(ask(&connection, AMPLE), ask(&connection, SHORT));
    assert!(begun.elapsed() < AMPLE / 2, "the request with the longer deadline fails at once");
    assert_eq!(hasty.unwrap_err().fault(), Fault::Timeout);
    assert_eq!(patient.unwrap_err().fault(), Fault::Timeout);
    assert!(!connection.is_open());
    eventually("the socket is closed", || fake.open() == 0).await;
    assert_eq!(ask(&connection, AMPLE).await.unwrap_err().fault(), Fault::Timeout, "closed for good");
    assert_eq!(fake.count::<MetadataRequest>(), 2);
}

#[tokio::test]
async fn request_whose_caller_stopped_waiting_keeps_its_deadline() {
    let fake = Fake::start().await;
    fake.on(|_: MetadataRequest, _| Reply::Silence);
    let connection = connection(&fake).await;
    let given_up = time::timeout(SHORT / 3, ask(&connection, SHORT)).await;
    assert!(given_up.is_err(), "dropped before its deadline");
    assert!(connection.is_open());
    time::sleep(SHORT).await;
    assert!(!connection.is_open(), "the connection of a broker that timed out must not be used again");
    eventually("the socket is closed", || fake.open() == 0).await;
}

#[tokio::test]
async fn response_to_a_dropped_request_is_ignored() {
    let fake = Fake::start().await;
    fake.on(|_: MetadataRequest, call| match call.number {
        0 => Reply::After(SHORT, answer("late")),
        _ => Reply::Answer(answer("next")),
    });
    let connection = connection(&fake).await;
    assert!(time::timeout(SHORT / 3, ask(&connection, AMPLE)).await.is_err());
    assert_eq!(ask(&connection, AMPLE).await.unwrap().cluster_id.as_deref(), Some("next"));
    assert!(connection.is_open());
}

#[tokio::test]
async fn request_without_a_common_version_is_unsupported_and_never_sent() {
    let fake = Fake::start().await;
    fake.versions::<MetadataRequest>(0..=3);
    fake.without::<ListOffsetsRequest>();
    let connection = connection(&fake).await;
    let error = ask(&connection, AMPLE).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Unsupported);
    assert!(words(&error).contains("Metadata 0 to 3"), "{}", words(&error));
    let error = connection.ask(&ListOffsetsRequest::default(), LIST_OFFSETS, soon()).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Unsupported);
    assert!(words(&error).contains("ListOffsets"), "{}", words(&error));
    assert_eq!((fake.count::<MetadataRequest>(), fake.count::<ListOffsetsRequest>()), (0, 0));
    assert!(connection.is_open());
}

/// A malformed response: its description, the reply, and the fault that it must become.
type Abuse = (&'static str, fn() -> Reply<MetadataResponse>, Fault);

fn abuses() -> Vec<Abuse> {
    vec![
        ("closed connection", || Reply::Close, Fault::Disconnected),
        ("truncated by one byte", || Reply::Truncated(answer("x"), 1), Fault::Disconnected),
        ("only a length", || Reply::Truncated(answer("x"), 18), Fault::Disconnected),
        ("wrong correlation id", || Reply::Misnumbered(answer("x")), Fault::Protocol),
        ("trailing bytes", || Reply::Padded(answer("x"), 30), Fault::Protocol),
        ("empty body", || Reply::Garbage(vec![]), Fault::Protocol),
        ("zeroes", || Reply::Garbage(vec![0; 7]), Fault::Protocol),
        ("ones", || Reply::Garbage(vec![0xff; 64]), Fault::Protocol),
        ("not text", || Reply::Garbage(vec![0, 0, 0, 0, 0, 1, 3, 0xc3, 0x28, 0, 0]), Fault::Protocol),
        // header tags, throttle, then as many brokers as 32 bits can count
        (
            "a billion brokers",
            || Reply::Garbage(vec![0, 0, 0, 0, 0, 255, 255, 255, 255, 15]),
            Fault::Protocol,
        ),
        ("negative length", || Reply::Raw(vec![0xff, 0xff, 0xff, 0xff]), Fault::Protocol),
        ("zero length", || Reply::Raw(vec![0, 0, 0, 0]), Fault::Protocol),
        ("length without an id", || Reply::Raw(vec![0, 0, 0, 3, 1, 2, 3]), Fault::Protocol),
        ("two gigabytes", || Reply::Raw(vec![0x7f, 0xff, 0xff, 0xff]), Fault::Protocol),
        (
            "a byte above the limit",
            || Reply::Raw(((32 << 20) + 1i32).to_be_bytes().to_vec()),
            Fault::Protocol,
        ),
        // The first request after ApiVersions has the correlation id 2.
        (
            "a byte above the limit of metadata",
            || Reply::Raw([((16 << 20) + 1i32).to_be_bytes(), 2i32.to_be_bytes()].concat()),
            Fault::Protocol,
        ),
    ]
}

#[tokio::test]
async fn frame_that_breaks_the_protocol_closes_only_its_connection() {
    let fake = Fake::start().await;
    let client = client(&[]);
    let mut violations = 0;
    for (abuse, reply, fault) in abuses() {
        fake.on(move |_: MetadataRequest, _| reply());
        let connection = open(&client, &fake.endpoint()).await.result.unwrap();
        let error = ask(&connection, AMPLE).await.expect_err(abuse);
        assert_eq!(error.fault(), fault, "{abuse}: {}", words(&error));
        assert!(!connection.is_open(), "{abuse}");
        violations += u64::from(fault == Fault::Protocol);
        assert_eq!(client.violations(), violations, "{abuse}");
        eventually(abuse, || fake.open() == 0).await;
        let again = ask(&connection, AMPLE).await.expect_err("closed for good");
        assert_eq!(again.fault(), fault, "{abuse}");
        fake.on(|_: MetadataRequest, _| Reply::Answer(answer("fine")));
        let fresh = super::connection(&fake).await;
        assert!(ask(&fresh, AMPLE).await.is_ok(), "the next connection works after: {abuse}");
        drop(fresh);
        eventually("the good connection is closed", || fake.open() == 0).await;
    }
}

#[tokio::test]
async fn frame_that_is_long_is_refused_before_the_session_is_open() {
    let megabyte = [&(1i32 << 20).to_be_bytes()[..], &[0; 64]].concat();
    let fake = Fake::with(crate::fake::Manners::Babbling(megabyte), None).await;
    let error = open(&client(&[]), &fake.endpoint()).await.result.unwrap_err();
    assert_eq!(error.fault(), Fault::Protocol);
}

#[tokio::test]
async fn response_that_is_long_is_read_once_the_session_is_open() {
    let fake = Fake::start().await;
    let long = "x".repeat(1 << 20);
    let whole = answer(&long);
    fake.on(move |_: MetadataRequest, _| Reply::Answer(whole.clone()));
    let connection = connection(&fake).await;
    assert_eq!(ask(&connection, AMPLE).await.unwrap().cluster_id.as_deref(), Some(long.as_str()));
}

#[tokio::test]
async fn throttled_connection_gets_a_request_when_the_throttling_ends() {
    let fake = Fake::start().await;
    let asked = Arc::new(std::sync::Mutex::new(Vec::new()));
    let times = asked.clone();
    fake.on(move |_: MetadataRequest, call| {
        times.lock().unwrap().push(Instant::now());
        Reply::Answer(answer("x").with_throttle_time_ms(if call.number == 0 { 400 } else { 30_000 }))
    });
    let client = client(&[]);
    let connection = open(&client, &fake.endpoint()).await.result.unwrap();
    for _ in 0..2 {
        ask(&connection, AMPLE).await.unwrap();
    }
    let gap = {
        let asked = asked.lock().unwrap();
        asked[1] - asked[0]
    };
    assert!(gap >= Duration::from_millis(390), "asked again after {gap:?}");
    let begun = Instant::now();
    let error = ask(&connection, AMPLE).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Throttled, "{}", words(&error));
    assert!(begun.elapsed() < AMPLE / 2, "a request whose deadline ends before the throttling fails at once");
    assert!(connection.is_open() && fake.open() == 1, "the connection stays open");
    assert_eq!(fake.count::<MetadataRequest>(), 2);
    assert_eq!(client.throttled(), BTreeMap::from([("Metadata".to_owned(), Duration::from_millis(30_400))]));
}

#[tokio::test]
async fn throttled_broker_is_passed_over_and_does_not_count_as_timed_out() {
    let (throttled, other) = (Fake::start().await, Fake::start().await);
    let both = crate::fake::metadata(&[&throttled, &other], "", &[]);
    for (fake, time) in [(&throttled, 30_000), (&other, 0)] {
        let both = both.clone().with_throttle_time_ms(time);
        fake.on(move |_: MetadataRequest, _| Reply::Answer(both.clone()));
    }
    let cluster = cluster(&[&throttled, &other], AMPLE).with_circuit_breakers();
    let broker = kafka_heartbeat::kafka::BrokerId(1);
    for _ in 0..2 {
        admin::metadata(&cluster, Topics::All).await.unwrap();
    }
    assert_eq!((throttled.count::<MetadataRequest>(), other.count::<MetadataRequest>()), (1, 1));
    let error = cluster.ask(broker, &MetadataRequest::default(), METADATA).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Throttled, "{}", words(&error));
}

#[tokio::test]
async fn throttling_in_a_version_whose_responses_the_broker_delays_does_not_delay_requests() {
    let fake = Fake::start().await;
    fake.versions::<MetadataRequest>(0..=5);
    fake.on(|_: MetadataRequest, _| Reply::Answer(answer("x").with_throttle_time_ms(30_000)));
    let connection = connection(&fake).await;
    for _ in 0..2 {
        ask(&connection, AMPLE).await.unwrap();
    }
}

#[tokio::test]
async fn response_to_no_request_closes_an_idle_connection() {
    let fake = Fake::start().await;
    let unasked = [&8i32.to_be_bytes()[..], &[0x77; 8]].concat();
    fake.on(move |_: MetadataRequest, _| {
        let mut whole = encoded(2);
        whole.extend_from_slice(&unasked);
        Reply::Raw(whole)
    });
    let client = client(&[]);
    let connection = open(&client, &fake.endpoint()).await.result.unwrap();
    // The first request after ApiVersions has the correlation id 2.
    _ = ask(&connection, AMPLE).await;
    eventually("closed", || !connection.is_open()).await;
    assert_eq!(ask(&connection, AMPLE).await.unwrap_err().fault(), Fault::Protocol);
    assert_eq!(client.violations(), 1, "counted although no request waited for a response");
}

/// A good response to Metadata in version 12, as a frame.
fn encoded(id: i32) -> Vec<u8> {
    let mut body = [&id.to_be_bytes()[..], &[0]].concat();
    answer("x").encode(&mut body, 12).unwrap();
    [&(body.len() as u32).to_be_bytes()[..], &body].concat()
}

#[tokio::test]
async fn garbage_that_is_generated_is_an_error_or_a_response_and_never_a_crash() {
    let mut runner = TestRunner::deterministic();
    let mut good = Vec::new();
    answer("garbage").encode(&mut good, 12).unwrap();
    let mutations = vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6);
    let fake = Fake::start().await;
    for round in 0..300 {
        let mut bytes = if round % 2 == 0 {
            vec(any::<u8>(), 0..200).new_tree(&mut runner).unwrap().current()
        } else {
            [&[0][..], &good].concat()
        };
        if round % 2 == 1 {
            for (index, value) in mutations.new_tree(&mut runner).unwrap().current() {
                let at = index.index(bytes.len());
                bytes[at] = value;
            }
        }
        fake.on(move |_: MetadataRequest, _| Reply::Garbage(bytes.clone()));
        let connection = connection(&fake).await;
        match ask(&connection, AMPLE).await {
            Ok(_) => assert!(connection.is_open()),
            Err(error) => assert_eq!(error.fault(), Fault::Protocol, "{}", words(&error)),
        }
    }
}

#[test]
fn fake_broker_answers_as_kafka_would() {
    let whole = encoded(7);
    let mut body = bytes::Bytes::from(whole).slice(9..);
    assert_eq!(MetadataResponse::decode(&mut body, 12).unwrap(), answer("x"));
    assert!(body.is_empty());
}
