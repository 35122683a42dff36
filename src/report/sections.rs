//! From a report to its sections.

use super::{
    document::{Bar, Block, Colour, Strip},
    facts::{ClusterMonth, Day},
    merge::{ClusterReport, Merged, Report, all_days},
    method, tables,
    words::{self, NOT_MEASURED, count, counted, foreign, measured, percent, promise},
};

/// The title of the report.
pub(super) fn title(report: &Report) -> String {
    format!("Kafka in {}", report.month.name())
}

/// All sections, in the order of the page.
pub(super) fn sections(report: &Report) -> Vec<Block> {
    let mut blocks = vec![Block::Paragraph(beginning(report))];
    if report.clusters.is_empty() {
        blocks.push(Block::Paragraph("No cluster was found.".to_owned()));
    }
    report.clusters.iter().for_each(|cluster| blocks.extend(of_cluster(cluster)));
    blocks.push(heading(2, "Method and definitions"));
    blocks.push(Block::List(method::sentences(report)));
    blocks
}

fn heading(level: usize, text: impl Into<String>) -> Block {
    Block::Heading { level, text: text.into() }
}

/// What the report covers, and when it was made.
fn beginning(report: &Report) -> String {
    let (begin, end) = (report.month.begin(), report.month.end());
    let lasts = match report.made < end {
        true => format!(
            " The month has not ended: the report covers the time until {}.",
            words::minute(report.made)
        ),
        false => String::new(),
    };
    format!(
        "This report covers {} to {}. All times are in UTC.{lasts} It was made at {} by kafka-heartbeat {}.",
        words::minute(begin),
        words::minute(end),
        words::minute(report.made),
        env!("CARGO_PKG_VERSION")
    )
}

fn of_cluster(cluster: &ClusterReport) -> Vec<Block> {
    let points = &cluster.vantage_points;
    let mut blocks = vec![heading(2, format!("Cluster {}", foreign(&cluster.cluster)))];
    blocks.extend(points.iter().map(|point| Block::Paragraph(in_short(point, points.len() > 1))));
    if let Some(merged) = &cluster.merged {
        blocks.push(Block::Paragraph(together(merged)));
    }
    blocks.push(heading(3, "Objectives"));
    blocks.extend(tables::objectives(cluster));
    blocks.push(heading(3, "What was measured, and by which vantage point"));
    blocks.push(tables::coverage(points));
    blocks.push(heading(3, "Incidents"));
    blocks.extend(tables::incidents(points));
    blocks.push(heading(3, "The ten worst minutes"));
    blocks.extend(tables::worst(cluster));
    blocks.push(heading(3, "Durability"));
    blocks.extend(points.iter().map(|point| Block::Paragraph(durability(point, points.len() > 1))));
    for point in points {
        let of =
            if points.len() > 1 { format!(" of {}", foreign(point.vantage_point())) } else { String::new() };
        blocks.push(heading(3, format!("Days{of}")));
        blocks.push(Block::Strip(strip(point)));
        blocks.push(tables::days(point));
    }
    blocks
}

/// The sentence that a reader in a hurry reads.
fn in_short(point: &ClusterMonth, is_one_of_many: bool) -> String {
    let summary = point.summary();
    let who = match is_one_of_many {
        true => format!("{}: ", foreign(point.vantage_point())),
        false => String::new(),
    };
    let Some(availability) = summary.availability_percent else {
        return format!("{who}No heartbeat was judged in this time, so nothing is known of the cluster.");
    };
    let objective = summary.objectives.iter().find(|kept| kept.objective == super::Objective::Availability);
    let kept = objective.map_or_else(String::new, |kept| {
        let met = if kept.is_met() == Some(true) { "was met" } else { "was not met" };
        let left = kept.budget_left_percent().map_or_else(String::new, |(left, _)| budget_left(left));
        format!(" The objective of {} {met}; {left}.", promise(kept.objective_percent))
    });
    let coverage = measured(summary.coverage_percent);
    format!(
        "{who}{} of {} were good, and {} were bad.{kept} {coverage} of the time was measured.",
        percent(availability),
        counted(summary.judged, "heartbeat"),
        count(summary.bad)
    )
}

/// What is left of an error budget, in words.
fn budget_left(left: f64) -> String {
    match left {
        left if left < 0.0 => format!("{} of the error budget was used", percent(100.0 - left)),
        left => format!("{} of the error budget is left", percent(left)),
    }
}

/// What the vantage points saw together.
fn together(merged: &Merged) -> String {
    let Some(availability) = merged.availability_percent() else {
        return "No vantage point judged a heartbeat in this time.".to_owned();
    };
    let kept = merged.kept().map_or_else(
        || {
            " The vantage points have different objectives, or none, so the minutes are compared with none."
                .to_owned()
        },
        |kept| {
            let met = if kept.is_met() == Some(true) { "met" } else { "missed" };
            format!(" Counted in minutes, the objective of {} was {met}.", promise(kept.objective_percent))
        },
    );
    format!(
        "All vantage points together: {} of {} were good minutes; {} were bad for every vantage point that measured then. \
         {} were bad for some vantage points only, and count as good.{kept} In {} of the minutes of the month at least one vantage \
         point measured. This is a share of minutes and not of heartbeats.",
        percent(availability),
        counted(merged.judged, "minute"),
        count(merged.bad),
        count(merged.disputed),
        measured(merged.coverage_percent()),
    )
}

/// What the durability audit found.
fn durability(point: &ClusterMonth, is_one_of_many: bool) -> String {
    let summary = point.summary();
    let who = match is_one_of_many {
        true => format!("{}: ", foreign(point.vantage_point())),
        false => String::new(),
    };
    if summary.durability_checked == 0 {
        return format!("{who}No acknowledged record was read again, so durability was {NOT_MEASURED}.");
    }
    let checked = counted(summary.durability_checked, "time");
    let lost: u64 = summary.durability_lost.values().sum();
    let reasons = summary.durability_lost.iter().filter(|(_, count)| **count > 0);
    let reasons: Vec<_> =
        reasons.map(|(reason, number)| format!("{} {}", count(*number), foreign(reason))).collect();
    match lost {
        0 => format!("{who}Acknowledged records were read again {checked}, and none was lost."),
        lost => {
            let lost = counted(lost, "acknowledged record");
            let verb = if lost.starts_with("1 ") { "was" } else { "were" };
            format!(
                "{who}Acknowledged records were read again {checked}. {lost} {verb} lost: {}.",
                reasons.join(", ")
            )
        }
    }
}

/// The days of a month as a picture.
fn strip(point: &ClusterMonth) -> Strip {
    let objective = point.promises.availability;
    let days: Vec<Bar> = all_days(point)
        .zip(1..)
        .filter(|((begin, _), _)| *begin < point.until)
        .map(|((begin, day), number)| {
            let colour = colour(day, objective);
            Bar { number, colour, words: format!("{}: {}", words::day(begin), day_in_words(day)) }
        })
        .collect();
    let with = |colour: Colour| days.iter().filter(|bar| bar.colour == colour).count() as u64;
    let words = format!(
        "Each bar is a day. {} without a bad heartbeat (green), {} with bad heartbeats that kept to the objective (amber, !), {} that \
         missed it (red, ×), {} not measured (grey, –).",
        counted(with(Colour::Green), "day"),
        count(with(Colour::Amber)),
        count(with(Colour::Red)),
        count(with(Colour::Grey)),
    );
    Strip { words, days }
}

fn colour(day: Option<&Day>, objective: Option<f64>) -> Colour {
    match day.and_then(|day| Some((day.bad, day.availability_percent()?))) {
        None => Colour::Grey,
        Some((0, _)) => Colour::Green,
        Some((_, availability)) if objective.is_some_and(|objective| availability < objective) => Colour::Red,
        Some(_) => Colour::Amber,
    }
}

fn day_in_words(day: Option<&Day>) -> String {
    match day.and_then(|day| Some((day, day.availability_percent()?))) {
        None => NOT_MEASURED.to_owned(),
        Some((day, availability)) => format!("{} good, {} bad", percent(availability), count(day.bad)),
    }
}
