//! The table of events.

use std::sync::Arc;

use super::rows::WORST;
use crate::{board::Readings, evaluate::events::Event};

pub(super) struct EventRow {
    pub(super) when: String,
    pub(super) kind: String,
    pub(super) subject: String,
    pub(super) words: String,
}

/// The last events, the newest first; told also while nothing newer is known.
pub(super) fn events(readings: &Readings) -> Vec<EventRow> {
    let row = |event: &Arc<Event>| EventRow {
        when: humantime::format_rfc3339_seconds(event.at).to_string().replace('T', " ").replace('Z', ""),
        kind: event.kind.replace('_', " "),
        subject: event.subject.clone(),
        words: event.text().into_owned(),
    };
    let snapshot = readings.collect.snapshot.as_ref();
    snapshot
        .map_or_else(Vec::new, |(snapshot, _)| snapshot.events.iter().rev().take(WORST).map(row).collect())
}
