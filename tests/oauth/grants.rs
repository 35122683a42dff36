//! Tokens without the secret of a client: for a signed assertion, and for the managed identity of a machine in Azure.

use std::fs;

use crate::{
    provider::{Answer, probe, provider_that},
    shared,
    support::oauth::oidc::{AUDIENCE, claims},
};

/// The properties of a login with tokens, without what proves who asks.
fn login(rest: &[String]) -> Vec<String> {
    let login =
        ["security.protocol=SASL_PLAINTEXT", "sasl.mechanism=OAUTHBEARER", "sasl.oauthbearer.method=oidc"];
    login.into_iter().map(str::to_owned).chain(rest.iter().cloned()).collect()
}

/// The properties of the grant with an assertion.
fn grant(url: &str, rest: &[String]) -> Vec<String> {
    let grant = [
        "sasl.oauthbearer.grant.type=urn:ietf:params:oauth:grant-type:jwt-bearer".to_owned(),
        format!("sasl.oauthbearer.token.endpoint.url={url}"),
        format!("sasl.oauthbearer.scope={AUDIENCE}"),
    ];
    login(&[&grant[..], rest].concat())
}

/// The properties of a key on P-256 in a folder.
fn key(folder: &tempfile::TempDir) -> Vec<String> {
    let path = folder.path().join("key.pem");
    let pair = rcgen::KeyPair::generate().expect("a key");
    fs::write(&path, pair.serialize_pem()).expect("a file");
    let prefix = "sasl.oauthbearer.assertion";
    vec![
        format!("{prefix}.algorithm=ES256"),
        format!("{prefix}.private.key.file={}", path.display()),
        format!("{prefix}.claim.iss=heartbeat"),
        format!("{prefix}.claim.sub=heartbeat"),
        format!("{prefix}.claim.aud=https://idp.example"),
        format!("{prefix}.claim.jti.include=true"),
    ]
}

#[test]
fn client_signs_in_with_the_token_for_its_assertion() {
    let Some((oidc, kafka)) = shared() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    // This identity provider wants to know the client, too.
    let client =
        ["id=heartbeat", "secret=s3cret-of-the-client"].map(|one| format!("sasl.oauthbearer.client.{one}"));
    let (succeeded, written) =
        probe(kafka, &grant(&oidc.token_url(), &[&key(&folder)[..], &client].concat()));
    assert!(succeeded, "{written}");
    assert!(!written.contains("eyJ") && !written.contains("s3cret-of"), "{written}");
    // Another program may have signed the assertion: here the identity provider itself.
    let file = folder.path().join("assertion");
    fs::write(&file, oidc.fetch_token("heartbeat", "https://idp.example")).expect("a file");
    let file = [format!("sasl.oauthbearer.assertion.file={}", file.display())];
    let (succeeded, written) = probe(kafka, &grant(&oidc.token_url(), &[&file[..], &client].concat()));
    assert!(succeeded, "{written}");
}

#[test]
fn assertion_alone_is_sent_as_librdkafka_sends_it() {
    let Some((oidc, kafka)) = shared() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let token = oidc.post_token("heartbeat", &[("scope", AUDIENCE)]).to_string();
    let url = provider_that(move |request| {
        let (head, form) = request.split_once("\r\n\r\n").expect("a request with a form");
        let form: Vec<_> = form.split('&').filter_map(|field| field.split_once('=')).collect();
        let names: Vec<_> = form.iter().map(|(name, _)| *name).collect();
        let grant = "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";
        let is_right = names == ["grant_type", "assertion", "scope"]
            && form[0].1 == grant
            && claims(form[1].1)["aud"] == "https://idp.example"
            && !head.to_lowercase().contains("\r\nauthorization:");
        if is_right { Answer::of("200 OK", &token) } else { Answer::of("400 Bad Request", "{}") }
    });
    let (succeeded, written) = probe(kafka, &grant(&url, &key(&folder)));
    assert!(succeeded, "{written}");
}

#[test]
fn assertion_that_the_identity_provider_refuses_is_a_fault_of_the_client_or_of_the_clock() {
    let Some((_, kafka)) = shared() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let body = r#"{"error":"invalid_grant","error_description":"the assertion is not valid"}"#;
    // An assertion is valid from 60 s before to 300 s after its time of issue.
    let table = [
        (0, "invalid_client"),
        (-50, "invalid_client"),
        (250, "invalid_client"),
        (-600, "clock"),
        (600, "clock"),
    ];
    for (clock, fault) in table {
        let url =
            provider_that(move |_| Answer::Http { status: "400 Bad Request", clock, body: body.to_owned() });
        let (succeeded, written) = probe(kafka, &grant(&url, &key(&folder)));
        assert!(!succeeded, "{written}");
        for part in [&format!("stage sasl failed: {fault}"), "invalid_grant: the assertion is not valid"] {
            assert!(written.contains(part), "{clock} lacks {part}: {written}");
        }
        assert!(!written.contains("eyJ"), "{written}");
    }
}

#[test]
fn machine_of_azure_signs_in_with_its_managed_identity() {
    let Some((oidc, kafka)) = shared() else { return };
    let token = oidc.post_token("heartbeat", &[("scope", AUDIENCE)])["access_token"].clone();
    let url = provider_that(move |request| {
        let head = request.to_lowercase();
        let asked = head.starts_with("get /metadata/identity/oauth2/token?api-version=2018-02-01&resource=");
        if !asked || !head.contains("\r\nmetadata: true\r\n") {
            return Answer::of("400 Bad Request", r#"{"error":"invalid_request"}"#);
        }
        if !head.contains("&resource=api://kafka ") {
            return Answer::of("400 Bad Request", r#"{"error":"invalid_resource"}"#);
        }
        // Azure writes numbers as texts.
        let body = format!(r#"{{"access_token":{token},"expires_in":"3599","token_type":"Bearer"}}"#);
        Answer::of("200 OK", &body)
    });
    let url = url.replace("/token", "/metadata/identity/oauth2/token");
    let azure = |resource: &str| {
        login(&[
            "sasl.oauthbearer.metadata.authentication.type=azure_imds".to_owned(),
            format!("sasl.oauthbearer.token.endpoint.url={url}"),
            format!("sasl.oauthbearer.config=query=api-version=2018-02-01&resource={resource}"),
        ])
    };
    let (succeeded, written) = probe(kafka, &azure("api://kafka"));
    assert!(succeeded, "{written}");
    let (succeeded, written) = probe(kafka, &azure("api://unknown"));
    assert!(!succeeded && written.contains("stage sasl failed: audience"), "{written}");
}
