//! What was measured over time: strips, charts, incidents, and what is left of the error budget.

use std::{sync::Arc, time::SystemTime};

use askama::Template;

use super::{
    chart::{Chart, LEFT, chart},
    strips::{Strip, cause, strip},
    words::{count, minute, two_units},
};
use crate::{
    availability::{Ending, Incident, Resolution, Timeline},
    board::Readings,
    clock::since_1970,
    config::Slo,
    http::drawings::Drawings,
};

/// The most incidents that are shown; the API has more.
const MOST_INCIDENTS: usize = 8;

/// The error budget is that of so many days, as in the rules that `kafka-heartbeat slo` makes.
const BUDGET_DAYS: i64 = 30;

const DAY: i64 = Resolution::Day.seconds();

/// What was measured of a cluster over time.
#[derive(Template)]
#[template(path = "over_time.html")]
struct OverTime<'a> {
    cluster: &'a str,
    strips: [Strip; 3],
    charts: [Chart; 3],
    /// The edge of the lines of a chart.
    left: i64,
    incidents: Vec<IncidentRow>,
    /// `None` if no availability is promised, or nothing was judged.
    budget: Option<String>,
}

/// An incident in words.
struct IncidentRow {
    begin: String,
    lasted: String,
    bad: u64,
    cause: String,
}

/// What was measured of a cluster until this moment, as HTML.
pub(super) fn over_time(readings: &Readings, drawings: &Drawings, slo: &Slo, wall: SystemTime) -> Arc<str> {
    let now = i64::try_from(since_1970(wall).as_secs()).unwrap_or(i64::MAX);
    let timeline = &readings.availability.timeline;
    drawings.of(&readings.name, timeline, Resolution::Minute.begin(now), || {
        let view = OverTime {
            cluster: &readings.name,
            strips: [
                strip("60 minutes", timeline, Resolution::Minute, 60, now),
                strip("24 hours", timeline, Resolution::Quarter, 96, now),
                strip("90 days", timeline, Resolution::Day, 90, now),
            ],
            charts: [
                chart("1 hour", timeline, (Resolution::Minute, 60), 60, now),
                chart("24 hours", timeline, (Resolution::Quarter, 900), 96, now),
                chart("7 days", timeline, (Resolution::Quarter, 7200), 84, now),
            ],
            left: LEFT,
            incidents: incidents(timeline, now),
            budget: slo.availability.and_then(|percent| budget(timeline, percent, now)),
        };
        view.render().unwrap_or_else(|error| error.to_string())
    })
}

fn incidents(timeline: &Timeline, now: i64) -> Vec<IncidentRow> {
    let row = |incident: &Arc<Incident>| IncidentRow {
        begin: minute(incident.begin_ms / 1000),
        lasted: match incident.ending {
            Ending::Lasts => "it lasts".to_owned(),
            Ending::Over => two_units(incident.duration()),
            Ending::Interrupted => format!("{} or more", two_units(incident.duration())),
        },
        bad: incident.bad,
        cause: cause(incident),
    };
    timeline.incidents(now - 90 * DAY, i64::MAX).rev().take(MOST_INCIDENTS).map(row).collect()
}

/// What is left of the error budget, as a sentence. `None` if nothing was judged.
fn budget(timeline: &Timeline, percent: f64, now: i64) -> Option<String> {
    let first = Resolution::Day.begin(now) - (BUDGET_DAYS - 1) * DAY;
    let days = timeline.between(Resolution::Day, first, i64::MAX).map(|(_, day)| day.total());
    let (judged, bad) = days.fold((0, 0), |(judged, bad), day| (judged + day.judged(), bad + day.bad));
    if judged == 0 {
        return None;
    }
    let used = bad as f64 / (judged as f64 * (1.0 - percent / 100.0));
    let left = match used {
        0.0 => "The whole error budget".to_owned(),
        ..0.99 => format!("{:.0} % of the error budget", ((1.0 - used) * 100.0).floor()),
        ..1.0 => "Less than 1 % of the error budget".to_owned(),
        _ => "Nothing of the error budget".to_owned(),
    };
    let times = if used > 1.0 { format!(" It was used {used:.1} times.") } else { String::new() };
    Some(format!(
        "{left} of the last {BUDGET_DAYS} days is left: {} of {} bad, and {percent} % must be good.{times}",
        bad,
        count(i128::from(judged), "heartbeat") + if judged == 1 { " was" } else { " were" },
    ))
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeMap,
        time::{Duration, Instant},
    };

    use super::*;
    use crate::{
        availability::{Audit, Blamed, Counts, Look, Recorder},
        latency::Exponential,
        probe::heartbeat::Outcome,
    };

    /// The beginning of a day in seconds since 1970.
    const MIDNIGHT: i64 = 20_000 * DAY;

    /// A timeline of an hour before this time: every heartbeat was good, but for the last minutes, in which so many of sixty were
    /// bad. The minutes that are absent from the list of bad heartbeats at the end were not measured.
    fn timeline(now: i64, bad: &[Option<u64>]) -> Recorder {
        let (start, mut recorder, mut counts) = (Instant::now(), Recorder::default(), Counts::default());
        let first = now - 60 * bad.len() as i64;
        for (minute, bad) in (0..).zip(bad) {
            let at = |second: i64| {
                let passed = (60 * minute + second).unsigned_abs();
                (start + Duration::from_secs(passed), Duration::from_secs(first.unsigned_abs() + passed))
            };
            let Some(bad) = bad else { continue };
            let mut outcomes = [0; Outcome::ALL.len()];
            outcomes[Outcome::Ok as usize] = 60 - bad;
            let end_to_end = Exponential::new(0, -120, vec![60 - bad, *bad]);
            for (second, is_judged) in [(1, false), (5, true)] {
                if is_judged {
                    counts.add(&Counts {
                        bad: *bad,
                        unacknowledged: 0,
                        outcomes,
                        end_to_end: end_to_end.clone(),
                    });
                }
                let (at, written) = at(second);
                let partitions = BTreeMap::from([(0, counts.clone())]);
                recorder.observe(Look {
                    at,
                    written,
                    is_measuring: true,
                    partitions,
                    audit: Audit::default(),
                });
            }
        }
        recorder.finish();
        recorder
    }

    #[test]
    fn cell_is_amber_with_a_bad_heartbeat_red_with_one_in_ten_and_grey_if_it_was_not_measured() {
        let now = MIDNIGHT + 12 * 3600;
        let recorder = timeline(now, &[Some(0), None, Some(5), Some(6), Some(0)]);
        let strip = strip("60 minutes", recorder.timeline(), Resolution::Minute, 60, now + 7);
        assert_eq!((strip.width, &*strip.coverage), (240, "measured for 16 s"));
        assert_eq!(strip.good, "M220 8h3v14h-3zM236 8h3v14h-3z");
        assert_eq!(strip.unmeasured.matches('M').count(), 56);
        let bad: Vec<_> = strip.bad.iter().map(|cell| (cell.class, cell.x, &*cell.title)).collect();
        let title = |minute, bad| format!("2024-10-04 11:{minute}: {bad} of 60 heartbeats were bad");
        assert_eq!(bad, [("some", 228, &*title(57, 5)), ("many", 232, &*title(58, 6))]);
        assert_eq!(strip.share, "95.416 %");
        let (newest, before) = (title(58, 6), title(57, 5));
        assert_eq!(
            strip.words,
            format!(
                "60 minutes, by minute: measured for 16 s, 2 minutes with bad heartbeats. The newest: {newest}; {before}."
            )
        );
    }

    #[test]
    fn chart_is_broken_where_nothing_was_measured_and_says_its_range() {
        let now = MIDNIGHT + 12 * 3600;
        let recorder = timeline(now, &[Some(0), Some(0), None, Some(60)]);
        let drawn = chart("1 hour", recorder.timeline(), (Resolution::Minute, 60), 60, now + 7);
        let moves: Vec<_> =
            drawn.lines.iter().map(|(class, path)| (*class, path.matches('M').count())).collect();
        assert_eq!(moves, [("median", 2), ("p99", 2), ("max", 2)]);
        assert_eq!(drawn.grid.iter().map(|(_, label)| &**label).collect::<Vec<_>>(), ["1 ms", "10 ms"]);
        assert!(
            drawn.words.starts_with("Latency over 1 hour: median from 5.52 ms to 5.77 ms, "),
            "{}",
            drawn.words
        );
        let empty = chart("7 days", &Timeline::default(), (Resolution::Quarter, 7200), 84, now);
        assert_eq!((empty.lines.len(), &*empty.words), (0, "Latency over 7 days: nothing was measured."));
    }

    #[test]
    fn error_budget_counts_the_bad_heartbeats_of_thirty_days() {
        let now = MIDNIGHT + 12 * 3600;
        let recorder = timeline(now, &[Some(0), Some(1)]);
        let of = |percent, now| budget(recorder.timeline(), percent, now);
        let left = "75 % of the error budget of the last 30 days is left: 1 of 120 heartbeats were bad, and 96.7 % must be good.";
        assert_eq!(of(96.7, now).as_deref(), Some(left.replace("75", "74").as_str()));
        let used = of(99.9, now + 29 * DAY).expect("judged");
        assert!(
            used.starts_with("Nothing of the error budget") && used.ends_with("It was used 8.3 times."),
            "{used}"
        );
        assert_eq!(of(99.9, now + 31 * DAY), None, "an error budget of nothing is not known");
    }

    #[test]
    fn incident_is_a_row_and_a_mark_with_its_cause() {
        let now = MIDNIGHT + 12 * 3600;
        let mut recorder = timeline(now, &[Some(0)]);
        let blamed = |headline: &str| Blamed {
            kind: "broker".to_owned(),
            subject: "2".to_owned(),
            confidence: "likely".to_owned(),
            headline: headline.to_owned(),
            evidence: Vec::new(),
        };
        let incident = |begin: i64, ending, suspects| Incident {
            begin_ms: begin * 1000,
            end_ms: (begin + 90) * 1000,
            ending,
            was_down: false,
            bad: 3,
            suspects,
        };
        recorder.note(incident(now - 1800, Ending::Over, vec![blamed("Broker 2 does not answer")]));
        recorder.note(incident(now - 120, Ending::Interrupted, Vec::new()));
        let rows = incidents(recorder.timeline(), now);
        let rows: Vec<_> = rows.iter().map(|row| (&*row.lasted, row.bad, &*row.cause)).collect();
        assert_eq!(
            rows,
            [
                ("1 min 30 s or more", 3, "The cause is not known."),
                ("1 min 30 s", 3, "Broker 2 does not answer.")
            ]
        );
        let strip = strip("60 minutes", recorder.timeline(), Resolution::Minute, 60, now);
        let marks: Vec<_> = strip.incidents.iter().map(|mark| (mark.x, mark.width)).collect();
        assert_eq!(marks, [(120, 6), (232, 6)]);
        assert_eq!(strip.incidents[0].title, "Incident at 2024-10-04 11:30: Broker 2 does not answer.");
    }
}
