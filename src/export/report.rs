//! The report: the lag of each group on each topic, and whether the group is alive, as JSON.
//!
//! The fields are those of the lag monitor that had the report first, and three more: the method by which the time lag was
//! found, its largest error, and the cluster if several are configured. As programs that read the report expect, a time
//! lag is a whole number of seconds and never null: where it is not known, it is 0 and its method is `no_data`.

use std::time::SystemTime;

use humantime::format_rfc3339_seconds;
use serde_json::{Map, Value, json};

use crate::{
    board::Readings,
    collect::time_lag::TimeLag,
    evaluate::judge::{Status, TopicJudgement},
    monitor::Snapshot,
};

/// The report on all clusters whose groups are collected and whose last collection is fresh. Absent if there is none.
pub fn report(readings: &[Readings], now: SystemTime) -> Option<Value> {
    let several = readings.len() > 1;
    let mut consumers = Vec::new();
    let mut any = false;
    for readings in readings {
        let (Some(snapshot), Some(at)) = (readings.collect.fresh(), readings.collect.succeeded) else {
            continue;
        };
        if !readings.settings.lag.enabled {
            continue;
        }
        any = true;
        for (group, judged) in &snapshot.judged.groups {
            for (topic, judged) in &judged.topics {
                let mut consumer = consumer(snapshot, group, topic, judged, at);
                if several {
                    consumer.insert("cluster".to_owned(), (&*readings.name).into());
                }
                consumers.push(Value::Object(consumer));
            }
        }
    }
    any.then(|| json!({ "generated_at": format_rfc3339_seconds(now).to_string(), "consumers": consumers }))
}

fn consumer(
    snapshot: &Snapshot,
    group: &str,
    topic: &str,
    judged: &TopicJudgement,
    at: SystemTime,
) -> Map<String, Value> {
    let seen = snapshot.groups.get(group);
    let lags = seen.and_then(|seen| seen.topics.get(topic));
    let unread = seen.is_some_and(|seen| seen.unread.contains_key(topic));
    let whole = !unread && !lags.into_iter().flatten().any(|(_, lag)| lag.time.is_none());
    let known = lags.into_iter().flatten().filter_map(|(number, lag)| Some((*number, lag.time?)));
    // The first of the partitions with the largest time lag.
    let worst = known.fold(None, |worst: Option<(i32, TimeLag)>, one| match worst {
        Some(worst) if worst.1.age >= one.1.age => Some(worst),
        _ => Some(one),
    });
    // A partition whose time lag is not known may have a larger one, so a time lag of 0 is not reported then.
    let worst = worst.or(judged.left).filter(|(_, lag)| whole || !lag.age.is_zero());
    let seconds = worst.map_or(0, |(_, lag)| lag.age.as_secs());
    // Where the time lag of a partition is not known, the error of the largest one is not known either.
    let known_error = if whole { worst.and_then(|(_, lag)| lag.error) } else { None };
    let error = known_error.map(|error| error.as_secs_f64());
    let lagging = worst.filter(|(_, lag)| lag.age.as_secs() > 0).map(|(number, _)| number);
    let resolution = if judged.status == Status::Online { "fine" } else { "coarse" };
    let fields = [
        ("group_id", group.into()),
        ("topic", topic.into()),
        ("lag_seconds", seconds.into()),
        ("lag_display", display(seconds).into()),
        ("worst_partition", lagging.into()),
        ("status", judged.status.as_str().into()),
        ("data_resolution", resolution.into()),
        ("partitions_monitored", judged.partitions.into()),
        ("calculated_at", format_rfc3339_seconds(at).to_string().into()),
        ("method", worst.map_or("no_data", |(_, lag)| lag.method.as_str()).into()),
        ("max_error_seconds", error.into()),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A duration in days, hours and minutes.
fn display(seconds: u64) -> String {
    let minutes = seconds / 60;
    let parts = [(minutes / 1440, "day"), (minutes / 60 % 24, "hour"), (minutes % 60, "minute")];
    let parts = parts.into_iter().filter(|(count, _)| *count > 0);
    let words: Vec<_> =
        parts.map(|(count, unit)| format!("{count} {unit}{}", if count == 1 { "" } else { "s" })).collect();
    if words.is_empty() { "< 1 minute".to_owned() } else { words.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_shown_in_days_hours_and_minutes() {
        let table = [
            (0, "< 1 minute"),
            (59, "< 1 minute"),
            (60, "1 minute"),
            (61, "1 minute"),
            (119, "1 minute"),
            (120, "2 minutes"),
            (3600, "1 hour"),
            (3661, "1 hour 1 minute"),
            (90_000, "1 day 1 hour"),
            (90_061, "1 day 1 hour 1 minute"),
            (172_800, "2 days"),
        ];
        for (seconds, words) in table {
            assert_eq!(display(seconds), words);
        }
    }
}
