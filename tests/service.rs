//! The program as a whole, without any Kafka: commands, exit codes, signals, the demo.

use std::{
    fs,
    io::Read,
    net::TcpListener,
    os::unix::net::UnixDatagram,
    process::{Child, Command, Output, Stdio},
    time::{Duration, SystemTime},
};

use serde_json::Value;
use support::{
    certs::Authority,
    kafka::Kafka,
    service::{Service, free_port, program, signal},
    wait_for,
};

#[expect(dead_code, reason = "each test binary uses a part of the support")]
mod support;

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    run_with(arguments, &[])
}

fn run_with(arguments: &[&str], env: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let output = program().args(arguments).envs(env.iter().copied()).output();
    let Output { status, stdout, stderr } = output.expect("the program runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (status.code(), text(stdout), text(stderr))
}

fn dead(extra: &str) -> String {
    format!("[kafka]\nname = k\nbootstrap.servers = {}\n{extra}", Kafka::dead_bootstrap())
}

#[test]
fn bad_configuration_is_reported_completely_and_ends_with_78() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config.ini");
    fs::write(&file, "[kafka]\nbootstrap.servers = b:1\nsecurity.protocol = SASL_SSL\nsasl.password = hush\nlingr.ms = 3\n[topic]\npartitions = many\n").expect("a file");
    let file = file.to_str().expect("UTF-8");
    for arguments in [
        vec!["check-config", file],
        vec!["--config", file],
        vec!["run", "--config", file],
        vec!["probe", "--config", file],
    ] {
        let (code, _, errors) = run(&arguments);
        assert_eq!(code, Some(78), "{arguments:?}: {errors}");
        for part in [
            "config.ini:5: lingr.ms: librdkafka knows no such property: did you mean linger.ms?",
            "config.ini:7: [topic] partitions: expected auto or a number, found \"many\"",
            "sasl.mechanism: is missing",
            "sasl.username: is missing",
        ] {
            assert!(errors.contains(part), "{arguments:?}: {errors}");
        }
        assert_eq!(errors.lines().count(), 4, "each error is reported once: {errors}");
        assert!(!errors.contains("hush"), "{errors}");
    }
    let (code, _, errors) = run(&["check-config", "/nowhere.ini"]);
    assert!(errors.starts_with("/nowhere.ini: cannot read the configuration: "), "{errors}");
    assert_eq!((code, errors.lines().count()), (Some(78), 1), "only that: {errors}");
    let (code, _, errors) = run(&[]);
    assert!(
        code == Some(78) && errors.contains("or with --bootstrap-servers") && errors.contains("Usage:"),
        "{errors}"
    );
    let env = [("KAFKA_HEARTBEAT__KAFKA__SECURITY_PROTOCOL", "SASL_TLS")];
    let (code, _, errors) = run_with(&[], &env);
    let allowed = "security.protocol: librdkafka refuses the value: expected plaintext, ssl, sasl_plaintext or sasl_ssl";
    assert!(code == Some(78) && errors.contains(allowed) && !errors.contains("Usage:"), "{errors}");
    assert_eq!(run(&["--nonsense"]).0, Some(2));
}

#[test]
fn print_config_prints_values_and_sources_without_secrets() {
    let (code, printed, _) = run(&["-b", "b:1", "-X", "sasl.password=hush", "--print-config"]);
    assert_eq!(code, Some(0));
    assert!(printed.contains("\n; -X\nsasl.password = ***\n"), "{printed}");
    assert!(printed.contains("\n[heartbeat]\n; default\nenabled = true\n"), "{printed}");
    assert!(printed.contains("\n; default\ninterval = 1s\n"), "{printed}");
    assert!(!printed.contains("hush"));
    let (code, version, _) = run(&["--version"]);
    assert!(
        code == Some(0) && version.starts_with("kafka-heartbeat ") && version.contains("librdkafka 2."),
        "{version}"
    );
}

#[test]
fn port_in_use_ends_with_71_and_a_remedy() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let (code, _, errors) = run(&["-b", "127.0.0.1:1", "--listen", &address]);
    assert_eq!(code, Some(71), "{errors}");
    assert!(errors.contains(&address) && errors.contains("--listen"), "{errors}");
    let (code, words, errors) = run(&["demo", "--listen", &address]);
    assert_eq!(code, Some(71), "{errors}");
    assert!(errors.contains(&address) && errors.contains("--listen"), "{errors}");
    assert_eq!(words, "", "no cluster is started for nothing");
}

#[test]
fn healthcheck_without_url_asks_the_service_that_has_its_configuration() {
    let service = Service::start(&dead(""));
    let mut check = program();
    check.args(["healthcheck", "--config", "/etc/kafka-heartbeat/there-is-none.ini"]);
    check.env("KAFKA_HEARTBEAT__HTTP__LISTEN", service.address().replace("127.0.0.1", "0.0.0.0"));
    let answer = check.output().expect("the program runs");
    assert!(answer.status.success(), "{answer:?}");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config.ini");
    fs::write(&file, format!("[http]\nlisten = {}\n", service.address())).expect("a file");
    let file = file.to_str().expect("UTF-8");
    assert_eq!(run(&["healthcheck", "--config", file]).0, Some(0));
    let address = service.address().to_owned();
    drop(service);
    let (code, _, errors) = run(&["healthcheck", "--config", file]);
    assert_eq!(code, Some(69));
    assert!(errors.contains(&address), "{errors}");
}

#[test]
fn service_without_kafka_is_ready_counts_bad_heartbeats_and_ends_with_0_on_a_signal() {
    let fast = "[heartbeat]\ninterval = 100ms\ndeadline = 1s\n[connectivity]\ninterval = 1s\n[metadata]\ninterval = 1s\n[topic]\ninterval = 1s\n";
    let service = Service::start_promptly(&dead(fast));
    let totals = service.wait("k", "bad heartbeats", 10, |totals| totals.of("unsent") >= 10);
    assert_eq!((totals.of("ok"), totals.bad_events), (0, totals.events));
    assert_eq!(service.get("/livez").as_deref(), Ok("ok\n"));
    wait_for("every task to have tried", Duration::from_secs(10), || service.get("/readyz").ok());
    let reasons = service.api("/api/v1/status", "k")["reasons"].to_string();
    assert!(reasons.contains("refused"), "{reasons}");
    for absent in [
        "heartbeat_brokers",
        "heartbeat_topic_ready",
        "heartbeat_last_success_timestamp_seconds",
        "heartbeat_controller",
    ] {
        assert_eq!(service.series(absent, &[]), None, "{absent} was never measured");
    }
    let url = format!("http://{}/livez", service.address());
    assert_eq!(run(&["healthcheck", "--url", &url]), (Some(0), "ok\n".to_owned(), String::new()));
    let (ended, log) = service.stop();
    assert_eq!(ended.code(), Some(0), "{log}");
    assert!(log.contains("check the port, and whether the broker runs"), "{log}");
    assert!(
        !log.contains("before the first metadata"),
        "tasks that wait for the metadata add no lines: {log}"
    );
    assert_eq!(run(&["healthcheck", "--url", &url]).0, Some(69));
}

#[test]
fn probe_sends_heartbeats_where_the_service_does_not() {
    let mut probe = program();
    probe.env("KAFKA_HEARTBEAT__HEARTBEAT__ENABLED", "false");
    probe.args(["probe", "--count", "2", "--deadline", "500ms", "--format", "json", "-b"]);
    let Output { status, stdout, stderr } =
        probe.arg(Kafka::dead_bootstrap()).output().expect("the program runs");
    let report: Value = serde_json::from_slice(&stdout).expect("JSON");
    let errors = String::from_utf8_lossy(&stderr);
    assert_eq!(status.code(), Some(69), "{errors}");
    assert_eq!(report["clusters"][0]["outcomes"]["unsent"], 2, "{report:#}{errors}");
}

#[test]
fn json_log_has_one_object_on_each_line() {
    let service = Service::start(&dead("[log]\nformat = json\n[metadata]\ninterval = 1s\n"));
    wait_for("a warning", Duration::from_secs(10), || service.log().contains("\"WARN\"").then_some(()));
    for line in service.log().lines() {
        let object: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(object["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')), "{line}");
    }
}

/// The demo, as a user starts it; dropping it kills it.
struct Demo {
    child: Child,
    address: String,
}

impl Demo {
    fn start(command: &mut Command, address: String) -> Self {
        let command = command.stdout(Stdio::piped()).stderr(Stdio::null());
        Self { child: command.spawn().expect("the program runs"), address }
    }

    /// What the API reports of the cluster of the demo; absent until the API answers.
    fn cluster(&self, path: &str) -> Option<Value> {
        let mut answer = ureq::get(format!("http://{}{path}", self.address)).call().ok()?;
        let mut answer: Value = serde_json::from_str(&answer.body_mut().read_to_string().ok()?).ok()?;
        Some(answer["clusters"][0].take())
    }

    /// Ends the demo with SIGTERM, and returns its standard output.
    fn stop(mut self) -> String {
        signal(self.child.id(), "TERM");
        let ended = wait_for("the demo to end", Duration::from_secs(15), || {
            self.child.try_wait().expect("the state of the process can be read")
        });
        assert_eq!(ended.code(), Some(0));
        let mut words = String::new();
        self.child.stdout.take().expect("a pipe").read_to_string(&mut words).expect("UTF-8");
        words
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        if self.child.try_wait().expect("the state of the process can be read").is_none() {
            self.child.kill().expect("the process can be killed");
            self.child.wait().expect("the process has ended");
        }
    }
}

#[test]
fn demo_without_faults_shows_lag_and_freshness_and_ends_with_a_signal() {
    let address = format!("127.0.0.1:{}", free_port());
    let demo = Demo::start(program().args(["demo", "--listen", &address]), address.clone());
    let heartbeats = wait_for("20 good heartbeats", Duration::from_secs(30), || {
        let heartbeats = demo.cluster("/api/v1/status")?["heartbeats"].take();
        (heartbeats["outcomes"]["ok"].as_u64()? >= 20).then_some(heartbeats)
    });
    assert_eq!(heartbeats["slo_bad_events"], 0, "{heartbeats}");
    let find = |path: &str, kind: &str, name: &str| {
        let mut answer = demo.cluster(path)?;
        let all = answer[kind].as_array_mut()?;
        all.iter_mut().find(|one| one[&kind[..kind.len() - 1]] == name).map(Value::take)
    };
    let group =
        |name: &str| wait_for(name, Duration::from_secs(30), || find("/api/v1/groups", "groups", name));
    let (keeps_up, behind, lost) = (group("billing"), group("reports"), group("archive"));
    assert!(keeps_up["lag"].as_i64() <= Some(10), "{keeps_up}");
    assert!(
        behind["lag"].as_i64() >= Some(100) && behind["time_lag"]["seconds"].as_f64() >= Some(300.0),
        "{behind}"
    );
    assert!(lost["time_lag"]["seconds"].as_f64() >= Some(1.0), "never 0: {lost}");
    let metrics =
        ureq::get(format!("http://{address}/metrics")).call().expect("metrics").body_mut().read_to_string();
    let metrics = metrics.expect("UTF-8");
    let family = "kafka_consumergroup_group_messages_lost{cluster_name=\"demo\",group=\"archive\"";
    let records =
        metrics.lines().find(|line| line.starts_with(family)).and_then(|line| line.rsplit(' ').next());
    assert!(
        records.is_some_and(|records| records.parse::<f64>().is_ok_and(|records| records > 0.0)),
        "{records:?}"
    );
    let stale = find("/api/v1/topics", "topics", "audit").expect("a topic");
    let last: humantime::Timestamp = stale["last_event"].as_str().expect("a time").parse().expect("a time");
    assert!(last.elapsed().expect("in the past") >= Duration::from_secs(3 * 3600), "{stale}");
    let read_again = ureq::post(format!("http://{address}/-/reload")).send_empty().expect("a reload");
    let changes = read_again.into_body().read_to_string().expect("UTF-8");
    assert_eq!(changes, "unchanged: demo\n");
    let words = demo.stop();
    assert!(words.contains(&format!("the page: http://{address}/")), "{words}");
}

#[test]
fn demo_with_faults_has_slow_heartbeats_and_listens_at_the_address_of_the_environment() {
    let address = format!("127.0.0.1:{}", free_port());
    let mut program = program();
    program.args(["demo", "--faults"]).env("KAFKA_HEARTBEAT__HTTP__LISTEN", &address);
    let demo = Demo::start(&mut program, address);
    // A few are slow while it starts. After 15 s broker 2 takes 600 ms for a request, for 12 s.
    let slow = |partition: &Value| {
        let slow = |beat: &&Value| beat["bad"] == true || beat["end_to_end_seconds"].as_f64() >= Some(0.6);
        partition["beats"].as_array().map_or(0, |beats| beats.iter().filter(slow).count())
    };
    wait_for("slow heartbeats over broker 2 alone", Duration::from_secs(35), || {
        let heartbeats = demo.cluster("/api/v1/heartbeats")?;
        let [one, two, three] = heartbeats["partitions"].as_array()?.as_slice() else { return None };
        (two["leader"] == 2 && slow(two) >= 5 && slow(one).max(slow(three)) < 5).then_some(())
    });
    demo.stop();
}

#[test]
fn systemd_is_notified_of_start_watchdog_and_stop_without_kafka() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a limit");
    let notified = |wanted: &str| {
        let mut buffer = [0; 4096];
        loop {
            let length =
                socket.recv(&mut buffer).unwrap_or_else(|error| panic!("waiting for {wanted}: {error}"));
            let words = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if words.lines().any(|line| line == wanted) {
                return words;
            }
        }
    };
    let environment = [("NOTIFY_SOCKET", path.to_str().expect("UTF-8")), ("WATCHDOG_USEC", "900000")];
    let service = Service::start_in(&environment, &dead(""));
    assert!(notified("READY=1").contains("STATUS=listening on http://"));
    notified("WATCHDOG=1");
    notified("WATCHDOG=1");
    let (ended, log) = service.stop();
    assert!(ended.success(), "{log}");
    notified("STOPPING=1");
}

#[test]
fn http_requires_tls_and_a_login_where_they_are_configured() {
    let folder = tempfile::tempdir().expect("a folder");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    fs::write(&certificate, made.cert.pem()).expect("a file");
    fs::write(&key, made.signing_key.serialize_pem()).expect("a file");
    let service = Service::start_guarded(
        "[kafka]\nbootstrap.servers = 127.0.0.1:1\n[http]\nbasic.username = ann\nbasic.password = hush\n",
    );
    let ask = |path: &str, login: Option<&str>| {
        let request = ureq::get(format!("http://{}{path}", service.address()));
        let request = match login {
            Some(login) => request.header("authorization", login),
            None => request,
        };
        request.config().http_status_as_error(false).build().call().expect("an answer").status().as_u16()
    };
    let known = "Basic YW5uOmh1c2g=";
    assert_eq!(
        [ask("/metrics", None), ask("/", None), ask("/api/v1/status", Some("Basic YW5uOng="))],
        [401; 3]
    );
    assert_eq!(
        [ask("/metrics", Some(known)), ask("/metrics", Some(&known.replace("Basic", "basic")))],
        [200; 2]
    );
    assert_eq!([ask("/livez", None), ask("/health", None)], [200; 2], "an orchestrator cannot log in");
    service.stop();
    let service = Service::start_guarded(&format!(
        "[kafka]\nbootstrap.servers = 127.0.0.1:1\n[http]\ntls.certificate = {}\ntls.key = {}\n",
        certificate.display(),
        key.display()
    ));
    let livez =
        |scheme: &str| run(&["healthcheck", "--url", &format!("{scheme}://{}/livez", service.address())]).0;
    assert_eq!((livez("https"), livez("http")), (Some(0), Some(69)));
    service.stop();
}

#[test]
fn own_certificates_are_exposed_with_their_expiry_and_an_early_expiry_is_logged() {
    const DAY: Duration = Duration::from_secs(86_400);
    let authority = Authority::new("ours");
    let folder = tempfile::tempdir().expect("a folder");
    // 20 days are time enough; a client's certificate of the support lasts a day.
    let (http, client) = (authority.server(20 * DAY), authority.client("us"));
    let (http, client) = (http.write(folder.path(), "http"), client.write(folder.path(), "client"));
    let (certificate, key) = (client.certificate.display(), client.key.display());
    let ca = folder.path().join("ca.pem");
    fs::write(&ca, authority.pem()).expect("a file");
    let settings = dead(&format!(
        "security.protocol = ssl\nssl.ca.location = {}\nssl.certificate.location = {certificate}\n\
         ssl.key.location = {key}\n[otlp]\nendpoint = https://127.0.0.1:1\ntls.certificate = {certificate}\n\
         tls.key = {key}\ntraces.enabled = false\n",
        ca.display(),
    ));
    let service = Service::start(&settings);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs_f64();
    let left = |labels: &[&str]| {
        Some((service.series("heartbeat_own_certificate_expiry_timestamp_seconds", labels)? - now) / 86_400.0)
    };
    for labels in [&["use=\"kafka\"", "kafka_cluster=\"k\""][..], &["use=\"otlp_metrics\""]] {
        assert!(
            left(labels).is_some_and(|left| (0.9..1.1).contains(&left)),
            "{labels:?}: {:?}",
            left(labels)
        );
    }
    assert_eq!(
        (left(&["use=\"http\""]), left(&["use=\"otlp_traces\""])),
        (None, None),
        "none is used for that"
    );
    let secure = Service::start_guarded(&format!(
        "{settings}[http]\ntls.certificate = {}\ntls.key = {}\n",
        http.certificate.display(),
        http.key.display(),
    ));
    let log = secure.log();
    let lines = |words: &str, purpose: &str| {
        let purpose = format!("use=\"{purpose}\"");
        log.lines().filter(|line| line.contains(words) && line.contains(&purpose)).count()
    };
    for (purpose, soon) in [("kafka", 1), ("http", 0), ("otlp_metrics", 1)] {
        assert_eq!(lines("read a certificate that this service presents", purpose), 1, "{purpose}: {log}");
        assert_eq!(lines("our own certificate expires soon", purpose), soon, "{purpose}: {log}");
    }
}
