//! Clients that brokers should refuse, and whole cycles of the task that tries them, against scripted brokers that refuse, accept or
//! say nothing.

use kafka_heartbeat::{
    cluster::metadata,
    config::{self, FlagSetting, Sources},
    kafka::{
        BrokerId, Fault,
        Reception::{self, Accepted, Ended, Refused},
        StrangeClient, Stranger,
    },
    probe::negative_checks::{Answer, Attempt, Check, Probe, Snapshot},
    task::{Cycle, Latest},
};
use kafka_protocol::{
    ResponseError,
    messages::{
        ApiVersionsRequest, ApiVersionsResponse, MetadataRequest, MetadataResponse, SaslAuthenticateRequest,
        SaslAuthenticateResponse, metadata_response::MetadataResponseTopic,
    },
};
use tokio::sync::watch;
use tokio_rustls::rustls::version::{TLS12, TLS13};

use super::{
    tls::{Authority, in_a_month},
    *,
};
use crate::fake::{Manners, Reply, metadata as described};

const LOGIN: [(&str, &str); 4] = [
    ("security.protocol", "sasl_plaintext"),
    ("sasl.mechanism", "PLAIN"),
    ("sasl.username", "me"),
    ("sasl.password", "hush"),
];

const TLS: [(&str, &str); 2] =
    [("security.protocol", "ssl"), ("enable.ssl.certificate.verification", "false")];

fn stranger(settings: &[(&str, &str)], stranger: Stranger) -> StrangeClient {
    StrangeClient::new(&client(settings), stranger, "nobody-at-all").expect("there is something to try")
}

/// How the broker receives the client, or the fault for which that is not known.
async fn reception(fake: &Fake, client: &StrangeClient, limit: Duration) -> Result<Reception, Fault> {
    client.try_at(&fake.endpoint(), Instant::now() + limit).await.map_err(|error| error.fault())
}

#[test]
fn client_that_comes_as_the_service_does_is_not_tried() {
    let tries = |settings: &[(&str, &str)]| {
        let client = client(settings);
        Stranger::ALL.map(|stranger| StrangeClient::new(&client, stranger, "x").is_some())
    };
    assert_eq!(tries(&[]), [false, false, false]);
    assert_eq!(tries(&LOGIN), [true, true, false]);
    assert_eq!(tries(&TLS), [false, false, true]);
}

#[tokio::test]
async fn session_without_a_login_is_accepted_if_a_request_after_api_versions_is_answered() {
    let client = stranger(&LOGIN, Stranger::Anonymous);
    let open = Fake::start().await;
    assert_eq!(reception(&open, &client, AMPLE).await, Ok(Accepted));
    let closed = Fake::start().await;
    closed.on(|_: MetadataRequest, _| Reply::Close);
    assert_eq!(reception(&closed, &client, AMPLE).await, Ok(Ended));
    let busy = Fake::start().await;
    busy.on(|_: MetadataRequest, _| Reply::Silence);
    assert_eq!(reception(&busy, &client, SHORT).await, Err(Fault::Timeout), "silence is no refusal");
}

#[tokio::test]
async fn wrong_password_is_refused_by_an_answer_and_never_by_silence_or_a_connection_that_ends() {
    let client = stranger(&LOGIN, Stranger::WrongPassword);
    let strict = Fake::start().await;
    strict.plain("me", "hush");
    assert_eq!(reception(&strict, &client, AMPLE).await, Ok(Refused));
    let careless = Fake::start().await;
    careless.plain("me", "hush");
    careless.on(|_: SaslAuthenticateRequest, _| Reply::Answer(Default::default()));
    assert_eq!(reception(&careless, &client, AMPLE).await, Ok(Accepted));
    let dying = Fake::start().await;
    dying.on(|_: ApiVersionsRequest, _| Reply::Close);
    assert_eq!(reception(&dying, &client, AMPLE).await, Err(Fault::Disconnected));
    let silent = Fake::with(Manners::Mute, None).await;
    assert_eq!(reception(&silent, &client, SHORT).await, Err(Fault::Timeout));
}

#[tokio::test]
async fn session_without_tls_is_accepted_by_a_broker_that_answers_it_and_by_no_other() {
    let client = stranger(&TLS, Stranger::Plaintext);
    assert_eq!(reception(&Fake::start().await, &client, AMPLE).await, Ok(Accepted));
    let alert = vec![0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x0a];
    for manners in [Manners::Curt, Manners::Babbling(alert)] {
        assert_eq!(reception(&Fake::with(manners, None).await, &client, AMPLE).await, Ok(Ended));
    }
    let silent = Fake::with(Manners::Mute, None).await;
    assert_eq!(reception(&silent, &client, SHORT).await, Err(Fault::Timeout));
    let gone = Endpoint { host: "127.0.0.1".to_owned(), port: 1 };
    let nobody = client.try_at(&gone, soon()).await.map_err(|error| error.fault());
    assert_eq!(nobody, Err(Fault::Refused), "a broker that is down refuses nothing");
}

/// The longest time of one cycle.
const TIMEOUT: Duration = Duration::from_secs(4);

/// A topic that the principal should neither read nor write.
const FORBIDDEN: (&str, &str) = ("forbidden.topics", "salaries");

/// The bits of the operations Describe, and Read as well.
const DESCRIBE: i32 = 1 << 8;
const READ: i32 = DESCRIBE | 1 << 3;

/// A task of a client with these settings. The metadata list these brokers, numbered from 1.
async fn probe(brokers: &[&Fake], client: Client, settings: &[(&str, &str)]) -> Probe {
    let directory = Fake::start().await;
    let listed = described(brokers, "", &[]);
    directory.on(move |_: MetadataRequest, _| Reply::Answer(listed.clone()));
    let timeout = format!("{}ms", TIMEOUT.as_millis());
    let settings =
        [("interval", &*timeout), ("timeout", &*timeout)].into_iter().chain(settings.iter().copied());
    let settings = settings.map(|(key, value)| FlagSetting {
        section: "negative_checks",
        key: key.to_owned(),
        value: value.to_owned(),
        flag: "test",
    });
    let sources = Sources {
        bootstrap: Some(directory.address.to_string()),
        settings: settings.collect(),
        ..Sources::default()
    };
    let mut config = config::load(&sources).expect("a configuration without an error");
    let config = Arc::new(config.clusters.remove(0));
    let wire = Arc::new(cluster(&[&directory], AMPLE));
    let snapshot = metadata::Probe::new(config.clone(), wire).cycle().await.expect("metadata of the brokers");
    let mut latest = Latest::new(AMPLE);
    latest.snapshot = Some((Arc::new(snapshot), Instant::now()));
    Probe::new(config, Arc::new(client), watch::channel(latest).1)
}

/// A cycle, which has to end before its timeout.
async fn cycle(probe: &mut Probe) -> Snapshot {
    let cycle = time::timeout(TIMEOUT, probe.cycle()).await.expect("a cycle that ends in time");
    cycle.expect("a cycle without an error")
}

/// The answers of a broker to all checks. `None` for what is not tried.
fn answers(snapshot: &Snapshot, broker: i32) -> Vec<(&'static str, Option<Answer>)> {
    Check::all().map(|check| (check.as_str(), snapshot.answer(BrokerId(broker), check))).collect()
}

/// The same for these answers to `anonymous`, `wrong_password`, `plaintext` and `forbidden_topic`.
fn of(answers: [Option<Answer>; 4]) -> Vec<(&'static str, Option<Answer>)> {
    Check::all().map(Check::as_str).zip(answers).collect()
}

const NO: Option<Answer> = Some(Answer::Refused);
const YES: Option<Answer> = Some(Answer::Accepted);
const OPEN: Option<Answer> = Some(Answer::Unknown);

/// The metadata of the topics that a request names, with these operations of the principal, or with an error.
fn allows(request: &MetadataRequest, operations: Result<i32, ResponseError>) -> MetadataResponse {
    let topics = request.topics.iter().flatten().map(|topic| {
        let answer = MetadataResponseTopic::default().with_name(topic.name.clone());
        match operations {
            Ok(operations) => answer.with_topic_authorized_operations(operations),
            Err(error) => answer.with_error_code(error.code()),
        }
    });
    MetadataResponse::default().with_topics(topics.collect())
}

/// Makes a broker refuse every attempt. Like Kafka it ends a session that asks for metadata before a login. A scripted broker does
/// not know who has logged in, so it goes by the request: the service itself asks for the operations on topics.
fn refuse(fake: &Fake) {
    fake.plain("me", "hush");
    fake.on(|request: MetadataRequest, _| match request.include_topic_authorized_operations {
        true => Reply::Answer(allows(&request, Ok(DESCRIBE))),
        false => Reply::Close,
    });
}

/// A broker that refuses every attempt.
async fn strict() -> Fake {
    let fake = Fake::start().await;
    refuse(&fake);
    fake
}

/// Makes a broker let everybody in, and allow the principal to read every topic.
fn accept(fake: &Fake) {
    fake.plain("me", "hush");
    fake.on(|_: SaslAuthenticateRequest, _| Reply::Answer(SaslAuthenticateResponse::default()));
    fake.on(|request: MetadataRequest, _| Reply::Answer(allows(&request, Ok(READ))));
}

#[tokio::test]
async fn broker_that_refuses_each_attempt_has_four_refusals_and_no_incident() {
    let authority = Authority::new();
    let fake = authority.broker(in_a_month()).await;
    refuse(&fake);
    let client = authority.trusting(&[&LOGIN[1..], &[("security.protocol", "sasl_ssl")]].concat());
    let mut probe = probe(&[&fake], client, &[FORBIDDEN]).await;
    for cycles in 1..=2 {
        let snapshot = cycle(&mut probe).await;
        assert_eq!(answers(&snapshot, 1), of([NO, NO, NO, NO]));
        assert!(snapshot.accepted.is_empty() && snapshot.acceptances.total() == 0);
        let counts = Check::all().map(|check| ((check, Answer::Refused), cycles));
        assert_eq!(snapshot.counts, counts.collect(), "each attempt is counted once in a cycle");
        assert_eq!(fake.accepted() as u64, 4 * cycles, "three strangers and a session of the service");
    }
}

#[tokio::test]
async fn broker_that_accepts_each_attempt_is_an_incident_for_each_until_it_refuses() {
    let fake = Fake::start().await;
    accept(&fake);
    let mut probe = probe(&[&fake], client(&LOGIN), &[FORBIDDEN]).await;
    for _ in 0..2 {
        let snapshot = cycle(&mut probe).await;
        assert_eq!(answers(&snapshot, 1), of([YES, YES, None, YES]));
        let attempts = [
            Attempt::session(Stranger::Anonymous),
            Attempt::session(Stranger::WrongPassword),
            Attempt::topic("salaries"),
        ];
        assert!(snapshot.accepted.keys().cloned().eq(attempts.map(|attempt| (BrokerId(1), attempt))));
        assert_eq!(snapshot.acceptances.total(), 3, "an incident that lasts is one incident");
    }
    // While the broker is silent, nothing is known, and no incident ends.
    fake.on(|_: SaslAuthenticateRequest, _| Reply::Silence);
    fake.on(|_: MetadataRequest, _| Reply::Silence);
    let snapshot = cycle(&mut probe).await;
    assert_eq!(answers(&snapshot, 1), of([OPEN, OPEN, None, OPEN]));
    assert_eq!(snapshot.accepted.len(), 3, "a broker that is silent refuses nothing");
    refuse(&fake);
    let snapshot = cycle(&mut probe).await;
    assert_eq!(answers(&snapshot, 1), of([NO, NO, None, NO]));
    assert_eq!((snapshot.accepted.len(), snapshot.acceptances.total()), (0, 3));
}

#[tokio::test]
async fn listener_that_lost_its_tls_accepts_a_session_without_tls_and_refuses_nothing() {
    let fake = Fake::start().await;
    refuse(&fake);
    let login = [&LOGIN[1..], &[("security.protocol", "sasl_ssl")]].concat();
    let mut probe = probe(&[&fake], Authority::new().trusting(&login), &[FORBIDDEN]).await;
    let snapshot = cycle(&mut probe).await;
    assert_eq!(answers(&snapshot, 1), of([OPEN, OPEN, YES, OPEN]), "the service itself has no session");
    assert_eq!(snapshot.acceptances.total(), 1);
}

#[tokio::test]
async fn session_without_a_client_certificate_is_refused_by_a_broker_that_requires_one() {
    let authority = Authority::new();
    let identity = authority.identity("127.0.0.1", in_a_month());
    let certificate = [("ssl.certificate.pem", &*identity.certificate), ("ssl.key.pem", &*identity.key)];
    for version in [&TLS12, &TLS13] {
        for (required, expected) in [(true, NO), (false, YES)] {
            let server = authority.server(&identity, required, version);
            let fake = Fake::with(Manners::Polite, Some(server)).await;
            let mut probe = probe(&[&fake], authority.trusting(&certificate), &[]).await;
            let snapshot = cycle(&mut probe).await;
            assert_eq!(answers(&snapshot, 1), of([expected, None, NO, None]), "{version:?} {required}");
        }
    }
}

#[tokio::test]
async fn cycle_at_a_silent_broker_ends_in_time_and_its_answers_are_unknown() {
    let mute = Fake::with(Manners::Mute, None).await;
    // The second broker takes logins, and answers neither a stranger's request nor the one for a topic.
    let busy = strict().await;
    busy.on(|_: MetadataRequest, _| Reply::Silence);
    let brokers = [&mute, &busy];
    let mut probe = probe(&brokers, client(&LOGIN), &[FORBIDDEN]).await;
    let snapshot = cycle(&mut probe).await;
    assert_eq!(answers(&snapshot, 1), of([OPEN, OPEN, None, OPEN]));
    assert_eq!(answers(&snapshot, 2), of([OPEN, NO, None, OPEN]), "it does answer a wrong password");
    assert_eq!(snapshot.acceptances.total(), 0);
}

#[tokio::test]
async fn broker_that_is_silent_for_one_attempt_answers_the_others() {
    let fake = strict().await;
    let is_right = |request: &SaslAuthenticateRequest| request.auth_bytes.ends_with(b"\0me\0hush");
    fake.on(move |request: SaslAuthenticateRequest, _| match is_right(&request) {
        true => Reply::Answer(SaslAuthenticateResponse::default()),
        false => Reply::Silence,
    });
    let mut probe = probe(&[&fake], client(&LOGIN), &[FORBIDDEN]).await;
    let snapshot = cycle(&mut probe).await;
    assert_eq!(answers(&snapshot, 1), of([NO, OPEN, None, NO]));
}

#[tokio::test]
async fn broker_that_ends_every_session_or_is_down_refuses_nothing() {
    let curt = Fake::with(Manners::Curt, None).await;
    let hasty = Fake::start().await;
    hasty.on(|_: ApiVersionsRequest, _| Reply::Close);
    let forgetful = Fake::start().await;
    forgetful.on(|_: SaslAuthenticateRequest, _| Reply::Close);
    forgetful.on(|_: MetadataRequest, _| Reply::Close);
    let stopped = Fake::start().await;
    let brokers = [&curt, &hasty, &forgetful, &stopped];
    let mut probe = probe(&brokers, client(&LOGIN), &[FORBIDDEN]).await;
    drop(stopped);
    let snapshot = cycle(&mut probe).await;
    for broker in 1..=4 {
        assert_eq!(answers(&snapshot, broker), of([OPEN, OPEN, None, OPEN]), "broker {broker}");
    }
}

#[tokio::test]
async fn broker_that_answers_garbage_neither_refuses_nor_accepts() {
    let babbling = Fake::with(Manners::Babbling(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()), None).await;
    let [framed, numbered, cut] = [strict().await, strict().await, strict().await];
    framed.on(|_: ApiVersionsRequest, _| Reply::Garbage(vec![0xff; 40]));
    numbered.on(|_: ApiVersionsRequest, _| Reply::Misnumbered(ApiVersionsResponse::default()));
    cut.on(|_: ApiVersionsRequest, _| Reply::Truncated(ApiVersionsResponse::default(), 2));
    let brokers = [&babbling, &framed, &numbered, &cut];
    let mut probe = probe(&brokers, client(&LOGIN), &[FORBIDDEN]).await;
    let snapshot = cycle(&mut probe).await;
    for broker in 1..=4 {
        assert_eq!(answers(&snapshot, broker), of([OPEN, OPEN, None, OPEN]), "broker {broker}");
    }
}

#[tokio::test]
async fn garbage_for_a_stranger_is_no_refusal_although_the_broker_serves_the_service() {
    let fake = strict().await;
    fake.on(|request: MetadataRequest, _| match request.include_topic_authorized_operations {
        true => Reply::Answer(allows(&request, Ok(DESCRIBE))),
        false => Reply::Garbage(vec![0xff; 40]),
    });
    let is_right = |request: &SaslAuthenticateRequest| request.auth_bytes.ends_with(b"\0me\0hush");
    fake.on(move |request: SaslAuthenticateRequest, _| match is_right(&request) {
        true => Reply::Answer(SaslAuthenticateResponse::default()),
        false => Reply::Garbage(vec![0xff; 40]),
    });
    let mut probe = probe(&[&fake], client(&LOGIN), &[FORBIDDEN]).await;
    let snapshot = cycle(&mut probe).await;
    assert_eq!(answers(&snapshot, 1), of([OPEN, OPEN, None, NO]));
    fake.on(|request: MetadataRequest, _| match request.include_topic_authorized_operations {
        true => Reply::Garbage(vec![0xff; 40]),
        false => Reply::Close,
    });
    let snapshot = cycle(&mut probe).await;
    assert_eq!(answers(&snapshot, 1), of([NO, OPEN, None, OPEN]));
}

#[tokio::test]
async fn topic_that_is_denied_is_refused_and_one_without_operations_is_unknown() {
    let cases = [
        (Ok(0), NO),
        (Ok(DESCRIBE), NO),
        (Ok(READ), YES),
        (Err(ResponseError::TopicAuthorizationFailed), NO),
        (Err(ResponseError::UnknownTopicOrPartition), OPEN),
        (Err(ResponseError::LeaderNotAvailable), OPEN),
        // The lowest number stands for a broker that does not report operations.
        (Ok(i32::MIN), OPEN),
    ];
    let fake = strict().await;
    let mut probe =
        probe(&[&fake], client(&LOGIN), &[FORBIDDEN, ("anonymous", "false"), ("wrong.login", "false")]).await;
    for (operations, expected) in cases {
        fake.on(move |request: MetadataRequest, _| Reply::Answer(allows(&request, operations)));
        let snapshot = cycle(&mut probe).await;
        assert_eq!(answers(&snapshot, 1), of([None, None, None, expected]), "{operations:?}");
    }
}

#[tokio::test]
async fn service_that_cannot_log_in_itself_takes_no_ended_session_for_a_refusal() {
    let fake = strict().await;
    fake.plain("me", "another password");
    let mut probe = probe(&[&fake], client(&LOGIN), &[FORBIDDEN]).await;
    let snapshot = cycle(&mut probe).await;
    assert_eq!(answers(&snapshot, 1), of([OPEN, NO, None, OPEN]), "only the wrong password has an answer");
}

#[tokio::test]
async fn five_silent_brokers_hold_up_no_other_one() {
    let mut silent = Vec::new();
    for _ in 0..5 {
        silent.push(Fake::with(Manners::Mute, None).await);
    }
    let [first, last] = [strict().await, strict().await];
    let brokers: Vec<&Fake> = [&first].into_iter().chain(&silent).chain([&last]).collect();
    let mut probe = probe(&brokers, client(&LOGIN), &[FORBIDDEN]).await;
    let cycling = tokio::spawn(async move { cycle(&mut probe).await });
    // The stranger's metadata, two logins of two requests each, and the request for the topic.
    let are_done = || [&first, &last].iter().all(|fake| fake.total() == 6);
    eventually("all attempts at the other brokers", are_done).await;
    assert!(!cycling.is_finished(), "the cycle waits for the silent brokers alone");
    let snapshot = cycling.await.expect("a cycle");
    for broker in [1, 7] {
        assert_eq!(answers(&snapshot, broker), of([NO, NO, None, NO]), "broker {broker}");
    }
    for broker in 2..=6 {
        assert_eq!(answers(&snapshot, broker), of([OPEN, OPEN, None, OPEN]), "broker {broker}");
    }
}
