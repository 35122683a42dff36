//! The days of a report as a table in CSV (RFC 4180): UTF-8, a header, CRLF at the end of each line.

use super::{
    facts::{ClusterMonth, Day},
    merge::{Report, all_days},
    words,
};

/// The columns. A field of a number that was not measured is empty.
const HEADER: [&str; 17] = [
    "cluster",
    "vantage_point",
    "day",
    "measured_seconds",
    "judged",
    "good",
    "bad",
    "unacknowledged",
    "availability_percent",
    "latency_p50_seconds",
    "latency_p99_seconds",
    "latency_max_seconds",
    "judged_minutes",
    "bad_minutes",
    "durability_checked",
    "durability_lost",
    "source",
];

/// The days of all clusters and vantage points.
pub(super) fn csv(report: &Report) -> String {
    let mut text = line(HEADER.map(str::to_owned));
    for point in report.clusters.iter().flat_map(|cluster| &cluster.vantage_points) {
        for (begin, day) in all_days(point).filter(|(begin, _)| *begin < point.until) {
            text += &line(row(point, begin, day));
        }
    }
    text
}

fn row(point: &ClusterMonth, begin: i64, day: Option<&Day>) -> [String; HEADER.len()] {
    let measured = day.map_or(0.0, |day| day.measured_seconds);
    let judged = day.filter(|day| day.judged() > 0);
    let count = |count: fn(&Day) -> u64| judged.map_or_else(String::new, |day| count(day).to_string());
    let latency = judged.and_then(Day::latency);
    let seconds = |part: fn(&super::Latency) -> f64| {
        latency.as_ref().map_or_else(String::new, |latency| part(latency).to_string())
    };
    let availability = judged.and_then(Day::availability_percent);
    let with_minutes = judged.filter(|day| day.has_minutes());
    let minutes =
        |count: fn(&Day) -> u64| with_minutes.map_or_else(String::new, |day| count(day).to_string());
    let judged_minutes =
        |day: &Day| day.judged_minutes.iter().map(|(begin, end)| u64::from(end.saturating_sub(*begin))).sum();
    let audited = day.filter(|day| day.durability_checked > 0);
    let audit = |count: fn(&Day) -> u64| audited.map_or_else(String::new, |day| count(day).to_string());
    [
        harmless(&point.cluster),
        harmless(point.vantage_point()),
        words::day(begin),
        measured.to_string(),
        count(Day::judged),
        count(Day::good),
        count(|day| day.bad),
        count(|day| day.unacknowledged),
        availability.map_or_else(String::new, |percent| percent.to_string()),
        seconds(|latency| latency.p50),
        seconds(|latency| latency.p99),
        seconds(|latency| latency.max),
        minutes(judged_minutes),
        minutes(|day| day.bad_minutes.len() as u64),
        audit(|day| day.durability_checked),
        audit(Day::lost),
        harmless(point.source.as_deref().unwrap_or_default()),
    ]
}

/// A text that a spreadsheet does not take for a formula.
fn harmless(text: &str) -> String {
    let text = words::foreign(text);
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if is_formula { format!("'{text}") } else { text }
}

fn line(fields: [String; HEADER.len()]) -> String {
    let quoted = fields.map(|field| {
        let needs = field.contains([',', '"', '\r', '\n', ';']) || field.starts_with('\'');
        if needs { format!("\"{}\"", field.replace('"', "\"\"")) } else { field }
    });
    format!("{}\r\n", quoted.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formula_in_a_name_is_text_and_quotes_are_doubled() {
        for (name, shown) in [
            ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(1)", "'@SUM(1)"),
            ("orders", "orders"),
        ] {
            assert_eq!(harmless(name), shown);
        }
        let mut fields = HEADER.map(|_| String::new());
        fields[0] = "a\"b,c".to_owned();
        assert!(line(fields).starts_with("\"a\"\"b,c\",,"));
    }
}
