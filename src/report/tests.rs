//! What a report says of months that were written by hand.

use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;

use super::{
    ClusterMonth, Format, Heartbeats, LatencyPromise, Month, Objective, Promises, Report, Sketch, Source,
};
use crate::{
    availability::{Audit, Counts, Ending, Incident, Interval},
    latency::Exponential,
    probe::heartbeat::Outcome,
};

fn month() -> Month {
    Month::parse("2026-11").expect("a month")
}

fn source(instance: &str) -> Source {
    Source {
        cluster: "orders".to_owned(),
        instance: Some(instance.to_owned()),
        place: None,
        promises: Promises {
            availability: Some(99.0),
            latency: Some(LatencyPromise { percent: 90.0, limit_seconds: 1.0 }),
            produce: None,
        },
        heartbeats: Some(Heartbeats { interval_seconds: 1.0, deadline_seconds: 10.0 }),
    }
}

/// A minute with these heartbeats, of which so many are bad, in the day that it is part of.
fn minute(begin: i64, judged: u64, bad: u64) -> Interval {
    let mut outcomes = [0; Outcome::ALL.len()];
    (outcomes[Outcome::Ok as usize], outcomes[Outcome::Late as usize]) = (judged - bad, bad);
    let mut end_to_end = Exponential::new(0, -140, vec![judged - bad]);
    end_to_end.add(&Exponential::new(0, 54, vec![bad]));
    let counts = Counts { bad, unacknowledged: 0, outcomes, end_to_end };
    let partitions = BTreeMap::from([(0, counts)]);
    let mut minute = Interval { measured: Duration::from_secs(60), partitions, ..Interval::default() };
    minute.minutes = minute.as_minute(begin);
    minute
}

/// A vantage point with these minutes of the month: the number of the minute, and the judged and the bad heartbeats.
fn point(instance: &str, minutes: &[(i64, u64, u64)]) -> ClusterMonth {
    let mut days: BTreeMap<i64, Interval> = BTreeMap::new();
    for (number, judged, bad) in minutes {
        let begin = month().begin() + 60 * number;
        days.entry(begin - begin.rem_euclid(86_400)).or_default().add(&minute(begin, *judged, *bad));
    }
    ClusterMonth::new(source(instance), month(), month().end(), days, &[])
}

fn report(points: Vec<ClusterMonth>) -> Report {
    Report::new(month(), month().end(), points).expect("a report")
}

#[test]
fn minute_is_bad_only_if_every_vantage_point_that_measured_then_saw_it_bad() {
    let a = point("a", &[(0, 60, 0), (1, 60, 3), (2, 60, 60), (3, 60, 1)]);
    let b = point("b", &[(0, 30, 0), (1, 30, 0), (2, 30, 15), (2000, 30, 0)]);
    let merged = report(vec![a, b]).clusters.remove(0).merged.expect("two vantage points");
    // Minute 1 was bad for one of two; minute 3 was measured by one, which saw it bad.
    assert_eq!((merged.judged, merged.bad, merged.disputed), (5, 2, 1));
    assert_eq!(merged.minutes, 30 * 1440);
    assert_eq!(merged.availability_percent(), Some(60.0));
    assert_eq!(merged.kept().expect("the same objective").is_met(), Some(false));
}

#[test]
fn worst_minutes_are_those_with_the_largest_share_and_then_the_largest_number_of_bad_heartbeats() {
    let minutes: Vec<_> =
        (0..20).map(|number| (number, 60, u64::try_from(number % 10).expect("small"))).collect();
    let mut minutes = minutes;
    minutes.push((30, 10, 10));
    minutes.push((31, 20, 20));
    let worst = report(vec![point("a", &minutes)]).clusters.remove(0).worst;
    let shown: Vec<_> = worst.iter().map(|one| ((one.begin - month().begin()) / 60, one.bad)).collect();
    assert_eq!(
        shown,
        [(31, 20), (30, 10), (9, 9), (19, 9), (8, 8), (18, 8), (7, 7), (17, 7), (6, 6), (16, 6)]
    );
}

#[test]
fn same_instance_twice_is_refused_and_both_sources_are_named() {
    let mut a = point("a", &[(0, 2000, 1)]);
    a.days[0].latencies = Sketch { zeros: 0, first: -140, counts: vec![1200, 600, 190, 0, 9, 1] };
    let mut copy = a.clone();
    copy.source = Some("/backup/history.db".to_owned());
    copy.days.extend(point("a", &[(3000, 60, 0)]).days);
    let error = Report::new(month(), month().end(), vec![a.clone(), copy]).expect_err("the same day twice");
    assert_eq!(
        error,
        "a and /backup/history.db hold the same measurements of cluster orders: name each instance once"
    );
    assert!(Report::new(month(), 0, vec![point("a", &[]), point("b", &[])]).is_ok(), "no day is no twin");
    let mut hostile = a.clone();
    (hostile.cluster, hostile.instance) = ("k\u{1b}[2J\n".to_owned(), Some("i\u{202e}".to_owned()));
    let error = Report::new(month(), 0, vec![hostile.clone(), hostile]).expect_err("the same day twice");
    assert_eq!(
        error,
        "i\\u{202e} and i\\u{202e} hold the same measurements of cluster k\\u{1b}[2J\\n: name each instance once"
    );
    let mut quiet = point("a", &[(0, 10, 0)]);
    quiet.source = Some("https://heartbeat.example".to_owned());
    let error = Report::new(month(), 0, vec![quiet.clone(), quiet]).expect_err("the same address");
    assert!(error.starts_with("https://heartbeat.example and https://heartbeat.example hold"), "{error}");
}

#[test]
fn instances_that_both_saw_a_whole_day_of_outage_are_two_instances() {
    let outage: Vec<_> = (0..1440).map(|minute| (minute, 60, 60)).collect();
    let (a, b) = (point("a", &outage), point("b", &outage));
    assert_eq!(a.days, b.days);
    let merged = report(vec![a, b]).clusters.remove(0).merged.expect("two vantage points");
    assert_eq!((merged.judged, merged.bad), (1440, 1440));
    // Few buckets do not tell instances apart either.
    let calm = [(0, 5000, 0)];
    assert_eq!(report(vec![point("a", &calm), point("b", &calm)]).clusters[0].vantage_points.len(), 2);
}

#[test]
fn month_without_data_shows_no_number() {
    let report = report(vec![point("a", &[])]);
    let text = Format::Md.write(&report).expect("written");
    assert!(
        text.contains("No heartbeat was judged in this time, so nothing is known of the cluster."),
        "{text}"
    );
    assert!(text.contains("No incident is known, because nothing was measured."), "{text}");
    assert!(text.contains("durability was not measured"), "{text}");
    let summary = report.clusters[0].vantage_points[0].summary();
    assert_eq!((summary.availability_percent, summary.latency_seconds), (None, None));
    assert_eq!(summary.coverage_percent, Some(0.0));
    let csv = Format::Csv.write(&report).expect("written");
    assert!(csv.contains("orders,a,2026-11-07,0,,,,,,,,,,,,,\r\n"), "{csv}");
}

#[test]
fn month_that_has_not_ended_is_compared_with_the_time_until_now() {
    let day = month().begin();
    let days = BTreeMap::from([(day, minute(day, 60, 0))]);
    let now = day + 600;
    let lasting = Incident {
        begin_ms: 1000 * (now - 60),
        end_ms: 1000 * now,
        ending: Ending::Lasts,
        was_down: false,
        bad: 0,
        suspects: Vec::new(),
    };
    let before = Incident { begin_ms: 1000 * (day - 90), end_ms: 1000 * (day - 60), ..lasting.clone() };
    let across =
        Incident { begin_ms: 1000 * (day - 30), end_ms: 1000 * day, ending: Ending::Over, ..lasting.clone() };
    let incidents = [before, across.clone(), lasting.clone()];
    let facts = ClusterMonth::new(source("a"), month(), now, days, &incidents);
    assert!(!facts.has_ended());
    let begins: Vec<_> = facts.incidents.iter().map(|incident| incident.begin).collect();
    assert_eq!(begins, [across.begin_ms, lasting.begin_ms], "one ended before the month");
    assert_eq!(facts.summary().coverage_percent, Some(10.0));
    let report = Report::new(month(), now, vec![facts]).expect("a report");
    let text = Format::Md.write(&report).expect("written");
    assert!(
        text.contains("The month has not ended: the report covers the time until 2026-11-01 00:10."),
        "{text}"
    );
    assert!(text.contains("It lasts.") && text.contains("The cause is not known."), "{text}");
    assert_eq!(text.matches("\n| 2026-11-").count(), 1, "days of the future are not listed: {text}");
}

#[test]
fn latency_objective_is_compared_with_the_heartbeats_within_its_limit() {
    let summary = point("a", &[(0, 100, 5)]).summary();
    let latency = summary.objectives.iter().find(|kept| matches!(kept.objective, Objective::Latency { .. }));
    let latency = latency.expect("promised");
    assert_eq!((latency.good, latency.uncertain, latency.is_met()), (95, 0, Some(true)));
    let availability = &summary.objectives[0];
    assert_eq!((availability.budget(), availability.is_met()), (Some(1.0), Some(false)));
    assert_eq!(availability.budget_left_percent(), Some((-400.0, -400.0)));
}

/// The latency objective of 90 % with this limit in seconds, compared with a month.
fn latency_within(limit_seconds: f64, mut point: ClusterMonth) -> (f64, u64, u64, Option<bool>) {
    point.promises.latency = Some(LatencyPromise { percent: 90.0, limit_seconds });
    let kept = point.summary().objectives.into_iter().find_map(|kept| match kept.objective {
        Objective::Latency { limit_seconds } => Some((limit_seconds, kept)),
        _ => None,
    });
    let (limit, kept) = kept.expect("promised");
    (limit, kept.good, kept.uncertain, kept.is_met())
}

#[test]
fn heartbeat_that_did_not_come_back_misses_every_latency_objective() {
    let outage = || point("a", &[(0, 100, 100)]);
    // The deadline is 10 s, and the bucket that holds it ends at 10.37 s.
    for (limit, compared) in [(1.0, 1.0), (10.0, 10.0), (10.2, 10.0), (15.0, 10.0)] {
        assert_eq!(latency_within(limit, outage()), (compared, 0, 0, Some(false)), "{limit}");
    }
    let mut unacknowledged = outage();
    unacknowledged.days[0].unacknowledged = 100;
    unacknowledged.days[0].outcomes = BTreeMap::from([("unacked_missing".to_owned(), 100)]);
    assert_eq!(latency_within(10.0, unacknowledged.clone()), (10.0, 0, 0, Some(false)));
    // Nobody knows when these came back.
    unacknowledged.days[0].outcomes = BTreeMap::from([("unacked_received".to_owned(), 95)]);
    assert_eq!(latency_within(10.0, unacknowledged.clone()), (10.0, 0, 100, None), "5 have not ended");
    unacknowledged.days[0].outcomes.insert("unacked_missing".to_owned(), 5);
    assert_eq!(latency_within(10.0, unacknowledged), (10.0, 0, 95, None));
    // A history file does not hold the deadline.
    let mut file = point("a", &[(0, 100, 20)]);
    file.heartbeats = None;
    assert_eq!(latency_within(15.0, file), (15.0, 80, 0, Some(false)));
}

#[test]
fn answer_that_contradicts_itself_is_refused() {
    let good = point("a", &[(0, 100, 5), (1500, 100, 0)]);
    assert_eq!(good.check(month()), Ok(()));
    type Change = fn(&mut ClusterMonth);
    let changes: [(Change, &str); 12] = [
        (|month| month.month = Month::parse("2026-10").expect("a month"), "another month"),
        (|month| month.until += 1, "outside of the month"),
        (|month| month.cluster.clear(), "no name"),
        (|month| month.days[0].bad = 101, "more heartbeats are bad"),
        (|month| month.days[0].measured_seconds = f64::NAN, "no time"),
        (|month| month.days[0].begin -= 86_400, "outside of the month"),
        (|month| month.days.swap(0, 1), "not in order"),
        (|month| month.days[0].judged_minutes = vec![(5, 1441)], "not in order"),
        (|month| month.days[0].bad_minutes[0].bad = 6, "other heartbeats"),
        (|month| month.days[0].bad_minutes[0].minute = 1, "a bad minute is no judged minute"),
        (|month| month.days[0].latencies.counts.push(u64::MAX), "too large"),
        (|month| month.promises.availability = Some(100.0), "no number of percent"),
    ];
    for (change, words) in changes {
        let mut bad = good.clone();
        change(&mut bad);
        let error = bad.check(month()).expect_err(words);
        assert!(error.contains(words), "{error}");
    }
}

proptest! {
    #[test]
    fn sums_of_the_days_equal_the_month(
        minutes in prop::collection::btree_map(0..30 * 1440_i64, (1..500_u64, 0.0..1.0_f64), 0..200),
        checked in 0..1000_u64,
    ) {
        let minutes: Vec<_> = minutes
            .into_iter()
            .map(|(number, (judged, share))| (number, judged, (judged as f64 * share) as u64))
            .collect();
        let mut point = point("a", &minutes);
        point.days.iter_mut().for_each(|day| day.durability_checked = checked);
        let summary = point.summary();
        let sum = |count: fn(&super::Day) -> u64| point.days.iter().map(count).sum::<u64>();
        let judged: u64 = minutes.iter().map(|(_, judged, _)| judged).sum();
        let bad: u64 = minutes.iter().map(|(_, _, bad)| bad).sum();
        prop_assert_eq!((summary.judged, sum(super::Day::judged)), (judged, judged));
        prop_assert_eq!((summary.bad, sum(|day| day.bad)), (bad, bad));
        prop_assert_eq!((summary.good, sum(super::Day::good)), (judged - bad, judged - bad));
        prop_assert_eq!(summary.outcomes.values().sum::<u64>(), judged);
        prop_assert_eq!(summary.durability_checked, sum(|day| day.durability_checked));
        prop_assert_eq!(summary.measured_seconds, 60.0 * minutes.len() as f64);
        prop_assert_eq!(point.check(month()), Ok(()));
        // What a service answers is read as it was written.
        let read: ClusterMonth = serde_json::from_value(super::month_json(&point)).expect("its own answer");
        prop_assert_eq!(read, point);
    }
}

#[test]
fn incidents_that_were_forgotten_are_not_reported_as_none() {
    let written = |points: Vec<ClusterMonth>| Format::Md.write(&report(points)).expect("written");
    let calm = "There was no incident in the time that was measured.";
    let quiet = point("a", &[(0, 60, 0)]);
    assert!(written(vec![quiet.clone()]).contains(calm));
    let mut bad = point("b", &[(3, 60, 0), (7, 60, 2), (8, 60, 1), (600, 60, 4)]);
    let text = written(vec![bad.clone()]);
    assert!(text.contains("\nNo incident of this time is kept, although 7 heartbeats were bad.\n"), "{text}");
    assert!(!text.contains(calm), "{text}");
    let text = written(vec![quiet, bad.clone()]);
    assert!(
        text.contains("b: No incident of this time is kept, although 7") && !text.contains(calm),
        "{text}"
    );
    let begin = 1000 * (month().begin() + 60 * 600);
    let incident = super::Incident {
        begin,
        end: begin + 1000,
        ending: Ending::Over,
        was_down: false,
        bad: 4,
        suspects: Vec::new(),
    };
    bad.incidents = vec![incident];
    let text = written(vec![bad.clone()]);
    let words = "3 heartbeats were bad before the first incident that is listed, from 2026-11-01 00:07 on. The incidents of that time are not kept.";
    assert!(text.contains(words), "{text}");
    bad.incidents[0].begin = 1000 * (month().begin() + 60 * 8);
    assert!(
        !written(vec![bad]).contains("before the first incident"),
        "an incident may begin a minute later"
    );
}

#[test]
fn minutes_of_a_day_that_was_stored_without_them_are_not_measured() {
    let mut point = point("a", &[(0, 60, 2)]);
    point.days[0].judged_minutes.clear();
    point.days[0].bad_minutes.clear();
    let report = report(vec![point]);
    let csv = Format::Csv.write(&report).expect("written");
    assert!(csv.contains("orders,a,2026-11-01,60,60,58,2,0,"), "{csv}");
    let row = csv.lines().find(|line| line.starts_with("orders,a,2026-11-01,")).expect("a day");
    let fields: Vec<_> = row.split(',').collect();
    assert_eq!(fields[12..14], ["", ""], "{row}");
    let text = Format::Md.write(&report).expect("written");
    assert!(text.contains("| 2026-11-01 | 1 min | 60 | 2 | 96.66 % | not measured |"), "{text}");
    assert!(
        text.contains("No minute was measured.") && text.contains("stored without their minutes"),
        "{text}"
    );
}

#[test]
fn audit_of_a_day_is_listed_by_reason() {
    let day = month().begin();
    let audit = Audit { checked: 1200, lost: [1, 0, 2] };
    let interval = Interval { audit, ..Interval::default() };
    let facts = ClusterMonth::new(source("a"), month(), month().end(), [(day, interval)], &[]);
    let text = Format::Md.write(&report(vec![facts])).expect("written");
    assert!(
        text.contains("read again 1,200 times. 3 acknowledged records were lost: 1 missing, 2 truncated."),
        "{text}"
    );
}
