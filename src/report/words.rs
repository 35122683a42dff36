//! Numbers, times and hostile names in words.

use super::{instants, objectives::Objective};
use crate::text;

/// The words for a number that was not measured.
pub(super) const NOT_MEASURED: &str = "not measured";

/// A percentage, rounded down: a month with a bad heartbeat never shows 100 %. One of at least 99 % has four digits after the point.
pub(super) fn percent(percent: f64) -> String {
    let digits = if (99.0..100.0).contains(&percent) { 4 } else { 2 };
    let scale = 10_f64.powi(digits);
    // What is a multiple but for the last bit of a binary number is not rounded down by a whole unit.
    let floor = (percent * scale + 1e-7).floor() / scale;
    let floor = if percent < 100.0 { floor.min(100.0 - 1.0 / scale) } else { floor };
    let digits = usize::try_from(digits).unwrap_or(2);
    let text = format!("{floor:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text} %")
}

/// A percentage that may not have been measured.
pub(super) fn measured(value: Option<f64>) -> String {
    value.map_or_else(|| NOT_MEASURED.to_owned(), percent)
}

/// An objective, as it was configured.
pub(super) fn promise(percent: f64) -> String {
    format!("{percent} %")
}

/// A count with a comma between thousands.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number and what it counts: `1 heartbeat`, `2 heartbeats`.
pub(super) fn counted(number: u64, thing: &str) -> String {
    format!("{} {thing}{}", count(number), if number == 1 { "" } else { "s" })
}

/// A short time that was configured, such as a deadline, in seconds.
pub(super) fn limit(seconds: f64) -> String {
    if seconds < 1.0 { format!("{} ms", seconds * 1e3) } else { format!("{seconds} s") }
}

/// An instant in seconds since 1970 as `2026-11-30 18:04:05`.
pub(super) fn instant(seconds: i64) -> String {
    instants::seconds_text(seconds).replace('T', " ").replace('Z', "")
}

/// An instant in seconds since 1970 as `2026-11-30 18:04`.
pub(super) fn minute(seconds: i64) -> String {
    instant(seconds).chars().take(16).collect()
}

/// A day as `2026-11-30`.
pub(super) fn day(seconds: i64) -> String {
    instant(seconds).chars().take(10).collect()
}

/// The words of others, without characters that control a terminal or turn the direction of writing.
pub(super) fn foreign(words: &str) -> String {
    text::plain(words)
}

/// What an objective is about.
pub(super) fn objective(objective: Objective) -> String {
    match objective {
        Objective::Availability => "Heartbeats that came back by their deadline (availability)".to_owned(),
        Objective::Latency { limit_seconds } => {
            format!("Heartbeats that came back within {} (latency)", limit(limit_seconds))
        }
        Objective::Produce => "Heartbeats that were acknowledged by their deadline (produce)".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentage_is_rounded_down_and_is_100_only_without_a_bad_heartbeat() {
        for (value, words) in [
            (100.0, "100 %"),
            (99.999_999_9, "99.9999 %"),
            (99.95, "99.95 %"),
            (99.9, "99.9 %"),
            (99.012_39, "99.0123 %"),
            (12.349, "12.34 %"),
            (0.0, "0 %"),
            (-100.0, "-100 %"),
            (20.0, "20 %"),
        ] {
            assert_eq!(percent(value), words, "{value}");
        }
    }

    #[test]
    fn counts_and_times_carry_separators_and_units() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            (counted(1, "heartbeat"), counted(0, "minute")),
            ("1 heartbeat".into(), "0 minutes".into())
        );
        assert_eq!(minute(1_796_061_840), "2026-11-30 18:04");
        assert_eq!([0.25, 1.0, 2.5].map(limit), ["250 ms", "1 s", "2.5 s"]);
    }
}
