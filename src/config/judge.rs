//! `[history]`, `[anomaly]` and `[report]`: what is made of the numbers, and where it is written.

use std::{path::PathBuf, time::Duration};

use super::load::Reader;

/// `[history]`: when a group is alive. The keys are those of the lag monitor that had this first.
#[derive(Debug, Clone, Copy)]
pub struct Liveness {
    /// From one sample to the next: looks in between are not counted.
    pub sample: Duration,
    /// Offline after so many samples in a row in which nothing moved and something was left to read.
    pub samples: u32,
    /// Recovering for at least so long.
    pub recovering: Duration,
    /// Online again only when the oldest unread record is younger.
    pub near: Duration,
    /// Groups that Kafka does not list any more are remembered for so long.
    pub retention: Duration,
    /// At most so many deleted groups are remembered: those that were deleted last.
    pub most_absent: usize,
}

/// `[anomaly]`: when traffic is odd.
#[derive(Debug, Clone, Copy)]
pub struct Anomaly {
    /// The distance from what is expected, in what is usual.
    pub score: f64,
    /// Records a second: less traffic is never odd, and a smaller difference counts as this one.
    pub least: f64,
}

/// `[report]`
#[derive(Debug, Clone)]
pub struct Report {
    /// The file.
    pub path: PathBuf,
    /// From one to the next.
    pub interval: Duration,
}

impl Reader {
    pub(super) fn liveness(&mut self) -> Liveness {
        Liveness {
            sample: self.seconds("history", "sample_interval_seconds", 1),
            samples: self.at_least("history", "offline_detection_consecutive_samples", 1),
            recovering: self.seconds("history", "recovering_minimum_duration_seconds", 0),
            near: self.seconds("history", "online_lag_threshold_seconds", 0),
            retention: self.seconds("history", "absent_group_retention_seconds", 1),
            most_absent: self.at_least("history", "absent_group_limit", 0) as usize,
        }
    }

    pub(super) fn anomaly(&mut self) -> Anomaly {
        let mut positive = |key: &str| {
            let number: f64 = self.parsed("anomaly", key, "a number above 0");
            if number.is_nan() || number <= 0.0 {
                self.expected("anomaly", key, "a number above 0");
            }
            number
        };
        Anomaly { score: positive("score"), least: positive("min.rate") }
    }

    pub(super) fn report(&mut self) -> Option<Report> {
        let interval = self.duration("report", "interval");
        let path = self.text("report", "path");
        (!path.is_empty()).then(|| Report { path: path.into(), interval })
    }

    /// A number of seconds without a unit, as the older program has it.
    fn seconds(&mut self, section: &str, key: &str, least: u32) -> Duration {
        Duration::from_secs(self.at_least(section, key, least).into())
    }

    fn at_least(&mut self, section: &str, key: &str, least: u32) -> u32 {
        let what = format!("a whole number of at least {least}");
        let number = self.text(section, key).parse().ok().filter(|number: &u32| *number >= least);
        number.unwrap_or_else(|| {
            self.expected(section, key, &what);
            least
        })
    }
}
