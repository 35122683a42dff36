//! The login with OAUTHBEARER at a real broker, with tokens of a real identity provider. The program logs in, and so does
//! a small client that shares no code with the program.

use std::{sync::OnceLock, time::Duration};

use kafka_protocol::messages::{ApiKey, ApiVersionsRequest, MetadataRequest};
use serde_json::Value;
use support::{
    kafka::SaslKafka,
    oauth::{
        broker,
        oidc::{AUDIENCE, EXPIRED_SCOPE, OidcServer, claims},
    },
    sasl_client::SaslClient,
    try_wait,
};

#[path = "oauth/grants.rs"]
mod grants;
#[path = "oauth/provider.rs"]
mod provider;
#[path = "oauth/rotation.rs"]
mod rotation;
#[path = "oauth/service.rs"]
mod service;
#[path = "oauth/session.rs"]
mod session;
#[expect(dead_code, reason = "each test binary uses a part of the support")]
mod support;

/// `connections.max.reauth.ms` of the shared broker.
const SESSION_LIFETIME: Duration = Duration::from_secs(20);

const SASL_AUTHENTICATION_FAILED: i16 = 58;

/// The identity provider and the broker that the tests of this file share, for those that leave both as they were.
fn shared() -> Option<&'static (OidcServer, SaslKafka)> {
    static SHARED: OnceLock<Option<(OidcServer, SaslKafka)>> = OnceLock::new();
    let start = || {
        let oidc = OidcServer::start()?;
        let kafka = broker::start(&oidc, SESSION_LIFETIME)?;
        Some((oidc, kafka))
    };
    SHARED.get_or_init(start).as_ref()
}

/// A connection to the broker's listener without TLS and one to the listener with TLS.
fn connections(kafka: &SaslKafka) -> [SaslClient; 2] {
    [
        SaslClient::plaintext(&kafka.bootstrap()),
        SaslClient::tls(&kafka.tls_bootstrap(), &kafka.kafka().ca_pem_path()),
    ]
}

#[test]
fn token_endpoint_answers_a_post_with_a_jwt() {
    let Some((oidc, _)) = shared() else { return };
    let answer = oidc.post_token("heartbeat", &[]);
    assert_eq!(answer["token_type"], "Bearer");
    let lifetime = answer["expires_in"].as_i64().expect("expires_in is a number of seconds");
    assert!((3590..=3600).contains(&lifetime), "{answer}");
    let of_answer = claims(access_token(&answer));
    assert_eq!(of_answer["iss"], oidc.issuer());
    assert_eq!(of_answer["sub"], "heartbeat");
    assert_eq!(of_answer["aud"], AUDIENCE);
    let claim = |name: &str| of_answer[name].as_i64().expect("exp and iat are numbers of seconds");
    assert_eq!(claim("exp") - claim("iat"), 3600);
}

#[test]
fn token_has_the_audience_or_the_scope_that_was_asked_for() {
    let Some((oidc, _)) = shared() else { return };
    let asked_for = claims(&oidc.fetch_token("heartbeat", "another-service"));
    assert_eq!(asked_for["aud"], "another-service");
    let answer = oidc.post_token("heartbeat", &[("scope", "api://kafka/.default")]);
    let of_answer = claims(access_token(&answer));
    assert_eq!(of_answer["aud"], "api://kafka/.default");
    assert_eq!(of_answer["scope"], "api://kafka/.default");
}

#[test]
fn every_sasl_listener_answers_api_versions_and_offers_oauthbearer() {
    let Some((_, kafka)) = shared() else { return };
    for mut connection in connections(kafka) {
        let versions = connection.ask(&ApiVersionsRequest::default(), 2).expect("an answer");
        assert_eq!(versions.error_code, 0);
        assert!(versions.api_keys.iter().any(|key| key.api_key == ApiKey::SaslAuthenticate as i16));
        let (error_code, mechanisms) = connection.handshake("OAUTHBEARER");
        assert_eq!(error_code, 0);
        assert!(mechanisms.contains(&"OAUTHBEARER".to_owned()), "{mechanisms:?}");
    }
}

#[test]
fn broker_takes_a_token_and_names_the_lifetime_of_the_session() {
    let Some((oidc, kafka)) = shared() else { return };
    for mut connection in connections(kafka) {
        let login = connection.sign_in(&oidc.fetch_token("heartbeat", AUDIENCE));
        assert_eq!(login.error_code, 0, "{:?}", login.error_message);
        assert_eq!(login.session_lifetime_ms, SESSION_LIFETIME.as_millis() as i64);
        let metadata = connection.ask(&MetadataRequest::default(), 4).expect("an answer");
        assert_eq!(metadata.brokers.len(), 1);
    }
}

#[test]
fn broker_challenges_a_client_whose_token_is_for_others_expired_or_forged() {
    let Some((oidc, kafka)) = shared() else { return };
    let expired = oidc.post_token("heartbeat", &[("scope", EXPIRED_SCOPE)]);
    let good = oidc.fetch_token("heartbeat", AUDIENCE);
    let (signed, signature) = good.rsplit_once('.').expect("a JWT has three parts");
    let tokens = [
        ("for another audience", oidc.fetch_token("heartbeat", "another-service")),
        ("expired", access_token(&expired).to_owned()),
        ("with a wrong signature", format!("{signed}.{}", "A".repeat(signature.len()))),
        ("no JWT", "opaque".to_owned()),
    ];
    for (what, token) in tokens {
        let mut connection = SaslClient::plaintext(&kafka.bootstrap());
        let login = connection.sign_in(&token);
        // As in RFC 7628: the broker names the reason in a challenge, and fails the sign-in after the client's answer.
        assert_eq!(login.error_code, 0, "{what}");
        assert_eq!(login.auth_bytes.as_ref(), br#"{"status":"invalid_token"}"#, "{what}");
        let end = connection.authenticate(b"\x01");
        assert_eq!(end.error_code, SASL_AUTHENTICATION_FAILED, "{what}");
    }
}

#[test]
fn session_ends_with_its_token_unless_the_client_signs_in_again() {
    const TOKEN_LIFETIME: Duration = Duration::from_secs(6);
    let Some(oidc) = OidcServer::start_with(TOKEN_LIFETIME) else { return };
    let Some(kafka) = broker::start(&oidc, SESSION_LIFETIME) else { return };
    let mut renewed = SaslClient::plaintext(&kafka.bootstrap());
    let mut ended = SaslClient::plaintext(&kafka.bootstrap());
    for connection in [&mut renewed, &mut ended] {
        let login = connection.sign_in(&oidc.fetch_token("heartbeat", AUDIENCE));
        let lifetime = 1..=TOKEN_LIFETIME.as_millis() as i64;
        assert!(lifetime.contains(&login.session_lifetime_ms), "{}", login.session_lifetime_ms);
    }
    pass(TOKEN_LIFETIME / 2);
    let login = renewed.sign_in(&oidc.fetch_token("heartbeat", AUDIENCE));
    assert_eq!(login.error_code, 0, "{:?}", login.error_message);
    pass(TOKEN_LIFETIME / 2 + Duration::from_secs(1));
    assert!(renewed.ask(&MetadataRequest::default(), 4).is_ok());
    assert!(ended.ask(&MetadataRequest::default(), 4).is_err());
}

#[test]
fn identity_provider_can_be_frozen_killed_and_brought_back() {
    let Some(oidc) = OidcServer::start() else { return };
    let address = oidc.token_url().trim_start_matches("http://").replace("/default/token", "");
    let connects = || std::net::TcpStream::connect(&address).is_ok();
    oidc.pause();
    assert!(connects());
    oidc.resume();
    assert_eq!(claims(&oidc.fetch_token("heartbeat", AUDIENCE))["sub"], "heartbeat");
    let keys = || {
        let mut answer = ureq::get(oidc.jwks_url()).call().expect("the identity provider answers");
        answer.body_mut().read_to_string().expect("the public keys as text")
    };
    let before = keys();
    oidc.kill();
    assert!(!connects());
    oidc.restart();
    assert_eq!(keys(), before);
}

/// The token in an answer of the identity provider.
fn access_token(answer: &Value) -> &str {
    answer["access_token"].as_str().expect("the answer has a token")
}

/// Lets time pass.
fn pass(time: Duration) {
    assert!(try_wait(time, || None::<()>).is_none());
}
