//! Where a suspect is found outside the process of the service: its events, the history file, findings and traces.

use std::{
    collections::BTreeSet,
    fs,
    time::{Duration, UNIX_EPOCH},
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest, common::v1::any_value, trace::v1::Span,
};
use prost::Message as _;
use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
};
use serde_json::Value;

use super::world::{Fault, PATIENCE, World};
use crate::support::{
    groups::client,
    operations::{list, text},
    wait_for,
};

/// Asserts that the suspicion of a broker, which is over, is found everywhere.
pub(crate) fn suspicion_is_kept(world: &World, fault: &Fault, broker: i32) {
    let since = fault.wall().duration_since(UNIX_EPOCH).expect("a moment after 1970");
    let both = BTreeSet::from(["suspect_cleared", "suspect_found"].map(str::to_owned));
    wait_for("the events of the suspect", PATIENCE, || (events(world, since, broker) == both).then_some(()));
    wait_for("the saved events of the suspect", PATIENCE, || {
        (saved_events(world, since, broker) == both).then_some(())
    });
    findings(world, broker);
    let named = format!("broker:{broker}");
    wait_for("a trace that names the suspect", PATIENCE, || {
        let mut roots = spans(world).into_iter().filter(|span| span.parent_span_id.is_empty());
        roots.any(|root| suspects(&root).contains(&named)).then_some(())
    });
}

/// The kinds of the broker's events since then. Asserts that each event is listed once.
fn events(world: &World, since: Duration, broker: i32) -> BTreeSet<String> {
    let listed = world.service.get("/api/v1/events?cluster=k").expect("the service lists its events");
    let listed: Value = serde_json::from_str(&listed).expect("the events are JSON");
    let is_of_broker = |event: &&Value| {
        text(&event["subject"]) == format!("broker {broker}")
            && event["time"].as_u64().is_some_and(|at| u128::from(at) >= since.as_millis())
    };
    let events: Vec<&Value> = list(&listed).iter().filter(is_of_broker).collect();
    let different: BTreeSet<String> = events.iter().map(|event| event.to_string()).collect();
    assert_eq!(different.len(), events.len(), "each event is listed once: {events:?}");
    events.iter().map(|event| text(&event["kind"]).to_owned()).collect()
}

/// The kinds of the broker's events since then in the history file. The service holds a lock on the file, so a copy is read; it is
/// no database if the service was writing.
fn saved_events(world: &World, since: Duration, broker: i32) -> BTreeSet<String> {
    let folder = tempfile::tempdir().expect("a folder for the copy");
    let path = world.history();
    for suffix in ["", "-wal"] {
        let name = format!("history.db{suffix}");
        // Without a write-ahead log there is nothing to copy.
        _ = fs::copy(path.with_file_name(&name), folder.path().join(&name));
    }
    let read = || -> rusqlite::Result<BTreeSet<String>> {
        let file = rusqlite::Connection::open(folder.path().join("history.db"))?;
        let mut events = file.prepare("SELECT kind FROM event WHERE subject = ?1 AND at_ms >= ?2")?;
        let since = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        events.query_map((format!("broker {broker}"), since), |row| row.get(0))?.collect()
    };
    read().unwrap_or_default()
}

/// Waits until the suspicion was published as a finding, and that it is over.
fn findings(world: &World, broker: i32) {
    let consumer: BaseConsumer = client(&world.kafka)
        .set("group.id", "findings")
        .create()
        .expect("the settings of the consumer are valid");
    let mut topic = TopicPartitionList::new();
    topic.add_partition_offset("findings", 0, Offset::Beginning).expect("an offset of the topic");
    consumer.assign(&topic).expect("the consumer can be assigned a partition");
    let mut states = Vec::new();
    wait_for("the findings on the suspect", PATIENCE, || {
        while let Some(Ok(record)) = consumer.poll(Duration::from_millis(100)) {
            let finding: Value = serde_json::from_slice(record.payload()?).expect("a finding is JSON");
            if text(&finding["id"]) == format!("k/suspect/broker/{broker}") {
                states.push(text(&finding["state"]).to_owned());
            }
        }
        let is_over = states.last().is_some_and(|state| state == "resolved");
        (states.contains(&"firing".to_owned()) && is_over).then_some(())
    });
}

/// All spans that were exported.
fn spans(world: &World) -> Vec<Span> {
    let requests = world.traces();
    let requests = requests.iter().map(|body| {
        ExportTraceServiceRequest::decode(body.as_slice()).expect("an export of traces is a valid request")
    });
    let scopes =
        requests.flat_map(|request| request.resource_spans).flat_map(|resource| resource.scope_spans);
    scopes.flat_map(|scope| scope.spans).collect()
}

/// The suspects that a span names.
fn suspects(span: &Span) -> Vec<String> {
    let attribute = span.attributes.iter().find(|attribute| attribute.key == "heartbeat.suspects");
    let value = attribute.and_then(|attribute| attribute.value.as_ref()?.value.as_ref());
    let Some(any_value::Value::ArrayValue(array)) = value else { return Vec::new() };
    let texts = array.values.iter().filter_map(|value| match value.value.as_ref()? {
        any_value::Value::StringValue(text) => Some(text.clone()),
        _ => None,
    });
    texts.collect()
}
