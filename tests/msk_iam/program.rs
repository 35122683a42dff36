//! The program signs in with MSK IAM: each source of credentials, and what it reports without credentials that work.

use std::{fs, net::TcpListener, time::Duration};

use crate::{
    broker,
    client::{Environment, assert_no_secret, empty, probe, properties, service, with},
    server::{Server, key_as_json, key_as_xml, refusal_as_xml},
    support::{
        msk_iam::{
            access_key::AccessKey,
            broker::{IamListener, MskIam, REGION},
        },
        service::Service,
        wait_for,
    },
};

const PATIENCE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const ROLE: &str = "arn:aws:iam::123456789012:role/heartbeat";

/// Waits until this many heartbeats were good.
fn good(service: &Service, count: u64) {
    wait_for("good heartbeats", PATIENCE, || (service.totals("k").of("ok") >= count).then_some(()));
}

/// Runs the probe over TLS, which has to succeed, and asserts that no secret is written.
fn signs_in(environment: &Environment, others: &[&str], key: &AccessKey) {
    let Some(broker) = broker() else { return };
    let mut properties = properties(broker, IamListener::Tls);
    properties.extend(others.iter().map(|property| (*property).to_owned()));
    let words = is_well(environment, &properties);
    assert_no_secret(&words, std::slice::from_ref(key));
}

/// Runs the probe, which has to succeed. It runs again where the machine was too busy to judge heartbeats.
fn is_well(environment: &Environment, properties: &[String]) -> String {
    wait_for("a probe on a machine with time for it", PATIENCE, || {
        let (code, words) = probe(environment, properties);
        let busy = words.contains("This machine did not let the probe run");
        assert!(code == Some(0) || busy, "{words}");
        (code == Some(0)).then_some(words)
    })
}

/// Runs the probe, which has to fail, and returns what it writes.
fn fails(environment: &Environment, others: &[&str]) -> Option<String> {
    let mut properties = properties(broker()?, IamListener::Plaintext);
    properties.extend(others.iter().map(|property| (*property).to_owned()));
    let (code, words) = probe(environment, &properties);
    assert_ne!(code, Some(0), "{words}");
    Some(words)
}

#[test]
fn permanent_and_temporary_keys_of_the_environment_sign_in_by_every_spelling() {
    for key in [AccessKey::permanent(), AccessKey::temporary()] {
        signs_in(&key.environment(REGION), &[], &key);
    }
    let key = AccessKey::permanent();
    signs_in(&key.environment(REGION), &["sasl.mechanism=awsiam"], &key);
    signs_in(
        &key.environment(REGION),
        &["sasl.mechanism=OAUTHBEARER", "sasl.oauthbearer.method=aws_msk_iam"],
        &key,
    );
    // The region of the configuration wins over the one of the environment.
    signs_in(&key.environment("us-east-1"), &[&format!("aws.region={REGION}")], &key);
}

#[test]
fn key_that_the_broker_refuses_is_named_with_the_reason() {
    let unknown = AccessKey { id: "AKIAHEARTBEAT0000009".into(), ..AccessKey::permanent() };
    let wrong = AccessKey::temporary().with_wrong_secret();
    let table = [
        (wrong.environment(REGION), "the signature is wrong"),
        (unknown.environment(REGION), "access key AKIAHEARTBEAT0000009 is unknown"),
        (AccessKey::permanent().environment("us-east-1"), "the host is kafka.us-east-1.amazonaws.com"),
    ];
    for (environment, reason) in table {
        let Some(words) = fails(&environment, &[]) else { return };
        assert!(words.contains("stage sasl failed: authentication"), "{words}");
        assert!(words.contains(reason), "{reason}: {words}");
        assert_no_secret(&words, &[wrong.clone(), unknown.clone()]);
    }
}

#[test]
fn token_that_is_expired_by_the_clock_of_the_broker_is_a_fault_of_the_clock() {
    let Some(broker) = broker() else { return };
    let key = AccessKey::permanent();
    let (code, words) = probe(&key.environment(REGION), &properties(broker, IamListener::ClockAhead));
    assert_ne!(code, Some(0), "{words}");
    for part in
        ["stage sasl failed: clock", "invalid_token: the token expired", "correct the clock of this machine"]
    {
        assert!(words.contains(part), "{part}: {words}");
    }
    assert_no_secret(&words, &[key]);
}

#[test]
fn service_sends_heartbeats_and_watches_the_cluster_while_short_sessions_end() {
    let Some(broker) = broker() else { return };
    let key = AccessKey::temporary();
    let service = service(&key.environment(REGION), &properties(broker, IamListener::ShortSessions));
    good(&service, 75);
    assert_eq!(service.totals("k").bad(), 0, "{}", service.log());
    let checks = service.sum("heartbeat_broker_check_failures_total", &[]);
    assert!(checks.abs() < 0.5, "{checks} checks of a broker failed: {}", service.log());
    assert_eq!(service.series("heartbeat_brokers", &[]), Some(1.0));
    let (_, log) = service.stop();
    assert_no_secret(&log, &[key]);
}

#[test]
fn credentials_of_a_pod_that_expire_after_30_seconds_are_renewed_and_a_new_key_follows() {
    let old = AccessKey::temporary();
    let new = AccessKey {
        id: "ASIAHEARTBEAT0000004".into(),
        secret: "second/secret+of/the/role/KEY004".into(),
        ..old.clone()
    };
    let Some(broker) = MskIam::start(&[old.clone(), new.clone()]) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    fs::write(&file, "token-of-the-pod").expect("a file");
    let keys = [old.clone(), new.clone()];
    let count = std::sync::atomic::AtomicUsize::new(0);
    let agent = Server::start(move |request| {
        if !request.rest.contains("authorization: token-of-the-pod") {
            return (401, "{}".to_owned());
        }
        let number = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        (200, key_as_json(&keys[number.min(1)], Duration::from_secs(30)))
    });
    let environment = with(&[
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &format!("{}/v1/credentials", agent.url())),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &file.display().to_string()),
    ]);
    let service = service(&environment, &properties(&broker, IamListener::ShortSessions));
    good(&service, 5);
    wait_for("the second renewal", PATIENCE, || (agent.requests().len() >= 3).then_some(()));
    broker.accept_only(std::slice::from_ref(&new));
    let seen = service.totals("k").of("ok");
    good(&service, seen + 40);
    assert_eq!(service.totals("k").bad(), 0, "{}", service.log());
    assert!(
        agent.requests().iter().all(|request| request.line == "GET /v1/credentials"),
        "{:?}",
        agent.requests()
    );
    let (_, log) = service.stop();
    assert_no_secret(&log, &[old, new]);
    assert!(!log.contains("token-of-the-pod"), "the token of the pod is in no line of the log");
}

#[test]
fn instance_hands_out_credentials_by_imds_version_2() {
    let key = AccessKey::temporary();
    let answered = key.clone();
    let instance = Server::start(move |request| match request.line.as_str() {
        "PUT /latest/api/token" => (200, "token-of-the-session".to_owned()),
        _ if !request.rest.contains("x-aws-ec2-metadata-token: token-of-the-session") => (401, String::new()),
        "GET /latest/meta-data/iam/security-credentials/" => (200, "heartbeat".to_owned()),
        "GET /latest/meta-data/iam/security-credentials/heartbeat" => (200, key_as_json(&answered, HOUR)),
        _ => (404, String::new()),
    });
    let environment = with(&[
        ("AWS_EC2_METADATA_DISABLED", "false"),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &instance.url()),
    ]);
    signs_in(&environment, &[], &key);
    let asked = instance.requests();
    assert!(broker().is_none() || asked.iter().any(|request| request.line.starts_with("PUT")), "{asked:?}");
}

#[test]
fn profile_with_a_process_signs_in_in_its_own_region_whatever_key_the_environment_has() {
    let of_another_account = [
        ("AWS_ACCESS_KEY_ID", "AKIAHEARTBEAT0000009"),
        ("AWS_SECRET_ACCESS_KEY", "of/another/account/KEY0009"),
    ];
    // A program may write an empty session token where there is none.
    for key in [AccessKey::temporary(), AccessKey::permanent()] {
        let folder = tempfile::tempdir().expect("a folder");
        let output = folder.path().join("output.json");
        let json = key_as_json(&key, HOUR).replace("\"Token\":null", "\"Token\":\"\"");
        let json = json.replace("\"Token\"", "\"SessionToken\"").replacen('{', "{\"Version\":1,", 1);
        fs::write(&output, json).expect("a file");
        let config = folder.path().join("config");
        let profile =
            format!("[profile kafka]\nregion = {REGION}\ncredential_process = cat {}\n", output.display());
        fs::write(&config, profile).expect("a file");
        let mut environment = with(&[("AWS_CONFIG_FILE", &config.display().to_string())]);
        environment.extend(of_another_account.map(|(name, value)| (name, value.to_owned())));
        environment.retain(|(name, _)| *name != "AWS_REGION");
        signs_in(&environment, &["aws.profile=kafka"], &key);
    }
}

/// A stand-in for STS that grants each action with this key.
fn sts(key: &AccessKey) -> Server {
    let key = key.clone();
    Server::start(move |request| {
        let action = ["AssumeRoleWithWebIdentity", "AssumeRole"]
            .into_iter()
            .find(|action| request.rest.contains(&format!("Action={action}&")));
        action.map_or((400, refusal_as_xml("InvalidAction", "?")), |action| {
            (200, key_as_xml(action, &key, HOUR))
        })
    })
}

#[test]
fn web_identity_of_a_service_account_is_exchanged_at_sts() {
    let key = AccessKey::temporary();
    let sts = sts(&key);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    fs::write(&file, "jwt-of-the-service-account").expect("a file");
    let environment = with(&[
        ("AWS_ROLE_ARN", ROLE),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", &file.display().to_string()),
        ("AWS_ENDPOINT_URL_STS", &sts.url()),
    ]);
    signs_in(&environment, &[], &key);
    let asked = sts.requests();
    let exchanged =
        asked.iter().any(|request| request.rest.contains("WebIdentityToken=jwt-of-the-service-account"));
    assert!(broker().is_none() || exchanged, "{asked:?}");
}

#[test]
fn role_is_assumed_with_its_session_name_and_its_external_id() {
    let key = AccessKey::temporary();
    let sts = sts(&key);
    let mut environment = AccessKey::permanent().environment(REGION);
    environment.push(("AWS_ENDPOINT_URL_STS", sts.url()));
    let role = format!("aws.role.arn={ROLE}");
    let others = [
        &role,
        "aws.role.session.name=prober-1",
        "aws.role.external.id=shared-id",
        "aws.sts.region=us-east-1",
    ];
    signs_in(&environment, &others, &key);
    let asked = sts.requests();
    let assumed = asked.iter().any(|request| {
        ["RoleSessionName=prober-1", "ExternalId=shared-id", "/us-east-1/sts/aws4_request"]
            .iter()
            .all(|part| request.rest.contains(part))
    });
    assert!(broker().is_none() || assumed, "{asked:?}");
}

#[test]
fn credentials_that_are_not_given_are_a_fault_of_ours_with_the_reason() {
    let denying =
        Server::start(|_| (403, refusal_as_xml("AccessDenied", "not authorized to perform sts:AssumeRole")));
    let stale = Server::start(|_| {
        (403, refusal_as_xml("ExpiredToken", "The security token included in the request is expired"))
    });
    let padding = " ".repeat(300 * 1024);
    let huge = Server::start(move |_| (200, key_as_json(&AccessKey::temporary(), HOUR) + &padding));
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("an address");
    let of_silence = with(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &format!("http://{address}/"))]);
    let quoting = Server::start(|_| (200, format!("{}]", key_as_json(&AccessKey::temporary(), HOUR))));
    let broken = Server::start(|_| (500, "oops".to_owned()));
    let expired = Server::start(|_| (200, key_as_json(&AccessKey::temporary(), Duration::ZERO)));
    let role = format!("aws.role.arn={ROLE}");
    let of_sts = |server: &Server| {
        let mut environment = AccessKey::permanent().environment(REGION);
        environment.push(("AWS_ENDPOINT_URL_STS", server.url()));
        environment
    };
    let of_container = |server: &Server| with(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &server.url())]);
    let table: [(Environment, &[&str], &[&str]); 8] = [
        (empty(), &[], &["none are in the environment, the profile"]),
        (
            of_sts(&denying),
            &[&role],
            &["for the role arn:aws:iam::123456789012:role/heartbeat", "AccessDenied"],
        ),
        (of_sts(&stale), &[&role], &["ExpiredToken"]),
        (of_container(&broken), &[], &["500"]),
        (of_container(&huge), &[], &["the answer is longer than 256 KiB"]),
        (of_silence, &[], &[]),
        (of_container(&quoting), &[], &["no credentials of AWS"]),
        (of_container(&expired), &[], &["the access key ASIAHEARTBEAT0000002 have expired"]),
    ];
    for (environment, others, reasons) in table {
        let Some(words) = fails(&environment, others) else { return };
        assert!(words.contains("stage sasl failed: aws_credentials"), "{words}");
        reasons.iter().for_each(|reason| assert!(words.contains(reason), "{reason}: {words}"));
        assert_no_secret(&words, &[AccessKey::permanent(), AccessKey::temporary()]);
    }
}

#[test]
fn credentials_that_are_refused_while_the_clock_is_wrong_are_a_fault_of_the_clock() {
    let role = format!("aws.role.arn={ROLE}");
    for (clock, side) in [(600, "ahead of"), (-600, "behind")] {
        let words = "Signature not yet current, or expired";
        let sts = Server::start_with_clock(clock, |_| (403, refusal_as_xml("SignatureDoesNotMatch", words)));
        let mut environment = AccessKey::permanent().environment(REGION);
        environment.push(("AWS_ENDPOINT_URL_STS", sts.url()));
        let Some(words) = fails(&environment, &[&role]) else { return };
        assert!(words.contains("stage sasl failed: clock"), "{words}");
        let difference = format!("{side} the clock of this machine");
        assert!(words.contains(&difference), "{difference}: {words}");
        assert_no_secret(&words, &[AccessKey::permanent()]);
    }
}

#[test]
fn program_of_a_profile_that_hangs_is_started_once() {
    let Some(broker) = broker() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (config, started) = (folder.path().join("config"), folder.path().join("started"));
    // The program ends by itself after the test.
    let program = format!("echo started >> {} && exec sleep 50", started.display());
    fs::write(&config, format!("[profile kafka]\ncredential_process = {program}\n")).expect("a file");
    let environment = with(&[("AWS_CONFIG_FILE", &config.display().to_string())]);
    let mut properties = properties(broker, IamListener::Plaintext);
    properties.push("aws.profile=kafka".to_owned());
    let service = service(&environment, &properties);
    wait_for("two renewals that fail", PATIENCE, || {
        let labels = ["kind=\"token\"", "result=\"aws_credentials\""];
        (service.sum("heartbeat_credential_renewals_total", &labels) > 1.5).then_some(())
    });
    let starts = fs::read_to_string(&started).expect("the program has started");
    assert_eq!(starts.lines().count(), 1, "{}", service.log());
}

#[test]
fn cluster_without_a_region_is_refused_with_the_remedy() {
    let mut environment = empty();
    environment.retain(|(name, _)| *name != "AWS_REGION");
    let Some(words) = fails(&environment, &[]) else { return };
    assert!(words.contains("aws.region: is missing: set it to the region of the cluster"), "{words}");
}

#[test]
fn environment_of_the_freshness_exporter_alone_watches_topics_of_msk() {
    let Some(broker) = broker() else { return };
    let key = AccessKey::temporary();
    let ca = broker.ca_pem_path().display().to_string();
    let mut environment = key.environment(REGION);
    environment.push(("KAFKA_HEARTBEAT__KAFKA__SSL_CA_LOCATION", ca));
    let of_topic =
        [&environment[..], &[("KAFKA_HEARTBEAT__HEARTBEAT__TOPIC", "pub-orders".to_owned())]].concat();
    is_well(&of_topic, &properties(broker, IamListener::Tls));
    environment.push(("KAFKA_BOOTSTRAP_SERVERS", broker.bootstrap(IamListener::Tls)));
    environment.push(("TOPIC_PREFIX", "pub-".to_owned()));
    let variables: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let exporter = Service::start_in(&variables, "");
    wait_for("the time of the last record", PATIENCE, || {
        exporter.series("topic_last_event_timestamp_seconds", &["topic=\"pub-orders\""])
    });
    assert_eq!(exporter.series("topic_metric_exporter_up", &[]), Some(1.0), "{}", exporter.log());
    let (_, log) = exporter.stop();
    assert_no_secret(&log, &[key]);
}
