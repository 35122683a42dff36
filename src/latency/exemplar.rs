//! Exemplars: events that stand for their bucket.

use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, SystemTime},
};

/// One of the events behind a bucket.
#[derive(Debug, Clone, PartialEq)]
pub struct Exemplar {
    /// Its name.
    pub id: Arc<str>,
    /// Where it is told in full, if it is.
    pub trace: Option<SpanContext>,
    /// The duration itself.
    pub duration: Duration,
    /// When it was recorded.
    pub at: SystemTime,
}

/// A span of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanContext {
    /// The id of the trace.
    pub trace: u128,
    /// The span's.
    pub span: u64,
}

impl Exemplar {
    /// Its labels: at most 128 characters, as OpenMetrics wants it.
    pub fn labels(&self) -> impl Iterator<Item = (&'static str, Cow<'_, str>)> {
        let trace = self.trace.map(|trace| ("trace_id", format!("{:032x}", trace.trace).into()));
        [("heartbeat_id", (&*self.id).into())].into_iter().chain(trace)
    }
}
