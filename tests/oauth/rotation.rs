//! The secret of a client that changes at the identity provider and in its file while the service runs.

use std::{
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};

use crate::{
    provider::{Answer, PATIENCE, assert_kafka_is_not_blamed, client, provider_that, start_with, steady},
    support::{
        oauth::{
            broker,
            oidc::{AUDIENCE, OidcServer},
        },
        service::Service,
        wait_for,
    },
};

/// A token is renewed 14 to 16 s after it was issued.
const LIFETIME: Duration = Duration::from_secs(20);

/// The number of renewals of secrets in files with this result.
fn renewals(service: &Service, result: &str) -> f64 {
    let labels = ["kind=\"password\"", &format!("result=\"{result}\"")];
    service.series("heartbeat_credential_renewals_total", &labels).expect("it is always exposed")
}

/// The identity provider of the other tests takes every secret. Here a program stands before it that takes one secret alone.
/// Returns the URL of its token endpoint.
fn provider(oidc: &Arc<OidcServer>, valid: &Arc<Mutex<&'static str>>, taken: &Arc<AtomicUsize>) -> String {
    let (oidc, valid, taken) = (Arc::downgrade(oidc), valid.clone(), taken.clone());
    provider_that(move |request| {
        let secret = *valid.lock().expect("no other thread panicked");
        let basic = BASE64_STANDARD.encode(format!("heartbeat:{secret}"));
        if !request.contains(&format!("Basic {basic}")) {
            return Answer::of("401 Unauthorized", r#"{"error":"invalid_client"}"#);
        }
        let Some(oidc) = oidc.upgrade() else { return Answer::Silence };
        let token = oidc.post_token("heartbeat", &[("scope", AUDIENCE)]);
        taken.fetch_add(1, Ordering::Relaxed);
        Answer::of("200 OK", &token.to_string())
    })
}

#[test]
fn secret_of_the_client_in_a_file_is_used_once_the_identity_provider_takes_it() {
    let Some(oidc) = OidcServer::start_with(LIFETIME).map(Arc::new) else { return };
    let Some(kafka) = broker::start(&oidc, Duration::ZERO) else { return };
    let (first, second, wrong) = ("first-secret-of-2", "second-secret-of-2", "wrong-secret-of-2");
    let (valid, taken) = (Arc::new(Mutex::new(first)), Arc::default());
    let url = provider(&oidc, &valid, &taken);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("secret");
    fs::write(&file, first).expect("a file");
    let mut properties = client(&url, AUDIENCE);
    properties.retain(|property| !property.starts_with("sasl.oauthbearer.client.secret="));
    properties.push(format!("sasl.oauthbearer.client.secret.file={}", file.display()));
    let service = start_with(&kafka, &properties);
    let bad = steady(&service);

    fs::write(&file, wrong).expect("a file");
    wait_for("a refused secret", PATIENCE, || (renewals(&service, "invalid_client") >= 1.0).then_some(()));
    assert!(service.log().contains("the renewed credentials are refused"), "{}", service.log());
    let before = taken.load(Ordering::Relaxed);
    wait_for("a token with the secret before", PATIENCE, || {
        (taken.load(Ordering::Relaxed) > before).then_some(())
    });
    assert_eq!(renewals(&service, "ok"), 0.0, "the secret of the file is not used");

    *valid.lock().expect("no other thread panicked") = second;
    fs::write(&file, second).expect("a file");
    wait_for("a secret that is used", PATIENCE, || (renewals(&service, "ok") == 1.0).then_some(()));
    let before = taken.load(Ordering::Relaxed);
    wait_for("two more tokens with the new secret", PATIENCE, || {
        (taken.load(Ordering::Relaxed) >= before + 2).then_some(())
    });
    assert_eq!(steady(&service), bad, "{}", service.log());
    assert_kafka_is_not_blamed(&service, bad);
    let (_, log) = service.stop();
    for secret in [first, second, wrong, "eyJ"] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
}
