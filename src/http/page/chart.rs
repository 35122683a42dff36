//! Charts of the latency over time.

use std::{collections::BTreeMap, fmt::Write, time::Duration};

use super::{
    strips::{Mark, end, marks},
    words::three_digits,
};
use crate::availability::{Interval, Resolution, Timeline};

/// The left edge of the lines, in the units of the drawing: the labels of the axis stand left of it.
pub(super) const LEFT: i64 = 44;
/// The width of the lines.
const WIDTH: i64 = 300;
/// The upper and the lower edge of the lines.
const TOP: f64 = 8.0;
const BOTTOM: f64 = 104.0;

/// The latency over some time. Its axis is logarithmic.
pub(super) struct Chart {
    /// What the chart covers, as `24 hours`.
    pub(super) name: &'static str,
    /// What the chart shows, for people who do not see it.
    pub(super) words: String,
    /// The powers of ten, each with its height and its label. Empty if nothing was measured.
    pub(super) grid: Vec<(f64, String)>,
    /// The lines, the lowest first: the class and the path.
    pub(super) lines: Vec<(&'static str, String)>,
    /// The incidents; `x` counts from the left edge of the lines.
    pub(super) incidents: Vec<Mark>,
}

/// The percentiles that are drawn, with their names and classes.
const PARTS: [(f64, &str, &str); 3] =
    [(0.5, "median", "median"), (0.99, "99th percentile", "p99"), (1.0, "slowest", "max")];

/// The latency in so many steps until `now`, in seconds since 1970. A step is one or more intervals.
pub(super) fn chart(
    name: &'static str,
    timeline: &Timeline,
    (resolution, step): (Resolution, i64),
    steps: i64,
    now: i64,
) -> Chart {
    let end = end(step, now);
    let first = end - steps * step;
    let mut kept: BTreeMap<i64, Interval> = BTreeMap::new();
    for (begin, interval) in timeline.between(resolution, first, end) {
        kept.entry((begin - first) / step).or_default().add(&interval);
    }
    let latencies: Vec<(i64, [f64; PARTS.len()])> = kept
        .iter()
        .filter_map(|(place, interval)| {
            let total = interval.total();
            let latency = |(part, ..): (f64, &str, &str)| total.latency(part).map(|time| time.as_secs_f64());
            let [Some(median), Some(p99), Some(max)] = PARTS.map(latency) else { return None };
            Some((*place, [median, p99, max]))
        })
        .collect();
    let incidents = marks(timeline, first, end, WIDTH);
    let all = latencies.iter().flat_map(|(_, latencies)| latencies).copied().filter(|latency| *latency > 0.0);
    let (least, most) = all.fold((f64::MAX, 0.0_f64), |(least, most), one| (least.min(one), most.max(one)));
    if most <= 0.0 {
        let words = format!("Latency over {name}: nothing was measured.");
        return Chart { name, words, grid: Vec::new(), lines: Vec::new(), incidents };
    }
    let scale = Scale::new(least, most);
    let line = |(part, (_, _, class)): (usize, (f64, &str, &'static str))| {
        let points = latencies.iter().map(|(place, latencies)| (*place, scale.height(latencies[part])));
        (class, path(points, steps))
    };
    Chart {
        name,
        words: words(name, &latencies),
        grid: scale.grid(),
        lines: PARTS.into_iter().enumerate().map(line).collect(),
        incidents,
    }
}

/// A logarithmic axis from one power of ten to another.
struct Scale {
    least: i32,
    most: i32,
}

impl Scale {
    fn new(least: f64, most: f64) -> Self {
        // No latency is below a microsecond or above a day.
        let least = least.log10().floor().clamp(-6.0, 5.0) as i32;
        let most = (most.log10().ceil().clamp(-6.0, 5.0) as i32).max(least + 1);
        Self { least, most }
    }

    fn height(&self, seconds: f64) -> f64 {
        let part = (seconds.max(1e-6).log10() - f64::from(self.least)) / f64::from(self.most - self.least);
        rounded(BOTTOM - (BOTTOM - TOP) * part.clamp(0.0, 1.0))
    }

    fn grid(&self) -> Vec<(f64, String)> {
        let label = |power: i32| match power {
            ..-3 => format!("{} µs", 10_u64.pow((power + 6).unsigned_abs())),
            -3..0 => format!("{} ms", 10_u64.pow((power + 3).unsigned_abs())),
            0.. => format!("{} s", 10_u64.pow(power.unsigned_abs())),
        };
        (self.least..=self.most).map(|power| (self.height(10_f64.powi(power)), label(power))).collect()
    }
}

fn rounded(height: f64) -> f64 {
    (height * 10.0).round() / 10.0
}

/// A line through points. It is broken where a step has none.
fn path(points: impl Iterator<Item = (i64, f64)>, steps: i64) -> String {
    let mut path = String::new();
    let mut last = None;
    for (place, height) in points {
        let x = rounded((place * WIDTH) as f64 / (steps - 1).max(1) as f64) + LEFT as f64;
        // A point without neighbours is a short line. Writing to a string cannot fail.
        _ = match last {
            Some(last) if last + 1 == place => write!(path, "L{x} {height}"),
            _ => write!(path, "M{x} {height}h1"),
        };
        last = Some(place);
    }
    path
}

fn words(name: &str, latencies: &[(i64, [f64; PARTS.len()])]) -> String {
    let range = |(index, (_, part, _)): (usize, (f64, &str, &str))| {
        let of = latencies.iter().map(|(_, latencies)| latencies[index]);
        let (least, most) =
            of.fold((f64::MAX, 0.0_f64), |(least, most), one| (least.min(one), most.max(one)));
        let [least, most] =
            [least, most].map(|seconds| three_digits(Duration::from_secs_f64(seconds.clamp(0.0, 1e6))));
        format!("{part} from {least} to {most}")
    };
    let ranges: Vec<_> = PARTS.into_iter().enumerate().map(range).collect();
    format!("Latency over {name}: {}.", ranges.join(", "))
}
