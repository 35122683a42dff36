//! A heartbeat as spans: the whole of it, its way to the broker, its way back.
//!
//! Names and attributes follow the messaging conventions of OpenTelemetry; what they have no word for begins with
//! `heartbeat.`.

use std::time::{Duration, SystemTime};

use opentelemetry::{
    InstrumentationScope, KeyValue, SpanId, TraceFlags, TraceId, Value,
    trace::{Event, Link, SpanContext, SpanKind, Status, TraceState},
};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use crate::probe::heartbeat::{EndedHeartbeat, Outcome, trace_queue::TracedHeartbeat};

/// The spans of one heartbeat, the whole of it first. What was never begun has no span.
pub(super) fn spans(told: &TracedHeartbeat, scope: &InstrumentationScope) -> Vec<SpanData> {
    let ended = &told.ended;
    let spans = Spans { told, scope };
    let mut all = vec![spans.root()];
    if let (Some(sent), false) = (ended.schedule_delay, ended.outcome == Outcome::Unsent) {
        all.push(spans.produce(sent));
        // What was refused for certain never got on its way back.
        if ended.end_to_end.is_some() || ended.produce.is_some() {
            all.push(spans.deliver(sent));
        }
    }
    all
}

struct Spans<'a> {
    told: &'a TracedHeartbeat,
    scope: &'a InstrumentationScope,
}

impl Spans<'_> {
    fn root(&self) -> SpanData {
        let ended = &*self.told.ended;
        let mut span = self.span(self.told.ids.root, SpanKind::Internal, "heartbeat".to_owned());
        (span.start_time, span.end_time) = (ended.intended, ended.intended + ended.ended);
        span.parent_span_id = SpanId::INVALID;
        span.attributes.push(KeyValue::new("heartbeat.id", ended.id.clone()));
        span.attributes.push(KeyValue::new("heartbeat.outcome", ended.outcome.as_str()));
        if let Some(delay) = ended.schedule_delay {
            span.attributes.push(KeyValue::new("heartbeat.schedule_delay", delay.as_secs_f64()));
        }
        if ended.outcome.is_bad() {
            let fault = ended.fault.map_or(ended.outcome.as_str(), |fault| fault.as_str());
            fail(&mut span, fault, ended.outcome.as_str());
        } else if ended.missed {
            fail(&mut span, "timeout", "not back by the deadline, and then we stopped");
        }
        for change in &ended.leader_changes {
            let broker = |id: Option<_>| id.map_or(Value::from("none"), |id| number(&id));
            let attributes = vec![
                KeyValue::new("heartbeat.leader.from", broker(change.from)),
                KeyValue::new("heartbeat.leader.to", broker(change.to)),
            ];
            event(&mut span, "leader moved", change.at, attributes);
        }
        if let (Some(fault), Outcome::Unsent) = (ended.fault, ended.outcome) {
            event(
                &mut span,
                "refused by the client",
                ended.intended + ended.ended,
                vec![KeyValue::new("error.type", fault.as_str())],
            );
        }
        if let Some(failure) = ended.read_failure {
            event(
                &mut span,
                "records could not be read",
                failure.at,
                vec![KeyValue::new("error.type", failure.fault.as_str())],
            );
        }
        span.events.events.sort_by_key(|event| event.timestamp);
        span
    }

    fn produce(&self, sent: Duration) -> SpanData {
        let ended = &*self.told.ended;
        let mut span =
            self.span(self.told.ids.produce, SpanKind::Producer, format!("send {}", self.told.topic));
        let end = ended.produce.or(ended.failed).unwrap_or(ended.ended).max(sent);
        (span.start_time, span.end_time) = (ended.intended + sent, ended.intended + end);
        operation(&mut span, "send");
        match (ended.produce, ended.failed, ended.fault) {
            (Some(_), ..) => {}
            (None, Some(failed), fault) => {
                let fault = fault.map_or("other", |fault| fault.as_str());
                fail(&mut span, fault, "the delivery failed");
                let attributes = vec![KeyValue::new("error.type", fault)];
                event(&mut span, "delivery failed", ended.intended + failed, attributes);
            }
            (None, None, _) if self.is_excused() => {}
            (None, None, _) => fail(&mut span, "timeout", "not acknowledged"),
        }
        span
    }

    /// From the moment it was sent: its record is on its way from then on.
    fn deliver(&self, sent: Duration) -> SpanData {
        let ended = &*self.told.ended;
        let mut span =
            self.span(self.told.ids.deliver, SpanKind::Consumer, format!("receive {}", self.told.topic));
        let end = ended.end_to_end.unwrap_or(ended.ended).max(sent);
        (span.start_time, span.end_time) = (ended.intended + sent, ended.intended + end);
        operation(&mut span, "receive");
        span.links.links.push(Link::new(self.context(self.told.ids.produce), Vec::new(), 0));
        if ended.end_to_end.is_none() && !self.is_excused() {
            let fault = ended.fault.map_or(ended.outcome.as_str(), |fault| fault.as_str());
            fail(&mut span, fault, "not received");
        }
        span
    }

    /// Whether the service itself did not wait for the end of the heartbeat: it paused or stopped. That is no failure of
    /// Kafka.
    fn is_excused(&self) -> bool {
        self.told.ended.outcome == Outcome::Skipped && !self.told.ended.missed
    }

    fn context(&self, span: u64) -> SpanContext {
        let trace = TraceId::from(self.told.ids.trace);
        SpanContext::new(trace, SpanId::from(span), TraceFlags::SAMPLED, false, TraceState::default())
    }

    /// With what all of them have.
    fn span(&self, id: u64, kind: SpanKind, name: String) -> SpanData {
        let EndedHeartbeat { partition, broker, offset, .. } = &*self.told.ended;
        let mut attributes = vec![
            KeyValue::new("messaging.system", "kafka"),
            KeyValue::new("messaging.destination.name", self.told.topic.to_string()),
            KeyValue::new("messaging.destination.partition.id", partition.to_string()),
            KeyValue::new("kafka_cluster", self.told.cluster.to_string()),
        ];
        attributes.extend(broker.as_ref().map(|id| KeyValue::new("heartbeat.broker", number(id))));
        attributes.extend(offset.map(|offset| KeyValue::new("messaging.kafka.offset", offset)));
        SpanData {
            span_context: self.context(id),
            parent_span_id: SpanId::from(self.told.ids.root),
            parent_span_is_remote: false,
            span_kind: kind,
            name: name.into(),
            start_time: SystemTime::UNIX_EPOCH,
            end_time: SystemTime::UNIX_EPOCH,
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: self.scope.clone(),
        }
    }
}

/// A broker's id; its type belongs to another layer.
fn number(id: &impl ToString) -> Value {
    id.to_string().into()
}

fn operation(span: &mut SpanData, name: &'static str) {
    span.attributes.push(KeyValue::new("messaging.operation.name", name));
    span.attributes.push(KeyValue::new("messaging.operation.type", name));
}

fn fail(span: &mut SpanData, kind: &'static str, words: &'static str) {
    span.attributes.push(KeyValue::new("error.type", kind));
    span.status = Status::error(words);
}

fn event(span: &mut SpanData, name: &'static str, at: SystemTime, attributes: Vec<KeyValue>) {
    span.events.events.push(Event::new(name, at, attributes, 0));
}
