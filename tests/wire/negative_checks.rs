//! Clients that brokers should refuse, against scripted brokers that refuse, accept or say nothing.

use kafka_heartbeat::kafka::{
    Fault,
    Reception::{self, Accepted, Ended, Refused},
    StrangeClient, Stranger,
};
use kafka_protocol::messages::{ApiVersionsRequest, MetadataRequest, SaslAuthenticateRequest};

use super::*;
use crate::fake::{Manners, Reply};

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
