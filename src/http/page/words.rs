//! Durations, instants and numbers in words: short, each with its unit. Instants are in UTC.

use std::time::{Duration, SystemTime};

use crate::kafka::Stage;

/// The words for a value that is not known.
pub(super) const UNKNOWN: &str = "not known";

/// A short duration with three digits, in milliseconds or seconds.
pub(super) fn millis(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1e3;
    match ms {
        ms if ms < 10.0 => format!("{ms:.2} ms"),
        ms if ms < 100.0 => format!("{ms:.1} ms"),
        ms if ms < 1000.0 => format!("{ms:.0} ms"),
        ms => format!("{:.2} s", ms / 1e3),
    }
}

/// The time from `since` to `now`, in the two largest units that fit.
pub(super) fn ago(since: SystemTime, now: SystemTime) -> String {
    two_units(now.duration_since(since).unwrap_or_default())
}

/// A duration in the two largest units that fit.
pub(super) fn two_units(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86400, seconds % 86400 / 3600),
    }
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
    use super::*;

    #[test]
    fn fragment_becomes_a_sentence() {
        assert_eq!(sentence("broker 2 cannot be reached"), "Broker 2 cannot be reached.");
        assert_eq!(sentence("1 of 2 heartbeats were bad."), "1 of 2 heartbeats were bad.");
    }

    #[test]
    fn durations_have_their_unit_and_are_rounded_down() {
        let ms = |micros| millis(Duration::from_micros(micros));
        assert_eq!(
            [ms(1234), ms(12_345), ms(123_456), ms(1_234_567)],
            ["1.23 ms", "12.3 ms", "123 ms", "1.23 s"]
        );
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(ago(at(0), at(59)), "59 s");
        assert_eq!(ago(at(0), at(3_700)), "1 h 1 min");
        assert_eq!(ago(at(0), at(90_061)), "1 d 1 h");
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
}
