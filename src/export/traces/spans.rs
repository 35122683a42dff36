//! A heartbeat as spans: the whole of it, its way to the broker, its way back.
//!
//! Names and attributes follow the messaging conventions of OpenTelemetry. Attributes that these conventions do not have
//! begin with `heartbeat.`.

use std::time::{Duration, SystemTime};

use opentelemetry::{
    Array, InstrumentationScope, KeyValue, SpanId, StringValue, TraceFlags, TraceId, Value,
    trace::{Event, Link, SpanContext, SpanKind, Status, TraceState},
};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use crate::probe::heartbeat::{EndedHeartbeat, Outcome, trace_queue::TracedHeartbeat};

/// The spans of one heartbeat, the root span first. A step that did not begin has no span.
pub(super) fn spans(heartbeat: &TracedHeartbeat, scope: &InstrumentationScope) -> Vec<SpanData> {
    let ended = &heartbeat.ended;
    let spans = Spans { heartbeat, scope };
    let mut all = vec![spans.root()];
    if let (Some(sent), false) = (ended.schedule_delay, ended.outcome == Outcome::Unsent) {
        all.push(spans.produce(sent));
        // A record that was refused for certain is never read back.
        if ended.end_to_end.is_some() || ended.produce.is_some() {
            all.push(spans.deliver(sent));
        }
    }
    all
}

struct Spans<'a> {
    heartbeat: &'a TracedHeartbeat,
    scope: &'a InstrumentationScope,
}

impl Spans<'_> {
    fn root(&self) -> SpanData {
        let ended = &*self.heartbeat.ended;
        let mut span = self.span(self.heartbeat.ids.root, SpanKind::Internal, "heartbeat".to_owned());
        (span.start_time, span.end_time) = (ended.intended, ended.intended + ended.ended);
        span.parent_span_id = SpanId::INVALID;
        span.attributes.push(KeyValue::new("heartbeat.id", ended.id.clone()));
        span.attributes.push(KeyValue::new("heartbeat.outcome", ended.outcome.as_str()));
        if let Some(delay) = ended.schedule_delay {
            span.attributes.push(KeyValue::new("heartbeat.schedule_delay", delay.as_secs_f64()));
        }
        if !self.heartbeat.suspects.is_empty() {
            let suspects = self.heartbeat.suspects.iter().cloned().map(StringValue::from).collect();
            span.attributes.push(KeyValue::new("heartbeat.suspects", Value::Array(Array::String(suspects))));
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
        let ended = &*self.heartbeat.ended;
        let mut span = self.span(
            self.heartbeat.ids.produce,
            SpanKind::Producer,
            format!("send {}", self.heartbeat.topic),
        );
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

    /// The way back, which begins when the heartbeat is sent.
    fn deliver(&self, sent: Duration) -> SpanData {
        let ended = &*self.heartbeat.ended;
        let mut span = self.span(
            self.heartbeat.ids.deliver,
            SpanKind::Consumer,
            format!("receive {}", self.heartbeat.topic),
        );
        let end = ended.end_to_end.unwrap_or(ended.ended).max(sent);
        (span.start_time, span.end_time) = (ended.intended + sent, ended.intended + end);
        operation(&mut span, "receive");
        span.links.links.push(Link::new(self.context(self.heartbeat.ids.produce), Vec::new(), 0));
        if ended.end_to_end.is_none() && !self.is_excused() {
            let fault = ended.fault.map_or(ended.outcome.as_str(), |fault| fault.as_str());
            fail(&mut span, fault, "not received");
        }
        span
    }

    /// Whether the service itself did not wait for the end of the heartbeat: it paused or stopped. That is no failure of
    /// Kafka.
    fn is_excused(&self) -> bool {
        self.heartbeat.ended.outcome == Outcome::Skipped && !self.heartbeat.ended.missed
    }

    fn context(&self, span: u64) -> SpanContext {
        let trace = TraceId::from(self.heartbeat.ids.trace);
        SpanContext::new(trace, SpanId::from(span), TraceFlags::SAMPLED, false, TraceState::default())
    }

    /// A span with the attributes that all spans have.
    fn span(&self, id: u64, kind: SpanKind, name: String) -> SpanData {
        let EndedHeartbeat { partition, broker, offset, .. } = &*self.heartbeat.ended;
        let mut attributes = vec![
            KeyValue::new("messaging.system", "kafka"),
            KeyValue::new("messaging.destination.name", self.heartbeat.topic.to_string()),
            KeyValue::new("messaging.destination.partition.id", partition.to_string()),
            KeyValue::new("kafka_cluster", self.heartbeat.cluster.to_string()),
        ];
        attributes.extend(broker.as_ref().map(|id| KeyValue::new("heartbeat.broker", number(id))));
        attributes.extend(offset.map(|offset| KeyValue::new("messaging.kafka.offset", offset)));
        SpanData {
            span_context: self.context(id),
            parent_span_id: SpanId::from(self.heartbeat.ids.root),
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

/// The id of a broker, whose type belongs to another layer.
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
