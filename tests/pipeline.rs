//! Metrics and traces behind a real OpenTelemetry Collector with the shipped configuration. Pushed series have the same
//! names, labels and values as on `/metrics`; histograms and traces are forwarded unchanged; the collector also scrapes.
//!
//! The collector is built by `.ci/run`, which puts its path in `OTELCOL`. Without it these tests are skipped, except under
//! `CI=true`.

#[expect(dead_code, reason = "every test uses a part of what is shared")]
#[path = "otlp/collector.rs"]
mod collector;
#[path = "otlp/ended.rs"]
mod ended;
#[expect(dead_code, reason = "every test uses a part of what is shared")]
mod exposition_parser;
#[expect(dead_code, reason = "every test uses a part of what is shared")]
mod sample;
#[expect(dead_code, reason = "each test binary uses a part of the support")]
mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, SystemTime},
};

use collector::{Collector, metrics_of};
use exposition_parser::{Id, parse};
use kafka_heartbeat::{
    config::{self, FlagSetting, Sources},
    export::{
        otlp::{Encoder, Exporter},
        prometheus::{Format, encode},
    },
    metrics::render::{self, Exposed},
};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use support::{
    program::tool,
    service::{free_port, program},
    wait_for,
};
use tokio::time::Instant;

const PATIENCE: Duration = Duration::from_secs(30);

/// A running collector with a folder of its own; dropping it kills it.
struct Real {
    child: Child,
    http: u16,
    grpc: u16,
    prometheus: u16,
    folder: tempfile::TempDir,
}

impl Real {
    /// `None` where the program is missing: the test is skipped.
    fn start(behind: SocketAddr) -> Option<Self> {
        let program = tool("OTELCOL")?;
        // Another program may take a free port a moment later. Then the collector ends, and other ports are tried.
        (0..5).find_map(|_| Self::pushed(&program, behind)).or_else(|| panic!("the collector does not start"))
    }

    /// Starts the collector with the shipped configuration for pushed data and one further backend. `None` if it has ended.
    fn pushed(program: &Path, behind: SocketAddr) -> Option<Self> {
        let (http, grpc, prometheus) = (free_port(), free_port(), free_port());
        let text = format!(
            "exporters:\n  otlp_http: {{ endpoint: 'http://{behind}' }}\nservice:\n  telemetry: {{ metrics: {{ level: none }} }}\n  \
             pipelines:\n    metrics: {{ exporters: [prometheus, otlp_http] }}\n    traces: {{ exporters: [otlp_http] }}\n"
        );
        let listens = [
            ("OTLP_HTTP_LISTEN", format!("127.0.0.1:{http}")),
            ("OTLP_GRPC_LISTEN", format!("127.0.0.1:{grpc}")),
            ("PROMETHEUS_LISTEN", format!("127.0.0.1:{prometheus}")),
        ];
        let mut collector = Self::spawn(program, "push.yml", &text, &listens);
        (collector.http, collector.grpc, collector.prometheus) = (http, grpc, prometheus);
        wait_for("the collector to listen or end", PATIENCE, || {
            let connects = |port: &u16| std::net::TcpStream::connect(("127.0.0.1", *port)).is_ok();
            let ended = collector.child.try_wait().expect("the state of the collector").is_some();
            (ended || [http, grpc, prometheus].iter().all(connects)).then_some(())
        });
        collector.child.try_wait().expect("the state of the collector").is_none().then_some(collector)
    }

    /// Starts the program with a shipped configuration and a second one that overrides parts of it.
    fn spawn(program: &Path, shipped: &str, different: &str, environment: &[(&str, String)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/otel-collector").join(shipped);
        let config = folder.path().join("collector.yaml");
        fs::write(&config, different).expect("a file");
        let log = File::create(folder.path().join("log")).expect("a log");
        let child = Command::new(program)
            .arg("--config")
            .arg(shipped)
            .arg("--config")
            .arg(config)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle of the log"))
            .stderr(log)
            .spawn()
            .expect("the collector starts");
        Self { child, http: 0, grpc: 0, prometheus: 0, folder }
    }

    /// The metrics that Prometheus would scrape from the collector.
    fn scraped(&self) -> String {
        let url = format!("http://127.0.0.1:{}/metrics", self.prometheus);
        let mut answer = ureq::get(&url).call().expect("an answer");
        answer.body_mut().with_config().limit(1 << 28).read_to_string().expect("metrics")
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("{}", fs::read_to_string(self.folder.path().join("log")).unwrap_or_default());
        }
    }
}

/// An exporter of the sample, and the same series in the text format.
fn exporter(settings: &[(&'static str, String)]) -> (Exporter, String) {
    let wall = SystemTime::now();
    let (readings, process) = (sample::sample(&sample::config(), wall), sample::process(wall));
    let exposed = Exposed::to_push(&readings, &process);
    let mut series = Vec::new();
    render::everything(&exposed, &mut series);
    let text = String::from_utf8(encode(&series, &BTreeMap::new(), Format::Text)).expect("UTF-8");
    drop(series);
    drop(exposed);
    let settings = settings.iter().map(|(key, value)| FlagSetting {
        section: "otlp",
        key: (*key).to_owned(),
        value: value.clone(),
        flag: "test",
    });
    let sources =
        Sources { bootstrap: Some("b:1".to_owned()), settings: settings.collect(), ..Sources::default() };
    let otlp = config::load(&sources).expect("a configuration").otlp.metrics.expect("metrics are pushed");
    let source =
        move |encoder: &mut Encoder<'_>| render::everything(&Exposed::to_push(&readings, &process), encoder);
    let begun = wall - Duration::from_secs(6000);
    let exporter =
        Exporter::new(&otlp, &BTreeMap::new(), "one", Arc::new(source), begun).expect("an exporter");
    (exporter, text)
}

/// The collector's Kafka receiver has names of its own for these.
const RECEIVER: [(&str, &str); 6] = [
    ("kafka_partition_current_offset", "kafka_partition_latest_offset"),
    ("kafka_partition_oldest_offset", "kafka_partition_earliest_offset"),
    ("kafka_consumer_group_offset", "kafka_consumergroup_group_offset"),
    ("kafka_consumer_group_lag", "kafka_consumergroup_group_lag"),
    ("kafka_consumer_group_lag_sum", "kafka_consumergroup_group_topic_sum_lag"),
    ("kafka_topic_partitions", "kafka_topic_partition_count"),
];

/// The samples of the collector under the names of `/metrics`, without the labels that the collector adds.
fn ours(text: &str) -> BTreeMap<Id, f64> {
    let read = parse(text, Format::Text).expect("metrics");
    let added = |label: &str| ["job", "instance"].contains(&label) || label.starts_with("otel_scope_");
    let samples = read.samples().iter().filter(|((name, _), _)| name != "target_info");
    samples
        .map(|((name, labels), value)| {
            let name =
                RECEIVER.iter().find(|(theirs, _)| theirs == name).map_or(name.as_str(), |(_, ours)| ours);
            let labels = labels.iter().filter(|(label, _)| !added(label)).cloned().collect();
            ((name.to_owned(), labels), *value)
        })
        .collect()
}

/// Removes empty labels: Prometheus treats an empty label as an absent one.
fn without_empty_labels(samples: BTreeMap<Id, f64>) -> BTreeMap<Id, f64> {
    let named = samples.into_iter().map(|((name, labels), value)| {
        ((name, labels.into_iter().filter(|(_, value)| !value.is_empty()).collect()), value)
    });
    named.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn real_collector_shows_every_series_with_its_name_labels_and_value() {
    let behind = Collector::default();
    for protocol in ["http/protobuf", "grpc"] {
        let Some(collector) = Real::start(behind.http().await) else { return };
        let port = if protocol == "grpc" { collector.grpc } else { collector.http };
        let (mut exporter, text) = exporter(&[
            ("endpoint", format!("http://127.0.0.1:{port}")),
            ("protocol", protocol.to_owned()),
            ("histograms", "explicit".to_owned()),
        ]);
        exporter.export(Instant::now() + PATIENCE).await.expect("an export");
        let expected = without_empty_labels(parse(&text, Format::Text).expect("metrics").samples().clone());
        // The collector batches points for a short time before it forwards them.
        let found = wait_for("the pushed series", PATIENCE, || {
            Some(without_empty_labels(ours(&collector.scraped())))
                .filter(|found| found.len() >= expected.len())
        });
        let names = |samples: &BTreeMap<Id, f64>| {
            samples.keys().map(|(name, _)| name.clone()).collect::<BTreeSet<_>>()
        };
        assert_eq!(names(&found), names(&expected), "{protocol}");
        assert_eq!(found.len(), expected.len());
        for (id, value) in &expected {
            assert_eq!(found.get(id), Some(value), "{protocol}: {id:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn real_collector_forwards_exponential_histograms_unchanged() {
    let behind = Collector::default();
    let Some(collector) = Real::start(behind.http().await) else { return };
    let direct = Collector::default();
    let mut found = Vec::new();
    for (receiver, port) in [(&direct, direct.grpc().await.port()), (&behind, collector.grpc)] {
        let (mut exporter, _) =
            exporter(&[("endpoint", format!("http://127.0.0.1:{port}")), ("protocol", "grpc".to_owned())]);
        let report = exporter.export(Instant::now() + PATIENCE).await.expect("an export");
        assert_eq!(report.rejected, 0);
        let taken = wait_for("the forwarded metrics", PATIENCE, || {
            Some(receiver.take()).filter(|taken| !taken.is_empty())
        });
        let histograms: BTreeMap<_, _> = metrics_of(&taken)
            .filter_map(|metric| match metric.data.as_ref()? {
                Data::ExponentialHistogram(histogram) => {
                    Some((metric.name.clone(), histogram.data_points.clone()))
                }
                _ => None,
            })
            .map(|(name, points)| {
                let points = points.into_iter().map(|point| {
                    let positive = point.positive.expect("positive buckets");
                    (
                        point.count,
                        point.sum.expect("a sum"),
                        point.scale,
                        positive.offset,
                        positive.bucket_counts,
                    )
                });
                (name, points.collect::<Vec<_>>())
            })
            .collect();
        assert!(histograms.len() >= 5, "{histograms:?}");
        found.push(histograms);
    }
    assert_eq!(found[0], found[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn real_collector_forwards_traces_unchanged() {
    let behind = Collector::default();
    let Some(collector) = Real::start(behind.http().await) else { return };
    let direct = Collector::default();
    for protocol in ["http/protobuf", "grpc"] {
        let mut found = Vec::new();
        let port = |ports: (u16, u16)| if protocol == "grpc" { ports.1 } else { ports.0 };
        let ports = (direct.http().await.port(), direct.grpc().await.port());
        for (receiver, port) in [(&direct, port(ports)), (&behind, port((collector.http, collector.grpc)))] {
            let endpoint = match protocol {
                "grpc" => format!("http://127.0.0.1:{port}"),
                _ => format!("http://127.0.0.1:{port}/v1/traces"),
            };
            let exporter = ended::exporter(&[("traces.endpoint", &endpoint), ("traces.protocol", protocol)]);
            let heartbeats: Vec<_> = ended::every_outcome().collect();
            exporter.export(&heartbeats).await.expect("an export");
            let spans = wait_for("the forwarded spans", PATIENCE, || {
                Some(collector::spans(&receiver.take_spans())).filter(|spans| !spans.is_empty())
            });
            found.push(spans);
        }
        assert!(found[0].len() > 15, "{found:?}");
        assert_eq!(found[0], found[1], "{protocol}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn real_collector_scrapes_the_service_and_forwards_its_series() {
    let Some(collector) = tool("OTELCOL") else { return };
    let behind = Collector::default();
    let address = format!("127.0.0.1:{}", free_port());
    let demo = program()
        .args(["demo", "--listen", &address])
        .stderr(Stdio::null())
        .spawn()
        .expect("the demo starts");
    let nowhere = tempfile::tempdir().expect("a folder");
    let _demo = Real { child: demo, http: 0, grpc: 0, prometheus: 0, folder: nowhere };
    let environment = [
        ("KAFKA_HEARTBEAT", address),
        ("SCRAPE_INTERVAL", "1s".to_owned()),
        ("OTLP_BACKEND", format!("http://{}", behind.http().await)),
    ];
    let quiet = "service: { telemetry: { metrics: { level: none } } }";
    let _collector = Real::spawn(&collector, "scrape.yml", quiet, &environment);
    let mut seen = BTreeMap::new();
    wait_for("heartbeats and their latencies", PATIENCE, || {
        let taken = behind.take();
        seen.extend(metrics_of(&taken).map(|metric| (metric.name.clone(), metric.data.clone())));
        let is_native = matches!(
            seen.get("heartbeat_end_to_end_duration_seconds"),
            Some(Some(Data::ExponentialHistogram(_)))
        );
        let is_counter = matches!(seen.get("heartbeat_outcomes_total"), Some(Some(Data::Sum(_))));
        (is_native && is_counter).then_some(())
    });
}
