//! MSK IAM: the program signs in with each source of credentials. The tests' verifier takes the tokens of AWS's own client,
//! and refuses tokens that are changed, expired, from another region, or signed with a wrong secret or a removed access key.

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use support::{
    msk_iam::{
        access_key::AccessKey,
        aws_client::AwsClient,
        broker::{IamListener, MskIam, REGION},
        login::login,
    },
    wait_for,
};

#[path = "msk_iam/client.rs"]
mod client;
#[path = "msk_iam/program.rs"]
mod program;
#[path = "msk_iam/server.rs"]
mod server;
#[expect(dead_code, reason = "each test binary uses a part of the support")]
mod support;

const LIST_TOPICS: [&str; 2] = ["org.apache.kafka.tools.TopicCommand", "--list"];

/// The broker that the tests share. It accepts both keys.
fn broker() -> Option<&'static MskIam> {
    static BROKER: OnceLock<Option<MskIam>> = OnceLock::new();
    BROKER.get_or_init(|| MskIam::start(&[AccessKey::permanent(), AccessKey::temporary()])).as_ref()
}

#[test]
fn aws_client_signs_in_with_and_without_tls() {
    let (Some(broker), Some(client)) = (broker(), AwsClient::find()) else { return };
    let plaintext = broker.bootstrap(IamListener::Plaintext);
    let create = ["org.apache.kafka.tools.TopicCommand", "--create", "--topic", "by-aws"];
    client.run(&AccessKey::permanent(), REGION, &plaintext, None, &create).expect("a topic");
    let tls = broker.bootstrap(IamListener::Tls);
    let ca = broker.ca_pem_path();
    let topics = client.run(&AccessKey::temporary(), REGION, &tls, Some(&ca), &LIST_TOPICS);
    assert!(
        topics.as_deref().is_ok_and(|topics| topics.lines().any(|topic| topic == "by-aws")),
        "{topics:?}"
    );
}

#[test]
fn aws_client_with_wrong_secret_or_wrong_region_is_refused_with_the_reason() {
    let (Some(broker), Some(client)) = (broker(), AwsClient::find()) else { return };
    let plaintext = broker.bootstrap(IamListener::Plaintext);
    let refusal = |key: &AccessKey, region| {
        client.run(key, region, &plaintext, None, &LIST_TOPICS).expect_err("a refusal")
    };
    let wrong_secret = refusal(&AccessKey::temporary().with_wrong_secret(), REGION);
    assert!(wrong_secret.contains("invalid_token: the signature is wrong"), "{wrong_secret}");
    let wrong_region = refusal(&AccessKey::permanent(), "us-east-1");
    let reason = "the host is kafka.us-east-1.amazonaws.com, not kafka.eu-central-1.amazonaws.com";
    assert!(wrong_region.contains(reason), "{wrong_region}");
}

#[test]
fn token_with_any_signed_byte_changed_is_refused() {
    let (Some(broker), Some(client)) = (broker(), AwsClient::find()) else { return };
    let address = broker.bootstrap(IamListener::Plaintext);
    for key in [AccessKey::permanent(), AccessKey::temporary()] {
        let token = client.token(&key, REGION);
        let url = URL_SAFE_NO_PAD.decode(&token).expect("base64url");
        let text = String::from_utf8(url.clone()).expect("UTF-8");
        let signed = text.find("&User-Agent=").expect("a User-Agent behind the signature");
        let changed = |place: usize| {
            let mut url = url.clone();
            url[place] ^= 1;
            URL_SAFE_NO_PAD.encode(url)
        };
        let mut tokens: Vec<_> = (0..signed).map(changed).collect();
        tokens.push(token.clone());
        let answers = broker.verify(&tokens, Duration::ZERO);
        assert_eq!(answers.len(), signed + 1);
        for (place, answer) in answers[..signed].iter().enumerate() {
            assert!(answer.starts_with("refused "), "byte {place} of {text}: {answer}");
        }
        assert!(answers[signed].starts_with(&format!("accepted {} ", key.principal)), "{}", answers[signed]);
        // The broker agrees with the verifier's own program.
        login(&address, &token).expect("the token itself");
        // Another hexadecimal digit: a signature with any other character is refused for a different reason.
        let digit = if url[signed - 1] == b'0' { b'1' } else { b'0' };
        let mut url = url.clone();
        url[signed - 1] = digit;
        let reason = login(&address, &URL_SAFE_NO_PAD.encode(url)).err();
        assert_eq!(reason.as_deref(), Some(r#"{"status":"invalid_token: the signature is wrong"}"#));
    }
}

#[test]
fn token_is_accepted_for_fifteen_minutes() {
    let (Some(broker), Some(client)) = (broker(), AwsClient::find()) else { return };
    let token = client.token(&AccessKey::permanent(), REGION);
    let session = login(&broker.bootstrap(IamListener::Plaintext), &token).expect("a login");
    let lifetime = session.lifetime.as_secs();
    assert!((840..=900).contains(&lifetime), "the session lasts {lifetime} s");
    let later = broker.verify(std::slice::from_ref(&token), Duration::from_secs(600));
    let left = later[0].rsplit(' ').next().and_then(|seconds| seconds.parse().ok());
    assert!(left.is_some_and(|left: u64| (240..=300).contains(&left)), "{later:?}");
    let reason = login(&broker.bootstrap(IamListener::ClockAhead), &token).err().unwrap_or_default();
    assert!(reason.contains("invalid_token: the token expired "), "{reason}");
}

#[test]
fn session_ends_unless_the_client_signs_in_again() {
    let (Some(broker), Some(client)) = (broker(), AwsClient::find()) else { return };
    let token = client.token(&AccessKey::temporary(), REGION);
    let mut session = login(&broker.bootstrap(IamListener::ShortSessions), &token).expect("a login");
    let begun = Instant::now();
    let wait_until = |seconds| {
        let limit = Duration::from_secs(seconds + 5);
        wait_for("the time to pass", limit, || (begun.elapsed().as_secs() >= seconds).then_some(()));
    };
    assert_eq!(session.lifetime, Duration::from_secs(5));
    wait_until(3);
    session.again(&token).expect("the second login of the connection");
    wait_until(6);
    assert!(session.is_open(), "the second session lasts until 8 s");
    wait_for("the broker to close the connection", Duration::from_secs(10), || {
        (!session.is_open()).then_some(())
    });
    assert!(begun.elapsed() >= Duration::from_secs(8), "{:?}", begun.elapsed());
}

#[test]
fn access_key_is_refused_from_its_removal_on() {
    let (Some(broker), Some(client)) = (broker(), AwsClient::find()) else { return };
    let rotated = AccessKey { id: "AKIAHEARTBEAT0000003".into(), ..AccessKey::permanent() };
    let address = broker.bootstrap(IamListener::Plaintext);
    let token = client.token(&rotated, REGION);
    let unknown = Some(r#"{"status":"invalid_token: access key AKIAHEARTBEAT0000003 is unknown"}"#);
    assert_eq!(login(&address, &token).err().as_deref(), unknown);
    broker.accept_only(&[AccessKey::permanent(), AccessKey::temporary(), rotated]);
    login(&address, &token).expect("a login with the new key");
    broker.accept_only(&[AccessKey::permanent(), AccessKey::temporary()]);
    assert_eq!(login(&address, &token).err().as_deref(), unknown);
}
