//! `import`: configurations of five older programs, and whether this program loads what is written.
//!
//! The golden files are rewritten with `BLESS=1 cargo test --test import`; the difference is the review.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use kafka_heartbeat::{
    config::{Config, Granularity, Protocol, Sources, load},
    kafka::{native, wire},
};
use support::service::program;

#[expect(dead_code, reason = "each test binary uses a part of the support")]
mod support;

/// The name of each golden file, the older configuration, and its program.
const SAMPLES: [(&str, &str, &str); 7] = [
    ("cc-heartbeat.ini", "tests/fixtures/cc-heartbeat.ini", "cc-heartbeat"),
    ("klag-exporter.ini", "tests/fixtures/import/klag-exporter.toml", "klag-exporter"),
    ("klag-exporter-clusters.ini", "tests/fixtures/import/klag-exporter-clusters.toml", "klag-exporter"),
    ("time-lag-monitor.ini", "tests/fixtures/import/time-lag-monitor.yaml", "time-lag-monitor"),
    (
        "topic-freshness-exporter.ini",
        "tests/fixtures/import/topic-freshness-exporter.env",
        "topic-freshness-exporter",
    ),
    ("monitoring-solution.ini", "tests/fixtures/import/monitoring-solution.yml", "monitoring-solution"),
    ("monitoring-solution-script.ini", "tests/fixtures/import/monitoring-solution.sh", "monitoring-solution"),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The exit code, standard output and standard error of an import.
fn import(file: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = program();
    // The paths in messages are short.
    command.current_dir(root()).arg("import").arg(file).args(arguments);
    let output = command.output().expect("a program that starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// The imported sample, as this program loads it with these variables.
fn loaded(sample: &str, env: &[(&str, &str)]) -> Config {
    let (_, source, _) = SAMPLES.into_iter().find(|(name, ..)| *name == sample).expect("a sample");
    let (code, text, words) = import(Path::new(source), &[]);
    assert_eq!(code, Some(0), "{words}");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config.ini");
    fs::write(&file, text).expect("a file");
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let sources = Sources { file: Some(file), env, ..Sources::default() };
    load(&sources).unwrap_or_else(|errors| panic!("{sample}: {errors}"))
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn imported_configurations_and_reports_are_as_in_the_golden_files() {
    for (name, source, from) in SAMPLES {
        let (code, text, words) = import(Path::new(source), &[]);
        assert_eq!(code, Some(0), "{source}: {words}");
        assert_eq!(
            import(Path::new(source), &["--from", from]),
            (code, text.clone(), words.clone()),
            "{source} is recognised as a file of {from}"
        );
        for (golden, text) in [(name.to_owned(), text), (name.replace(".ini", ".stderr"), words)] {
            let golden = root().join("tests/golden/import").join(golden);
            if std::env::var_os("BLESS").is_some() {
                fs::write(&golden, &text).expect("the golden file is written");
            }
            let expected = fs::read_to_string(&golden).expect("a golden file");
            let remedy = "BLESS=1 cargo test --test import writes it again";
            assert_eq!(text, expected, "{} is stale: {remedy}", golden.display());
        }
    }
}

#[test]
fn every_value_that_is_not_imported_is_a_comment_and_is_reported_with_its_place() {
    for (_, source, _) in SAMPLES {
        let (_, text, words) = import(Path::new(source), &[]);
        let comments: Vec<_> =
            text.lines().filter_map(|line| line.strip_prefix("; not imported: ")).collect();
        let reported: Vec<_> = words.lines().filter_map(|line| line.split_once(": not imported: ")).collect();
        assert!(!comments.is_empty(), "{source}");
        assert_eq!(comments, reported.iter().map(|(_, words)| *words).collect::<Vec<_>>(), "{source}");
        let lines = fs::read_to_string(root().join(source)).expect("the sample").lines().count();
        for (place, words) in reported {
            let line = place.strip_prefix(source).and_then(|rest| rest.strip_prefix(':'));
            let line: usize = line.and_then(|line| line.parse().ok()).expect("a place");
            assert!((1..=lines).contains(&line), "{place}");
            assert!(words.contains(" = ") && words.ends_with(')'), "KEY = VALUE (why): {words}");
        }
    }
}

#[test]
fn secrets_are_never_reported_and_only_where_they_are_needed_in_the_output() {
    for (_, source, _) in SAMPLES {
        let (_, text, words) = import(Path::new(source), &[]);
        assert!(!words.to_lowercase().contains("hush"), "{source}: {words}");
        for line in text.lines().filter(|line| line.to_lowercase().contains("hush")) {
            assert!(line.starts_with("sasl.password = hush-"), "{source}: {line}");
        }
    }
    let (_, _, words) = import(Path::new("tests/fixtures/import/time-lag-monitor.yaml"), &[]);
    assert!(
        words.contains("[kafka] sasl.password is a secret in the output: keep the output private"),
        "{words}"
    );
}

#[test]
fn file_of_cc_heartbeat_means_the_same_as_before() {
    let env = [("CC_SECRET", "hush-hush")];
    let imported = loaded("cc-heartbeat.ini", &env);
    let unchanged = load(&Sources {
        file: Some(root().join("tests/fixtures/cc-heartbeat.ini")),
        env: env.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        ..Sources::default()
    })
    .expect("the file runs unchanged");
    assert_eq!(imported.clusters, unchanged.clusters);
    assert_eq!((imported.http, imported.log), (unchanged.http, unchanged.log));
    assert_eq!(imported.clusters[0].kafka.get("sasl.password"), Some("hush-hush"));
}

#[test]
fn file_of_klag_exporter_with_one_cluster_is_loaded_with_its_values() {
    let config = loaded("klag-exporter.ini", &[("KAFKA_USER", "klag"), ("KAFKA_PASSWORD", "hush-hush")]);
    let [cluster] = &config.clusters[..] else { panic!("{} clusters", config.clusters.len()) };
    let kafka = |key| cluster.kafka.get(key);
    assert_eq!(
        (cluster.name.as_str(), kafka("bootstrap.servers")),
        ("production", Some("kafka1:9092,kafka2:9092"))
    );
    assert_eq!(
        (kafka("security.protocol"), kafka("sasl.mechanism"), kafka("sasl.username"), kafka("sasl.password")),
        (Some("SASL_SSL"), Some("PLAIN"), Some("klag"), Some("hush-hush"))
    );
    assert!(!cluster.heartbeat.enabled && cluster.lag.enabled);
    assert_eq!((cluster.lag.interval, cluster.lag.granularity), (seconds(60), Granularity::Partition));
    let groups = ["payments-api", "payments-test", "the-audit-group", "other"];
    assert_eq!(groups.map(|group| cluster.lag.watches(group)), [true, false, true, false]);
    assert_eq!(["orders", "__consumer_offsets"].map(|topic| cluster.lag.topics.covers(topic)), [true, false]);
    assert_eq!(config.http.listen.to_string(), "0.0.0.0:8000");
    let metrics = config.otlp.metrics.as_ref().expect("metrics are sent");
    assert_eq!((metrics.target.protocol, metrics.interval), (Protocol::Grpc, seconds(30)));
    assert!(metrics.target.endpoint.starts_with("http://collector:4317"), "{}", metrics.target.endpoint);
    assert!(config.otlp.traces.is_none() && config.compat.member_labels);
    let labels = [("datacenter", "us-east-1"), ("environment", "production")];
    assert_eq!(config.labels, labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
}

#[test]
fn file_of_klag_exporter_with_two_clusters_is_loaded_with_the_values_of_each() {
    let config = loaded("klag-exporter-clusters.ini", &[("SUFFIX", "hush")]);
    let [eu, us] = &config.clusters[..] else { panic!("{} clusters", config.clusters.len()) };
    assert_eq!((eu.name.as_str(), us.name.as_str()), ("eu", "us"));
    assert_eq!((eu.kafka.get("sasl.password"), us.kafka.get("sasl.password")), (Some("hush-hush"), None));
    assert_eq!(us.kafka.get("bootstrap.servers"), Some("us-1:9092"));
    assert!(eu.lag.enabled && !us.lag.enabled && !eu.heartbeat.enabled && !us.heartbeat.enabled);
    assert_eq!(["Tests", "a-test"].map(|group| eu.lag.watches(group)), [false, true]);
    assert_eq!(
        (eu.lag.granularity, config.http.listen.to_string().as_str()),
        (Granularity::Topic, "[::]:9000")
    );
    assert_eq!(config.labels, BTreeMap::from([("environment".to_owned(), "production".to_owned())]));
    assert!(config.otlp.metrics.is_none());
}

#[test]
fn file_of_the_time_lag_monitor_is_loaded_with_its_values() {
    let config = loaded("time-lag-monitor.ini", &[]);
    let cluster = &config.clusters[0];
    let kafka = |key| cluster.kafka.get(key);
    assert_eq!(kafka("bootstrap.servers"), Some("broker1:9093,broker2:9093"));
    assert_eq!(
        (kafka("security.protocol"), kafka("sasl.mechanism")),
        (Some("SASL_SSL"), Some("SCRAM-SHA-512"))
    );
    assert_eq!(
        (kafka("sasl.password"), kafka("ssl.ca.location")),
        (Some("hush-${not-a-variable}"), Some("/etc/kafka/ca.pem"))
    );
    let history = &config.history;
    assert_eq!(history.path.as_deref(), Some(Path::new("/var/lib/kafka-lag-monitor/kafka-heartbeat.db")));
    assert_eq!((history.sample_interval, history.offline_detection_consecutive_samples), (seconds(20), 7));
    assert_eq!(
        (history.recovering_minimum_duration, history.online_lag_threshold, history.absent_group_retention),
        (seconds(600), seconds(300), seconds(86_400))
    );
    let report = config.report.as_ref().expect("a report");
    assert_eq!(report.path, Path::new("/var/lib/kafka-lag-monitor/lag.json"));
    assert_eq!((report.interval, cluster.lag.interval), (seconds(90), seconds(20)));
    let groups = ["some-legacy-group", "batch.nightly", "batch-nightly"];
    assert_eq!(groups.map(|group| cluster.lag.watches(group)), [false, false, true]);
    assert_eq!(["orders.v1", "orders-v1"].map(|topic| cluster.lag.topics.covers(topic)), [false, true]);
    assert!(!cluster.heartbeat.enabled);
}

#[test]
fn environment_of_the_topic_freshness_exporter_means_the_same_in_a_file() {
    let imported = loaded("topic-freshness-exporter.ini", &[]);
    let text = fs::read_to_string(root().join("tests/fixtures/import/topic-freshness-exporter.env"));
    let text = text.expect("the sample");
    let variables = text.lines().filter_map(|line| line.split(" #").next()?.split_once('='));
    let env = variables.map(|(name, value)| (name.to_owned(), value.trim().trim_matches('"').to_owned()));
    let mut unchanged =
        load(&Sources { env: env.collect(), ..Sources::default() }).expect("it runs unchanged");
    let kafka = &imported.clusters[0].kafka;
    assert_eq!(
        (kafka.get("sasl.mechanism"), kafka.get("aws.region")),
        (Some("AWS_MSK_IAM"), Some("eu-west-1"))
    );
    let mut clusters = imported.clusters.clone();
    // The service reads the region from the environment, too; in a file it is written down.
    clusters
        .iter_mut()
        .chain(&mut unchanged.clusters)
        .for_each(|cluster| _ = cluster.kafka.0.remove("aws.region"));
    assert_eq!(clusters, unchanged.clusters);
    assert_eq!((&imported.http, &imported.log), (&unchanged.http, &unchanged.log));
    assert_eq!((imported.http.listen.port(), imported.log.level.as_str()), (8001, "warn"));
    assert!(clusters[0].freshness.topics.covers("pub-x") && clusters[0].freshness.interval == seconds(45));
}

#[test]
fn command_lines_of_the_monitoring_solution_are_loaded_with_their_values() {
    let config = loaded("monitoring-solution.ini", &[]);
    let cluster = &config.clusters[0];
    assert_eq!(cluster.kafka.get("bootstrap.servers"), Some("kafka:29092"));
    assert_eq!(cluster.lag.groups, ["checkout", "billing"]);
    assert_eq!(["billing", "other"].map(|group| cluster.lag.watches(group)), [true, false]);
    let topics = ["payments.v2", "payments-v2"].map(|topic| cluster.freshness.topics.covers(topic));
    assert_eq!(topics, [true, false]);
    assert_eq!((cluster.lag.interval, cluster.metadata.interval), (seconds(20), seconds(15)));
    assert_eq!((config.alerts.lag_warning, config.alerts.lag_critical), (500, 5000));
    assert_eq!(
        (config.alerts.topic.as_deref(), config.alerts.metrics_topic.as_deref()),
        (Some("kafka-alerts"), Some("system-metrics"))
    );
    assert!(config.compat.kafka_consumer_lag && !cluster.heartbeat.enabled);
    assert_eq!(config.http.listen.to_string(), "0.0.0.0:9308");
    let script = loaded("monitoring-solution-script.ini", &[("BROKERS", "b:9092")]);
    assert_eq!(script.clusters[0].kafka.get("bootstrap.servers"), Some("b:9092"));
    assert_eq!((script.alerts.topic, script.clusters[0].lag.interval), (None, seconds(60)));
}

#[test]
fn imported_properties_are_those_that_both_clients_take() {
    let env = [
        ("KAFKA_USER", "klag"),
        ("KAFKA_PASSWORD", "hush-hush"),
        ("BROKERS", "b:9092"),
        ("CC_SECRET", "hush-hush"),
        ("SUFFIX", "x"),
    ];
    for (sample, ..) in SAMPLES {
        // The CA certificate of this sample is on no machine of ours.
        let clusters = loaded(sample, &env).clusters.into_iter().map(|mut cluster| {
            cluster.kafka.0.remove("ssl.ca.location");
            cluster
        });
        for cluster in clusters {
            assert_eq!(native::check(&cluster), [], "{sample}");
            let client = wire::Client::from_properties(&cluster.name, &cluster.kafka);
            assert!(client.is_ok(), "{sample}: {:?}", client.err());
        }
    }
}

/// What is reported about a file with this text, which is refused.
fn refused(name: &str, text: &str, arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join(name);
    fs::write(&file, text).expect("a file");
    let (code, output, words) = import(&file, arguments);
    assert_eq!((code, output.as_str()), (Some(78), ""), "{text}: {words}");
    assert!(!words.contains("hush"), "{words}");
    words.replace(&format!("{}/", folder.path().display()), "")
}

#[test]
fn wrong_file_is_refused_with_place_and_remedy() {
    let table: [(&str, &str, &[&str]); 13] = [
        (
            "a.toml",
            "[[clusters]]\nname = \"a\"\nbootstrap_servers = hush\n",
            &["a.toml:3: this is no TOML: "],
        ),
        (
            "a.toml",
            "[exporter]\nhttp_port = ${PORT}\n",
            &["a.toml:2: this is no TOML: ", ": write a variable in quotes"],
        ),
        (
            "a.toml",
            "[exporter]\npoll_interval = \"soon\"\nhttp_port = 0\ngranularity = \"all\"\n\n[[clusters]]\nname = \"a\"\ngroup_whitelist = [\"(\"]\n\
             [clusters.consumer_properties]\n\"sasl.password\" = 5\n",
            &[
                "a.toml:2: exporter.poll_interval: expected a duration such as 30s or 5m, found \"soon\"\n",
                "a.toml:3: exporter.http_port: expected a port from 1 to 65535, found \"0\"\n",
                "a.toml:4: exporter.granularity: expected topic or partition, found \"all\"\n",
                "a.toml:8: clusters[0].group_whitelist: expected regular expressions, found \"(\"\n",
                "a.toml:10: clusters[0].consumer_properties.sasl.password: expected a text, found \"***\"\n",
                "a.toml:7: clusters[0].bootstrap_servers is missing: name the brokers there\n",
            ],
        ),
        (
            "a.toml",
            "[[clusters]]\nname = \"a\"\nbootstrap_servers = \"b:1\"\n[[clusters]]\nname = \"a\"\nbootstrap_servers = \"b:1\"\n",
            &["a.toml:5: clusters[1].name: expected a name that no other cluster has"],
        ),
        ("a.toml", "[exporter]\n", &["a.toml: [[clusters]] is missing: name a cluster"]),
        (
            "a.yaml",
            "kafka:\n  sasl_password: \"hush\n  x: y\ndatabase:\n",
            &["a.yaml:", ": this is no YAML: check the indentation and the quotes\n"],
        ),
        (
            "a.yaml",
            "kafka:\n  sasl_password: 4711\nmonitoring:\n  report_interval_seconds: 0\nexclude:\n  groups: x\n",
            &[
                "a.yaml:1: kafka.bootstrap_servers is missing: name the brokers there\n",
                "a.yaml:2: kafka.sasl_password: expected a text: write it in quotes\n",
                "a.yaml:4: monitoring.report_interval_seconds: expected a whole number of at least 1, found \"0\"\n",
                "a.yaml:6: exclude.groups: expected a list of texts, found \"x\"\n",
            ],
        ),
        (
            "a.ini",
            "[default]\nsasl.password: hush=1\n[admin]\nproduce.period.seconds=often\nnonsense\n",
            &[
                "a.ini:2: expected key = value: write = instead of :\n",
                "a.ini:4: [admin] produce.period.seconds: expected a whole number of at least 1, found \"often\"\n",
                "a.ini:5: expected key = value, [section] or a comment line\n",
                "a.ini: [default] bootstrap.servers is missing: name the brokers there\n",
            ],
        ),
        (
            "a.env",
            "TOPIC_PREFIX=\nMETRICS_PORT=many\nhush\n",
            &[
                "a.env:1: TOPIC_PREFIX is missing: it begins the names of the topics that are watched\n",
                "a.env: KAFKA_BOOTSTRAP_SERVERS is missing: name the brokers there\n",
                "a.env:3: expected NAME=VALUE or a comment line\n",
            ],
        ),
        (
            "a.sh",
            "python main.py --bootstrap-servers b:1 --lag-interval x --lag-port\n",
            &[
                "a.sh:1: --lag-interval: expected a whole number of at least 1, found \"x\"\n",
                "a.sh:1: --lag-port has no value\n",
            ],
        ),
        (
            "a.sh",
            "python main.py --bootstrap-servers 'b:1\n",
            &["a.sh:1: a quote is open at the end of the line\n"],
        ),
        (
            "a.txt",
            "hush\n",
            &[
                "a.txt: the program that this file belongs to is not recognised: name the program with --from\n",
            ],
        ),
        (
            "a.ini",
            "[kafka]\nbootstrap.servers = b:1\n",
            &["a.ini: this looks like a configuration of kafka-heartbeat itself, which needs no import\n"],
        ),
    ];
    for (name, text, expected) in table {
        let words = refused(name, text, &[]);
        for part in expected {
            assert!(words.contains(part), "{text}\n{part}\n{words}");
        }
    }
}

#[test]
fn file_of_another_program_than_the_named_one_is_refused() {
    let words = refused("a.env", "TOPIC_PREFIX=hush\n", &["--from", "klag-exporter"]);
    assert!(words.contains("a.env: [[clusters]] is missing") || words.contains("this is no TOML"), "{words}");
    let words = refused("a.env", "TOPIC_PREFIX=hush\n", &["--from", "time-lag-monitor"]);
    assert!(words.contains("a.env: expected the sections kafka, monitoring"), "{words}");
    let words = refused("a.env", "TOPIC_PREFIX=hush\n", &["--from", "monitoring-solution"]);
    assert!(words.contains("a.env: no command line starts kafka_metrics_exporter.py, "), "{words}");
    let (code, _, words) = import(Path::new("/nowhere.toml"), &[]);
    assert_eq!(code, Some(78), "{words}");
    assert!(words.starts_with("/nowhere.toml: cannot read the file: "), "{words}");
    let (code, _, words) = import(Path::new("/nowhere.toml"), &["--from", "burrow"]);
    assert_eq!(code, Some(2), "{words}");
    let names = SAMPLES.map(|(_, _, from)| from);
    assert!(names.iter().all(|name| words.contains(name)), "the error names the programs: {words}");
}

#[test]
fn imported_configuration_passes_check_config() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config.ini");
    let (code, text, words) = import(Path::new("tests/fixtures/import/klag-exporter-clusters.toml"), &[]);
    assert_eq!(code, Some(0), "{words}");
    fs::write(&file, text).expect("a file");
    let output =
        program().arg("check-config").arg(&file).env("SUFFIX", "x").output().expect("a program that starts");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "ok: 2 cluster(s): eu, us\n");
    let output = program()
        .arg("check-config")
        .arg(&file)
        .env_remove("SUFFIX")
        .output()
        .expect("a program that starts");
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(words.contains("the variable of ${NAME} is not set") && !words.contains("hush"), "{words}");
}
