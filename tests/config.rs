//! The configuration as a user meets it: files, environment, flags, all errors at once, and what is printed.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use kafka_heartbeat::{
    config::{self, Compression, Config, Histograms, Protocol, Sources, Temporality, load},
    kafka::{native, wire},
};

fn sources(text: &str, env: &[(&str, &str)]) -> (tempfile::TempDir, Sources) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config.ini");
    std::fs::write(&file, text).expect("a file");
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    (folder, Sources { file: Some(file), env, ..Sources::default() })
}

fn read(text: &str, env: &[(&str, &str)]) -> Result<Config, String> {
    let (folder, sources) = sources(text, env);
    load(&sources).map_err(|errors| errors.to_string().replace(&format!("{}/", folder.path().display()), ""))
}

const LEAST: &str = "[kafka]\nbootstrap.servers = b:9092\n";

#[test]
fn example_gives_every_default() {
    let config = read(LEAST, &[]).expect("valid");
    let cluster = &config.clusters[0];
    assert_eq!((config.clusters.len(), cluster.name.as_str()), (1, "default"));
    assert_eq!(cluster.heartbeat.topic, "kafka-heartbeat");
    let seconds = |seconds| Duration::from_secs(seconds);
    let heartbeat = &cluster.heartbeat;
    assert_eq!(
        (heartbeat.interval, heartbeat.deadline, heartbeat.horizon),
        (seconds(1), seconds(10), seconds(120))
    );
    assert_eq!(heartbeat.objectives.len(), 3);
    assert!(!heartbeat.instance.is_empty() && heartbeat.instance != "auto");
    assert_eq!((cluster.topic.partitions, cluster.topic.replication_factor), (None, None));
    assert!(cluster.topic.create && cluster.topic.expand && !cluster.topic.rebalance);
    assert_eq!(config.http.listen.to_string(), "127.0.0.1:8080");
    assert!(config.compat.cc_heartbeat && config.labels.is_empty());
}

#[test]
fn later_source_wins_over_earlier_ones() {
    let text = "[kafka]\nbootstrap.servers = b:1\n[heartbeat]\ninterval = 2s\ntopic = file\ndeadline = 3s\n";
    let env = [
        ("KAFKA_HEARTBEAT__HEARTBEAT__TOPIC", "env"),
        ("KAFKA_HEARTBEAT__HEARTBEAT__PAYLOAD_BYTES", "128"),
        ("KAFKA_HEARTBEAT__KAFKA__SASL_PASSWORD", "hush"),
        ("KAFKA_HEARTBEAT__KAFKA__LOG_LEVEL", "5"),
        ("KAFKA_HEARTBEAT__HTTP__LISTEN", "127.0.0.1:1"),
        ("LOG_LEVEL", "debug"),
    ];
    let (_folder, mut sources) = sources(text, &env);
    sources.listen = Some("127.0.0.1:2".to_owned());
    sources.bootstrap = Some("flag:9".to_owned());
    sources.properties = vec![("client.id".to_owned(), "me".to_owned())];
    let config = load(&sources).expect("valid");
    let cluster = &config.clusters[0];
    assert_eq!((cluster.heartbeat.topic.as_str(), cluster.heartbeat.payload_bytes), ("env", 128));
    assert_eq!(
        (cluster.heartbeat.interval, cluster.heartbeat.deadline),
        (Duration::from_secs(2), Duration::from_secs(3))
    );
    let kafka = |key| cluster.kafka.get(key);
    assert_eq!(kafka("bootstrap.servers"), Some("flag:9"));
    assert_eq!(
        (kafka("client.id"), kafka("sasl.password"), kafka("log_level")),
        (Some("me"), Some("hush"), Some("5"))
    );
    assert_eq!((config.http.listen.port(), config.log.level.as_str()), (2, "debug"));
}

#[test]
fn errors_are_reported_in_one_run_each_with_its_line_and_a_remedy() {
    let text = "\
[kafka]
bootstrap.servers = b:1
[heartbeat]
intervall = 1s
interval = 30
deadline = 3m
enabled = yes
topic = no blanks
[hearbeat]
x = 1
[topic]
partitions = many
[log]
format = xml
[http]
listen = nowhere
[labels]
partition = 1
9 = x
";
    let errors = read(text, &[("KAFKA_HEARTBEAT__TOPIC__CREAT", "true")]).expect_err("much is wrong");
    let expected = [
        "config.ini:4: [heartbeat] intervall: unknown key: did you mean interval?",
        "config.ini:5: [heartbeat] interval: expected a duration such as 250ms, 10s or 5m, found \"30\"",
        "config.ini:6: [heartbeat] horizon (2m) must be longer than the deadline (3m)",
        "config.ini:7: [heartbeat] enabled: expected true or false, found \"yes\"",
        "config.ini:8: [heartbeat] topic: \"no blanks\" is no legal topic name: letters, digits, . _ and -",
        "config.ini:10: [hearbeat] x: unknown section: did you mean heartbeat?",
        "config.ini:12: [topic] partitions: expected auto or a number, found \"many\"",
        "config.ini:14: [log] format: expected text or json, found \"xml\"",
        "config.ini:16: [http] listen: expected an address such as 127.0.0.1:8080, found \"nowhere\"",
        "config.ini:18: [labels] partition: our series carry this label already; choose another",
        "config.ini:19: [labels] 9: a label is letters, digits and _, and does not begin with a digit or __",
        "environment KAFKA_HEARTBEAT__TOPIC__CREAT: [topic] creat: unknown key: did you mean create?",
    ];
    assert_eq!(errors.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn file_that_cannot_be_read_is_the_only_error() {
    let missing = Sources {
        file: Some(PathBuf::from("/nowhere.ini")),
        env: BTreeMap::from([("KAFKA_HEARTBEAT__TOPIC__CREAT".to_owned(), "true".to_owned())]),
        ..Sources::default()
    };
    let errors = load(&missing).expect_err("no file").to_string();
    assert!(errors.starts_with("/nowhere.ini: cannot read the configuration: "), "{errors}");
    assert_eq!(errors.lines().count(), 1, "{errors}");
    assert!(config::read(&missing).is_err(), "nothing else is checked");
}

#[test]
fn rule_across_keys_names_the_line_of_the_key_that_is_set() {
    let errors = |text: &str| read(text, &[]).expect_err("a broken rule");
    let horizon = "horizon (5s) must be longer than the deadline (10s)";
    assert_eq!(
        errors(&format!("{LEAST}[heartbeat]\nhorizon = 5s\n")),
        format!("config.ini:4: [heartbeat] {horizon}")
    );
    let clusters = "[cluster:a]\nbootstrap.servers = a:1\n[cluster:b]\nbootstrap.servers = b:1\nheartbeat.horizon = 5s\n";
    assert_eq!(errors(clusters), format!("config.ini:5: cluster b: [heartbeat] {horizon}"));
    let env = [("KAFKA_HEARTBEAT__HEARTBEAT__DEADLINE", "4m")];
    let variable = read(LEAST, &env).expect_err("a broken rule");
    let expected =
        "environment KAFKA_HEARTBEAT__HEARTBEAT__DEADLINE: [heartbeat] horizon (2m) must be longer";
    assert!(variable.starts_with(expected), "{variable}");
}

#[test]
fn clusters_share_the_properties_of_kafka_and_override_them() {
    let text = "\
[kafka]
security.protocol = SSL
topic.metadata.refresh.interval.ms = 9000
[heartbeat]
interval = 2s
[cluster:eu]
bootstrap.servers = eu:1
heartbeat.interval = 500ms
producer.linger.ms = 3
topic.metadata.refresh.interval.ms = 8000
[cluster:us]
bootstrap.servers = us:1
topic.create = false
";
    let config = read(text, &[]).expect("valid");
    let [eu, us] = &config.clusters[..] else { panic!("two clusters, not {}", config.clusters.len()) };
    assert_eq!((eu.name.as_str(), us.name.as_str()), ("eu", "us"));
    assert_eq!(
        (eu.heartbeat.interval, us.heartbeat.interval),
        (Duration::from_millis(500), Duration::from_secs(2))
    );
    assert_eq!((eu.producer.get("linger.ms"), us.producer.get("linger.ms")), (Some("3"), None));
    assert!(eu.topic.create && !us.topic.create);
    for (cluster, refresh) in [(eu, "8000"), (us, "9000")] {
        assert_eq!(cluster.kafka.get("security.protocol"), Some("SSL"));
        assert_eq!(
            cluster.kafka.get("topic.metadata.refresh.interval.ms"),
            Some(refresh),
            "a property, not a task's key"
        );
    }
}

#[test]
fn cc_heartbeat_file_is_read_unchanged() {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/cc-heartbeat.ini");
    let env = BTreeMap::from([("CC_SECRET".to_owned(), "hush".to_owned())]);
    let config = load(&Sources { file: Some(file), env, ..Sources::default() }).expect("valid");
    let cluster = &config.clusters[0];
    assert_eq!(cluster.heartbeat.topic, "cc-heartbeat");
    assert_eq!(cluster.heartbeat.interval, Duration::from_secs(1));
    assert_eq!(cluster.topic.interval, Duration::from_secs(3600));
    assert_eq!(cluster.metadata.interval, Duration::from_secs(60));
    let connectivity = &cluster.connectivity;
    assert_eq!(
        (connectivity.interval, connectivity.timeout),
        (Duration::from_secs(2), Duration::from_secs(2))
    );
    assert_eq!(config.http.listen.to_string(), "127.0.0.1:8080");
    assert_eq!((config.log.level.as_str(), cluster.kafka.get("sasl.password")), ("info", Some("hush")));
    assert_eq!(cluster.producer.get("linger.ms"), Some("2"));
    assert!(wire::Client::from_properties(&cluster.name, &cluster.kafka).is_ok());
    assert_eq!(native::check(cluster), []);
}

#[test]
fn transactional_id_in_any_section_of_properties_is_refused_with_its_line() {
    let text = "[kafka]\nbootstrap.servers = b:1\ntransactional.id = a\n[producer]\ntransactional.id = b\n\
                [consumer]\ntransactional.id = c\n";
    let config = read(text, &[]).expect("valid");
    let refused: Vec<_> = native::check(&config.clusters[0]).iter().map(ToString::to_string).collect();
    assert_eq!(refused.len(), 3, "{refused:?}");
    for (line, refused) in [3, 5, 7].into_iter().zip(refused) {
        let words = format!(
            "config.ini:{line}: transactional.id: heartbeats are not transactional: remove the property"
        );
        assert!(refused.ends_with(&words), "{refused}");
    }
}

#[test]
fn secrets_are_read_from_files_and_printed_nowhere() {
    let folder = tempfile::tempdir().expect("a folder");
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "hush-1\n").expect("a file");
    let text = format!(
        "[kafka]\nbootstrap.servers = b:1\nsecurity.protocol = SASL_PLAINTEXT\nsasl.mechanism = PLAIN\nsasl.username = u\nsasl.password.file = {}\nssl.key.password = hush-2\n[producer]\nsasl.oauthbearer.client.secret = hush-3\nbatch.sise = 1\n",
        secret.display()
    );
    let config = read(&text, &[]).expect("valid");
    let cluster = &config.clusters[0];
    assert_eq!(cluster.kafka.get("sasl.password"), Some("hush-1"));
    let refused: Vec<_> = native::check(cluster).iter().map(ToString::to_string).collect();
    let expected = [
        "config.ini:10: batch.sise: librdkafka knows no such property: did you mean batch.size?",
        "config.ini:9: sasl.oauthbearer.client.secret: set it in [kafka]: both clients use the tokens of one source",
    ];
    assert_eq!(refused.len(), expected.len(), "{refused:?}");
    assert!(refused.iter().zip(expected).all(|(found, wanted)| found.ends_with(wanted)), "{refused:?}");
    let printed = format!("{config:?}\n{}\n{refused:?}", config.listing());
    assert!(!printed.contains("hush"), "{printed}");
    assert!(config.listing().contains("sasl.password = ***"));
    let missing = read("[kafka]\nsasl.password.file = /nowhere\nsasl.password2 = ${NOT_SET}hush\n", &[])
        .expect_err("no file");
    assert!(
        missing.contains("config.ini:2: [kafka] sasl.password.file: cannot read /nowhere: "),
        "{missing}"
    );
    assert!(
        missing.contains("config.ini:3: [kafka] sasl.password2: the variable of ${NAME} is not set"),
        "{missing}"
    );
    assert!(!missing.contains("hush"), "{missing}");
}

#[test]
fn flags_and_variables_name_secret_files_and_their_values_are_not_substituted() {
    let folder = tempfile::tempdir().expect("a folder");
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "hush\n").expect("a file");
    let headers = folder.path().join("headers");
    std::fs::write(&headers, "a=b\n").expect("a file");
    let property = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let config = load(&Sources {
        bootstrap: Some("b:1".to_owned()),
        properties: vec![
            property("sasl.password.file", &secret.display().to_string()),
            property("ssl.key.password", "a${b}$${c}${d"),
        ],
        env: BTreeMap::from([
            ("KAFKA_HEARTBEAT__HTTP__BASIC_USERNAME".to_owned(), "me".to_owned()),
            ("KAFKA_HEARTBEAT__HTTP__BASIC_PASSWORD".to_owned(), "${USER}$${e}".to_owned()),
            ("KAFKA_HEARTBEAT__OTLP__ENDPOINT".to_owned(), "http://c:4318".to_owned()),
            ("KAFKA_HEARTBEAT__OTLP__TRACES_HEADERS_FILE".to_owned(), headers.display().to_string()),
            ("USER".to_owned(), "somebody".to_owned()),
        ]),
        ..Sources::default()
    })
    .expect("valid");
    let kafka = &config.clusters[0].kafka;
    assert_eq!(
        (kafka.get("sasl.password"), kafka.get("ssl.key.password")),
        (Some("hush"), Some("a${b}$${c}${d"))
    );
    assert_eq!(config.http.basic.expect("both are set").password, "${USER}$${e}");
    let sent = config.otlp.traces.expect("an endpoint").target.headers.0;
    assert_eq!(sent, [("a".to_owned(), "b".to_owned())]);
}

#[test]
fn secret_that_is_too_short_to_be_found_in_a_log_is_a_warning_without_its_value() {
    let config = read(
        "[kafka]\nbootstrap.servers = b:1\nsasl.password = zq7\n[http]\nbasic.username = me\n\
         basic.password = long enough\n[otlp]\nendpoint = https://me:zq7@c:4318\nheaders = x-token=zq7, tenant=eu\n",
        &[],
    );
    let warnings = config.expect("a configuration").warnings.join("\n");
    let named = [
        "[kafka] sasl.password: it",
        "[otlp] endpoint: the password",
        "[otlp] headers: the value of the header x-token",
    ];
    assert!(named.iter().all(|words| warnings.contains(words)), "{warnings}");
    assert_eq!((warnings.lines().count(), warnings.contains("zq7")), (3, false), "{warnings}");
}

#[test]
fn unknown_level_is_refused_because_it_would_silence_the_log() {
    for good in ["off", "warn", "INFO", "kafka_heartbeat=debug,info", "kafka_heartbeat::app=trace"] {
        assert!(read(&format!("{LEAST}[log]\nlevel = {good}\n"), &[]).is_ok(), "{good}");
    }
    let expected =
        "expected off, error, warn, info, debug, trace, or a filter such as kafka_heartbeat=debug,info";
    let errors = read(&format!("{LEAST}[log]\nlevel = verbose\n"), &[]).expect_err("no level");
    assert_eq!(errors, format!("config.ini:4: [log] level: {expected}, found \"verbose\""));
    let errors = read(LEAST, &[("LOG_LEVEL", "LOUD")]).expect_err("no level");
    assert_eq!(errors, format!("environment LOG_LEVEL: {expected}, found \"LOUD\""));
    assert_eq!(read(LEAST, &[("LOG_LEVEL", "WARNING")]).expect("Python's name").log.level, "warn");
    assert_eq!(read(LEAST, &[("RUST_LOG", "")]).expect("as if it were not set").log.level, "info");
    let python = read("[default]\nbootstrap.servers = b:1\n[admin]\nlog.level = WARNING\n", &[]);
    assert_eq!(python.expect("valid").log.level, "warn");
}

#[test]
fn labels_of_the_environment_keep_their_underscores() {
    let config = read(LEAST, &[("KAFKA_HEARTBEAT__LABELS__DATA_CENTER", "eu")]).expect("valid");
    assert_eq!(config.labels, BTreeMap::from([("data_center".to_owned(), "eu".to_owned())]));
}

#[test]
fn misspelled_key_of_a_cluster_is_reported() {
    let text = "[cluster:a]\nbootstrap.servers = a:1\nheartbeat.intervall = 1s\nname = b\n";
    let errors = read(text, &[]).expect_err("two errors");
    let expected = [
        "config.ini:3: [cluster:a] heartbeat.intervall: unknown key: did you mean interval?",
        "config.ini:4: [cluster:a] name: the name is in the brackets",
    ];
    assert_eq!(errors.lines().collect::<Vec<_>>(), expected);
    let (_folder, mut sources) = sources("[cluster:a]\nbootstrap.servers = a:1\n", &[]);
    sources.bootstrap = Some("b:1".to_owned());
    let errors = load(&sources).expect_err("brokers without a cluster").to_string();
    assert!(
        errors.starts_with(
            "--bootstrap-servers: cannot be used with [cluster:NAME]: each cluster names its own"
        ),
        "{errors}"
    );
}

#[test]
fn properties_that_do_not_go_together_are_refused_with_their_place() {
    let refused = |text: &str| -> Vec<String> {
        let config = read(&format!("{LEAST}{text}"), &[]).expect("each property alone is good");
        assert_eq!(native::check(&config.clusters[0]), []);
        native::check_together(&config.clusters[0]).iter().map(ToString::to_string).collect()
    };
    assert_eq!(refused(""), Vec::<String>::new());
    assert_eq!(
        refused("reconnect.backoff.ms = 2000\n"),
        Vec::<String>::new(),
        "the default of the longest pause gives way"
    );
    let own = "[producer]\nreconnect.backoff.ms = 2000\n[consumer]\nreconnect.backoff.ms = 3000\n";
    assert_eq!(
        refused(own),
        Vec::<String>::new(),
        "the longest pause also gives way to the shortest pause of a single client"
    );
    assert_eq!(refused("[producer]\nqueue.buffering.max.ms = 5\n"), Vec::<String>::new());
    let found = refused("[producer]\nlinger.ms = 20000\n");
    assert!(
        found.len() == 1
            && found[0].contains("config.ini:4: linger.ms: librdkafka refuses the producer: ")
            && found[0].contains("message.timeout.ms"),
        "{found:?}"
    );
    let found = refused("[consumer]\nsession.timeout.ms = 400000\n");
    assert!(
        found.len() == 1 && found[0].contains("session.timeout.ms: librdkafka refuses the consumer"),
        "{found:?}"
    );
}

#[test]
fn certificate_without_key_and_login_without_password_are_refused() {
    let http = |text: &str| read(&format!("{LEAST}[http]\n{text}"), &[]);
    let errors = http("tls.key = k.pem\nbasic.username = a:b\n").expect_err("two halves");
    let expected = [
        "config.ini:4: [http] tls.key: needs tls.certificate beside it",
        "config.ini:5: [http] basic.username: needs basic.password beside it",
    ];
    assert_eq!(errors.lines().collect::<Vec<_>>(), expected);
    let whole = http("basic.username = a\nbasic.password = hush\ntls.certificate = c\ntls.key = k\n");
    let whole = whole.expect("valid");
    let printed = format!("{whole:?}\n{}", whole.listing());
    assert!(printed.contains("basic.username = a") && !printed.contains("hush"), "{printed}");
    assert!(http("basic.username = a:b\nbasic.password = hush\n").is_err(), "the colon ends the name");
    let alone = http("tls.client.ca = ca.pem\nbearer.token = two words\n").expect_err("two mistakes");
    let expected = [
        "config.ini:4: [http] tls.client.ca: needs tls.certificate and tls.key beside it: client certificates are part of TLS",
        "config.ini:5: [http] bearer.token: expected letters, digits and -._~+/=, found \"***\"",
    ];
    assert_eq!(alone.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn url_is_printed_without_its_user_and_its_query() {
    let otlp = |url: &str| {
        read(&format!("{LEAST}[otlp]\nmetrics.endpoint = {url}\nmetrics.headers = a=hush\n"), &[])
    };
    let config = otlp("https://me:hush@collector:4318/v1?key=hush").expect("valid");
    let printed = config.listing();
    assert!(printed.contains("\nmetrics.endpoint = https://***@collector:4318/v1?***\n"), "{printed}");
    assert!(printed.contains("\nmetrics.headers = ***\n") && !printed.contains("hush"), "{printed}");
    // The user of the URL is sent as a header.
    let target = &config.otlp.metrics.as_ref().expect("an endpoint").target;
    assert_eq!(target.endpoint, "https://collector:4318/v1?key=hush");
    assert_eq!(target.headers.0[1], ("authorization".to_owned(), "Basic bWU6aHVzaA==".to_owned()));
    let printed = format!("{config:?}");
    assert!(!printed.contains("hush") && !printed.contains("aHVzaA"), "{printed}");
    let refused = otlp("ftp://me:hush@collector").expect_err("no such protocol");
    assert!(refused.contains("found \"ftp://***@collector\""), "{refused}");
}

/// The lines of a printed configuration without the comments, which name the files of one run.
fn without_sources(config: &Config) -> Vec<&str> {
    config.listing().lines().filter(|line| !line.starts_with(';')).collect()
}

#[test]
fn printed_configuration_is_read_back_as_the_same_configuration() {
    let one = "[kafka]\nname = here\nbootstrap.servers = b:1\n[labels]\nenvironment = test\n";
    let many = "\
[kafka]
client.id = a$${b}
sasl.password = hush hush
[cluster:eu]
bootstrap.servers = eu:1
heartbeat.interval = 500ms
producer.linger.ms = 3
[cluster:us]
bootstrap.servers = us:1
lag.isolation = read_committed
[lag]
granularity = topic
groups = a b
topics.exclude = x$${1}|\\d
[history]
path = /var/lib/history.db
[report]
path = report.json
[http]
basic.username = me
basic.password = hush hush
[otlp]
endpoint = https://collector:4317
protocol = grpc
resource = service.namespace=ops%2Fkafka
[slo]
lag =
[admin]
metrics.listener.port = 1234
";
    let env = [
        ("RUST_LOG", "kafka_heartbeat=debug,info"),
        ("KAFKA_HEARTBEAT__KAFKA__CLIENT_RACK", "${not a variable}"),
        ("KAFKA_HEARTBEAT__COMPAT__KMINION", "true"),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta"),
    ];
    for (text, env) in [(one, &[][..]), (many, &env)] {
        let config = read(text, env).expect("valid");
        let mut again = read(config.listing(), &[]).expect("the printed configuration is one");
        // A masked secret is a short one, of which the service warns.
        assert!(again.warnings.iter().all(|warning| warning.contains("fewer than 6 characters")));
        again.warnings.clear();
        assert_eq!(without_sources(&config), without_sources(&again));
        assert_eq!(format!("{config:?}"), format!("{again:?}"));
        for sections in ["kafka", "producer", "labels", "heartbeat", "shutdown"] {
            assert!(without_sources(&config).contains(&&*format!("[{sections}]")), "{sections}");
        }
    }
}

#[test]
fn every_printed_value_has_its_source_in_the_comment_above() {
    let folder = tempfile::tempdir().expect("a folder");
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "hush\n").expect("a file");
    let text = format!(
        "[kafka]\nsasl.password.file = {}\n[heartbeat]\ninterval = 2s\n[admin]\nproduce.period.seconds = 3\n",
        secret.display()
    );
    let env = [
        ("KAFKA_HEARTBEAT__HEARTBEAT__TOPIC", "beats"),
        ("KAFKA_HEARTBEAT__KAFKA__SSL_CA_PEM", "-----BEGIN\n[http]\nlisten = 0.0.0.0:1\n"),
        ("LOG_LEVEL", "WARNING"),
        ("OTEL_SERVICE_NAME", "beats"),
    ];
    let (folder, mut sources) = sources(&text, &env);
    sources.bootstrap = Some("b:1".to_owned());
    sources.properties = vec![("sasl.username".to_owned(), "me".to_owned())];
    let config = load(&sources).expect("valid");
    let printed = config.listing().replace(&format!("{}/", folder.path().display()), "");
    for expected in [
        "\n[kafka]\n; default\nname = default\n; --bootstrap-servers\nbootstrap.servers = b:1\n",
        "\n; config.ini:2\nsasl.password = ***\n; -X\nsasl.username = me\n",
        "\n; environment KAFKA_HEARTBEAT__HEARTBEAT__TOPIC\ntopic = beats\n; config.ini:6\ninterval = 3s\n; default\n",
        "\n; environment LOG_LEVEL\nlevel = WARNING\n",
        "\n; environment OTEL_SERVICE_NAME\nservice.name = beats\n",
        "\n; -----BEGIN\n; [http]\n; listen = 0.0.0.0:1\n",
    ] {
        assert!(printed.contains(expected), "{expected} is not in\n{printed}");
    }
    let mut lines = printed.lines().peekable();
    while let Some(line) = lines.next() {
        if lines.peek().is_some_and(|next| !next.starts_with([';', '[']) && !next.is_empty()) {
            assert!(line.starts_with("; "), "no source above {:?}", lines.peek());
        }
    }
}

#[test]
fn environment_of_the_freshness_exporter_suffices() {
    let env = |extra: &[(&str, &str)]| -> BTreeMap<String, String> {
        let common =
            [("KAFKA_BOOTSTRAP_SERVERS", "b:1"), ("TOPIC_PREFIX", "pub-;sub-"), ("AWS_REGION", "eu-west-1")];
        common.iter().chain(extra).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let load = |env| load(&Sources { env, ..Sources::default() }).expect("valid");
    let config = load(env(&[
        ("KAFKA_SECURITY_PROTOCOL", "PLAINTEXT"),
        ("SCRAPE_INTERVAL_SECONDS", "15"),
        ("METRICS_PORT", "9000"),
        ("LOG_LEVEL", "INFO"),
    ]));
    let cluster = &config.clusters[0];
    let kafka = |key| cluster.kafka.get(key);
    assert_eq!((kafka("bootstrap.servers"), kafka("security.protocol")), (Some("b:1"), Some("PLAINTEXT")));
    assert_eq!(kafka("sasl.mechanism"), None, "a protocol without a login");
    let freshness = &cluster.freshness;
    assert_eq!((freshness.enabled, freshness.interval), (true, Duration::from_secs(15)));
    assert_eq!(["pub-a", "sub-b", "other"].map(|topic| freshness.topics.covers(topic)), [true, true, false]);
    assert!(
        !cluster.heartbeat.enabled && !cluster.lag.enabled,
        "the exporter watched topics and nothing else"
    );
    assert_eq!(config.http.listen.to_string(), "0.0.0.0:9000");
    let config = load(env(&[]));
    assert_eq!(
        config.clusters[0].kafka.get("security.protocol"),
        Some("SASL_SSL"),
        "the default of the exporter"
    );
    assert_eq!(
        config.clusters[0].kafka.get("sasl.mechanism"),
        Some("AWS_MSK_IAM"),
        "the login of the exporter"
    );
    assert_eq!(
        (config.http.listen.port(), config.clusters[0].freshness.interval),
        (8000, Duration::from_secs(30))
    );
    let ours =
        [("KAFKA_HEARTBEAT__HEARTBEAT__ENABLED", "true"), ("KAFKA_HEARTBEAT__HTTP__LISTEN", "127.0.0.1:1")];
    let config = load(env(&ours));
    assert!(config.clusters[0].heartbeat.enabled && config.http.listen.port() == 1, "our own variables win");
}

#[test]
fn opentelemetry_variables_are_read_and_a_wrong_one_is_a_warning() {
    let config = read(
        &format!("{LEAST}[otlp]\nendpoint = http://file:4318\ntimeout = 7s\n"),
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://general:4318/"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=general"),
            ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "authorization=Basic%20aHVzaA%3D%3D,b=c"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", ""),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "15000"),
            ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "lowmemory"),
            ("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "Explicit_bucket_histogram"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://only:4317"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "none"),
            ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.5"),
            ("OTEL_SERVICE_NAME", "beats"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,service.namespace=ops%2Fkafka"),
        ],
    );
    let config = config.expect("valid");
    let config::Otlp { metrics: Some(metrics), traces: Some(traces) } = &config.otlp else {
        panic!("both have an endpoint")
    };
    let config::Target { endpoint, headers, timeout, compression, protocol, resource, .. } = &metrics.target;
    assert_eq!(endpoint, "http://general:4318/v1/metrics");
    let expected = [("authorization", "Basic aHVzaA=="), ("b", "c")];
    assert_eq!(headers.0, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!((*timeout, metrics.interval), (Duration::from_secs(7), Duration::from_secs(15)));
    assert_eq!((*compression, *protocol), (Compression::Gzip, Protocol::HttpProtobuf));
    assert_eq!((metrics.temporality, metrics.histograms), (Temporality::Delta, Histograms::Explicit));
    assert_eq!((&*resource["service.name"], &*resource["service.namespace"]), ("beats", "ops/kafka"));
    let config::Target { endpoint, headers, timeout, compression, protocol, .. } = &traces.target;
    assert_eq!(endpoint, "http://only:4317", "the whole URL, for traces alone");
    assert_eq!(headers.0, [("a".to_owned(), "general".to_owned())]);
    assert_eq!(
        (*timeout, *compression, *protocol, traces.share),
        (Duration::from_secs(7), Compression::None, Protocol::Grpc, 0.5)
    );
    let warnings = config.warnings.join("\n");
    assert_eq!(config.warnings.len(), 2, "{warnings}");
    assert!(
        warnings.contains("OTEL_EXPORTER_OTLP_TIMEOUT") && warnings.contains("OTEL_EXPORTER_OTLP_PROTOCOL"),
        "{warnings}"
    );
    let printed = config.listing();
    assert!(!printed.contains("aHVzaA") && printed.contains("headers = ***"), "{printed}");
    let otlp = |env: &[(&str, &str)]| read(LEAST, env).expect("valid").otlp;
    let endpoints = |env: &[(&str, &str)]| {
        let otlp = otlp(env);
        (otlp.metrics.map(|one| one.target.endpoint), otlp.traces.map(|one| one.target.endpoint))
    };
    let whole = [("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://whole:1/x")];
    assert_eq!(endpoints(&whole), (Some("http://whole:1/x".to_owned()), None));
    let grpc = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://g:4317"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")];
    assert_eq!(endpoints(&grpc), (Some("http://g:4317".to_owned()), Some("http://g:4317".to_owned())));
    for (name, value, metrics, traces) in [
        ("OTEL_SDK_DISABLED", "TRUE", false, false),
        ("OTEL_METRICS_EXPORTER", "none", false, true),
        ("OTEL_TRACES_EXPORTER", "none", true, false),
        ("OTEL_TRACES_SAMPLER", "parentbased_always_off", true, false),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "no-url:4317", true, true),
    ] {
        let found = endpoints(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://general:4318"), (name, value)]);
        assert_eq!((found.0.is_some(), found.1.is_some()), (metrics, traces), "{name}");
    }
    assert_eq!(endpoints(&[]), (None, None), "off unless an endpoint is set");
    let share = |sampler, argument| {
        let env = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://general:4318"),
            ("OTEL_TRACES_SAMPLER", sampler),
            ("OTEL_TRACES_SAMPLER_ARG", argument),
        ];
        let config = read(LEAST, &env).expect("valid");
        (config.otlp.traces.expect("an endpoint").share, config.warnings.len())
    };
    assert_eq!(share("always_on", ""), (1.0, 0));
    assert_eq!(share("traceidratio", "0.25"), (0.25, 0));
    assert_eq!(share("traceidratio", "2"), (0.01, 1), "reported and ignored");
    assert_eq!(share("jaeger_remote", ""), (0.01, 1));
}

#[test]
fn otlp_setting_that_cannot_be_used_is_an_error_with_its_place_and_without_the_secret() {
    let text = format!(
        "{LEAST}[otlp]\nendpoint = collector:4318\nprotocol = http\nheaders = hush\ntls.key = k.pem\nintervall = 1s\ntraces.share = 2\n"
    );
    let errors = read(&text, &[]).expect_err("six errors");
    for expected in [
        "config.ini:4: [otlp] endpoint: expected a URL such as http://collector:4318",
        "config.ini:5: [otlp] protocol: expected grpc or http/protobuf",
        "config.ini:6: [otlp] headers: must be NAME=VALUE",
        "config.ini:7: [otlp] tls.key: needs tls.certificate beside it",
        "config.ini:8: [otlp] intervall: unknown key: did you mean interval?",
        "config.ini:9: [otlp] traces.share: expected a share from 0 to 1",
    ] {
        assert!(errors.contains(expected), "{expected} is not in\n{errors}");
    }
    assert!(!errors.contains("hush"), "{errors}");
}
