//! `/metrics` as a scraper gets it: compared byte for byte with golden files, and read by a strict parser.
//!
//! The golden files are rewritten with `BLESS=1 cargo test --test exposition`; the difference is the review.

mod exposition_parser;
#[expect(dead_code, reason = "every test uses a part of what is shared")]
mod sample;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use exposition_parser::{Exposition, parse, protobuf};
use kafka_heartbeat::{
    board::Readings,
    catalog::{self, Kind},
    config::{self, Compat, FlagSetting, Sources},
    export::prometheus::{Blocks, Format, Parts, encode},
    kafka::Fault,
    latency::{Bounds, Buckets, Recent, RecentMean},
    metrics::{
        ClusterLabel, Series, Sink, Value,
        render::{self, Exposed},
    },
    probe::heartbeat::{self, Anomaly, Outcome},
};
use sample::{HOSTILE, config, process, sample};

const FORMATS: [Format; 2] = [Format::Text, Format::OpenMetrics];
/// All switches for the names of older programs.
const COMPAT: Compat = Compat {
    cc_heartbeat: true,
    kafka_exporter: true,
    kafka_consumer_lag: true,
    kminion: true,
    member_labels: false,
};

fn wall() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn readings() -> Vec<Readings> {
    sample(&config(), wall())
}

fn expose(readings: &[Readings], format: Format) -> String {
    String::from_utf8(bytes(readings, format)).expect("text")
}

fn bytes(readings: &[Readings], format: Format) -> Vec<u8> {
    let process = process(wall());
    let exposed = Exposed::to_scrape(readings, &process, COMPAT);
    let mut series = Vec::new();
    render::everything(&exposed, &mut series);
    encode(&series, &config().labels, format)
}

fn parsed(readings: &[Readings]) -> Exposition {
    parse(&expose(readings, Format::Text), Format::Text).expect("the text format")
}

#[test]
fn both_formats_equal_the_golden_files() {
    let readings = readings();
    for (format, name) in [(Format::Text, "metrics.txt"), (Format::OpenMetrics, "openmetrics.txt")] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
        let now = expose(&readings[..1], format);
        if std::env::var_os("BLESS").is_some() {
            fs::write(&path, &now).expect("the golden file can be written");
        }
        let golden = fs::read_to_string(&path).expect("the golden file");
        for (number, (now, golden)) in now.lines().zip(golden.lines()).enumerate() {
            assert_eq!(now, golden, "{name}, line {}", number + 1);
        }
        assert!(now == golden, "{name}: the exposition and the golden file differ in length");
    }
}

#[test]
fn strict_parser_reads_the_same_from_both_formats() {
    for readings in [readings(), readings().split_off(1), Vec::new()] {
        let [text, openmetrics] = FORMATS.map(|format| {
            parse(&expose(&readings, format), format).expect("the strict parser accepts the exposition")
        });
        assert_eq!(text.samples(), openmetrics.samples());
        assert!(!text.samples().is_empty());
    }
}

#[test]
fn protobuf_has_the_same_samples_and_each_exemplar_lies_in_its_bucket() {
    for readings in [readings(), readings().split_off(1), Vec::new()] {
        let openmetrics = expose(&readings, Format::OpenMetrics);
        let openmetrics =
            parse(&openmetrics, Format::OpenMetrics).expect("the strict parser accepts the exposition");
        let protobuf = protobuf::parse(&bytes(&readings, Format::Protobuf))
            .expect("the strict parser accepts the exposition");
        assert_eq!(protobuf.samples(), openmetrics.samples());
        assert_eq!(protobuf.exemplars(), openmetrics.exemplars());
        assert_eq!(protobuf.exemplars().is_empty(), readings.len() < 2, "exemplars are ids of heartbeats");
        for ((name, _), (labels, _)) in protobuf.exemplars() {
            assert_eq!(name, "heartbeat_end_to_end_duration_seconds_bucket");
            assert!(labels.iter().any(|(label, value)| label == "heartbeat_id" && value.contains("-17-0-")));
        }
    }
}

#[test]
fn histogram_is_the_same_in_every_encoding() {
    let mut buckets = Buckets::new(&Bounds::default());
    let mut exact = Recent::new(Instant::now());
    // From a loopback round trip to a failover, most of them near 4 ms.
    for step in 0..20_000_u64 {
        let micros = 250 + step * step * 7919 % 4001 + if step % 97 == 0 { step * 1500 } else { 0 };
        buckets.record(Duration::from_micros(micros));
        exact.record(Instant::now(), Duration::from_micros(micros));
    }
    buckets.record(Duration::ZERO);
    let series = [catalog::cluster::METADATA.series(["eu".into()], Value::Buckets(&buckets))];
    let encoded = |format| encode(&series, &BTreeMap::new(), format);
    let read = protobuf::parse(&encoded(Format::Protobuf)).expect("protobuf");
    for format in FORMATS {
        let text = String::from_utf8(encoded(format)).expect("text");
        assert_eq!(parse(&text, format).expect("text").samples(), read.samples());
    }
    let native = read.natives().values().next().expect("a native histogram");
    assert_eq!((native.count(), native.zeros, native.schema), (20_001, 1, 4));
    let summary = exact.summary(Instant::now(), Duration::from_secs(60)).expect("durations");
    for (share, truth) in [(0.5, summary.p50), (0.9, summary.p90), (0.99, summary.p99), (1.0, summary.max)] {
        let (found, truth) = (native.quantile(share), truth.as_secs_f64());
        assert!((found / truth - 1.0).abs() < 0.05, "{share}: {found} s, is {truth} s");
    }
}

#[test]
fn scrapes_of_the_same_moment_are_equal() {
    let readings = readings();
    for format in FORMATS {
        assert_eq!(expose(&readings, format), expose(&readings, format));
    }
}

#[test]
fn hostile_names_are_escaped_and_read_back_unchanged() {
    let exposition = parsed(&readings());
    let value = |name: &str, label: &str| exposition.labels_of(name, label);
    assert!(value("heartbeat_broker_info", "host").contains(HOSTILE));
    assert!(value("heartbeat_partition_leader_info", "rack").contains(HOSTILE));
    assert!(value("heartbeat_cluster_info", "cluster_id").contains(HOSTILE));
    assert!(value("heartbeat_messages_produced", "cluster_id").contains(HOSTILE));
    for (name, labels) in exposition.samples().keys() {
        let environment = labels.iter().find(|(label, _)| label == "environment");
        assert_eq!(environment.map(|(_, value)| value.as_str()), Some("pro\"d\\uct<i>on"), "{name}");
    }
}

#[test]
fn cluster_without_heartbeats_has_no_series_of_heartbeats() {
    let mut readings = readings();
    let families = |readings: &[Readings]| {
        parsed(readings).families().filter(|family| family.starts_with("heartbeat_slo_")).count()
    };
    assert_eq!(families(&readings), 3);
    for one in &mut readings {
        Arc::make_mut(&mut one.settings).heartbeat.enabled = false;
    }
    assert_eq!(families(&readings), 0);
}

#[test]
fn number_that_is_not_known_is_absent_and_never_zero() {
    let unknown = parsed(&readings()[1..]);
    // The exports and the configuration belong to the process, so they are known even if nothing is known of a cluster.
    let of_cluster = |name: &&str| {
        name.starts_with("heartbeat_")
            && !name.contains("_export")
            && !name.contains("_config_")
            && !["heartbeat_alerts_total", "heartbeat_traces_total", "heartbeat_scrape_duration_seconds"]
                .contains(name)
    };
    let families: BTreeSet<_> = unknown.families().filter(of_cluster).collect();
    let expected = BTreeSet::from([
        "heartbeat_build_info",
        "heartbeat_client_renewals_total",
        "heartbeat_cycle_faults_total",
        "heartbeat_cycles_total",
        "heartbeat_exposed_series",
        "heartbeat_fetch_errors_total",
        "heartbeat_leader",
        "heartbeat_leaderless",
        "heartbeat_ledger_last_tick_timestamp_seconds",
        "heartbeat_own_certificate_expiry_timestamp_seconds",
        "heartbeat_produce_errors_total",
        "heartbeat_protocol_violations_total",
        "heartbeat_requests_total",
        "heartbeat_prober_healthy",
        "heartbeat_runtime_busy_seconds_total",
        "heartbeat_runtime_workers",
        "heartbeat_schedule_delay_seconds",
        "heartbeat_slo_bad_events_total",
        "heartbeat_slo_events_total",
        "heartbeat_slo_unacknowledged_events_total",
        "heartbeat_task_busy_seconds_total",
        "heartbeat_task_polls_total",
        "heartbeat_task_slow_polls_total",
    ]);
    assert_eq!(families, expected);
    let known = parsed(&readings());
    assert!(
        !known.families().any(|name| name == "process_open_fds"),
        "the number of open files was not reported by the operating system"
    );
    let of = |name: &str, label: &str, value: &str| known.labels_of(name, label).contains(value);
    assert!(of("heartbeat_last_success_timestamp_seconds", "partition", "0"));
    assert!(
        !of("heartbeat_last_success_timestamp_seconds", "partition", "1"),
        "no heartbeat of partition 1 was ok"
    );
    assert!(!of("heartbeat_partition_leader_info", "partition", "1"), "partition 1 has no leader");
    assert!(
        !of("heartbeat_broker_certificate_expiry_timestamp_seconds", "broker", "2"),
        "no certificate of broker 2 was seen"
    );
    for (sample, value) in known.samples() {
        // A retention margin and an anomaly score may be negative, and an unknown error of a time lag is infinite.
        let free = [
            "kafka_consumergroup_group_retention_margin",
            "kafka_consumergroup_lag_seconds_error",
            "kafka_topic_rate_anomaly_score",
        ];
        let name = sample.0.as_str();
        assert!(free.contains(&name) || (value.is_finite() && *value >= 0.0), "{sample:?} is {value}");
    }
}

#[test]
fn series_above_the_limit_are_counted_and_sums_stay() {
    let exposed = |extra: &[(&'static str, &str)]| {
        let settings = extra.iter().map(|(key, value)| FlagSetting {
            section: "lag",
            key: (*key).to_owned(),
            value: (*value).to_owned(),
            flag: "test",
        });
        let sources =
            Sources { bootstrap: Some("b:1".to_owned()), settings: settings.collect(), ..Sources::default() };
        let mut readings = readings();
        readings.truncate(1);
        readings[0].settings = Arc::new(config::load(&sources).expect("good settings").clusters.remove(0));
        parsed(&readings)
    };
    let count = |exposition: &Exposition, prefix: &str| {
        exposition.samples().keys().filter(|(name, _)| name.starts_with(prefix)).count()
    };
    let dropped = |exposition: &Exposition| exposition.only("heartbeat_series_dropped");
    let (all, topics) = (exposed(&[]), exposed(&[("granularity", "topic")]));
    assert_eq!((dropped(&all), dropped(&topics)), (0.0, 0.0));
    for family in
        ["kafka_consumergroup_group_lag", "kafka_partition_latest_offset", "kafka_partition_earliest_offset"]
    {
        assert!(count(&all, family) > 0 && count(&topics, family) == 0, "{family}");
    }
    let sums = ["kafka_consumergroup_group_sum_lag", "kafka_consumergroup_group_topic_sum_lag"];
    for family in sums {
        assert_eq!(count(&topics, family), count(&all, family), "{family}");
    }
    let capped = exposed(&[("max.series", "7")]);
    let lost = (all.samples().len() - capped.samples().len()) as f64;
    assert!(lost > 10.0);
    assert_eq!(dropped(&capped), lost, "every series is exposed or counted as dropped");
    assert_eq!(count(&capped, sums[0]), count(&all, sums[0]));
}

#[test]
fn series_of_a_stale_snapshot_are_absent_but_counts_of_cycles_stay() {
    let mut readings = readings();
    let eu = &mut readings[0];
    // With an interval of zero every snapshot is stale at once.
    (eu.connectivity.interval, eu.metadata.interval, eu.topic.interval) = Default::default();
    let stale = parsed(&readings[..1]);
    let families: BTreeSet<_> = stale.families().collect();
    for stale in [
        "heartbeat_broker_up",
        "heartbeat_broker_info",
        "heartbeat_brokers",
        "heartbeat_cluster_info",
        "heartbeat_metadata_duration_seconds",
        "heartbeat_partition_leader_info",
        "heartbeat_topic_ready",
        "heartbeat_controller",
        "heartbeat_broker_count",
        "heartbeat_connection_latency_ms",
    ] {
        assert!(!families.contains(stale), "{stale}");
    }
    for stays in [
        "heartbeat_outcomes_total",
        "heartbeat_cycles_total",
        "heartbeat_cycle_last_success_timestamp_seconds",
        "heartbeat_messages_produced",
        "heartbeat_connection_check_count",
    ] {
        assert!(families.contains(stays), "{stays}");
    }
}

#[test]
fn bounded_label_sets_are_complete_from_the_start() {
    let exposition = parsed(&readings());
    let all = |values: Vec<&str>| values.into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
    let outcomes = all(Outcome::ALL.iter().map(|outcome| outcome.as_str()).collect());
    let anomalies = all(Anomaly::ALL.iter().map(|anomaly| anomaly.as_str()).collect());
    let faults = all(Fault::ALL.iter().map(|fault| fault.as_str()).collect());
    assert_eq!(exposition.labels_of("heartbeat_outcomes_total", "outcome"), outcomes);
    assert_eq!(exposition.labels_of("heartbeat_anomalies_total", "kind"), anomalies);
    assert_eq!(exposition.labels_of("heartbeat_produce_errors_total", "fault"), faults);
    assert_eq!(exposition.labels_of("heartbeat_cycle_faults_total", "fault"), faults);
    let stages = all(vec!["dns", "tcp", "tls", "api_versions", "sasl"]);
    assert_eq!(exposition.labels_of("heartbeat_broker_check_failures_total", "stage"), stages);
}

#[test]
fn scheduled_heartbeats_equal_outcomes_and_in_flight_on_every_partition() {
    let exposition = parsed(&readings());
    let sum = |name: &str, partition: &str| -> f64 {
        let at = |(label, value): &(String, String)| label == "partition" && value == partition;
        let samples = exposition.samples().iter();
        samples.filter(|((n, l), _)| n == name && l.iter().any(at)).map(|(_, value)| value).sum()
    };
    for partition in ["0", "1"] {
        let ended = sum("heartbeat_outcomes_total", partition);
        let scheduled = sum("heartbeat_scheduled_total", partition);
        assert_eq!(scheduled, ended + sum("heartbeat_in_flight", partition));
        assert!(scheduled > 0.0);
    }
}

#[test]
fn older_names_have_counts_since_the_start_and_means_of_a_minute() {
    let exposition = parsed(&readings());
    let value = |name: &str| exposition.only(name);
    assert_eq!(value("heartbeat_messages_produced"), 114.0);
    assert_eq!(value("heartbeat_messages_consumed"), 113.0);
    assert_eq!(
        value("heartbeat_controller"),
        1.0,
        "the leader of the quorum, not the broker that the metadata name as controller"
    );
    assert_eq!(value("heartbeat_broker_count"), 2.0);
    assert_eq!(value("heartbeat_connection_check_count"), 14.0);
    // 1 to 100 in steps of a tenth and a twentieth of a millisecond.
    assert!((value("heartbeat_avg_consume_latency_ms") - 5.05).abs() < 0.01);
    assert!((value("heartbeat_avg_produce_latency_ms") - 2.525).abs() < 0.01);
    assert_eq!(value("heartbeat_connection_latency_ms"), 20.5);
}

#[test]
fn outage_has_no_latency_under_older_names() {
    let mut readings = readings();
    let (now, minute) = (Instant::now(), Duration::from_secs(60));
    let mut heartbeat = (*readings[0].heartbeat).clone();
    (heartbeat.acked_mean, heartbeat.received_mean) = (RecentMean::over(minute), RecentMean::over(minute));
    heartbeat.end_to_end.record(now, Duration::from_secs(10));
    readings[0].heartbeat = Arc::new(heartbeat);
    assert!(!parsed(&readings).families().any(|name| name.contains("_avg_")));
}

#[test]
fn kafka_configured_under_two_names_is_exposed_once_under_older_names() {
    let mut readings = readings();
    let first = readings[0].clone();
    readings[1] = Readings { name: readings[1].name.clone(), ..first };
    readings[1].heartbeat = Arc::new(heartbeat::Snapshot { acked: 1, ..(*readings[1].heartbeat).clone() });
    for format in FORMATS {
        let exposition = parse(&expose(&readings, format), format).expect("no series is exposed twice");
        assert_eq!(exposition.only("heartbeat_messages_produced"), 114.0, "the value of the first cluster");
        assert_eq!(exposition.labels_of("heartbeat_cluster_info", "kafka_cluster").len(), 2);
    }
}

#[test]
fn every_family_keeps_the_rules_for_names() {
    let legacy = |help: &str| help.starts_with("Compatibility. Use ");
    let mut names = BTreeSet::new();
    for family in catalog::all() {
        let (name, help) = (family.name, family.help);
        assert!(names.insert(name), "{name} is declared twice");
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}");
        assert!(help.ends_with('.') && help.len() < 200, "{name}: {help}");
        // klag-exporter has gauges whose names end like that.
        let gauge = name.starts_with("kafka_lag_exporter_");
        assert_eq!(name.ends_with("_total") && !gauge, family.kind == Kind::Counter, "{name}");
        assert_eq!(name.ends_with("_info"), family.kind == Kind::Info, "{name}");
        assert!(family.kind != Kind::Histogram || name.ends_with("_seconds"), "{name}");
        assert!(family.kind != Kind::LegacyCounter || legacy(help), "{name}");
        let units = ["_ms", "_millis", "_minutes", "_percent", "_kib", "_mb"];
        // Names that other exporters made are kept as they are.
        let kept = name.starts_with("kafka_") || legacy(help);
        assert!(kept || !units.iter().any(|unit| name.contains(unit)), "{name} has no base unit");
        for label in family.labels {
            assert!(label.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}: {label}");
            assert!(
                !["le", "quantile", "job", "instance"].contains(label),
                "{name}: {label} is Prometheus' own"
            );
            assert!(!label.starts_with('_') && !label.ends_with('_'), "{name}: {label}");
        }
        let distinct: BTreeSet<_> = family.labels.iter().collect();
        assert_eq!(distinct.len(), family.labels.len(), "{name}");
        let of_process =
            ["heartbeat_build_info", "heartbeat_exports_total", "heartbeat_traces_total"].contains(&name);
        let ours = !family.labels.is_empty() && !legacy(help) && !of_process;
        assert!(!ours || ["kafka_cluster", "cluster_name"].contains(&family.labels[0]), "{name}");
    }
}

#[test]
fn every_declared_family_is_in_the_catalog() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/catalog");
    let folders = [folder.to_owned(), format!("{folder}/compat")];
    let entries = folders.iter().flat_map(|folder| fs::read_dir(folder).expect("the catalog"));
    let files = entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file());
    let text: String = files.map(|path| fs::read_to_string(path).expect("a source")).collect();
    let is_family = |line: &&str| line.trim_start().starts_with("pub static ") && line.contains(": Family<");
    // One more line is that of the macro which declares families.
    let declared = text.lines().filter(is_family).filter(|line| !line.contains('$')).count();
    let elsewhere = catalog::compat::klag_exporter::ALL.len() + catalog::target::ALL.len();
    assert_eq!(declared, catalog::all().count() + elsewhere);
    // Each older name belongs to exactly one program.
    let of_sets = catalog::compat::SETS.iter().flat_map(|set| set.families.iter().map(|family| family.name));
    let of_sets: Vec<_> = of_sets.collect();
    assert_eq!(of_sets, catalog::compat::all().map(|family| family.name).collect::<Vec<_>>());
    assert_eq!(of_sets.iter().collect::<BTreeSet<_>>().len(), of_sets.len());
}

/// All series of the sample, with hostile labels, as OpenMetrics with `_created`, and the number of series.
fn with_created() -> (String, usize) {
    let (readings, process) = (readings(), process(wall()));
    let exposed = Exposed::to_scrape(&readings, &process, COMPAT);
    let mut series = Vec::new();
    render::everything(&exposed, &mut series);
    let counts = |one: &&Series<'_>| matches!(one.family.kind, Kind::Counter | Kind::Histogram);
    let count = series.iter().filter(counts).count();
    let mut blocks = Blocks::new(&config().labels, Format::OpenMetrics).created(Some(wall()));
    blocks.take(series);
    let text = Parts::of(&[&blocks.done()], Format::OpenMetrics).plain().concat();
    (String::from_utf8(text).expect("text"), count)
}

#[test]
fn counters_have_a_created_time_only_where_it_is_wanted() {
    let (text, counters) = with_created();
    let lines: Vec<_> = text.lines().filter(|line| line.contains("_created{")).collect();
    assert!(lines.iter().all(|line| line.ends_with(" 1800000000.000")), "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("heartbeat_outcomes_created{")), "without _total");
    assert_eq!((lines.len(), counters > 100), (counters, true));
    assert!(!expose(&readings(), Format::OpenMetrics).contains("_created{"));
}

/// The number of samples that the parser of Prometheus' Python client reads; `None` where the parser is missing.
fn python(text: &str) -> Option<Result<usize, String>> {
    // The python3 of the PATH may lack the packages that the python3 of the system has.
    ["python3", "/usr/bin/python3"].into_iter().find_map(|program| python_of(program, text))
}

fn python_of(program: &str, text: &str) -> Option<Result<usize, String>> {
    const PROGRAM: &str = "import sys\nfrom prometheus_client.openmetrics.parser import text_string_to_metric_families as parse\n\
        print(sum(len(family.samples) for family in parse(sys.stdin.buffer.read().decode())))";
    let mut child = Command::new(program)
        .args(["-c", PROGRAM])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    child.stdin.take().expect("a pipe").write_all(text.as_bytes()).ok();
    let output = child.wait_with_output().expect("an end");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    if errors.contains("No module named") {
        return None;
    }
    let count = String::from_utf8_lossy(&output.stdout).trim().parse();
    Some(count.map_err(|_| errors))
}

#[test]
fn strict_parser_of_the_python_client_accepts_everything() {
    let plain = expose(&readings(), Format::OpenMetrics);
    for text in [plain, with_created().0] {
        let Some(found) = python(&text) else {
            let strict = std::env::var_os("CI").is_some_and(|ci| ci == "true");
            assert!(!strict, "python3 with prometheus_client is missing");
            return;
        };
        let samples = text.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(found, Ok(samples));
    }
    // The parser must refuse a broken exposition, or its acceptance would prove nothing.
    let broken = "# TYPE a counter\na 1\n# EOF\n";
    assert!(python(broken).expect("the parser was found before").is_err());
}

#[test]
fn labels_of_klag_exporter_replace_ours_if_switched_on() {
    let readings = readings();
    let wanted = Compat { member_labels: true, ..Compat::default() };
    let mut series = Vec::new();
    render::topics_and_groups(&readings[0], ClusterLabel::EachCluster, wanted, &mut series);
    let text = String::from_utf8(encode(&series, &BTreeMap::new(), Format::Text)).expect("text");
    let exposition = parse(&text, Format::Text).expect("the text format");
    let ours = parsed(&readings);
    let labels = |exposition: &Exposition, name: &str| -> BTreeSet<Vec<String>> {
        let of = exposition.samples().keys().filter(|(of, _)| of == name);
        of.map(|(_, labels)| labels.iter().map(|(label, _)| label.clone()).collect()).collect()
    };
    let values = |exposition: &Exposition, name: &str| -> Vec<f64> {
        let of = exposition.samples().iter().filter(|((of, _), _)| of == name);
        let mut values: Vec<f64> = of.map(|(_, value)| *value).collect();
        values.sort_by(f64::total_cmp);
        values
    };
    for family in catalog::compat::klag_exporter::ALL {
        let mut expected: Vec<String> = family.labels.iter().map(|label| (*label).to_owned()).collect();
        expected.sort();
        assert_eq!(labels(&exposition, family.name), BTreeSet::from([expected]), "{}", family.name);
        assert_eq!(values(&exposition, family.name), values(&ours, family.name), "{}", family.name);
    }
    let lag_seconds = "kafka_consumergroup_group_lag_seconds";
    assert!(exposition.labels_of(lag_seconds, "member_host").contains("10.0.0.7"));
    assert!(exposition.labels_of(lag_seconds, "compaction_detected").contains("true"));
}

/// Values of a family by the values of these labels.
fn by(exposition: &Exposition, name: &str, labels: &[&str]) -> BTreeMap<Vec<String>, f64> {
    let of = exposition.samples().iter().filter(|((of, _), _)| of == name);
    of.map(|((_, all), value)| {
        let value_of =
            |label: &&str| all.iter().find(|(name, _)| name == label).expect("the label").1.clone();
        (labels.iter().map(value_of).collect(), *value)
    })
    .collect()
}

#[test]
fn older_names_have_the_values_of_ours() {
    let exposition = parsed(&readings());
    let (group, partition) = (["cluster_name", "group", "topic"], ["cluster_name", "topic", "partition"]);
    let (theirs, place) =
        (["kafka_cluster", "consumergroup", "topic"], ["kafka_cluster", "topic", "partition"]);
    let more = |labels: [&'static str; 3]| [&labels[..], &["partition"]].concat();
    for (old, old_labels, new, labels) in [
        ("kafka_consumergroup_current_offset", more(theirs), "kafka_consumergroup_group_offset", more(group)),
        ("kafka_consumergroup_lag", more(theirs), "kafka_consumergroup_group_lag", more(group)),
        (
            "kafka_consumergroup_lag_sum",
            theirs.to_vec(),
            "kafka_consumergroup_group_topic_sum_lag",
            group.to_vec(),
        ),
        (
            "kafka_consumer_lag",
            more(["kafka_cluster", "group", "topic"]),
            "kafka_consumergroup_group_lag",
            more(group),
        ),
        (
            "kafka_topic_partition_current_offset",
            place.to_vec(),
            "kafka_partition_latest_offset",
            partition.to_vec(),
        ),
        (
            "kafka_topic_partition_oldest_offset",
            place.to_vec(),
            "kafka_partition_earliest_offset",
            partition.to_vec(),
        ),
        ("kafka_brokers", vec!["kafka_cluster"], "heartbeat_brokers", vec!["kafka_cluster"]),
        (
            "kafka_topic_partitions",
            vec!["kafka_cluster", "topic"],
            "kafka_topic_partition_count",
            vec!["kafka_cluster", "topic"],
        ),
        (
            "kminion_end_to_end_messages_produced_in_flight",
            vec!["kafka_cluster", "partition_id"],
            "heartbeat_in_flight",
            vec!["kafka_cluster", "partition"],
        ),
    ] {
        let found = by(&exposition, old, &old_labels);
        assert!(!found.is_empty(), "{old}");
        assert_eq!(found, by(&exposition, new, &labels), "{old}");
    }
    let sum = |name: &str, holds: &dyn Fn(&str) -> bool| -> f64 {
        let outcomes = by(&exposition, name, &["outcome", "kafka_cluster", "partition", "broker"]);
        outcomes.iter().filter(|(labels, _)| holds(&labels[0])).map(|(_, value)| value).sum()
    };
    let all = |name: &str| by(&exposition, name, &["kafka_cluster", "partition_id"]).values().sum::<f64>();
    let of =
        |outcomes: &'static [&str]| sum("heartbeat_outcomes_total", &|outcome| outcomes.contains(&outcome));
    for (old, outcomes) in [
        ("produced_failed", &["rejected", "unacked_received", "unacked_missing", "unsent"][..]),
        ("received", &["ok", "unacked_received"]),
        ("lost", &["late", "lost"]),
        ("produced", &["ok", "late", "lost", "rejected", "unacked_received", "unacked_missing", "unsent"]),
    ] {
        let old = format!("kminion_end_to_end_messages_{old}_total");
        assert_eq!(all(&old), of(outcomes), "{old}");
    }
    let brokers = by(
        &exposition,
        "heartbeat_produce_duration_seconds_count",
        &["kafka_cluster", "partition", "broker"],
    );
    assert_eq!(all("kminion_end_to_end_produce_latency_seconds_count"), brokers.values().sum::<f64>());
}

#[test]
fn sample_shows_every_family_but_those_its_system_does_not_report() {
    let exposition = parsed(&readings());
    let shown: BTreeSet<_> = exposition.families().collect();
    let missing: Vec<_> =
        catalog::all().map(|family| family.name).filter(|name| !shown.contains(name)).collect();
    assert_eq!(missing, ["process_open_fds", "process_max_fds"]);
}

#[test]
fn constant_label_with_the_name_of_one_of_ours_is_refused() {
    let labels: BTreeSet<_> = catalog::labels().chain(["le", "quantile"]).collect();
    for label in labels {
        let env = BTreeMap::from([("KAFKA_HEARTBEAT__KAFKA__BOOTSTRAP_SERVERS".into(), "b:9092".into())]);
        let (key, value) = (label.to_owned(), "x".to_owned());
        let setting = FlagSetting { section: "labels", key, value, flag: "--label" };
        let errors = config::load(&Sources { env, settings: vec![setting], ..Sources::default() });
        let errors = errors.expect_err(label).to_string();
        assert!(errors.contains("carry this label already"), "{label}: {errors}");
    }
}

#[test]
fn strict_parser_refuses_every_malformed_text() {
    let text = [
        "x 1\n",
        "# HELP x X.\n# TYPE x gauge\nx 1",
        "# HELP x X.\n# TYPE x gauge\nx 1\nx 1\n",
        "# HELP x X.\n# TYPE x gauge\nx{a=\"\\t\"} 1\n",
        "# HELP x X.\n# TYPE x gauge\nx{a=\"1\",a=\"1\"} 1\n",
        "# HELP x X.\n# TYPE x gauge\nx{a=\"1\",} 1\n",
        "# HELP x X.\n# TYPE x gauge\nx 1 1234\n",
        "# HELP x X.\n# TYPE x gauge\nx inf\n",
        "# HELP x X.\n# TYPE x counter\nx -1\n",
        "# HELP x X.\n# TYPE x gauge\ny 1\n",
        "# HELP x X.\n# TYPE x histogram\nx_bucket{le=\"1\"} 2\nx_bucket{le=\"+Inf\"} 1\nx_sum 1\nx_count 1\n",
        "# HELP x X.\n# TYPE x histogram\nx_bucket{le=\"1\"} 1\nx_sum 1\nx_count 1\n",
        "# HELP x X.\n# TYPE x histogram\nx_bucket{le=\"+Inf\"} 1\nx_sum 1\nx_count 2\n",
    ];
    for text in text {
        assert!(parse(text, Format::Text).is_err(), "{text}");
    }
    let openmetrics = [
        "# HELP x X.\n# TYPE x gauge\nx 1\n",
        "# HELP x X.\n# TYPE x gauge\nx 1\n# EOF\n# EOF\n",
        "# HELP x X.\n# TYPE x counter\nx 1\n# EOF\n",
        "# HELP x X.\n# TYPE x info\nx_info 2\n# EOF\n",
        "# HELP x X.\n# TYPE x gauge\n# UNIT x seconds\nx 1\n# EOF\n",
        "# HELP x X.\n# TYPE x histogram\nx_bucket{le=\"1\"} 1\nx_bucket{le=\"+Inf\"} 1\nx_sum 1\nx_count 1\n# EOF\n",
    ];
    for text in openmetrics {
        assert!(parse(text, Format::OpenMetrics).is_err(), "{text}");
    }
    let right = "# HELP x X.\n# TYPE x counter\nx_total{a=\"\\\"\\\\\\n\"} 1\n# EOF\n";
    assert_eq!(parse(right, Format::OpenMetrics).expect("right").labels_of("x_total", "a").len(), 1);
}
