//! The ages at which samples are read again.

use std::{sync::Arc, time::Duration};

/// The label of the age shortly before the topic may delete a record.
pub(super) const RETENTION: &str = "retention";

/// An age at which samples are read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Age {
    /// The age.
    pub(super) at: Duration,
    /// Its label, such as `10m`.
    pub(super) label: Arc<str>,
}

/// The label of an age of the configuration, in the form of the configuration.
pub(super) fn label(age: Duration) -> Arc<str> {
    humantime::format_duration(age).to_string().replace(' ', "").into()
}

/// The ages of the configuration that come before the end of the retention, and that end: nine tenths of the retention. A topic
/// without a limit, or whose retention is not known, has the ages of the configuration alone.
pub(super) fn ages(after: &[Duration], retention: Option<Duration>) -> Vec<Age> {
    let end = retention.map(|retention| retention / 10 * 9);
    let before_end = after.iter().filter(|age| end.is_none_or(|end| **age < end));
    let configured = before_end.map(|age| Age { at: *age, label: label(*age) });
    configured.chain(end.map(|at| Age { at, label: RETENTION.into() })).collect()
}

/// The time between two samples of a partition: `least`, or longer if a topic with so many partitions would have more than `most`
/// samples that wait for `over`.
pub(super) fn spacing(least: Duration, over: Duration, partitions: usize, most: u32) -> Duration {
    let partitions = u32::try_from(partitions).unwrap_or(u32::MAX);
    least.max(over.saturating_mul(partitions) / most)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn ages_end_before_the_retention_of_the_topic() {
        let labels = |retention: Option<Duration>| {
            let ages = ages(&[MINUTE, 10 * MINUTE, 60 * MINUTE], retention);
            ages.iter()
                .map(|age| format!("{} {}", age.label, age.at.as_secs()))
                .collect::<Vec<_>>()
                .join(", ")
        };
        assert_eq!(labels(None), "1m 60, 10m 600, 1h 3600");
        assert_eq!(labels(Some(60 * MINUTE)), "1m 60, 10m 600, retention 3240");
        assert_eq!(labels(Some(7 * 24 * 60 * MINUTE)), "1m 60, 10m 600, 1h 3600, retention 544320");
        assert_eq!(labels(Some(Duration::from_secs(10))), "retention 9");
    }

    #[test]
    fn samples_of_many_partitions_are_taken_less_often() {
        let spacing = |partitions| spacing(MINUTE, 60 * MINUTE, partitions, 600);
        assert_eq!([3, 10, 20, 600].map(spacing), [MINUTE, MINUTE, 2 * MINUTE, 60 * MINUTE]);
    }
}
