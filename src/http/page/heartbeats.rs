//! Single heartbeats: a bar for each of the last ones, and a table of the bad ones.

use std::time::{Duration, SystemTime};

use super::words::{UNKNOWN, before, clock, three_digits};
use crate::{
    board::Readings,
    probe::heartbeat::{Beat, EndedHeartbeat, Outcome, Partition},
};

/// The height of a bar of a bad heartbeat, in the units of the drawing.
const BAR_HEIGHT: f64 = 30.0;
/// The distance from one bar to the next, in the units of the drawing.
const BEAT_WIDTH: usize = 8;

/// The last heartbeats of a partition.
pub(super) struct Bars {
    pub(super) number: i32,
    pub(super) leader: String,
    pub(super) last: String,
    pub(super) words: String,
    pub(super) beats: Vec<Bar>,
}

/// One heartbeat as a bar.
pub(super) struct Bar {
    pub(super) class: &'static str,
    pub(super) x: usize,
    pub(super) y: f64,
    pub(super) height: f64,
    pub(super) title: String,
}

/// How the bar of a heartbeat looks.
#[derive(Debug, Clone, Copy)]
enum Look {
    /// The heartbeat was good.
    Good,
    /// The heartbeat was bad.
    Bad,
    /// The heartbeat is in flight.
    Open,
    /// The heartbeat was skipped: this service could not send it in time.
    Skipped,
}

impl Look {
    fn of(beat: &Beat) -> Self {
        match (beat.bad, beat.outcome) {
            (true, _) => Look::Bad,
            (false, Some(Outcome::Skipped)) => Look::Skipped,
            (false, Some(_)) => Look::Good,
            (false, None) => Look::Open,
        }
    }

    /// The class in the style sheet.
    fn class(self) -> &'static str {
        match self {
            Look::Good => "ok",
            Look::Bad => "bad",
            Look::Open => "open",
            Look::Skipped => "skipped",
        }
    }
}

/// A bad heartbeat in words.
pub(super) struct BadRow {
    pub(super) when: String,
    pub(super) partition: i32,
    pub(super) broker: String,
    pub(super) outcome: String,
    pub(super) fault: &'static str,
    pub(super) produce: String,
    pub(super) end_to_end: String,
    pub(super) id: String,
}

/// The last heartbeats of a partition, and its leader.
pub(super) fn bars(number: i32, partition: &Partition, readings: &Readings, wall: SystemTime) -> Bars {
    let deadline = readings.settings.heartbeat.deadline;
    let ok = partition.beats.iter().filter(|beat| beat.outcome == Some(Outcome::Ok)).count();
    let bad = partition.beats.iter().filter(|beat| beat.bad).count();
    let leader = match (partition.leader, &partition.rack) {
        _ if readings.metadata.fresh().is_none() => "leader not known".to_owned(),
        (None, _) => "no leader".to_owned(),
        (Some(leader), None) => format!("broker {leader}"),
        (Some(leader), Some(rack)) => format!("broker {leader} · rack {rack}"),
    };
    let latest = partition.beats.iter().rev().find_map(|beat| beat.end_to_end);
    let last = match (latest, partition.last_success) {
        (Some(latest), Some(success)) => {
            format!("{} · last success {}", three_digits(latest), before(success, wall))
        }
        _ => "no success yet".to_owned(),
    };
    Bars {
        number,
        leader,
        last,
        words: format!("the last {} heartbeats: {ok} ok, {bad} bad", partition.beats.len()),
        beats: partition.beats.iter().enumerate().map(|(index, beat)| bar(index, beat, deadline)).collect(),
    }
}

/// A heartbeat as a bar. Its height is the latency on a logarithmic scale from 1 ms to the deadline; the bar of a bad
/// heartbeat has the full height.
fn bar(index: usize, beat: &Beat, deadline: Duration) -> Bar {
    let look = Look::of(beat);
    let scale = |time: Duration| (time.as_secs_f64() * 1e3).max(1.0).ln();
    let share = match (look, beat.end_to_end) {
        (Look::Good, Some(time)) => (scale(time) / scale(deadline).max(1.0)).clamp(0.0, 1.0),
        (Look::Bad, _) => 1.0,
        _ => 0.0,
    };
    let height = (BAR_HEIGHT * (0.2 + 0.8 * share)).round();
    let state = beat
        .outcome
        .map_or(if beat.bad { "bad, outcome not known yet" } else { "in flight" }, Outcome::as_str);
    let time = beat.end_to_end.map(|time| format!(", {}", three_digits(time))).unwrap_or_default();
    let title = format!("{} heartbeat {}: {state}{time}", clock(beat.intended), beat.sequence);
    Bar { class: look.class(), x: index * BEAT_WIDTH, y: BAR_HEIGHT - height, height, title }
}

/// A bad heartbeat in words.
pub(super) fn bad_row(bad: &EndedHeartbeat) -> BadRow {
    let or = |time: Option<Duration>, absent: &str| time.map_or_else(|| absent.to_owned(), three_digits);
    BadRow {
        when: clock(bad.intended),
        partition: bad.partition,
        broker: bad.broker.map_or_else(|| UNKNOWN.to_owned(), |broker| broker.to_string()),
        outcome: bad.outcome.as_str().replace('_', " "),
        fault: bad.fault.map_or("none", |fault| fault.as_str()),
        produce: or(bad.produce, "not acknowledged"),
        end_to_end: or(bad.end_to_end, "not read"),
        id: bad.id.clone(),
    }
}
