//! `[durability]`: acknowledged heartbeats that are read again later.

use std::time::Duration;

use super::reader::{Reader, duration};

/// The largest number of ages.
const MOST_AGES: usize = 8;

/// `[durability]`
#[derive(Debug, Clone, PartialEq)]
pub struct Durability {
    /// Whether acknowledged heartbeats are read again. They are read only if heartbeats are sent.
    pub enabled: bool,
    /// The time from one cycle to the next, at least one second.
    pub interval: Duration,
    /// The longest time of one cycle, at most `interval`.
    pub timeout: Duration,
    /// The time in which one heartbeat of each partition is sampled.
    pub sample: Duration,
    /// The ages at which a sampled record is read again, the smallest first: at least one, and each once.
    pub after: Vec<Duration>,
}

impl Durability {
    pub(super) fn read(mut durability: Reader<'_>) -> Self {
        Self {
            enabled: durability.switch("enabled"),
            interval: durability.duration("interval"),
            timeout: durability.timeout(),
            sample: durability.duration("sample"),
            after: ages(&mut durability),
        }
    }
}

fn ages(durability: &mut Reader<'_>) -> Vec<Duration> {
    let ages: Vec<_> = durability.text("after").split_whitespace().map(duration).collect();
    let is_good = (1..=MOST_AGES).contains(&ages.len()) && ages.iter().all(Option::is_some);
    if !is_good {
        durability.expected("after", "one to eight durations such as 1m 10m, separated by blanks");
    }
    let mut ages: Vec<_> = ages.into_iter().flatten().collect();
    ages.sort_unstable();
    ages.dedup();
    ages
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::test_support::{cluster, errors};

    #[test]
    fn ages_are_sorted_and_each_comes_once() {
        let after = cluster(&[("durability", "after", "10m 5s 10m")]).durability.after;
        assert_eq!(after, [5, 600].map(Duration::from_secs));
    }

    #[test]
    fn ages_that_are_missing_wrong_or_too_many_are_an_error() {
        for wrong in ["", "1m ten", "0s", "1s 2s 3s 4s 5s 6s 7s 8s 9s"] {
            let wrong = errors(&[("durability", "after", wrong)]);
            assert!(wrong.contains("[durability] after: expected one to eight durations"), "{wrong}");
        }
        let wrong = errors(&[("durability", "interval", "10ms")]);
        assert!(wrong.contains("[durability] interval must be at least 1s"), "{wrong}");
    }
}
