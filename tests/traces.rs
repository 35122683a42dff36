//! Heartbeats exported as traces: their spans, and the same id in the record's header, in the log and on the exemplar.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

#[expect(dead_code, reason = "each test binary uses a part of the support")]
#[path = "otlp/collector.rs"]
mod collector;
#[path = "otlp/ended.rs"]
mod ended;
#[path = "otlp/stranger.rs"]
mod stranger;
#[expect(dead_code, reason = "each test binary uses a part of the support")]
mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{Arc, Mutex},
    time::{Duration, UNIX_EPOCH},
};

use collector::{Answer, Collector, spans};
use ended::{PARTITION, every_outcome, exporter, intended, traced};
use kafka_heartbeat::probe::heartbeat::Outcome;
use opentelemetry_proto::tonic::{
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{Span, span::SpanKind, status::StatusCode},
};
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    message::Headers,
};
use support::{
    kafka::{Kafka, Listener},
    service::Service,
    wait_for,
};

const PATIENCE: Duration = Duration::from_secs(30);

fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    let pair = attributes.iter().find(|pair| pair.key == key)?;
    Some(match pair.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        Value::DoubleValue(number) => number.to_string(),
        Value::ArrayValue(array) => {
            let texts = array.values.iter().map(|value| match value.value.as_ref() {
                Some(Value::StringValue(text)) => text.as_str(),
                other => panic!("{other:?}"),
            });
            texts.collect::<Vec<_>>().join(" ")
        }
        other => panic!("{other:?}"),
    })
}

/// Milliseconds since the intended instant of the heartbeat.
fn after(nanos: u64) -> u64 {
    let begun = intended().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from((Duration::from_nanos(nanos) - begun).as_millis()).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A span: kind, name, start and end in milliseconds, and the kind of its error.
type Row = (SpanKind, String, u64, u64, Option<String>);

fn rows(spans: &[Span]) -> Vec<Row> {
    let row = |span: &Span| {
        let failed = span.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error);
        let kind = text(&span.attributes, "error.type");
        assert_eq!(failed, kind.is_some(), "{span:?}");
        (
            span.kind(),
            span.name.clone(),
            after(span.start_time_unix_nano),
            after(span.end_time_unix_nano),
            kind,
        )
    };
    spans.iter().map(row).collect()
}

/// The spans that a collector receives for one heartbeat.
async fn sent(collector: &Collector, url: &str, outcome: Outcome) -> Vec<Span> {
    exporter(&[("traces.endpoint", url)]).export(&[traced(outcome)]).await.unwrap();
    spans(&collector.take_spans())
}

#[tokio::test]
async fn heartbeat_of_each_outcome_is_exported_with_its_spans_and_events() {
    use SpanKind::{Consumer, Internal, Producer};
    let collector = Collector::default();
    let url = format!("http://{}/v1/traces", collector.http().await);
    let failed = |kind: &str| Some(kind.to_owned());
    let (root, send, receive) = ("heartbeat", "send beats", "receive beats");
    let row = |kind: SpanKind, name: &str, from: u64, to: u64, failed: Option<String>| -> Row {
        (kind, name.to_owned(), from, to, failed)
    };
    let table = [
        (
            Outcome::Ok,
            vec![
                row(Internal, root, 0, 9, None),
                row(Producer, send, 2, 5, None),
                row(Consumer, receive, 2, 9, None),
            ],
        ),
        (
            Outcome::Late,
            vec![
                row(Internal, root, 0, 11_000, failed("late")),
                row(Producer, send, 2, 5, None),
                row(Consumer, receive, 2, 11_000, None),
            ],
        ),
        (
            Outcome::Lost,
            vec![
                row(Internal, root, 0, 120_000, failed("lost")),
                row(Producer, send, 2, 5, None),
                row(Consumer, receive, 2, 120_000, failed("lost")),
            ],
        ),
        (
            Outcome::Rejected,
            vec![row(Internal, root, 0, 7, failed("timeout")), row(Producer, send, 2, 7, failed("timeout"))],
        ),
        (
            Outcome::UnackedReceived,
            vec![
                row(Internal, root, 0, 9, failed("timeout")),
                row(Producer, send, 2, 7, failed("timeout")),
                row(Consumer, receive, 2, 9, None),
            ],
        ),
        (
            Outcome::UnackedMissing,
            vec![
                row(Internal, root, 0, 120_000, failed("unacked_missing")),
                row(Producer, send, 2, 120_000, failed("timeout")),
            ],
        ),
        (Outcome::Unsent, vec![row(Internal, root, 0, 2, failed("queue_full"))]),
        (
            Outcome::Skipped,
            // The service paused or stopped, so the heartbeat did not fail.
            vec![row(Internal, root, 0, 9, None), row(Producer, send, 2, 9, None)],
        ),
    ];
    for (outcome, expected) in table {
        let spans = sent(&collector, &url, outcome).await;
        assert_eq!(rows(&spans), expected, "{outcome:?}");
        let (root, parts) = spans.split_first().unwrap();
        assert!(root.parent_span_id.is_empty());
        assert!(parts.iter().all(|span| span.parent_span_id == root.span_id), "{outcome:?}");
        assert!(spans.iter().all(|span| span.trace_id == root.trace_id), "{outcome:?}");
        let ids: BTreeSet<_> = spans.iter().map(|span| &span.span_id).collect();
        assert_eq!(ids.len(), spans.len());
        assert_eq!(text(&root.attributes, "heartbeat.outcome").as_deref(), Some(outcome.as_str()));
        // Suspects are those of bad heartbeats, and on the root span alone.
        let suspects = outcome.is_bad().then_some("broker:3 cluster");
        assert_eq!(text(&root.attributes, "heartbeat.suspects").as_deref(), suspects, "{outcome:?}");
        assert!(parts.iter().all(|span| text(&span.attributes, "heartbeat.suspects").is_none()));
        assert_eq!(root.events.last().map(|event| after(event.time_unix_nano)), Some(6));
        let names: Vec<_> = root.events.iter().map(|event| event.name.as_str()).collect();
        match outcome {
            Outcome::Lost => assert_eq!(names, ["records could not be read", "leader moved"]),
            Outcome::Unsent => assert_eq!(names, ["refused by the client", "leader moved"]),
            _ => assert_eq!(names, ["leader moved"]),
        }
        let moved = &root.events.last().unwrap().attributes;
        assert_eq!(text(moved, "heartbeat.leader.from").as_deref(), Some("1"));
        assert_eq!(text(moved, "heartbeat.leader.to").as_deref(), Some("none"));
    }
}

#[tokio::test]
async fn spans_have_the_attributes_of_the_messaging_conventions() {
    let collector = Collector::default();
    let url = format!("http://{}/v1/traces", collector.http().await);
    let spans = sent(&collector, &url, Outcome::Ok).await;
    for (span, operation) in spans.iter().zip([None, Some("send"), Some("receive")]) {
        let of = |key| text(&span.attributes, key);
        assert_eq!(of("messaging.system").as_deref(), Some("kafka"));
        assert_eq!(of("messaging.destination.name").as_deref(), Some("beats"));
        assert_eq!(of("messaging.destination.partition.id"), Some(PARTITION.to_string()));
        assert_eq!(of("messaging.kafka.offset").as_deref(), Some("42"));
        assert_eq!(of("messaging.operation.name").as_deref(), operation);
        assert_eq!(of("messaging.operation.type").as_deref(), operation);
        assert_eq!(of("kafka_cluster").as_deref(), Some("eu"));
    }
    let (produce, deliver) = (&spans[1], &spans[2]);
    assert_eq!(deliver.links[0].span_id, produce.span_id, "the receive span links to the send span");
}

#[tokio::test]
async fn traces_over_http_and_grpc_are_the_same_and_name_the_service() {
    let collector = Collector::default();
    let (http, grpc) = (collector.http().await, collector.grpc().await);
    let mut found = Vec::new();
    for (endpoint, protocol, compression) in [
        (format!("http://{http}/v1/traces"), "http/protobuf", "gzip"),
        (format!("http://{http}/v1/traces"), "http/protobuf", "none"),
        (format!("http://{grpc}"), "grpc", "gzip"),
        (format!("http://{grpc}"), "grpc", "none"),
    ] {
        let exporter = exporter(&[
            ("traces.endpoint", &endpoint),
            ("traces.protocol", protocol),
            ("compression", compression),
            ("headers", "api-key=s3cret%3D1"),
            ("resource", "deployment.environment.name=test"),
            ("service.name", "mine"),
        ]);
        exporter.export(&every_outcome().collect::<Vec<_>>()).await.unwrap();
        let headers = collector.headers();
        assert!(headers.contains(&("api-key".to_owned(), "s3cret=1".to_owned())), "{headers:?}");
        let taken = collector.take_spans();
        let resource = &taken[0].resource.as_ref().unwrap().attributes;
        assert_eq!(text(resource, "service.name").as_deref(), Some("mine"));
        assert_eq!(text(resource, "deployment.environment.name").as_deref(), Some("test"));
        assert_eq!(text(resource, "service.instance.id").as_deref(), Some("one"));
        assert!(text(resource, "service.version").is_some());
        found.push(spans(&taken));
    }
    assert_eq!(found[0].len(), 19);
    assert!(found.windows(2).all(|two| two[0] == two[1]));
}

#[tokio::test]
async fn export_is_tried_again_after_a_transient_error_and_fails_without_secrets_after_another() {
    let collector = Collector::default();
    let url = format!("http://{}/v1/traces", collector.http().await);
    let exporter = exporter(&[("traces.endpoint", &url), ("headers", "api-key=s3cret")]);
    collector.answer([Answer::Refuse(503, None), Answer::Refuse(429, Some(0))]);
    exporter.export(&[traced(Outcome::Ok)]).await.unwrap();
    assert_eq!((collector.asked(), spans(&collector.take_spans()).len()), (3, 3));
    collector.answer([Answer::Refuse(400, None)]);
    let words = exporter.export(&[traced(Outcome::Ok)]).await.unwrap_err();
    assert_eq!(collector.asked(), 4, "the export is not tried again");
    assert!(!words.contains("s3cret"), "{words}");
}

#[tokio::test]
async fn error_of_an_export_does_not_contain_the_secrets_of_the_url() {
    for (scheme, protocol) in [("http", "http/protobuf"), ("http", "grpc")] {
        let url = format!("{scheme}://me:s3cret@127.0.0.1:1/v1/traces?key=s3cret");
        let exporter = exporter(&[("traces.endpoint", &url), ("traces.protocol", protocol)]);
        let words = exporter.export(&[traced(Outcome::Ok)]).await.unwrap_err();
        assert!(!words.is_empty() && !words.contains("s3cret"), "{words}");
        assert!(words.to_lowercase().contains("connection refused"), "the cause is named: {words}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_of_the_service_win_over_the_environment_of_opentelemetry() {
    for (grpc, compression) in [(false, "gzip"), (true, "gzip"), (false, "zstd"), (true, "zstd")] {
        let environment = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "1"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "general=s3cret"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", compression),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", if grpc { "http/protobuf" } else { "grpc" }),
        ];
        let collector = Collector::default();
        let (address, protocol) = if grpc {
            (collector.grpc().await.to_string(), "grpc")
        } else {
            (format!("{}/v1/traces", collector.http().await), "http/protobuf")
        };
        let service = Service::start_in(
            &environment,
            &format!(
                "[kafka]\nname = k\nbootstrap.servers = 127.0.0.1:1\n[heartbeat]\ninterval = 100ms\n\
                 deadline = 300ms\n[otlp]\nmetrics.enabled = false\ntraces.endpoint = http://{address}\n\
                 traces.protocol = {protocol}\ntraces.headers = own=1\ntraces.compression = none\n\
                 traces.timeout = 10s\n"
            ),
        );
        wait_for("heartbeats of a cluster that does not answer", PATIENCE, || {
            (collector.asked() > 0).then_some(())
        });
        let (ended, log) = service.stop();
        assert!(ended.success(), "{log}");
        assert_eq!(log.contains("OTEL_EXPORTER_OTLP_COMPRESSION is ignored"), compression == "zstd", "{log}");
        assert!(!collector.take_spans().is_empty(), "{log}");
        let headers = collector.headers();
        let has = |name: &str| headers.iter().any(|(header, _)| header == name);
        assert!(has("own") && !has("general"), "{headers:?}");
        assert!(!has("content-encoding") && !has("grpc-encoding"), "{headers:?}");
    }
}

/// The header `traceparent` of each record of a topic: the trace id and the parent span.
fn headers(kafka: &Kafka, topic: &str) -> BTreeMap<String, String> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", kafka.bootstrap(Listener::Plaintext)).set("group.id", "traces-headers");
    let consumer: BaseConsumer = config.create().unwrap();
    let mut list = TopicPartitionList::new();
    for (partition, _) in kafka.leaders(topic) {
        list.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&list).unwrap();
    let mut found = BTreeMap::new();
    wait_for("the records", PATIENCE, || {
        while let Some(record) = consumer.poll(Duration::from_millis(200)) {
            let record = record.unwrap();
            let header = record.headers().unwrap().get(0);
            assert_eq!(header.key, "traceparent");
            let value = std::str::from_utf8(header.value.unwrap()).unwrap();
            let parts: Vec<_> = value.split('-').collect();
            assert_eq!((parts.len(), parts[0], parts[3]), (4, "00", "01"), "{value}");
            found.insert(parts[1].to_owned(), parts[2].to_owned());
        }
        (found.len() >= 30).then_some(())
    });
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn heartbeat_has_one_id_in_its_record_its_trace_its_exemplar_and_its_log_line() {
    let Some(kafka) = Kafka::shared() else { return };
    let collector = Collector::default();
    let service = Service::start(&format!(
        "[kafka]\nname = k\nbootstrap.servers = {}\n[heartbeat]\ntopic = traced\ninterval = 100ms\n\
         deadline = 1ms\n[otlp]\ntraces.endpoint = http://{}/v1/traces\ntraces.share = 1\n",
        kafka.bootstrap(Listener::Plaintext),
        collector.http().await,
    ));
    // No heartbeat returns within a millisecond: all are late and exported.
    service.wait("k", "late heartbeats", 60, |totals| totals.of("late") >= 30);
    let text_of = |service: &Service| service.request("/metrics", "application/openmetrics-text").unwrap().2;
    let exposed = text_of(&service);
    let (ended, log) = service.stop();
    assert!(ended.success(), "{log}");
    let all = spans(&collector.take_spans());
    let roots: BTreeMap<String, &Span> =
        all.iter().filter(|span| span.name == "heartbeat").map(|span| (hex(&span.trace_id), span)).collect();
    let sends: BTreeMap<String, String> = all
        .iter()
        .filter(|span| span.name == "send traced")
        .map(|span| (hex(&span.trace_id), hex(&span.span_id)))
        .collect();
    assert!(roots.len() >= 30);
    let written = headers(kafka, "traced");
    assert!(written.iter().all(|(trace, span)| sends.get(trace) == Some(span)));
    let ids: Vec<_> = log.lines().filter_map(|line| line.split("trace_id=").nth(1)).collect();
    assert!(!ids.is_empty(), "{log}");
    for id in ids {
        let id: String = id.chars().filter(char::is_ascii_hexdigit).take(32).collect();
        assert!(roots.contains_key(&id), "{id} of the log");
    }
    let exemplars: Vec<_> = exposed.lines().filter(|line| line.contains("trace_id=\"")).collect();
    assert!(!exemplars.is_empty(), "{exposed}");
    for line in exemplars {
        let value = |name: &str| line.split(&format!("{name}=\"")).nth(1).unwrap().split('"').next().unwrap();
        let root = roots.get(value("trace_id")).unwrap_or_else(|| panic!("{line}"));
        assert_eq!(text(&root.attributes, "heartbeat.id").as_deref(), Some(value("heartbeat_id")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn good_heartbeats_are_exported_if_they_are_exemplars_or_belong_to_the_share() {
    let Some(kafka) = Kafka::shared() else { return };
    let collector = Collector::default();
    let service = Service::start(&format!(
        "[kafka]\nname = k\nbootstrap.servers = {}\n[heartbeat]\ntopic = hardly-traced\ninterval = 50ms\n\
         [otlp]\ntraces.endpoint = http://{}/v1/traces\ntraces.share = 0\n",
        kafka.bootstrap(Listener::Plaintext),
        collector.http().await,
    ));
    service.wait("k", "good heartbeats", 60, |totals| totals.of("ok") >= 100);
    let totals = service.totals("k");
    let exposed = service.request("/metrics", "application/openmetrics-text").unwrap().2;
    let (ended, log) = service.stop();
    assert!(ended.success(), "{log}");
    let roots: BTreeSet<String> = spans(&collector.take_spans())
        .iter()
        .filter(|span| span.name == "heartbeat")
        .map(|span| hex(&span.trace_id))
        .collect();
    let exemplars: BTreeSet<String> = exposed
        .lines()
        .filter_map(|line| line.split("trace_id=\"").nth(1))
        .map(|rest| rest.chars().take(32).collect())
        .collect();
    assert!(!exemplars.is_empty() && exemplars.is_subset(&roots), "{exemplars:?} {roots:?}");
    assert!((roots.len() as u64) < totals.of("ok"), "the exemplar of a bucket stays for a minute");
}

#[tokio::test(flavor = "multi_thread")]
async fn traces_that_the_collector_refuses_are_counted_and_later_ones_are_exported() {
    let collector = Collector::default();
    collector.answer((0..999).map(|_| Answer::Refuse(400, None)));
    let service = Service::start(&format!(
        "[kafka]\nname = k\nbootstrap.servers = 127.0.0.1:1\n[heartbeat]\ninterval = 10ms\ndeadline = 300ms\n\
         [otlp]\ntraces.endpoint = http://{}/v1/traces\n",
        collector.http().await,
    ));
    wait_for("traces that the collector refused", Duration::from_secs(60), || {
        (service.series("heartbeat_traces_total", &["ending=\"failed\""])? > 0.0).then_some(())
    });
    assert_eq!(service.series("heartbeat_traces_total", &["ending=\"exported\""]), Some(0.0));
    collector.forget();
    wait_for("traces that the collector took", Duration::from_secs(60), || {
        (service.series("heartbeat_traces_total", &["ending=\"exported\""])? > 0.0).then_some(())
    });
    let (ended, log) = service.stop();
    assert!(ended.success(), "{log}");
    let exported = spans(&collector.take_spans());
    assert!(exported.iter().all(|span| span.name == "heartbeat"), "no heartbeat was ever sent");
    assert!(!exported.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn recovery_of_traces_is_logged_only_after_the_collector_took_some() {
    let collector = Collector::default();
    collector.answer((0..999).map(|_| Answer::Refuse(400, None)));
    // There are few heartbeats, so all waiting ones are in one batch, and none waits after the batch is dropped.
    let service = Service::start(&format!(
        "[kafka]\nname = k\nbootstrap.servers = 127.0.0.1:1\n[heartbeat]\ninterval = 500ms\ndeadline = 600ms\n\
         [otlp]\nmetrics.enabled = false\ntraces.endpoint = http://{}/v1/traces\n",
        collector.http().await,
    ));
    let total = |ending: &str| service.series("heartbeat_traces_total", &[&format!("ending=\"{ending}\"")]);
    wait_for("a batch that is dropped", 3 * PATIENCE, || (total("failed")? > 0.0).then_some(()));
    let asked = collector.asked();
    wait_for("another attempt", 2 * PATIENCE, || (collector.asked() > asked).then_some(()));
    let of_traces = |log: &str, words: &str| {
        log.lines().filter(|line| line.contains("task=\"traces\"") && line.contains(words)).count()
    };
    let log = service.log();
    assert_eq!((of_traces(&log, "failed:"), of_traces(&log, "works again")), (1, 0), "{log}");
    collector.forget();
    wait_for("traces that were taken", 2 * PATIENCE, || (total("exported")? > 0.0).then_some(()));
    let log = wait_for("the recovery in the log", PATIENCE, || {
        Some(service.log()).filter(|log| log.contains("works again"))
    });
    assert_eq!((of_traces(&log, "failed:"), of_traces(&log, "works again")), (1, 1), "{log}");
}

#[tokio::test]
async fn answer_of_an_endpoint_that_is_not_otlp_is_named_in_the_error() {
    let collector = Collector::default();
    let url = format!("http://{}/v1/traces", collector.http().await);
    let exporter = exporter(&[("traces.endpoint", &url)]);
    collector.answer([Answer::Respond(200, Some("text/html"), b"<html>Please sign in</html>")]);
    let words = exporter.export(&[traced(Outcome::Ok)]).await.unwrap_err();
    assert!(words.contains("not an OTLP endpoint") && words.contains("text/html"), "{words}");
    collector.answer([Answer::Respond(
        200,
        Some("application/json"),
        b"{\"partialSuccess\":{\"rejectedSpans\":\"1\"}}",
    )]);
    exporter.export(&[traced(Outcome::Ok)]).await.unwrap();
}

#[tokio::test]
async fn answer_of_a_grpc_server_that_is_not_otlp_is_named_in_the_error() {
    for message in [&b"<html>Please sign in</html>"[..], &[0xff, 0xff, 0xff, 0xff]] {
        let url = format!("http://{}", stranger::listen(message).await);
        let exporter = exporter(&[("traces.endpoint", &url), ("traces.protocol", "grpc")]);
        let words = exporter.export(&[traced(Outcome::Ok)]).await.unwrap_err();
        assert!(words.contains("not an OTLP endpoint") && !words.contains('<'), "{words}");
    }
}

#[tokio::test]
async fn export_to_a_collector_that_does_not_answer_ends_in_time() {
    let collector = Collector::default();
    collector.answer([Answer::Hang, Answer::Hang]);
    let (http, grpc) = (collector.http().await, collector.grpc().await);
    let export = async |url: String, protocol: &str| {
        // The time limit of a request alone would be too long.
        let exporter =
            exporter(&[("traces.endpoint", &url), ("traces.protocol", protocol), ("timeout", "9m")]);
        tokio::time::timeout(2 * PATIENCE, exporter.export(&[traced(Outcome::Ok)]))
            .await
            .unwrap()
            .unwrap_err()
    };
    let (over_http, over_grpc) = tokio::join!(
        export(format!("http://{http}/v1/traces"), "http/protobuf"),
        export(format!("http://{grpc}"), "grpc")
    );
    for words in [over_http, over_grpc] {
        assert_eq!(words, "the collector did not answer in time");
    }
}

/// The lines of the log, of every level and of every library.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn export_logs_rejected_spans_and_opentelemetry_logs_nothing() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _logged = tracing::subscriber::set_default(subscriber);
    let collector = Collector::default();
    let (http, grpc) = (collector.http().await, collector.grpc().await);
    for (protocol, url, refusal) in [
        ("http/protobuf", format!("http://{http}/v1/traces"), Answer::Refuse(400, None)),
        ("grpc", format!("http://{grpc}"), Answer::Refuse(3, None)),
    ] {
        let exporter = exporter(&[("traces.endpoint", &url), ("traces.protocol", protocol)]);
        collector.answer([Answer::Part(2), refusal]);
        exporter.export(&[traced(Outcome::Ok)]).await.unwrap();
        let words = exporter.export(&[traced(Outcome::Ok)]).await.unwrap_err();
        assert!(words.starts_with("the collector answered"), "{protocol}: {words}");
    }
    let log = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let logged = log.lines().filter(|line| line.contains("the collector rejected a part of a request"));
    let logged: Vec<_> =
        logged.filter(|line| line.contains("rejected=2") && line.contains(r"too\nmany")).collect();
    assert_eq!(logged.len(), 2, "{log}");
    let foreign = log.lines().find(|line| line.to_lowercase().contains("opentelemetry"));
    assert_eq!(foreign, None);
}
