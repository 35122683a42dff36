//! Exemplars: for each bucket of a histogram, one of the events in it.

use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, SystemTime},
};

/// One of the events in a bucket.
#[derive(Debug, Clone, PartialEq)]
pub struct Exemplar {
    /// The id of the heartbeat.
    pub id: Arc<str>,
    /// The span of the heartbeat's trace; `None` if it is not exported as a trace.
    pub trace: Option<SpanContext>,
    /// The duration of the event.
    pub duration: Duration,
    /// The time at which it was recorded.
    pub at: SystemTime,
}

/// The ids of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanContext {
    /// The id of the trace.
    pub trace: u128,
    /// The id of the span.
    pub span: u64,
}

impl Exemplar {
    /// The labels of the exemplar. Together they have at most 128 characters, the limit of OpenMetrics.
    pub fn labels(&self) -> impl Iterator<Item = (&'static str, Cow<'_, str>)> {
        let trace = self.trace.map(|trace| ("trace_id", format!("{:032x}", trace.trace).into()));
        [("heartbeat_id", (&*self.id).into())].into_iter().chain(trace)
    }
}
