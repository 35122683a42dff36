//! Reading the configuration again while the service runs, by SIGHUP and by `POST /-/reload`.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::OpenOptionsExt,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use support::{
    kafka::{Kafka, Listener},
    service::{Service, signal},
    wait_for,
};

#[expect(dead_code, reason = "each test binary uses a part of the support")]
mod support;

const PATIENCE: Duration = Duration::from_secs(30);

const SUCCESSFUL: &str = "heartbeat_config_last_reload_successful";
const HASH: &str = "heartbeat_config_hash";

/// A cluster that no broker answers for.
fn dead(name: &str) -> String {
    format!("[cluster:{name}]\nbootstrap.servers = 127.0.0.1:1\n")
}

/// Writes the configuration of a running service.
fn write(service: &Service, config: &str) {
    fs::write(service.folder().join("config.ini"), config).expect("a file");
}

/// The status and the text of the answer to `POST /-/reload` with these headers.
fn post(service: &Service, headers: &[(&str, &str)]) -> (u16, String) {
    post_to(service.address(), headers)
}

fn post_to(address: &str, headers: &[(&str, &str)]) -> (u16, String) {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(PATIENCE))
        .build()
        .into();
    let request = agent.post(format!("http://{address}/-/reload"));
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let mut answer = request.send_empty().expect("an answer");
    let text = answer.body_mut().read_to_string().expect("a text");
    (answer.status().as_u16(), text)
}

fn clusters(service: &Service) -> Vec<String> {
    let status = service.get("/api/v1/status").expect("the status");
    let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
    let clusters = status["clusters"].as_array().expect("a list of clusters");
    clusters.iter().map(|cluster| cluster["cluster"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn cluster_that_did_not_change_goes_on_while_others_are_added_changed_and_removed() {
    let Some(kafka) = Kafka::shared() else { return };
    let live = format!(
        "[cluster:live]\nbootstrap.servers = {}\nheartbeat.topic = reload\nheartbeat.interval = 100ms\n",
        kafka.bootstrap(Listener::Plaintext)
    );
    let service = Service::start(&format!("{live}{}", dead("old")));
    wait_for("good heartbeats", PATIENCE, || (service.totals("live").of("ok") >= 20).then_some(()));
    let (before, requests) = (service.totals("live"), service.sum("heartbeat_requests_total", &["\"live\""]));
    let hash = service.series(HASH, &[]).expect("a hash");

    write(&service, &format!("# a line that moves all others\n{}{live}", dead("new")));
    let (status, text) = post(&service, &[]);
    assert_eq!(status, 200, "{text}");
    assert_eq!(text, "added: new; removed: old; unchanged: live\n");
    assert_eq!(clusters(&service), ["live", "new"]);
    let after = service.totals("live");
    assert!(after.scheduled >= before.scheduled && after.of("ok") >= before.of("ok"), "{after:?}");
    assert!(service.sum("heartbeat_requests_total", &["\"live\""]) >= requests);
    assert!(service.series("heartbeat_scheduled_total", &["\"old\""]).is_none());
    assert_ne!(service.series(HASH, &[]).map(f64::to_bits), Some(hash.to_bits()));

    write(&service, &live.replace("100ms", "50ms"));
    let (status, text) = post(&service, &[]);
    assert_eq!((status, text.as_str()), (200, "removed: new; started again with new settings: live\n"));
    wait_for("good heartbeats after the change", PATIENCE, || {
        (service.totals("live").of("ok") >= 20).then_some(())
    });
    assert_eq!(service.totals("live").bad() + after.bad(), before.bad(), "{}", service.log());
    let (ended, _) = service.stop();
    assert!(ended.success());
}

#[test]
fn series_of_topics_carry_the_label_of_their_cluster_from_the_reload_that_adds_a_second_one() {
    let Some(kafka) = Kafka::shared() else { return };
    // Collected so rarely that the series written before the reload are still there after it.
    let live = format!(
        "[cluster:live]\nbootstrap.servers = {}\nheartbeat.topic = labels\nlag.interval = 20s\n",
        kafka.bootstrap(Listener::Plaintext)
    );
    let service = Service::start(&live);
    let series = || {
        let metrics = service.get("/metrics").expect("metrics");
        // The names of older programs have a label of their own for the cluster.
        let is_ours = |line: &&str| line.contains("topic=\"labels\"") && !line.contains("cluster_name=");
        let of_topics = metrics.lines().filter(is_ours);
        let (with, without): (Vec<_>, Vec<_>) =
            of_topics.map(str::to_owned).partition(|line| line.contains("kafka_cluster=\"live\""));
        (with, without)
    };
    let (_, before) = wait_for("series of topics without a cluster", PATIENCE, || {
        Some(series()).filter(|(_, without)| !without.is_empty())
    });
    write(&service, &format!("{live}{}", dead("new")));
    assert_eq!(post(&service, &[]), (200, "added: new; unchanged: live\n".to_owned()));
    let (with, without) = series();
    assert_eq!(without, Vec::<String>::new());
    assert!(with.len() >= before.len(), "{with:#?}");
}

#[test]
fn configuration_with_mistakes_changes_nothing_and_every_mistake_is_named() {
    let service = Service::start(&dead("one"));
    let hash = service.series(HASH, &[]);
    write(
        &service,
        "[cluster:two]\nbootstrap.servers = b:x\nsasl.password = hush-hush\nlingr.ms = 3\n[lag]\ninterval = often\n",
    );
    let (status, text) = post(&service, &[]);
    assert_eq!(status, 500, "{text}");
    for part in [
        "bootstrap.servers: expected host:port",
        "lingr.ms: librdkafka knows no such property",
        "[lag] interval",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("hush-hush"), "{text}");
    assert_eq!(clusters(&service), ["one"]);
    assert_eq!(service.series(SUCCESSFUL, &[]), Some(0.0));
    assert_eq!(service.series(HASH, &[]), hash);

    write(&service, &dead("two"));
    signal(service.pid(), "HUP");
    wait_for("the new cluster", PATIENCE, || (clusters(&service) == ["two"]).then_some(()));
    wait_for("the result", PATIENCE, || (service.series(SUCCESSFUL, &[]) == Some(1.0)).then_some(()));
    let (_, log) = service.stop();
    assert!(log.contains("the configuration was read again: added: two; removed: one"), "{log}");
    assert!(!log.contains("hush-hush"), "{log}");
}

#[test]
fn cluster_goes_on_when_only_the_file_of_its_password_has_changed() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("password");
    fs::write(&file, "first-password").expect("a file");
    let config = format!(
        "{}security.protocol = SASL_PLAINTEXT\nsasl.mechanism = PLAIN\nsasl.username = me\nsasl.password.file = {}\n",
        dead("one"),
        file.display()
    );
    let service = Service::start(&config);
    fs::write(&file, "second-password").expect("a file");
    assert_eq!(post(&service, &[]), (200, "unchanged: one\n".to_owned()));
    write(&service, &config.replace("username = me", "username = you"));
    assert_eq!(post(&service, &[]), (200, "started again with new settings: one\n".to_owned()));
}

#[test]
fn signal_ends_the_service_at_once_while_the_file_system_does_not_answer_a_reload() {
    let service = Service::start(&dead("one"));
    let file = service.folder().join("config.ini");
    fs::remove_file(&file).expect("a file");
    // Reading a pipe waits until the writer closes it.
    let made = Command::new("mkfifo").arg(&file).status().expect("mkfifo");
    assert!(made.success());
    let address = service.address().to_owned();
    let asked = thread::spawn(move || post_to(&address, &[]));
    let mut options = fs::OpenOptions::new();
    options.write(true).custom_flags(libc::O_NONBLOCK);
    let _writer = wait_for("the service to read the pipe", PATIENCE, || options.open(&file).ok());
    let begun = Instant::now();
    let (ended, log) = service.stop();
    assert_eq!(ended.code(), Some(0), "{log}");
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}: {log}", begun.elapsed());
    let (status, text) = asked.join().expect("no panic");
    assert_eq!((status, text.as_str()), (503, "the service does not take a reload now\n"));
}

#[test]
fn reload_is_refused_while_the_service_stops() {
    // The last export waits for a collector that never answers.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let collector = silent.local_addr().expect("an address");
    let service = Service::start(&format!("{}[otlp]\nendpoint = http://{collector}\n", dead("one")));
    wait_for("every task to have tried", PATIENCE, || service.get("/readyz").ok());
    signal(service.pid(), "TERM");
    wait_for("the service to stop", PATIENCE, || service.get("/readyz").is_err().then_some(()));
    let begun = Instant::now();
    let (status, text) = post(&service, &[]);
    assert_eq!((status, text.as_str()), (503, "the service does not take a reload now\n"));
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[test]
fn changed_modules_of_probe_are_used_from_the_reload_on_and_mistakes_in_them_change_nothing() {
    let module =
        |name: &str, keys: &str| format!("{}[module:{name}]\ntargets = 127.0.0.1:1\n{keys}", dead("one"));
    let service = Service::start(&module("before", ""));
    let probe = |module: &str| {
        let answer = service.request(&format!("/probe?target=127.0.0.1:1&module={module}"), "*/*");
        let (status, _, body) = answer.expect("an answer");
        (status, body)
    };
    let (status, body) = probe("before");
    assert!(status == 200 && body.contains("probe_success 0\n"), "{body}");
    assert!(body.contains("probe_failed_stage{stage=\"tcp\",fault=\"refused\"} 1\n"), "{body}");

    write(&service, &module("after", "sasl.usrname = me\nsecurity.protocol = sasl_ssl\ntimeout = 2m\n"));
    let (status, words) = post(&service, &[]);
    assert_eq!(status, 500, "{words}");
    for part in [
        "[module:after] timeout: expected a duration of at most 60s",
        "[module:after] sasl.usrname: librdkafka knows no such property: did you mean sasl.username?",
        "[module:after] sasl.mechanism: is missing",
    ] {
        assert!(words.contains(part), "{part}: {words}");
    }
    assert_eq!(probe("before").0, 200, "the modules before stay in use");

    write(&service, &module("after", ""));
    let (status, words) = post(&service, &[]);
    assert_eq!((status, words.as_str()), (200, "unchanged: one; changed: the modules of /probe\n"));
    assert_eq!((probe("before").0, probe("after").0), (400, 200));
    assert_eq!(post(&service, &[]), (200, "unchanged: one\n".to_owned()));
    service.stop();
}

#[test]
fn section_that_needs_a_restart_is_named() {
    let service = Service::start(&dead("one"));
    write(&service, &format!("{}[log]\nlevel = debug\n[http]\nconnections = 77\n", dead("one")));
    let (status, text) = post(&service, &[]);
    assert_eq!(status, 200, "{text}");
    assert_eq!(text, "unchanged: one; used after a restart of the service: [http], [log]\n");
}

#[test]
fn reload_needs_the_login_and_comes_from_no_page_of_a_browser() {
    let login = "[http]\nbasic.username = me\nbasic.password = open-sesame\n";
    let service = Service::start_guarded(&format!("{}{login}", dead("one")));
    assert_eq!(post(&service, &[]).0, 401);
    let basic = ("authorization", "Basic bWU6b3Blbi1zZXNhbWU=");
    assert_eq!(post(&service, &[basic, ("origin", "http://elsewhere.example")]).0, 403);
    assert_eq!(post(&service, &[basic]), (200, "unchanged: one\n".to_owned()));
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let url = format!("http://{}/-/reload", service.address());
    let answer = agent.get(url).header(basic.0, basic.1).call().expect("an answer");
    assert_eq!(answer.status().as_u16(), 405);
    assert_eq!(answer.headers().get("allow").map(|allow| allow.as_bytes()), Some(&b"POST"[..]));
}

#[test]
fn cluster_whose_file_appears_in_the_directory_is_watched_and_a_wrong_file_spoils_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let add = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("a file");
    add("one.ini", &dead("one"));
    let service = Service::start(&format!("[clusters]\ndirectory = {}\n", folder.path().display()));
    assert_eq!(clusters(&service), ["one"]);
    assert_eq!(service.series(SUCCESSFUL, &[]), Some(1.0));

    add("two.ini", &dead("two"));
    wait_for("the second cluster", PATIENCE, || (clusters(&service) == ["one", "two"]).then_some(()));
    assert_eq!(service.series(SUCCESSFUL, &[]), Some(1.0));

    // One file with an unknown key, and one with a property that librdkafka refuses.
    add("three.ini", "[cluster:three]\nbootstrap.servers = 127.0.0.1:1\nheartbeat.intervall = 1s\n");
    add("four.ini", "[cluster:four]\nbootstrap.servers = 127.0.0.1:1\nsocket.timeout.ms = soon\n");
    add("five.ini", &dead("five"));
    wait_for("the fifth cluster", PATIENCE, || (clusters(&service) == ["five", "one", "two"]).then_some(()));
    assert_eq!(service.series(SUCCESSFUL, &[]), Some(0.0), "two files are not used");
    let log = service.log();
    for words in ["three.ini:3: [cluster:three] heartbeat.intervall: unknown key", "four.ini:3: "] {
        assert!(log.contains(words), "{words}: {log}");
    }

    for name in ["one.ini", "three.ini", "four.ini"] {
        fs::remove_file(folder.path().join(name)).expect("a file");
    }
    wait_for("the end of the first cluster", PATIENCE, || {
        (clusters(&service) == ["five", "two"]).then_some(())
    });
    wait_for("a configuration without mistakes", PATIENCE, || {
        (service.series(SUCCESSFUL, &[]) == Some(1.0)).then_some(())
    });
}
