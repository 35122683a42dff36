//! `/api/v1/history`: what was measured of the heartbeats over time.

use std::{collections::BTreeMap, time::Duration};

use axum::{extract::State as Extract, response::Response};
use serde_json::{Map, Value, json};

use super::{
    answer::{bad_request, listed, readings, seconds, time, unavailable},
    asked::Asked,
    query::HistoryQuery,
};
use crate::{
    availability::{Archive, Counts, Incident, Interval, Resolution},
    board::Readings,
    clock::{from_unix_ms, from_unix_seconds, now_ms},
    http::{
        offload::{read, render},
        state::Shared,
    },
    probe::heartbeat::Outcome,
};

/// The largest number of intervals in an answer.
const MOST: i64 = 3000;

/// Without `from`, an answer begins so many seconds before its end.
const DAY: i64 = 86_400;

/// The intervals that are asked for, in seconds since 1970.
struct Wanted {
    from: i64,
    to: i64,
    step: i64,
    /// The kept intervals, one or more of which make a step.
    resolution: Resolution,
}

/// The intervals of each cluster, the oldest first, and the incidents. An interval in which nothing was measured is absent.
pub(in crate::http) async fn history(
    Extract(state): Extract<Shared>,
    Asked(query): Asked<HistoryQuery>,
) -> Response {
    let readings = match readings(&state, query.cluster.as_deref()) {
        Ok(readings) => readings,
        Err(refused) => return *refused,
    };
    let kept = |resolution| readings[0].availability.kept(resolution);
    let wanted = match Wanted::parse(&query, now_ms() / 1000, kept) {
        Ok(wanted) => wanted,
        Err(text) => return bad_request(text),
    };
    let needs_file =
        readings.iter().any(|one| one.availability.needs_file(wanted.resolution, wanted.begin()));
    let answer = move || wanted.answers(&readings);
    let answer = if needs_file { read(answer).await } else { render(answer).await };
    answer.unwrap_or_else(|refused| refused)
}

impl Wanted {
    /// What a query asks for at a time in seconds since 1970. `kept` is the number of intervals of a resolution that are kept.
    fn parse(
        query: &HistoryQuery,
        now: i64,
        kept: impl Fn(Resolution) -> usize,
    ) -> Result<Self, &'static str> {
        let to = query.to.map_or(now, |ms| ms.div_euclid(1000).min(now));
        let from = query.from.map_or(to.saturating_sub(DAY), |ms| ms.div_euclid(1000)).max(0);
        if from >= to {
            return Err(
                "from: the time is not before `to` and not before now; both are in milliseconds since 1970",
            );
        }
        let is_kept = |resolution: &Resolution| {
            let kept = i64::try_from(kept(*resolution)).unwrap_or(i64::MAX);
            now - from <= kept.saturating_mul(resolution.seconds())
        };
        let shortest = Resolution::ALL.into_iter().find(is_kept).unwrap_or(Resolution::Day);
        let step = match &query.step {
            None => shortest.seconds(),
            Some(step) => {
                parse_step(step).ok_or("step: write whole minutes, as in `1m`, `15m`, `6h` or `1d`")?
            }
        };
        if (to - from) / step > MOST {
            return Err(
                "step: the answer would have more than 3000 intervals; write a longer step, or a later `from`",
            );
        }
        let fitting = Resolution::ALL.into_iter().rev().find(|resolution| step % resolution.seconds() == 0);
        let resolution = fitting.unwrap_or(Resolution::Minute);
        if resolution < shortest {
            return Err(
                "step: intervals of this length are not kept for so long; write a longer step, or a later `from`",
            );
        }
        Ok(Self { from, to, step, resolution })
    }

    /// The beginning of the first step.
    fn begin(&self) -> i64 {
        self.from - self.from.rem_euclid(self.step)
    }

    /// The answer for all clusters: 503 if the history file cannot be read.
    fn answers(&self, readings: &[Readings]) -> Response {
        let answers = readings.iter().map(|one| Ok((&*one.name, self.answer(&one.availability)?)));
        match answers.collect::<Result<Vec<_>, String>>() {
            Ok(answers) => listed(answers.into_iter()),
            Err(error) => unavailable(&error),
        }
    }

    fn answer(&self, archive: &Archive) -> Result<Value, String> {
        let incidents = archive.timeline.incidents(self.from, self.to);
        let incidents: Vec<_> = incidents.map(|incident| incident_json(incident)).collect();
        let mut steps: BTreeMap<i64, Interval> = BTreeMap::new();
        for (begin, interval) in archive.between(self.resolution, self.begin(), self.to)? {
            steps.entry(begin - begin.rem_euclid(self.step)).or_default().add(&interval);
        }
        let intervals: Vec<_> =
            steps.iter().map(|(begin, interval)| interval_json(*begin, interval)).collect();
        Ok(json!({ "step_seconds": self.step, "intervals": intervals, "incidents": incidents }))
    }
}

/// Whole minutes in seconds.
fn parse_step(step: &str) -> Option<i64> {
    let step = humantime::parse_duration(step).ok().filter(|step| step.subsec_nanos() == 0)?;
    let seconds = i64::try_from(step.as_secs()).ok()?;
    (seconds > 0 && seconds % Resolution::Minute.seconds() == 0).then_some(seconds)
}

fn interval_json(begin: i64, interval: &Interval) -> Value {
    let total = interval.total();
    let outcome = |outcome: Outcome| (outcome.as_str().to_owned(), json!(total.with(outcome)));
    let latency = |part: f64| seconds(total.latency(part).map(rounded));
    let partition = |(number, counts): (&i32, &Counts)| {
        (number.to_string(), json!({ "judged": counts.judged(), "bad": counts.bad }))
    };
    json!({
        "begin": from_unix_seconds(begin).map(time),
        "measured_seconds": interval.measured.as_secs_f64(),
        "judged": total.judged(),
        "good": total.good(),
        "bad": total.bad,
        "unacknowledged": total.unacknowledged,
        "outcomes": Outcome::ALL.map(outcome).into_iter().collect::<Map<_, _>>(),
        "latency_seconds": { "p50": latency(0.5), "p99": latency(0.99), "max": latency(1.0) },
        "durability": { "checked": interval.audit.checked, "lost": interval.audit.lost() },
        "partitions": interval.partitions.iter().map(partition).collect::<Map<_, _>>(),
    })
}

fn incident_json(incident: &Incident) -> Value {
    json!({
        "begin": from_unix_ms(incident.begin_ms).map(time),
        "end": from_unix_ms(incident.end_ms).map(time),
        "ending": incident.ending,
        "was_down": incident.was_down,
        "bad": incident.bad,
        "suspects": incident.suspects,
    })
}

/// Rounded to microseconds: a latency is known to 4.4 %.
fn rounded(latency: Duration) -> Duration {
    Duration::from_micros(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(
        from: Option<i64>,
        to: Option<i64>,
        step: Option<&str>,
    ) -> Result<(i64, i64, i64, Resolution), &'static str> {
        let ms = |seconds: Option<i64>| seconds.map(|seconds| seconds * 1000);
        let query = HistoryQuery { cluster: None, from: ms(from), to: ms(to), step: step.map(str::to_owned) };
        Wanted::parse(&query, 1_800_000_000, Resolution::in_memory)
            .map(|wanted| (wanted.from, wanted.to, wanted.step, wanted.resolution))
    }

    #[test]
    fn query_asks_for_the_last_day_by_minute_unless_it_says_otherwise() {
        let now = 1_800_000_000;
        assert_eq!(parse(None, None, None), Ok((now - DAY, now, 60, Resolution::Minute)));
        assert_eq!(
            parse(Some(now - 2 * DAY), None, None),
            Ok((now - 2 * DAY, now, 900, Resolution::Quarter))
        );
        assert_eq!(
            parse(Some(now - 30 * DAY), Some(now - 29 * DAY), None),
            Ok((now - 30 * DAY, now - 29 * DAY, DAY, Resolution::Day)),
            "a day of a month ago is kept as a day"
        );
        assert_eq!(parse(Some(now - 90 * DAY), None, None), Ok((now - 90 * DAY, now, DAY, Resolution::Day)));
        assert_eq!(parse(None, None, Some("6h")), Ok((now - DAY, now, 21_600, Resolution::Quarter)));
        assert_eq!(parse(None, None, Some("10m")), Ok((now - DAY, now, 600, Resolution::Minute)));
        assert_eq!(
            parse(Some(now - 60), Some(now + 60), None),
            Ok((now - 60, now, 60, Resolution::Minute)),
            "the future is not asked for"
        );
    }

    #[test]
    fn query_that_cannot_be_answered_gets_the_reason() {
        let now = 1_800_000_000;
        for (from, to, step, place) in [
            (Some(now), None, None, "from"),
            (Some(5), Some(4), None, "from"),
            (Some(i64::MAX / 1000), None, None, "from"),
            (Some(i64::MIN / 1000), None, Some("1m"), "step"),
            (Some(now - 2 * DAY), None, Some("1m"), "step"),
            (Some(now - 90 * DAY), None, Some("6h"), "step"),
            (None, None, Some("90s"), "step"),
            (None, None, Some("0s"), "step"),
            (None, None, Some("soon"), "step"),
            (None, None, Some("99999999999999y"), "step"),
        ] {
            let refused = parse(from, to, step).expect_err("refused");
            assert!(refused.starts_with(place), "{refused}");
        }
    }
}
