//! Texts: errors with their causes, the words of others made harmless, durations and lists.
//!
//! Text that another program sent may hold anything. Nothing here decides what is logged; it only shapes it.

use std::{error::Error, fmt, time::Duration};

/// The longest text that [`plain`] returns, in characters. A line of the log stays readable, and a peer that sends a
/// megabyte does not fill the disk.
const LONGEST: usize = 200;

/// Prints an error and its causes in one line: `a: b: c`.
///
/// A cause whose text the line holds already is left out: some crates repeat the text of the cause in their own.
pub struct Chain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = self.0.to_string();
        let mut cause = self.0.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !line.contains(&text) {
                line.push_str(": ");
                line.push_str(&text);
            }
            cause = error.source();
        }
        f.write_str(&line)
    }
}

/// Hostile text made fit for a line of a log: at most 200 characters of [`escaped`] text.
pub fn plain(text: &str) -> String {
    escape(text).take(LONGEST).collect()
}

/// Hostile text made fit for a terminal: control characters and the marks that turn the direction of writing are escaped.
pub fn escaped(text: &str) -> String {
    escape(text).collect()
}

fn escape(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(|c| {
        let control = c.is_control()
            || ('\u{202a}'..='\u{202e}').contains(&c)
            || ('\u{2066}'..='\u{2069}').contains(&c);
        if control { c.escape_default().collect::<Vec<_>>() } else { vec![c] }
    })
}

/// A duration in the unit that fits: `1.5 s`, `10 min`.
pub fn duration(time: Duration) -> String {
    match time.as_secs() {
        0..60 => format!("{} s", time.as_secs_f64()),
        seconds if seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}

/// A short duration with three digits, in milliseconds or seconds: `1.23 ms`, `250 ms`, `10.37 s`.
pub fn three_digits(time: Duration) -> String {
    match time.as_secs_f64() * 1e3 {
        ms if ms < 10.0 => format!("{ms:.2} ms"),
        ms if ms < 100.0 => format!("{ms:.1} ms"),
        ms if ms < 1000.0 => format!("{ms:.0} ms"),
        ms => format!("{:.2} s", ms / 1e3),
    }
}

/// A duration in the two largest units that fit, rounded down: `5 min`, `1 h 1 min`.
pub fn two_units(time: Duration) -> String {
    let seconds = time.as_secs();
    let (large, unit, small, small_unit) = match seconds {
        0..60 => (seconds, "s", 0, ""),
        60..3600 => (seconds / 60, "min", seconds % 60, "s"),
        3600..=86_400 => (seconds / 3600, "h", seconds % 3600 / 60, "min"),
        _ => (seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    };
    match small {
        0 => format!("{large} {unit}"),
        small => format!("{large} {unit} {small} {small_unit}"),
    }
}

/// So many partitions or brokers are named in one list. The others are counted.
pub const NAMED: usize = 5;

/// The first [`NAMED`] of these things and how many more there are; absent if there is none: `partitions 3 and 7`.
pub fn list<T: ToString>(thing: &str, items: &[T]) -> Option<String> {
    let mut named: Vec<String> = items.iter().take(NAMED).map(ToString::to_string).collect();
    let more = items.len().saturating_sub(NAMED);
    let last = if more > 0 { format!("{more} more") } else { named.pop()? };
    if named.is_empty() {
        return Some(format!("{thing} {last}"));
    }
    Some(format!("{thing}s {} and {last}", named.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_their_units_and_long_ones_are_rounded_down() {
        let short = [1_234, 12_345, 123_456, 1_234_567].map(Duration::from_micros);
        assert_eq!(short.map(three_digits), ["1.23 ms", "12.3 ms", "123 ms", "1.23 s"]);
        let long = [5, 59, 65, 300, 3700, 86_400, 90_000, 90_061].map(Duration::from_secs);
        let words = ["5 s", "59 s", "1 min 5 s", "5 min", "1 h 1 min", "24 h", "1 d 1 h", "1 d 1 h"];
        assert_eq!(long.map(two_units), words);
    }

    #[test]
    fn list_names_five_things_and_counts_the_others() {
        let list = |count: i32| list("partition", &Vec::from_iter(0..count));
        assert_eq!(list(0), None);
        for (count, words) in [
            (1, "partition 0"),
            (2, "partitions 0 and 1"),
            (5, "partitions 0, 1, 2, 3 and 4"),
            (6, "partitions 0, 1, 2, 3, 4 and 1 more"),
            (8, "partitions 0, 1, 2, 3, 4 and 3 more"),
        ] {
            assert_eq!(list(count).as_deref(), Some(words));
        }
    }

    #[test]
    fn duration_has_the_unit_that_fits() {
        let durations = [500, 2_000, 90_000, 600_000].map(|ms| duration(Duration::from_millis(ms)));
        assert_eq!(durations, ["0.5 s", "2 s", "90 s", "10 min"]);
    }

    #[derive(Debug)]
    struct Fails(&'static str, Option<Box<Fails>>);

    impl fmt::Display for Fails {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Fails {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|cause| cause as _)
        }
    }

    fn chain(texts: &[&'static str]) -> String {
        let nested = |inner, text: &&'static str| Some(Box::new(Fails(text, inner)));
        Chain(&*texts.iter().rev().fold(None, nested).expect("a text at least")).to_string()
    }

    #[test]
    fn chain_of_errors_names_each_cause_once() {
        assert_eq!(chain(&["connect", "tcp", "refused"]), "connect: tcp: refused");
        assert_eq!(chain(&["connect: refused", "refused", "os error 111"]), "connect: refused: os error 111");
    }

    #[test]
    fn plain_text_has_no_control_characters_and_an_end() {
        assert_eq!(plain("broker 1\n\u{1b}[2J\u{202e}"), "broker 1\\n\\u{1b}[2J\\u{202e}");
        assert_eq!(plain(&"ü".repeat(1000)), "ü".repeat(200));
    }
}
