//! Single heartbeats: a bar for each of the last ones, and a table of the bad ones.

use std::time::{Duration, SystemTime};

use super::words::{UNKNOWN, before, clock, millis};
use crate::{
    board::Readings,
    probe::heartbeat::{Beat, Ended, Outcome, Partition},
};

/// Height of a partition's bar, and the width of one beat in it.
const BAR_HEIGHT: f64 = 30.0;
const BEAT_WIDTH: usize = 8;

pub(super) struct Bar {
    pub(super) number: i32,
    pub(super) leader: String,
    pub(super) last: String,
    pub(super) words: String,
    pub(super) beats: Vec<Tick>,
}

pub(super) struct Tick {
    pub(super) class: &'static str,
    pub(super) x: usize,
    pub(super) y: f64,
    pub(super) height: f64,
    pub(super) title: String,
}

pub(super) struct BadRow {
    pub(super) when: String,
    pub(super) partition: i32,
    pub(super) broker: String,
    pub(super) outcome: &'static str,
    pub(super) fault: &'static str,
    pub(super) produce: String,
    pub(super) end_to_end: String,
    pub(super) id: String,
}

pub(super) fn bar(number: i32, partition: &Partition, readings: &Readings, wall: SystemTime) -> Bar {
    let deadline = readings.settings.heartbeat.deadline;
    let ok = partition.beats.iter().filter(|beat| beat.outcome == Some(Outcome::Ok)).count();
    let bad = partition.beats.iter().filter(|beat| beat.bad).count();
    let leader = match (partition.leader, &partition.rack) {
        _ if readings.metadata.fresh().is_none() => UNKNOWN.to_owned(),
        (None, _) => "no leader".to_owned(),
        (Some(leader), None) => format!("broker {leader}"),
        (Some(leader), Some(rack)) => format!("broker {leader} · {rack}"),
    };
    let latest = partition.beats.iter().rev().find_map(|beat| beat.end_to_end);
    let last = match (latest, partition.last_success) {
        (Some(latest), Some(success)) => format!("{} · last ok {}", millis(latest), before(success, wall)),
        _ => UNKNOWN.to_owned(),
    };
    Bar {
        number,
        leader,
        last,
        words: format!("the last {} heartbeats: {ok} ok, {bad} bad", partition.beats.len()),
        beats: partition.beats.iter().enumerate().map(|(index, beat)| tick(index, beat, deadline)).collect(),
    }
}

/// The height is the latency on a logarithmic scale from 1 ms to the deadline; bad ones are as tall as it goes.
fn tick(index: usize, beat: &Beat, deadline: Duration) -> Tick {
    let class = match (beat.bad, beat.outcome) {
        (true, _) => "bad",
        (false, Some(Outcome::Skipped)) => "skipped",
        (false, Some(_)) => "ok",
        (false, None) => "open",
    };
    let scale = |time: Duration| (time.as_secs_f64() * 1e3).max(1.0).ln();
    let share = match (class, beat.end_to_end) {
        ("ok", Some(time)) => (scale(time) / scale(deadline).max(1.0)).clamp(0.0, 1.0),
        ("bad", _) => 1.0,
        _ => 0.0,
    };
    let height = (BAR_HEIGHT * (0.2 + 0.8 * share)).round();
    let state = beat.outcome.map_or(if beat.bad { "bad, still open" } else { "in flight" }, Outcome::as_str);
    let time = beat.end_to_end.map(|time| format!(", {}", millis(time))).unwrap_or_default();
    let title = format!("{} #{}: {state}{time}", clock(beat.intended), beat.sequence);
    Tick { class, x: index * BEAT_WIDTH, y: BAR_HEIGHT - height, height, title }
}

pub(super) fn bad_row(bad: &Ended) -> BadRow {
    let time = |time: Option<Duration>| time.map_or_else(|| UNKNOWN.to_owned(), millis);
    BadRow {
        when: clock(bad.intended),
        partition: bad.partition,
        broker: bad.broker.map_or_else(|| UNKNOWN.to_owned(), |broker| broker.to_string()),
        outcome: bad.outcome.as_str(),
        fault: bad.fault.map_or(UNKNOWN, |fault| fault.as_str()),
        produce: time(bad.produce),
        end_to_end: time(bad.end_to_end),
        id: bad.id.clone(),
    }
}
