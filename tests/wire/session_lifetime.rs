//! The login on an open connection, before the session that the broker limits ends (KIP-368).

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use kafka_heartbeat::kafka::Fault;
use kafka_protocol::messages::{
    ApiVersionsRequest, MetadataRequest, SaslAuthenticateRequest, SaslAuthenticateResponse,
    SaslHandshakeRequest, SaslHandshakeResponse,
};

use super::*;
use crate::fake::{Reply, metadata};

const VERSIONS: wire::VersionRange = wire::VersionRange { lowest: 9, highest: 9 };

/// The lifetime of a session that ends during a test.
const LIFETIME: Duration = Duration::from_millis(50);

/// A cluster with PLAIN, of this one broker.
fn with_login(fake: &Fake, timeout: Duration) -> Cluster {
    let client = client(&[
        ("bootstrap.servers", &fake.address.to_string()),
        ("security.protocol", "SASL_PLAINTEXT"),
        ("sasl.mechanism", "PLAIN"),
        ("sasl.username", "me"),
        ("sasl.password", "hush"),
    ]);
    Cluster::new(Arc::new(client), timeout)
}

/// Accepts the first message of every login, and announces this lifetime of the session.
fn accept_logins(fake: &Fake, lifetime: Duration) {
    fake.on(|_: SaslHandshakeRequest, _| Reply::Answer(SaslHandshakeResponse::default()));
    fake.on(move |_: SaslAuthenticateRequest, _| Reply::Answer(session(lifetime)));
}

fn session(lifetime: Duration) -> SaslAuthenticateResponse {
    SaslAuthenticateResponse::default().with_session_lifetime_ms(lifetime.as_millis() as i64)
}

async fn ask(cluster: &Cluster) -> Result<(), Error> {
    cluster.ask_any(&MetadataRequest::default(), VERSIONS).await.map(|_| ())
}

/// A broker that limits sessions to [`LIFETIME`], and a cluster with an open session at this broker.
async fn with_session(timeout: Duration) -> (Fake, Cluster) {
    let fake = Fake::start().await;
    accept_logins(&fake, LIFETIME);
    let cluster = with_login(&fake, timeout);
    ask(&cluster).await.expect("an answer");
    (fake, cluster)
}

/// Sends requests until the broker has had this many logins.
async fn ask_until_logins(cluster: &Cluster, fake: &Fake, logins: usize) {
    let asked = time::timeout(AMPLE, async {
        while fake.count::<SaslHandshakeRequest>() < logins {
            ask(cluster).await.expect("an answer");
            time::sleep(Duration::from_millis(5)).await;
        }
    });
    asked.await.expect("the logins");
}

#[tokio::test]
async fn session_is_prolonged_on_its_connection_and_no_request_comes_between_the_messages_of_a_login() {
    let fake = Fake::start().await;
    let (in_login, disturbed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let begun = in_login.clone();
    fake.on(move |_: SaslHandshakeRequest, _| {
        begun.store(true, Ordering::SeqCst);
        Reply::Answer(SaslHandshakeResponse::default())
    });
    let ended = in_login.clone();
    fake.on(move |_: SaslAuthenticateRequest, _| {
        ended.store(false, Ordering::SeqCst);
        Reply::After(Duration::from_millis(2), session(LIFETIME))
    });
    let (own, found) = (metadata(&[&fake], "", &[]), disturbed.clone());
    fake.on(move |_: MetadataRequest, _| {
        found.fetch_add(usize::from(in_login.load(Ordering::SeqCst)), Ordering::SeqCst);
        Reply::Answer(own.clone())
    });
    let cluster = with_login(&fake, AMPLE);
    ask(&cluster).await.expect("an answer");
    let callers = (0..8).map(|_| ask_until_logins(&cluster, &fake, 6));
    futures_util::future::join_all(callers).await;
    assert_eq!((fake.accepted(), fake.count::<ApiVersionsRequest>()), (1, 1));
    assert_eq!(disturbed.load(Ordering::SeqCst), 0);
    let logins = fake.count::<SaslHandshakeRequest>();
    assert_eq!(logins, fake.count::<SaslAuthenticateRequest>(), "each login is whole");
}

#[tokio::test]
async fn session_without_a_limit_logs_in_once() {
    let fake = Fake::start().await;
    accept_logins(&fake, Duration::ZERO);
    let cluster = with_login(&fake, AMPLE);
    for _ in 0..5 {
        ask(&cluster).await.expect("an answer");
        time::sleep(LIFETIME / 5).await;
    }
    assert_eq!((fake.accepted(), fake.count::<SaslHandshakeRequest>()), (1, 1));
}

#[tokio::test]
async fn broker_that_refuses_a_login_on_an_open_connection_gets_a_fresh_session() {
    let fake = Fake::start().await;
    accept_logins(&fake, LIFETIME);
    fake.on(|_: SaslHandshakeRequest, call| {
        // As Kafka answers to a second login within one second.
        let code = if call.number == 1 { 34 } else { 0 };
        Reply::Answer(SaslHandshakeResponse::default().with_error_code(code))
    });
    let cluster = with_login(&fake, AMPLE);
    ask_until_logins(&cluster, &fake, 3).await;
    ask(&cluster).await.expect("an answer");
    assert_eq!((fake.accepted(), fake.count::<ApiVersionsRequest>()), (2, 2));
}

#[tokio::test]
async fn password_that_is_refused_on_an_open_connection_is_the_fault_of_the_next_request() {
    let (fake, cluster) = with_session(AMPLE).await;
    fake.on(|_: SaslAuthenticateRequest, _| {
        Reply::Answer(SaslAuthenticateResponse::default().with_error_code(58))
    });
    time::sleep(LIFETIME).await;
    let error = ask(&cluster).await.expect_err("a refusal");
    assert_eq!(error.fault(), Fault::Authentication, "{}", words(&error));
}

#[tokio::test]
async fn login_goes_on_when_its_caller_stops_waiting() {
    let (fake, cluster) = with_session(AMPLE).await;
    fake.on(|_: SaslHandshakeRequest, _| Reply::After(SHORT, SaslHandshakeResponse::default()));
    fake.on(|_: SaslAuthenticateRequest, _| Reply::Answer(session(AMPLE)));
    time::sleep(LIFETIME).await;
    time::timeout(SHORT / 3, ask(&cluster)).await.expect_err("the caller stops waiting");
    ask(&cluster).await.expect("an answer");
    assert_eq!((fake.accepted(), fake.count::<SaslHandshakeRequest>()), (1, 2));
}

#[tokio::test]
async fn broker_that_never_answers_a_new_login_is_a_timeout() {
    let (fake, cluster) = with_session(SHORT).await;
    fake.on(|_: SaslHandshakeRequest, _| Reply::Silence);
    time::sleep(LIFETIME).await;
    let error = ask(&cluster).await.expect_err("no answer");
    assert_eq!(error.fault(), Fault::Timeout, "{}", words(&error));
    accept_logins(&fake, LIFETIME);
    ask(&cluster).await.expect("an answer on a fresh connection");
    assert_eq!(fake.accepted(), 2);
}
