//! The tables of a report.

use std::time::Duration;

use super::{
    document::{Block, Table, header},
    facts::{Blame, ClusterMonth, Day, Incident},
    merge::{ClusterReport, all_days},
    objectives::Kept,
    words::{self, NOT_MEASURED, count, counted, foreign, measured, percent, promise},
};
use crate::{
    availability::Ending,
    text::{three_digits, two_units},
};

/// So many incidents are listed, the longest ones; the number of the others is written below.
const MOST_INCIDENTS: usize = 100;

/// The objectives of each vantage point, and of all of them together.
pub(super) fn objectives(cluster: &ClusterReport) -> Vec<Block> {
    let names = [
        "vantage point",
        "objective",
        "#promised",
        "#measured",
        "met",
        "#error budget",
        "#missed",
        "#budget left",
    ];
    let mut rows = Vec::new();
    for point in &cluster.vantage_points {
        let name = foreign(point.vantage_point());
        rows.extend(
            point
                .summary()
                .objectives
                .iter()
                .map(|kept| objective(&name, words::objective(kept.objective), kept, "heartbeat")),
        );
    }
    if let Some(kept) = cluster.merged.as_ref().and_then(|merged| merged.kept()) {
        rows.push(objective("all together", "Good minutes (availability)".to_owned(), &kept, "minute"));
    }
    if rows.is_empty() {
        let words = "No objective is set for availability, latency or acknowledgements, so the month is compared with none.";
        return vec![Block::Paragraph(words.to_owned())];
    }
    let caption = "The objectives, and what was measured".to_owned();
    vec![Block::Table(Table { caption, header: header(&names), rows })]
}

fn objective(name: &str, about: String, kept: &Kept, unit: &str) -> Vec<String> {
    let range = |(least, most): (f64, f64)| match percent(least) == percent(most) {
        true => percent(least),
        false => format!("{} to {}", percent(least), percent(most)),
    };
    let missed = match kept.missed() {
        (least, most) if least == most => count(least),
        (least, most) => format!("{} to {}", count(least), count(most)),
    };
    let met = match (kept.judged, kept.is_met()) {
        (0, _) => NOT_MEASURED,
        (_, Some(true)) => "yes",
        (_, Some(false)) => "no",
        (_, None) => "not decided: too many latencies are near the limit",
    };
    let or_not = |words: Option<String>| words.unwrap_or_else(|| NOT_MEASURED.to_owned());
    // A part of a heartbeat cannot miss an objective.
    let budget = kept.budget().map(|budget| counted(budget as u64, unit));
    vec![
        name.to_owned(),
        about,
        promise(kept.objective_percent),
        or_not(kept.percent().map(range)),
        met.to_owned(),
        or_not(budget),
        if kept.judged > 0 { missed } else { NOT_MEASURED.to_owned() },
        or_not(kept.budget_left_percent().map(range)),
    ]
}

/// How much of the month each vantage point measured.
pub(super) fn coverage(points: &[ClusterMonth]) -> Block {
    let names = [
        "vantage point",
        "#time measured",
        "#of the month",
        "#heartbeats",
        "#bad",
        "#good",
        "#p50",
        "#p99",
        "#max",
        "read from",
    ];
    let rows = points.iter().map(|point| {
        let summary = point.summary();
        let whole = u64::try_from(summary.measured_seconds.round() as i64).unwrap_or(0);
        let [p50, p99, max] = latencies(point, summary.latency_seconds);
        vec![
            foreign(point.vantage_point()),
            two_units(Duration::from_secs(whole)),
            measured(summary.coverage_percent),
            count(summary.judged),
            if summary.judged > 0 { count(summary.bad) } else { NOT_MEASURED.to_owned() },
            measured(summary.availability_percent),
            p50,
            p99,
            max,
            foreign(point.source.as_deref().unwrap_or("the service itself")),
        ]
    });
    let caption = "What each vantage point measured".to_owned();
    Block::Table(Table { caption, header: header(&names), rows: rows.collect() })
}

/// Latencies in words. One beyond the deadline is only known to be longer than the deadline, or nearly so.
fn latencies(point: &ClusterMonth, measured: Option<super::Latency>) -> [String; 3] {
    let deadline = point.heartbeats.map(|heartbeats| heartbeats.deadline_seconds);
    let words = |seconds: f64| match deadline {
        Some(deadline) if seconds > deadline => format!("about {} or more", words::limit(deadline)),
        _ => three_digits(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)),
    };
    match measured {
        Some(super::Latency { p50, p99, max }) => [p50, p99, max].map(words),
        None => [NOT_MEASURED; 3].map(str::to_owned),
    }
}

/// The incidents of each vantage point.
pub(super) fn incidents(points: &[ClusterMonth]) -> Vec<Block> {
    let of_point = |point: &'_ ClusterMonth| {
        let name = foreign(point.vantage_point());
        point.incidents.iter().map(move |incident| (name.clone(), incident.clone())).collect::<Vec<_>>()
    };
    let mut all: Vec<(String, Incident)> = points.iter().flat_map(of_point).collect();
    let forgotten = points.iter().filter_map(|point| forgotten(point, points.len() > 1));
    let mut forgotten: Vec<_> = forgotten.map(Block::Paragraph).collect();
    if all.is_empty() {
        let known = match points.iter().all(|point| point.days.is_empty()) {
            true => "No incident is known, because nothing was measured.",
            false => "There was no incident in the time that was measured.",
        };
        if forgotten.is_empty() {
            forgotten.push(Block::Paragraph(known.to_owned()));
        }
        return forgotten;
    }
    let others = all.len().saturating_sub(MOST_INCIDENTS);
    all.sort_by_key(|(_, incident)| std::cmp::Reverse(incident.end.saturating_sub(incident.begin)));
    all.truncate(MOST_INCIDENTS);
    all.sort_by_key(|(_, incident)| incident.begin);
    let rows = all.iter().map(|(name, incident)| {
        let lasted = incident.end.saturating_sub(incident.begin).div_euclid(1000);
        vec![
            name.clone(),
            words::instant(incident.begin.div_euclid(1000)),
            two_units(Duration::from_secs(u64::try_from(lasted).unwrap_or(0))),
            count(incident.bad),
            ending(incident),
            cause(&incident.suspects),
        ]
    });
    let names = ["vantage point", "begin", "#duration", "#bad heartbeats", "end", "cause"];
    let caption = "Incidents, with their causes".to_owned();
    let mut blocks = vec![Block::Table(Table { caption, header: header(&names), rows: rows.collect() })];
    if others > 0 {
        let words = format!("{} that were shorter are not listed.", counted(others as u64, "incident"));
        blocks.push(Block::Paragraph(words));
    }
    blocks.extend(forgotten);
    blocks
}

/// A sentence about incidents that are missing: heartbeats were bad, but no incident of that time is kept. `None` if none is missing.
fn forgotten(point: &ClusterMonth, is_one_of_many: bool) -> Option<String> {
    let of = if is_one_of_many { format!("{}: ", foreign(point.vantage_point())) } else { String::new() };
    let bad = point.days.iter().fold(0_u64, |sum, day| sum.saturating_add(day.bad));
    let Some(oldest) = point.incidents.iter().map(|incident| incident.begin).min() else {
        let words = format!("{of}No incident of this time is kept, although {} bad.", were(bad));
        return (bad > 0).then_some(words);
    };
    let minutes = point.days.iter().flat_map(|day| {
        day.bad_minutes.iter().map(|minute| (day.begin + 60 * i64::from(minute.minute), minute.bad))
    });
    // An incident may begin a moment after the heartbeat was judged, in the next minute.
    let before: Vec<_> = minutes.take_while(|(begin, _)| begin + 120 <= oldest.div_euclid(1000)).collect();
    let (first, _) = before.first()?;
    let bad = before.iter().fold(0_u64, |sum, (_, bad)| sum.saturating_add(*bad));
    Some(format!(
        "{of}{} bad before the first incident that is listed, from {} on. The incidents of that time are not kept.",
        were(bad),
        words::minute(*first)
    ))
}

fn were(heartbeats: u64) -> String {
    format!("{} {}", counted(heartbeats, "heartbeat"), if heartbeats == 1 { "was" } else { "were" })
}

fn ending(incident: &Incident) -> String {
    let end = words::instant(incident.end.div_euclid(1000));
    let ended = match incident.ending {
        Ending::Over => end,
        Ending::Lasts => "It lasts.".to_owned(),
        Ending::Interrupted => format!("Not known: the service stopped at {end}."),
    };
    if incident.was_down {
        format!("{}. For a part of the time, no heartbeat got through.", ended.trim_end_matches('.'))
    } else {
        ended
    }
}

/// The sentences about the components that were likely to blame.
fn cause(suspects: &[Blame]) -> String {
    if suspects.is_empty() {
        return "The cause is not known.".to_owned();
    }
    let sentence = |Blame { confidence, headline, evidence }: &Blame| {
        let evidence = evidence.first().map_or_else(String::new, |first| format!(": {}", foreign(first)));
        format!("{} ({}){evidence}.", foreign(headline), foreign(confidence))
    };
    suspects.iter().map(sentence).collect::<Vec<_>>().join(" ")
}

/// The worst minutes.
pub(super) fn worst(cluster: &ClusterReport) -> Vec<Block> {
    if cluster.worst.is_empty() {
        let is_measured = cluster.vantage_points.iter().flat_map(|point| &point.days).any(Day::has_minutes);
        let is_one = cluster.merged.is_none();
        let words = match (is_measured, is_one) {
            (false, _) => "No minute was measured.",
            (true, true) => "No minute had a bad heartbeat.",
            (true, false) => "No minute was bad for every vantage point that measured then.",
        };
        return vec![Block::Paragraph(words.to_owned())];
    }
    let rows = cluster.worst.iter().zip(1_u64..).map(|(minute, place)| {
        vec![
            place.to_string(),
            words::minute(minute.begin),
            count(minute.judged),
            count(minute.bad),
            percent(100.0 * minute.bad as f64 / minute.judged.max(1) as f64),
        ]
    });
    let caption = "The worst minutes, by the share of bad heartbeats and then by their number".to_owned();
    let header = header(&["#place", "minute", "#heartbeats", "#bad", "#share of bad"]);
    vec![Block::Table(Table { caption, header, rows: rows.collect() })]
}

/// All days of the month.
pub(super) fn days(point: &ClusterMonth) -> Block {
    let names =
        ["day", "#time measured", "#heartbeats", "#bad", "#good", "#bad minutes", "#p50", "#p99", "#max"];
    let rows =
        all_days(point).filter(|(begin, _)| *begin < point.until).map(|(begin, day)| row(point, begin, day));
    let caption = "The days of the month".to_owned();
    Block::Table(Table { caption, header: header(&names), rows: rows.collect() })
}

fn row(point: &ClusterMonth, begin: i64, day: Option<&Day>) -> Vec<String> {
    let Some(day) = day.filter(|day| day.judged() > 0) else {
        let mut row = vec![words::day(begin), NOT_MEASURED.to_owned()];
        row.resize(9, String::new());
        if let Some(day) = day.filter(|day| day.measured_seconds > 0.0) {
            row[1] = two_units(Duration::from_secs(day.measured_seconds.round() as u64));
            row[2] = "0".to_owned();
        }
        return row;
    };
    let [p50, p99, max] = latencies(point, day.latency());
    vec![
        words::day(begin),
        two_units(Duration::from_secs(day.measured_seconds.round() as u64)),
        count(day.judged()),
        count(day.bad),
        measured(day.availability_percent()),
        if day.has_minutes() { count(day.bad_minutes.len() as u64) } else { NOT_MEASURED.to_owned() },
        p50,
        p99,
        max,
    ]
}
