//! The table of events.

use std::sync::Arc;

use super::rows::WORST;
use crate::{board::Readings, evaluate::events::Event};

/// An event in words.
pub(super) struct EventRow {
    pub(super) when: String,
    pub(super) kind: String,
    pub(super) text: String,
}

/// The last events, the newest first. They are shown while collection cycles fail, too.
pub(super) fn events(readings: &Readings) -> Vec<EventRow> {
    let row = |event: &Arc<Event>| EventRow {
        when: humantime::format_rfc3339_seconds(event.at).to_string().replace('T', " ").replace('Z', ""),
        kind: event.kind.replace('_', " "),
        text: event.text().into_owned(),
    };
    readings.events().iter().rev().take(WORST).map(row).collect()
}
