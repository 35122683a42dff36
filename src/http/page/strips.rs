//! Strips of cells, each of which is a minute, a quarter of an hour or a day.

use std::{collections::BTreeMap, fmt::Write, sync::Arc, time::Duration};

use super::words::{count, date, minute, share, two_units};
use crate::availability::{Counts, Incident, Resolution, Timeline};

/// From one cell to the next, in the units of the drawing. A cell is one unit narrower.
const CELL: i64 = 4;

/// The height of a cell with many bad heartbeats. Cells with fewer are lower, so that they differ without their colours.
const HEIGHT: i64 = 22;

/// An interval in which this part of the heartbeats or more was bad is red: one in ten.
const MANY: u64 = 10;

/// The last intervals of one length.
pub(super) struct Strip {
    /// What the strip covers, as `24 hours`.
    pub(super) name: &'static str,
    /// What the strip shows, for people who do not see it.
    pub(super) words: String,
    /// The share of good heartbeats.
    pub(super) share: String,
    /// For how long heartbeats were measured. Empty if they were not.
    pub(super) coverage: String,
    /// The width of the drawing.
    pub(super) width: i64,
    /// The cells without a bad heartbeat, as the outline of a path.
    pub(super) good: String,
    /// The cells in which nothing was measured.
    pub(super) unmeasured: String,
    /// The cells with bad heartbeats.
    pub(super) bad: Vec<Mark>,
    /// The incidents.
    pub(super) incidents: Vec<Mark>,
}

/// A rectangle of a drawing, with a title.
pub(super) struct Mark {
    pub(super) class: &'static str,
    pub(super) x: i64,
    pub(super) width: i64,
    /// The distance of its upper edge from that of the drawing.
    pub(super) y: i64,
    pub(super) title: String,
}

/// The last so many intervals until `now`, in seconds since 1970.
pub(super) fn strip(
    name: &'static str,
    timeline: &Timeline,
    resolution: Resolution,
    cells: i64,
    now: i64,
) -> Strip {
    let length = resolution.seconds();
    let end = end(length, now);
    let first = end - cells * length;
    let kept: BTreeMap<i64, (Duration, Counts)> = timeline
        .between(resolution, first, end)
        .map(|(begin, interval)| (begin, (interval.measured, interval.total())))
        .collect();
    let (mut good, mut unmeasured, mut bad, mut total) =
        (String::new(), String::new(), Vec::new(), Counts::default());
    for cell in 0..cells {
        let begin = first + cell * length;
        let counts = kept.get(&begin).map(|(_, counts)| counts).filter(|counts| counts.judged() > 0);
        counts.into_iter().for_each(|counts| total.add(counts));
        match counts {
            None => outline(&mut unmeasured, cell * CELL, 5),
            Some(counts) if counts.bad == 0 => outline(&mut good, cell * CELL, 14),
            Some(counts) => bad.push(bad_cell(resolution, begin, cell * CELL, counts)),
        }
    }
    let measured: Duration = kept.values().map(|(measured, _)| *measured).sum();
    let measured = measured.as_secs().min((end - first).unsigned_abs());
    let unit = match resolution {
        Resolution::Minute => "minute",
        Resolution::Quarter => "quarter of an hour",
        Resolution::Day => "day",
    };
    let coverage = match measured {
        0 => String::new(),
        seconds => format!("measured for {}", two_units(Duration::from_secs(seconds))),
    };
    Strip {
        name,
        words: match total.judged() {
            0 => format!("{name}, by {unit}: no heartbeat was judged."),
            _ => words(name, unit, &coverage, &bad),
        },
        share: match (total.judged(), measured) {
            (0, 0) => "not measured".to_owned(),
            (0, _) => "no heartbeat was judged".to_owned(),
            (judged, _) => share(total.good(), judged),
        },
        coverage,
        width: cells * CELL,
        good,
        unmeasured,
        bad,
        incidents: marks(timeline, first, end, cells * CELL),
    }
}

/// The end of the newest step of this length in seconds that is shown. The minute of the present is not over and is left out.
pub(super) fn end(step: i64, now: i64) -> i64 {
    let begin = now - now.rem_euclid(step);
    if step == Resolution::Minute.seconds() { begin } else { begin + step }
}

/// The incidents between two times in seconds since 1970, on a drawing of this width.
pub(super) fn marks(timeline: &Timeline, from: i64, to: i64, width: i64) -> Vec<Mark> {
    let place = |ms: i64| (ms / 1000 - from).clamp(0, to - from) * width / (to - from).max(1);
    let mark = |incident: &Arc<Incident>| {
        let (begin, end) = (place(incident.begin_ms), place(incident.end_ms));
        let title = format!("Incident at {}: {}", minute(incident.begin_ms / 1000), cause(incident));
        Mark { class: "incident", x: begin.min(width - 3), width: (end - begin).max(3), y: HEIGHT + 2, title }
    };
    timeline.incidents(from, to).map(mark).collect()
}

/// What was likely to blame for an incident.
pub(super) fn cause(incident: &Incident) -> String {
    let headlines: Vec<_> =
        incident.suspects.iter().map(|suspect| format!("{}.", suspect.headline)).collect();
    if headlines.is_empty() { "The cause is not known.".to_owned() } else { headlines.join(" ") }
}

/// Adds a cell of this height to the outline of a path.
fn outline(path: &mut String, x: i64, height: i64) {
    // Writing to a string cannot fail.
    _ = write!(path, "M{x} {}h{1}v{height}h-{1}z", HEIGHT - height, CELL - 1);
}

fn bad_cell(resolution: Resolution, begin: i64, x: i64, counts: &Counts) -> Mark {
    let is_many = counts.bad.saturating_mul(MANY) >= counts.judged();
    let (class, y) = if is_many { ("many", 0) } else { ("some", 4) };
    let when = match resolution {
        Resolution::Day => date(begin),
        Resolution::Minute | Resolution::Quarter => minute(begin),
    };
    let title = format!("{when}: {} of {} heartbeats were bad", counts.bad, counts.judged());
    Mark { class, x, width: CELL - 1, y, title }
}

fn words(name: &str, unit: &str, coverage: &str, bad: &[Mark]) -> String {
    let mut words = format!("{name}, by {unit}: {coverage}");
    if bad.is_empty() {
        words.push_str(", no bad heartbeat in them.");
        return words;
    }
    _ = write!(
        words,
        ", {} with bad heartbeats. ",
        count(bad.len() as i64, unit).replace("quarter of an hours", "quarters of an hour")
    );
    let newest: Vec<_> = bad.iter().rev().take(5).map(|cell| &*cell.title).collect();
    _ = write!(words, "The newest: {}.", newest.join("; "));
    words
}
