//! Durations, instants and numbers in words: short, each with its unit. Instants are in UTC.

use std::time::SystemTime;

pub(super) use crate::text::{three_digits, two_units};
use crate::{clock::from_unix_seconds, kafka::Stage};

/// The words for a value that is not known.
pub(super) const UNKNOWN: &str = "not known";

/// The time from `since` to `now`, in the two largest units that fit.
pub(super) fn ago(since: SystemTime, now: SystemTime) -> String {
    two_units(now.duration_since(since).unwrap_or_default())
}

/// How long before `now` an instant was.
pub(super) fn before(at: SystemTime, now: SystemTime) -> String {
    match now.duration_since(at).unwrap_or_default().as_secs() {
        0..=2 => "just now".to_owned(),
        _ => format!("{} ago", ago(at, now)),
    }
}

/// The time until a certificate expires, in whole days.
pub(super) fn expires(at: SystemTime, now: SystemTime) -> String {
    match at.duration_since(now) {
        Ok(left) => format!("expires in {}", count(left.as_secs() / 86400, "day")),
        Err(_) => "expired".to_owned(),
    }
}

/// The time of day in UTC.
pub(super) fn clock(at: SystemTime) -> String {
    let text = humantime::format_rfc3339_seconds(at).to_string();
    text.split_once('T').map_or_else(|| text.clone(), |(_, time)| time.trim_end_matches('Z').to_owned())
}

/// The share of good heartbeats. It is rounded down, so that it is 100 % only if no heartbeat was bad.
pub(super) fn share(good: u64, events: u64) -> String {
    match (u128::from(good) * 100_000).checked_div(u128::from(events)) {
        Some(thousandths) => format!("{}.{:03} %", thousandths / 1000, thousandths % 1000),
        None => "no heartbeat yet".to_owned(),
    }
}

/// The day and the minute of a time in seconds since 1970, in UTC.
pub(super) fn minute(at: i64) -> String {
    written(at).get(..16).unwrap_or(UNKNOWN).to_owned()
}

/// The day of a time in seconds since 1970, in UTC.
pub(super) fn date(at: i64) -> String {
    written(at).get(..10).unwrap_or(UNKNOWN).to_owned()
}

fn written(at: i64) -> String {
    let written = from_unix_seconds(at).map(|at| humantime::format_rfc3339_seconds(at).to_string());
    written.unwrap_or_default().replace('T', " ")
}

/// A number and what it counts: `1 record`, `2 records`.
pub(super) fn count(number: impl Into<i128>, thing: &str) -> String {
    match number.into() {
        1 => format!("1 {thing}"),
        number => format!("{number} {thing}s"),
    }
}

/// A fragment as a sentence: with a capital letter at its beginning and a full stop at its end.
pub(super) fn sentence(fragment: &str) -> String {
    let mut rest = fragment.chars();
    let first: String = rest.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    let stop = if fragment.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{stop}", rest.as_str())
}

/// The short name of a stage of opening a session.
pub(super) fn short(stage: Stage) -> &'static str {
    match stage {
        Stage::ApiVersions => "api",
        stage => stage.as_str(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn fragment_becomes_a_sentence() {
        assert_eq!(sentence("broker 2 cannot be reached"), "Broker 2 cannot be reached.");
        assert_eq!(sentence("1 of 2 heartbeats were bad."), "1 of 2 heartbeats were bad.");
    }

    #[test]
    fn times_are_told_from_the_present_on() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(ago(at(0), at(59)), "59 s");
        assert_eq!(
            (before(at(5), at(5)), before(at(0), at(61))),
            ("just now".to_owned(), "1 min 1 s ago".to_owned())
        );
        assert_eq!(
            (expires(at(86_400 * 3), at(1)), expires(at(1), at(2))),
            ("expires in 2 days".to_owned(), "expired".to_owned())
        );
        assert_eq!(clock(at(3_661)), "01:01:01");
        assert_eq!([count(0, "record"), count(1, "record")], ["0 records", "1 record"]);
    }

    #[test]
    fn share_of_good_heartbeats_is_100_percent_only_if_none_was_bad() {
        let table = [
            ((7, 7), "100.000 %"),
            ((999_999, 1_000_000), "99.999 %"),
            ((1999, 2000), "99.950 %"),
            ((1, 3), "33.333 %"),
            ((0, 9), "0.000 %"),
            ((u64::MAX - 1, u64::MAX), "99.999 %"),
            ((0, 0), "no heartbeat yet"),
        ];
        for ((good, events), words) in table {
            assert_eq!(share(good, events), words, "{good} of {events}");
        }
    }
}
