//! A real Schema Registry whose Kafka is stopped behind it: reads are answered, writes fail, and Kafka is named as the reason.

use super::*;
use crate::support::registry::Registry;

const SUBJECT: &str = "kafka-heartbeat-probe";

/// Waits until the registry is in a state.
fn wait_for_state(service: &Service, state: &str) {
    wait_for(&format!("the registry to be in the state {state}"), Duration::from_secs(90), || {
        let label = format!("state=\"{state}\"");
        (service.sum("heartbeat_schema_registry_state", &[&label]) == 1.0).then_some(())
    });
}

#[test]
fn registry_without_kafka_answers_reads_and_its_writes_are_explained_by_kafka() {
    let Some(kafka) = Kafka::start_single(&Extras::default()) else { return };
    let Some(registry) = Registry::start(&kafka) else { return };
    registry.register(SUBJECT);
    let section = format!(
        "[schema_registry]\nschema.registry.url = {}\nwrite = true\nsubject = {SUBJECT}\ninterval = 5s\ntimeout = 5s\n",
        registry.url()
    );
    let service = Service::start(&(plaintext(&kafka, "hb-registry") + &section));
    wait_for_state(&service, "ok");
    wait_for("writes that are read again", Duration::from_secs(60), || {
        let read_back = "operation=\"read_back\"";
        (service.sum("heartbeat_schema_registry_duration_seconds_count", &[read_back]) >= 3.0).then_some(())
    });
    assert_eq!(service.sum("heartbeat_schema_registry_failures_total", &[]), 0.0, "{}", service.log());

    kafka.broker(1).kill();
    wait_for_state(&service, "writes_fail");
    assert_eq!(
        service.sum("heartbeat_schema_registry_node_up", &[]),
        1.0,
        "reads are answered from its memory"
    );
    let evidence =
        "the Schema Registry answers reads, which it does from its memory, and the last writes to it failed";
    let diagnosis = wait_for("the writes to be evidence", Duration::from_secs(30), || {
        let diagnosis = service.api("/api/v1/diagnosis", "k");
        diagnosis.to_string().contains(evidence).then_some(diagnosis)
    });
    let suspects = diagnosis["suspects"].as_array().expect("a list");
    assert!(suspects.iter().all(|suspect| suspect["kind"] != "schema_registry"), "{diagnosis:#}");

    kafka.broker(1).restart();
    wait_for_state(&service, "ok");
    let page = service.request("/", "text/html").expect("the page").2;
    assert!(page.contains("<h2>Schema Registry"), "{page}");
}
