//! Pushed metrics as a collector receives them: the same series as on `/metrics`, each exactly once.

#[expect(dead_code, reason = "every test uses a part of what is shared")]
#[path = "otlp/collector.rs"]
mod collector;
#[expect(dead_code, reason = "every test uses a part of what is shared")]
mod exposition_parser;
#[path = "otlp/hostile.rs"]
mod hostile;
#[expect(dead_code, reason = "every test uses a part of what is shared")]
mod sample;
#[expect(dead_code, reason = "each test binary uses a part of the support")]
mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use collector::{Answer, Collector, Point, metrics_of, points};
use exposition_parser::{Id, parse};
use kafka_heartbeat::{
    catalog,
    config::{self, FlagSetting, Metrics, Otlp, Sources},
    export::{
        otlp::{Encoder, Exporter, Sent, Settings, Temporality},
        prometheus::{Format, encode},
    },
    latency::{Bounds, Buckets, SpanContext},
    metrics::{
        Sink, Value,
        render::{self, Exposed},
    },
};
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, Metric, metric::Data};
use support::{certs::Authority, groups, kafka::Kafka, service::Service, wait_for};
use tokio::time::Instant;

/// A time limit for everything that must succeed.
const AMPLE: Duration = Duration::from_secs(20);

fn wall() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

/// The start time of all counters.
fn begun() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_700_000_000)
}

/// `[otlp]` with these settings.
fn settings(pairs: &[(&str, &str)]) -> Metrics {
    otlp(pairs).metrics.expect("an endpoint for metrics")
}

fn otlp(pairs: &[(&str, &str)]) -> Otlp {
    let settings = pairs.iter().map(|(key, value)| FlagSetting {
        section: "otlp",
        key: (*key).to_owned(),
        value: (*value).to_owned(),
        flag: "test",
    });
    let sources =
        Sources { bootstrap: Some("b:1".to_owned()), settings: settings.collect(), ..Sources::default() };
    config::load(&sources).expect("a configuration").otlp
}

fn exporter(settings: &Metrics, source: impl Fn(&mut Encoder<'_>) + Send + Sync + 'static) -> Exporter {
    Exporter::new(settings, &BTreeMap::new(), "one", Arc::new(source), begun()).expect("an exporter")
}

async fn over_http(collector: &Collector, more: &[(&str, &str)]) -> Metrics {
    let url = format!("http://{}", collector.http().await);
    settings(&[&[("endpoint", url.as_str())], more].concat())
}

async fn over_grpc(collector: &Collector, more: &[(&str, &str)]) -> Metrics {
    let url = format!("http://{}", collector.grpc().await);
    settings(&[&[("endpoint", url.as_str()), ("protocol", "grpc")], more].concat())
}

/// One export with time enough.
async fn export(exporter: &mut Exporter) -> Result<kafka_heartbeat::export::otlp::Report, String> {
    exporter.export(Instant::now() + AMPLE).await
}

/// The name that Prometheus gives a metric. Metrics with a name of the collector's Kafka receiver get the name that the
/// service exposes.
fn translated(metric: &Metric) -> String {
    let receiver = [
        ("kafka.partition.current_offset", "kafka_partition_latest_offset"),
        ("kafka.partition.oldest_offset", "kafka_partition_earliest_offset"),
        ("kafka.consumer_group.offset", "kafka_consumergroup_group_offset"),
        ("kafka.consumer_group.lag", "kafka_consumergroup_group_lag"),
        ("kafka.consumer_group.lag_sum", "kafka_consumergroup_group_topic_sum_lag"),
        ("kafka.topic.partitions", "kafka_topic_partition_count"),
    ];
    if let Some((_, ours)) = receiver.iter().find(|(theirs, _)| *theirs == metric.name) {
        assert!(metric.unit.starts_with('{'), "a unit in braces, which is no part of the translated name");
        return (*ours).to_owned();
    }
    let unit = match metric.unit.as_str() {
        "s" => "_seconds",
        "By" => "_bytes",
        "" => "",
        other => panic!("{other}"),
    };
    let unit = if metric.name.ends_with(unit) { "" } else { unit };
    let total = match metric.data.as_ref().expect("a metric has data") {
        Data::Sum(sum) if sum.is_monotonic => "_total",
        _ => "",
    };
    format!("{}{unit}{total}", metric.name.replace('.', "_"))
}

/// The names, labels and values of all points that the collector took since the last call. A histogram has its count.
fn samples(collector: &Collector) -> BTreeMap<Id, f64> {
    let taken = collector.take();
    let points = metrics_of(&taken).flat_map(|metric| {
        let suffix = match metric.data.as_ref().expect("a metric has data") {
            Data::Histogram(_) | Data::ExponentialHistogram(_) => "_count",
            _ => "",
        };
        let name = format!("{}{suffix}", translated(metric));
        points(metric)
            .into_iter()
            .map(move |point| ((name.clone(), point.attributes), point.value.expect("the point has a value")))
    });
    let points: Vec<_> = points.collect();
    let samples: BTreeMap<_, _> = points.iter().cloned().collect();
    assert_eq!(samples.len(), points.len(), "no series is sent twice");
    samples
}

#[tokio::test]
async fn pushed_series_equal_scraped_series() {
    let (readings, process) = (Arc::new(sample::sample(&sample::config(), wall())), sample::process(wall()));
    let exposed = Exposed::to_push(&readings, &process);
    let mut series = Vec::new();
    render::everything(&exposed, &mut series);
    let text = String::from_utf8(encode(&series, &BTreeMap::new(), Format::Text)).expect("UTF-8");
    let scraped = parse(&text, Format::Text).expect("the text format");
    // Of histograms the count; buckets and sums have a test of their own.
    let histograms: BTreeSet<_> =
        scraped.samples().keys().filter_map(|(name, _)| name.strip_suffix("_bucket")).collect();
    let part_of = |name: &str| {
        let base = name.strip_suffix("_bucket").or(name.strip_suffix("_sum"));
        base.is_some_and(|base| histograms.contains(base))
    };
    let scraped: BTreeMap<_, _> = scraped
        .samples()
        .iter()
        .filter(|((name, _), _)| !part_of(name))
        .map(|(id, value)| (id.clone(), *value))
        .collect();
    let collector = Collector::default();
    for settings in [
        over_http(&collector, &[]).await,
        over_http(&collector, &[("compression", "none"), ("histograms", "explicit")]).await,
        over_grpc(&collector, &[]).await,
        over_grpc(&collector, &[("compression", "none")]).await,
    ] {
        let (readings, process) = (readings.clone(), process.clone());
        let mut exporter = exporter(&settings, move |encoder| {
            render::everything(&Exposed::to_push(&readings, &process), encoder);
        });
        export(&mut exporter).await.expect("the collector accepts the export");
        let pushed = samples(&collector);
        assert_eq!(pushed, scraped, "{settings:?}");
        assert!(pushed.len() > 300);
    }
}

/// Series that a test changes from one export to the next.
#[derive(Clone, Default)]
struct Script(Arc<Mutex<Vec<(u64, f64)>>>);

impl Script {
    /// A counter and a gauge of each partition.
    fn set(&self, values: &[(u64, f64)]) {
        *self.0.lock().expect("no other thread panicked") = values.to_vec();
    }

    fn source(&self) -> impl Fn(&mut Encoder<'_>) + Send + Sync + 'static {
        let values = self.0.clone();
        move |encoder| {
            for (partition, (count, gauge)) in
                values.lock().expect("no other thread panicked").iter().enumerate()
            {
                let at = || ["eu".into(), partition.to_string().into()];
                encoder.push(catalog::heartbeat::SCHEDULED.series(at(), Value::Count(*count)));
                encoder.push(catalog::heartbeat::IN_FLIGHT.series(at(), Value::Number(*gauge)));
            }
        }
    }
}

/// Points of one metric, by partition.
fn of(collector: &Collector, name: &str) -> BTreeMap<String, Point> {
    let taken = collector.take();
    let points = metrics_of(&taken).filter(|metric| metric.name == name).flat_map(points);
    let partition = |point: &Point| {
        point
            .attributes
            .iter()
            .find(|(name, _)| name == "partition")
            .map(|(_, value)| value.clone())
            .expect("the label partition")
    };
    points.map(|point| (partition(&point), point)).collect()
}

#[tokio::test]
async fn series_that_vanished_is_sent_once_without_a_value_after_its_last_value_arrived() {
    let collector = Collector::default();
    let script = Script::default();
    script.set(&[(1, 0.5), (2, 0.5)]);
    let mut exporter = exporter(&over_http(&collector, &[]).await, script.source());
    export(&mut exporter).await.expect("the collector accepts the export");
    assert_eq!(of(&collector, "heartbeat.in_flight").len(), 2);
    script.set(&[(3, 0.5)]);
    collector.answer([Answer::Refuse(400, None)]);
    assert!(export(&mut exporter).await.unwrap_err().contains("400"));
    for (name, value) in [("heartbeat.in_flight", 0.5), ("heartbeat.scheduled", 3.0)] {
        // Each request takes all points from the collector: the second name has an export of its own, without vanished series.
        export(&mut exporter).await.expect("the collector accepts the export");
        let points = of(&collector, name);
        assert_eq!((points["0"].flags, points["0"].value), (0, Some(value)));
        if name == "heartbeat.in_flight" {
            assert_eq!((points["1"].flags, points["1"].value), (1, None), "no recorded value");
        } else {
            assert!(!points.contains_key("1"), "partition 1 was sent without a value in the export before");
        }
    }
}

#[tokio::test]
async fn counter_that_started_again_has_a_new_start_time() {
    let collector = Collector::default();
    let script = Script::default();
    let mut exporter = exporter(&over_http(&collector, &[]).await, script.source());
    let mut starts = Vec::new();
    for count in [5, 9, 2, 4] {
        script.set(&[(count, 0.0)]);
        export(&mut exporter).await.expect("the collector accepts the export");
        let point = of(&collector, "heartbeat.scheduled").remove("0").expect("the point of partition 0");
        assert_eq!(point.value, Some(count as f64));
        starts.push(point.start);
    }
    assert_eq!(starts[0], 1_700_000_000_000_000_000, "the start time of the service");
    assert!(starts[0] == starts[1] && starts[1] != starts[2] && starts[2] == starts[3], "{starts:?}");
}

#[tokio::test]
async fn differences_add_up_whatever_request_was_lost() {
    let collector = Collector::default();
    let script = Script::default();
    let settings = over_http(&collector, &[("temporality", "delta")]).await;
    let mut exporter = exporter(&settings, script.source());
    let (mut sum, mut ends) = (0.0, Vec::new());
    for (step, count) in [3, 10, 10, 25, 31].into_iter().enumerate() {
        script.set(&[(count, 7.0)]);
        if step == 1 {
            collector.answer([Answer::Refuse(400, None)]);
        }
        let result = export(&mut exporter).await;
        assert_eq!(result.is_err(), step == 1);
        let taken = collector.take();
        for metric in metrics_of(&taken) {
            let is_sum = metric.name == "heartbeat.scheduled";
            let point = points(metric).remove(0);
            if let (true, Some(Data::Sum(data))) = (is_sum, &metric.data) {
                assert_eq!(data.aggregation_temporality, AggregationTemporality::Delta as i32);
                sum += point.value.expect("the point has a value");
                ends.push(point.start);
            } else {
                assert_eq!(point.value, Some(7.0), "a gauge is sent as its value");
            }
        }
    }
    assert_eq!(sum, 31.0);
    assert!(
        ends.windows(2).all(|two| two[0] < two[1]),
        "each period begins at the end of the period before it: {ends:?}"
    );
    // The value is less than before: the counter started again, and the whole value is the increase.
    script.set(&[(4, 7.0)]);
    export(&mut exporter).await.expect("the collector accepts the export");
    assert_eq!(of(&collector, "heartbeat.scheduled")["0"].value, Some(4.0));
}

#[tokio::test]
async fn series_that_comes_back_continues_from_its_last_value() {
    for (temporality, expected) in [("delta", 2.0), ("cumulative", 7.0)] {
        let collector = Collector::default();
        let script = Script::default();
        let settings = over_http(&collector, &[("temporality", temporality)]).await;
        let mut exporter = exporter(&settings, script.source());
        script.set(&[(1, 0.0), (5, 0.0)]);
        export(&mut exporter).await.expect("the collector accepts the export");
        assert_eq!(of(&collector, "heartbeat.scheduled")["1"].value, Some(5.0));
        script.set(&[(1, 0.0)]);
        let mut flags = Vec::new();
        for _ in 0..4 {
            export(&mut exporter).await.expect("the collector accepts the export");
            flags.push(of(&collector, "heartbeat.scheduled").get("1").map(|point| point.flags));
        }
        assert_eq!(flags, [Some(1), None, None, None], "{temporality}: sent once");
        script.set(&[(1, 0.0), (7, 0.0)]);
        export(&mut exporter).await.expect("the collector accepts the export");
        assert_eq!(of(&collector, "heartbeat.scheduled")["1"].value, Some(expected), "{temporality}");
    }
}

/// Encodes once, and reads the only metric back.
fn metric(settings: &Settings, sent: &mut Sent, buckets: &Buckets) -> Metric {
    let mut encoder = Encoder::new(settings, sent, begun(), wall() + AMPLE);
    encoder.push(catalog::cluster::METADATA.series(["eu".into()], Value::Buckets(buckets)));
    let requests = encoder.requests();
    assert_eq!(requests.len(), 1);
    sent.arrived(&requests[0], wall() + AMPLE);
    let request = <opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest as prost::Message>::decode(requests[0].body()).expect("a request in protobuf");
    metrics_of(&request.resource_metrics).next().expect("a metric").clone()
}

fn plain(temporality: Temporality, exponential: bool) -> Settings {
    Settings { temporality, exponential, resource: Vec::new(), constant: BTreeMap::new() }
}

#[test]
fn histogram_has_the_same_buckets_in_every_form() {
    let mut buckets = Buckets::new(&Bounds::default());
    for step in 0..5000_u64 {
        buckets.record(Duration::from_micros(300 + step * step * 7919 % 9001));
    }
    buckets.record(Duration::ZERO);
    buckets.record_event(Duration::from_millis(700), wall(), AMPLE, || {
        ("slow".into(), Some(SpanContext { trace: 7, span: 9 }))
    });
    let Some(Data::Histogram(explicit)) =
        metric(&plain(Temporality::Cumulative, false), &mut Sent::default(), &buckets).data
    else {
        panic!("explicit buckets");
    };
    let point = &explicit.data_points[0];
    let mut below = 0;
    let cumulative = point.bucket_counts.iter().map(|count| {
        below += count;
        below
    });
    let cumulative: Vec<u64> = cumulative.collect();
    assert_eq!(cumulative, buckets.cumulative().map(|(_, count)| count).collect::<Vec<_>>());
    let bounds: Vec<f64> =
        buckets.cumulative().map(|(bound, _)| bound).filter(|bound| bound.is_finite()).collect();
    assert_eq!((point.explicit_bounds.clone(), point.count), (bounds, 5002));
    assert!((point.sum.expect("the histogram has a sum") - buckets.sum_seconds()).abs() < 1e-9);
    assert_eq!((point.exemplars.len(), point.start_time_unix_nano), (1, 1_700_000_000_000_000_000));
    let exemplar = &point.exemplars[0];
    let names: Vec<_> = exemplar.filtered_attributes.iter().map(|pair| &pair.key).collect();
    assert_eq!(names, ["heartbeat_id"]);
    assert_eq!((exemplar.trace_id.last(), exemplar.trace_id.len()), (Some(&7), 16));
    assert_eq!((exemplar.span_id.last(), exemplar.span_id.len()), (Some(&9), 8));
    let Some(Data::ExponentialHistogram(exponential)) =
        metric(&plain(Temporality::Cumulative, true), &mut Sent::default(), &buckets).data
    else {
        panic!("exponential buckets");
    };
    let point = &exponential.data_points[0];
    let positive = point.positive.as_ref().expect("positive buckets");
    let (first, counts) = buckets.exponential().buckets();
    assert_eq!((point.scale, point.zero_count, point.count), (4, 1, 5002));
    assert_eq!((positive.offset, &positive.bucket_counts[..]), (first - 1, counts));
    // The protocol's own rule: the bucket `i` is above base^i and at or below base^(i+1).
    let slowest = positive.offset + i32::try_from(positive.bucket_counts.len()).expect("few buckets") - 1;
    let base = (1.0_f64 / 16.0).exp2();
    assert!(base.powi(slowest) < 0.7 && 0.7 <= base.powi(slowest + 1));
}

#[test]
fn difference_of_histograms_is_the_increase() {
    for exponential in [false, true] {
        let settings = plain(Temporality::Delta, exponential);
        let (mut sent, mut buckets) = (Sent::default(), Buckets::new(&Bounds::default()));
        let mut counts = Vec::new();
        for more in [10, 0, 25] {
            (0..more).for_each(|step| buckets.record(Duration::from_millis(1 + step)));
            let metric = metric(&settings, &mut sent, &buckets);
            counts.push(points(&metric)[0].value.expect("the point has a value"));
        }
        assert_eq!(counts, [10.0, 0.0, 25.0]);
    }
}

#[tokio::test]
async fn large_export_is_sent_in_requests_that_every_receiver_accepts() {
    const COUNT: usize = 50_000;
    let collector = Collector::default();
    let settings = over_http(&collector, &[]).await;
    let mut exporter = exporter(&settings, |encoder| {
        for number in 0..COUNT {
            let at = ["eu".into(), format!("group-{}", number / 25).into(), "a-topic-of-some-length".into()];
            let [cluster, group, topic] = at;
            let labels = [cluster, group, topic, (number % 25).to_string().into()];
            encoder.push(catalog::collect::GROUP_LAG_SECONDS.series(labels, Value::Number(number as f64)));
        }
    });
    let report = export(&mut exporter).await.expect("the collector accepts the export");
    let sizes = collector.sizes();
    assert!(sizes.len() > 1 && sizes.iter().all(|size| *size < 4 << 20), "{sizes:?}");
    assert_eq!((report.requests, report.bytes), (sizes.len() as u64, sizes.iter().sum::<usize>() as u64));
    assert_eq!(samples(&collector).len(), COUNT);
}

#[tokio::test]
async fn resource_and_headers_are_sent() {
    let collector = Collector::default();
    let more = [
        ("headers", "api-key=s3cret%3D1, x-scope=a%20b"),
        ("resource", "deployment.environment.name=test,service.name=other"),
        ("service.name", "mine"),
    ];
    for settings in [over_http(&collector, &more).await, over_grpc(&collector, &more).await] {
        assert!(!format!("{settings:?}").contains("s3cret"), "the secret is not in the debug output");
        let mut exporter = exporter(&settings, Script(Arc::new(Mutex::new(vec![(1, 1.0)]))).source());
        export(&mut exporter).await.expect("the collector accepts the export");
        let headers = collector.headers();
        let sent = |name: &str, value: &str| headers.contains(&(name.to_owned(), value.to_owned()));
        assert!(sent("api-key", "s3cret=1") && sent("x-scope", "a b"), "{headers:?}");
        let taken = collector.take();
        let attributes = &taken[0].resource.as_ref().expect("a resource").attributes;
        let names: BTreeSet<_> = attributes.iter().map(|pair| pair.key.as_str()).collect();
        let expected =
            ["deployment.environment.name", "service.instance.id", "service.name", "service.version"];
        assert_eq!(names, BTreeSet::from(expected));
        let name =
            attributes.iter().find(|pair| pair.key == "service.name").expect("the name of the service");
        assert!(format!("{:?}", name.value).contains("\"mine\""));
    }
}

#[tokio::test]
async fn temporary_failure_is_repeated_and_final_refusal_is_not() {
    let collector = Collector::default();
    let (http, grpc) = (over_http(&collector, &[]).await, over_grpc(&collector, &[]).await);
    // (transport, answer, whether it is tried again)
    let table = [
        (&http, Answer::Refuse(503, None), true),
        (&http, Answer::Refuse(429, Some(1)), true),
        (&http, Answer::Refuse(400, None), false),
        (&http, Answer::Refuse(404, None), false),
        (&http, Answer::Refuse(500, None), false),
        (&grpc, Answer::Refuse(14, None), true),
        (&grpc, Answer::Refuse(8, Some(1)), true),
        (&grpc, Answer::Refuse(8, None), false),
        (&grpc, Answer::Refuse(3, None), false),
        (&grpc, Answer::Refuse(16, None), false),
    ];
    for (settings, answer, again) in table {
        let mut exporter = exporter(settings, Script(Arc::new(Mutex::new(vec![(1, 1.0)]))).source());
        collector.answer([answer.clone()]);
        let (before, begun) = (collector.asked(), Instant::now());
        let result = export(&mut exporter).await;
        assert_eq!((result.is_ok(), collector.asked() - before), (again, 1 + usize::from(again)));
        if let (Ok(report), Answer::Refuse(_, after)) = (&result, &answer) {
            assert_eq!((report.requests, report.retries), (1, 1));
            let asked = Duration::from_secs(after.unwrap_or(0));
            assert!(begun.elapsed() >= asked, "the exporter waits for the time that the collector asked for");
        }
    }
}

#[tokio::test]
async fn collector_that_is_silent_or_away_is_given_up_in_time_and_gets_everything_later() {
    let collector = Collector::default();
    let free: SocketAddr = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("an address")
    };
    let unused = format!("http://{free}");
    let short = [("timeout", "200ms"), ("temporality", "delta")];
    for settings in [
        over_http(&collector, &short).await,
        over_grpc(&collector, &short).await,
        settings(&[("endpoint", unused.as_str())]),
        settings(&[("endpoint", unused.as_str()), ("protocol", "grpc")]),
    ] {
        let script = Script::default();
        script.set(&[(5, 1.0)]);
        let mut exporter = exporter(&settings, script.source());
        collector.answer((0..9).map(|_| Answer::Hang));
        let begun = Instant::now();
        let words = exporter.export(begun + Duration::from_secs(1)).await.unwrap_err();
        assert!(begun.elapsed() < Duration::from_secs(5), "{words}");
        assert!(!words.is_empty() && !words.contains('\n'), "{words}");
        collector.answer([]);
        collector.forget();
        if settings.target.endpoint.contains(&unused) {
            assert!(words.contains("refused"), "{words}");
            continue;
        }
        script.set(&[(8, 1.0)]);
        export(&mut exporter).await.expect("the collector accepts the export");
        assert_eq!(of(&collector, "heartbeat.scheduled")["0"].value, Some(8.0), "the sum since the start");
    }
}

#[tokio::test]
async fn points_that_the_collector_rejects_are_counted() {
    let collector = Collector::default();
    for settings in [over_http(&collector, &[]).await, over_grpc(&collector, &[]).await] {
        collector.answer([Answer::Part(3), Answer::Part(4)]);
        let mut exporter = exporter(&settings, Script(Arc::new(Mutex::new(vec![(1, 1.0)]))).source());
        export(&mut exporter).await.expect("the collector accepts the export");
        assert_eq!(export(&mut exporter).await.expect("the collector accepts the export").rejected, 7);
    }
}

#[test]
fn unusable_setting_is_refused_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "").expect("a file");
    let empty = empty.display().to_string();
    let table = [
        (vec![("tls.ca", empty.as_str())], "tls.ca"),
        (vec![("tls.ca", "/nowhere.pem")], "tls.ca"),
        (vec![("tls.certificate", empty.as_str()), ("tls.key", empty.as_str())], "tls.certificate"),
        (vec![("headers", "a b=c")], "headers"),
    ];
    for (pairs, word) in table {
        for protocol in ["grpc", "http/protobuf"] {
            let all =
                [&[("endpoint", "https://collector:4317"), ("protocol", protocol)], &pairs[..]].concat();
            let words = kafka_heartbeat::export::otlp::check(&otlp(&all)).unwrap_err();
            assert!(words.starts_with("[otlp] ") && words.contains(word), "{words}");
        }
    }
}

/// A service that reaches no Kafka and pushes once an hour, so that its only export is the last one.
fn service(collector: SocketAddr) -> Service {
    Service::start(&format!(
        "[kafka]\nname = k\nbootstrap.servers = 127.0.0.1:1\n[heartbeat]\ninterval = 100ms\ndeadline = 300ms\n\
         [shutdown]\ngrace = 10s\n[otlp]\nendpoint = http://{collector}\ninterval = 1h\n"
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn last_outcomes_are_pushed_when_the_service_stops() {
    let collector = Collector::default();
    let service = service(collector.http().await);
    wait_for("heartbeats that the client did not accept", AMPLE, || {
        (service.sum("heartbeat_outcomes_total", &["outcome=\"unsent\""]) >= 5.0).then_some(())
    });
    let (ended, log) = service.stop();
    assert!(ended.success() && !log.contains("export"), "{log}");
    let pushed = samples(&collector);
    let sum =
        |name: &str| -> f64 { pushed.iter().filter(|((n, _), _)| n == name).map(|(_, value)| value).sum() };
    assert!(sum("heartbeat_scheduled_total") >= 5.0);
    assert_eq!(
        sum("heartbeat_scheduled_total"),
        sum("heartbeat_outcomes_total"),
        "nothing is in flight any more"
    );
    assert_eq!(sum("heartbeat_in_flight"), 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn collector_that_hangs_delays_no_stop_and_no_scrape() {
    let collector = Collector::default();
    collector.answer((0..99).map(|_| Answer::Hang));
    let service = service(collector.http().await);
    wait_for("an export under way", AMPLE, || (collector.asked() > 0).then_some(()));
    assert!(service.sum("heartbeat_scheduled_total", &[]) > 0.0);
    assert_eq!(service.sum("heartbeat_exports_total", &[]), 0.0, "the export has not ended");
    let begun = std::time::Instant::now();
    let (ended, log) = service.stop();
    assert!(ended.success() && begun.elapsed() < Duration::from_secs(10), "{log}");
    assert!(log.contains("the last export"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn retries_are_counted_although_every_export_fails() {
    let collector = Collector::default();
    collector.answer((0..999).map(|_| Answer::Refuse(429, Some(1))));
    let service = Service::start(&format!(
        "[kafka]\nname = k\nbootstrap.servers = 127.0.0.1:1\n[otlp]\nendpoint = http://{}\ninterval = 3s\n",
        collector.http().await
    ));
    wait_for("an attempt after the first", AMPLE, || {
        (service.sum("heartbeat_export_retries_total", &[]) > 0.0).then_some(())
    });
    assert_eq!(service.sum("heartbeat_exports_total", &["ending=\"ok\""]), 0.0);
}

/// The last pushed values of the series of a topic and its groups, by name; `None` where a series was sent without a value.
fn of_topic(collector: &Collector, topic: &str) -> BTreeMap<String, Option<f64>> {
    let taken = collector.take();
    let points = metrics_of(&taken)
        .flat_map(|metric| points(metric).into_iter().map(move |point| (metric.name.clone(), point)));
    points
        .filter(|(_, point)| point.attributes.contains(&("topic".to_owned(), topic.to_owned())))
        .map(|(name, point)| (name, point.value))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_topic_and_group_are_absent_from_scrape_and_push_after_the_same_cycle() {
    let Some(kafka) = Kafka::shared() else { return };
    let (topic, group) = ("pushed-and-deleted", "reads-what-is-pushed");
    kafka.create_topic(topic, 1);
    groups::write(kafka, topic, 0, (0..9).map(|_| groups::now_ms()));
    groups::commit(kafka, group, topic, &[(0, 4)]);
    let collector = Collector::default();
    let url = collector.http().await;
    let service = groups::service(
        kafka,
        &format!("[otlp]\nendpoint = http://{url}\ninterval = 500ms\ntraces.enabled = false\n"),
    );
    let pushed = wait_for("the lag to be pushed", AMPLE, || {
        let pushed = of_topic(&collector, topic);
        pushed.get("kafka.consumer_group.lag").is_some_and(|lag| *lag == Some(5.0)).then_some(pushed)
    });
    assert!(pushed.len() > 8 && pushed.values().all(Option::is_some), "{pushed:?}");
    kafka.delete_topic(topic);
    let label = format!("topic=\"{topic}\"");
    let mut last = BTreeMap::new();
    wait_for("the topic to be absent", Duration::from_secs(60), || {
        last.append(&mut of_topic(&collector, topic));
        (!service.get("/metrics").ok()?.contains(&label)).then_some(())
    });
    // Every export from here on was rendered after the cycle that found the topic missing.
    let vanished = wait_for("every series to be sent without a value", AMPLE, || {
        last.append(&mut of_topic(&collector, topic));
        last.values().all(Option::is_none).then(|| last.clone())
    });
    assert_eq!(vanished.keys().collect::<BTreeSet<_>>(), pushed.keys().collect::<BTreeSet<_>>());
    let before = collector.asked();
    wait_for("two more exports", AMPLE, || (collector.asked() >= before + 2).then_some(()));
    assert_eq!(
        of_topic(&collector, topic),
        BTreeMap::new(),
        "a vanished series is sent once without a value"
    );
    assert!(!service.get("/metrics").expect("the metrics").contains(&label));
}

/// A collector that requires a client certificate, and a folder with certificates.
async fn guarded(collector: &Collector) -> (SocketAddr, tempfile::TempDir) {
    let (authority, stranger) = (Authority::new("ours"), Authority::new("another"));
    let server = authority.server(Duration::from_secs(3600));
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in [("ca.pem", authority.pem()), ("other-ca.pem", stranger.pem())] {
        std::fs::write(folder.path().join(name), text).expect("a file");
    }
    for (name, identity) in [("client", authority.client("us")), ("other", stranger.client("them"))] {
        std::fs::write(folder.path().join(format!("{name}.pem")), identity.certificate).expect("a file");
        std::fs::write(folder.path().join(format!("{name}.key")), identity.key).expect("a file");
    }
    let address = collector.guarded(&server.certificate, &server.key, authority.pem()).await;
    (address, folder)
}

#[tokio::test]
async fn tls_without_trust_on_both_sides_pushes_nothing() {
    let collector = Collector::default();
    let (address, folder) = guarded(&collector).await;
    let file = |name: &str| folder.path().join(name).display().to_string();
    let url = format!("https://localhost:{}", address.port());
    for (ca, identity, works) in [
        ("ca.pem", Some("client"), true),
        ("ca.pem", Some("other"), false),
        ("ca.pem", None, false),
        ("other-ca.pem", Some("client"), false),
    ] {
        let mut pairs = vec![
            ("endpoint", url.clone()),
            ("protocol", "grpc".to_owned()),
            ("timeout", "2s".to_owned()),
            ("tls.ca", file(ca)),
        ];
        if let Some(identity) = identity {
            pairs.push(("tls.certificate", file(&format!("{identity}.pem"))));
            pairs.push(("tls.key", file(&format!("{identity}.key"))));
        }
        let pairs: Vec<_> = pairs.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let mut exporter = exporter(&settings(&pairs), Script(Arc::new(Mutex::new(vec![(1, 1.0)]))).source());
        let result = exporter.export(Instant::now() + Duration::from_secs(3)).await;
        assert_eq!(result.is_ok(), works, "{ca} {identity:?}: {result:?}");
        assert_eq!(collector.take().len(), usize::from(works));
        // Over HTTP the same files are used by another client.
        let over_http: Vec<_> = pairs
            .iter()
            .map(
                |(key, value)| {
                    if *key == "protocol" { ("protocol", "http/protobuf") } else { (*key, *value) }
                },
            )
            .collect();
        let mut exporter =
            self::exporter(&settings(&over_http), Script(Arc::new(Mutex::new(vec![(1, 1.0)]))).source());
        let words = exporter.export(Instant::now() + Duration::from_secs(3)).await.unwrap_err();
        // The collector speaks HTTP/2 only, and its error about the HTTP version proves that the TLS handshake succeeded.
        assert_eq!(words.contains("invalid HTTP version"), works, "{ca} {identity:?}: {words}");
    }
}

#[tokio::test]
async fn renewed_certificate_and_ca_are_used_for_the_next_export() {
    let collector = Collector::default();
    let (address, folder) = guarded(&collector).await;
    let file = |name: &str| folder.path().join(name).display().to_string();
    let renew = |file: &str, name: &str| {
        std::fs::copy(folder.path().join(file), folder.path().join(name)).expect("a copy");
    };
    let (used_certificate, used_key, used_ca) = ("used.pem", "used.key", "used-ca.pem");
    renew("client.pem", used_certificate);
    renew("client.key", used_key);
    renew("ca.pem", used_ca);
    let url = format!("https://localhost:{}", address.port());
    let files = [used_ca, used_certificate, used_key].map(file);
    let settings = settings(&[
        ("endpoint", url.as_str()),
        ("protocol", "grpc"),
        ("timeout", "2s"),
        ("tls.ca", files[0].as_str()),
        ("tls.certificate", files[1].as_str()),
        ("tls.key", files[2].as_str()),
    ]);
    let mut exporter = exporter(&settings, Script(Arc::new(Mutex::new(vec![(1, 1.0)]))).source());
    let mut works = async || {
        let result = exporter.export(Instant::now() + Duration::from_secs(3)).await;
        assert_eq!(collector.take().len(), usize::from(result.is_ok()), "{result:?}");
        result.is_ok()
    };
    assert!(works().await);
    renew("other.key", used_key);
    assert!(works().await, "a key that does not fit the certificate is not used");
    renew("other.pem", used_certificate);
    assert!(!works().await, "the collector refuses the renewed certificate");
    renew("client.key", used_key);
    renew("client.pem", used_certificate);
    assert!(works().await, "the first certificate is back");
    renew("other-ca.pem", used_ca);
    assert!(!works().await, "the collector is not trusted by the renewed CA");
    renew("ca.pem", used_ca);
    assert!(works().await, "the first CA is back");
}

#[tokio::test]
async fn connection_that_is_reset_is_tried_again() {
    for protocol in ["http/protobuf", "grpc"] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let accepted = Arc::new(Mutex::new(0));
        let count = accepted.clone();
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *count.lock().expect("no other thread panicked") += 1;
                // The socket is closed with unread data, so the peer gets a reset.
                stream.readable().await.expect("a request");
            }
        });
        let settings = settings(&[("endpoint", url.as_str()), ("protocol", protocol)]);
        let mut exporter = exporter(&settings, Script(Arc::new(Mutex::new(vec![(1, 1.0)]))).source());
        let words = exporter.export(Instant::now() + Duration::from_secs(4)).await.unwrap_err();
        assert!(!words.is_empty() && !words.contains('\n'), "{words}");
        assert!(
            *accepted.lock().expect("no other thread panicked") >= 2,
            "{protocol}: the export was not tried again"
        );
        server.abort();
    }
}
