//! The mirrors to the cluster.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::words::{UNKNOWN, before, three_digits, two_units};
use crate::{
    board::{Readings, Task},
    probe::mirrors::{Checkpoints, Outcome, State, Status, Translation},
};

/// The mirrors in words.
pub(super) struct Mirrors {
    pub(super) rows: Vec<MirrorRow>,
}

/// A mirror in words.
pub(super) struct MirrorRow {
    pub(super) name: String,
    pub(super) source: String,
    /// The mirrored topic, or the names under which it is looked for.
    pub(super) topic: String,
    pub(super) state: String,
    pub(super) bad: bool,
    /// The number of heartbeats with each outcome, in the order of [`Outcome::ALL`].
    pub(super) outcomes: [u64; Outcome::ALL.len()],
    pub(super) overdue: String,
    pub(super) newest: String,
    /// The mean latency since the start.
    pub(super) mean: String,
    /// The offsets that the mirror translated for consumer groups.
    pub(super) offsets: String,
    pub(super) offsets_bad: bool,
}

/// The mirrors to the cluster; `None` if none is configured.
pub(super) fn mirrors(readings: &Readings, wall: SystemTime) -> Option<Mirrors> {
    if !Task::Mirrors.runs(&readings.settings) {
        return None;
    }
    let snapshot = readings.mirrors.fresh();
    let mirrors = snapshot.iter().flat_map(|snapshot| &snapshot.mirrors);
    Some(Mirrors { rows: mirrors.map(|(name, mirror)| row(name, mirror, wall)).collect() })
}

fn row(name: &Arc<str>, mirror: &Status, wall: SystemTime) -> MirrorRow {
    let names: Vec<&str> = mirror.names.iter().map(|name| &**name).collect();
    let topic = mirror.topic.as_ref().map_or_else(|| names.join(" or "), |topic| topic.to_string());
    let fault = mirror.fault.map(|fault| format!(": {}", fault.as_str().replace('_', " ")));
    let state = match mirror.state {
        State::Starting => "starts",
        State::Reading => "is read",
        State::TopicMissing => "the target has no topic with heartbeats of the source",
        State::Denied => "the principal lacks Read or Describe on the topic in the target",
        State::Unreadable => "the target is not read to its end",
    };
    let oldest = mirror.oldest_overdue.map(|oldest| format!(", the oldest for {}", two_units(oldest)));
    let overdue = mirror.overdue.map(|count| format!("{count}{}", oldest.unwrap_or_default()));
    let late = mirror.overdue.is_some_and(|count| count > 0);
    let is_read = matches!(mirror.state, State::Starting | State::Reading);
    let latency = &mirror.counts.latency;
    let mean = (latency.count() > 0).then(|| latency.sum_seconds() / latency.count() as f64);
    MirrorRow {
        name: name.to_string(),
        source: mirror.source.to_string(),
        topic,
        state: format!("{state}{}", fault.unwrap_or_default()),
        bad: late || !is_read,
        outcomes: mirror.counts.outcomes,
        overdue: overdue.unwrap_or_else(|| UNKNOWN.to_owned()),
        newest: mirror.newest.map_or_else(|| "–".to_owned(), |newest| before(newest, wall)),
        mean: mean.map_or_else(|| "–".to_owned(), |seconds| three_digits(Duration::from_secs_f64(seconds))),
        offsets: mirror.checkpoints.as_ref().map_or_else(|| "–".to_owned(), |found| offsets(found, wall)),
        offsets_bad: mirror
            .checkpoints
            .as_ref()
            .is_some_and(|found| found.counts[Translation::Skips as usize] > 0),
    }
}

fn offsets(found: &Checkpoints, wall: SystemTime) -> String {
    let Some(newest) = found.newest else { return "none was read so far".to_owned() };
    let counts = Translation::ALL.into_iter().zip(found.counts).filter(|(_, count)| *count > 0);
    let counts: Vec<_> =
        counts.map(|(translation, count)| format!("{count} {}", words(translation))).collect();
    let repeated = found.repeated.map(|records| format!(", {records} records are read again"));
    format!("{}{}, the last one {}", counts.join(", "), repeated.unwrap_or_default(), before(newest, wall))
}

fn words(translation: Translation) -> &'static str {
    match translation {
        Translation::Right => "right",
        Translation::Skips => "skipping heartbeats",
        Translation::Unknown => "not judged",
    }
}
