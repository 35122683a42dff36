//! A real worker of Kafka Connect: a file sink that fails and is repaired, and a worker that ends and returns.

use serde_json::json;

use super::*;
use crate::support::connect::Worker;

const TOPIC: &str = "hb-connect";

/// The only series of a metric whose labels include these.
fn value(service: &Service, metric: &str, labels: &[&str]) -> Option<f64> {
    service.series(metric, labels)
}

/// Waits until the Connect cluster is in this state.
fn wait_for_state(service: &Service, state: &str) {
    let label = format!("state=\"{state}\"");
    wait_for(&format!("the state {state}"), Duration::from_secs(120), || {
        (value(service, "kafka_connect_state", &[&label]) == Some(1.0)).then_some(())
    });
}

/// Waits until the only task of the connector is in this state.
fn wait_for_task(service: &Service, state: &str) {
    let label = format!("state=\"{state}\"");
    wait_for(&format!("the task to be {state}"), Duration::from_secs(120), || {
        (value(service, "kafka_connect_connector_tasks", &["connector=\"to-file\"", &label]) == Some(1.0))
            .then_some(())
    });
}

#[test]
fn failed_file_sink_is_reported_with_its_trace_and_runs_after_its_repair() {
    let Some(kafka) = Kafka::shared() else { return };
    let Some(worker) = Worker::start(&kafka.bootstrap(Listener::Plaintext)) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let missing = folder.path().join("missing");
    let config = json!({
        "connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector",
        "tasks.max": "1",
        "topics": TOPIC,
        "file": missing.join("sink.txt"),
    });
    let settings =
        format!("[connect]\ninterval = 2s\ntimeout = 2s\n[connect:files]\nurl = {}\n", worker.url());
    let service = Service::start(&(plaintext(kafka, TOPIC) + &settings));
    service.wait("k", "heartbeats, which create the topic", 60, |totals| totals.of("ok") >= 5);
    wait_for_state(&service, "ok");
    assert_eq!(value(&service, "kafka_connect_worker_healthy", &[]), Some(1.0));

    worker.put("to-file", &config);
    wait_for_task(&service, "failed");
    wait_for("the event", Duration::from_secs(30), || {
        let events = service.get("/api/v1/events?kind=connector_failed").ok()?;
        let words = format!(
            "Task 0 of connector to-file of Connect cluster files failed on worker {}: \
             org.apache.kafka.connect.errors.ConnectException: Couldn't find or create file",
            worker.id()
        );
        events.contains(&words).then_some(())
    });
    let (_, _, page) = service.request("/", "text/html").expect("the page");
    assert!(
        page.contains("Couldn&#39;t find or create file") && page.contains("Connect cluster files"),
        "{page}"
    );
    wait_for_state(&service, "ok");
    assert_eq!(value(&service, "kafka_connect_connector_failures_total", &[]), Some(1.0));

    fs::create_dir(&missing).expect("a folder");
    worker.restart_failed("to-file");
    wait_for_task(&service, "running");
    let label = format!("worker=\"{}\"", worker.id());
    assert_eq!(value(&service, "kafka_connect_worker_tasks", &[&label]), Some(1.0));
    wait_for("records in the file", Duration::from_secs(60), || {
        fs::metadata(missing.join("sink.txt")).is_ok_and(|file| file.len() > 0).then_some(())
    });

    worker.kill();
    wait_for_state(&service, "down");
    assert_eq!(
        value(&service, "kafka_connect_connector_tasks", &["state=\"running\""]),
        None,
        "not known now"
    );
    wait_for("the suspect", Duration::from_secs(60), || {
        (value(&service, "heartbeat_suspect", &["kind=\"connect\"", "subject=\"files\""])? >= 2.0)
            .then_some(())
    });
    worker.restart();
    wait_for_state(&service, "ok");
    wait_for_task(&service, "running");
    assert_eq!(service.totals("k").bad(), 0, "{}", service.log());
    let (ended, log) = service.stop();
    assert_eq!(ended.code(), Some(0), "{log}");
    assert!(log.contains("Couldn't find or create file"), "{log}");
}
