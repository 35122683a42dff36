//! `[slo]`: what is promised, from which `kafka-heartbeat slo` makes rules.

use std::time::Duration;

use super::{load::Reader, print::time};

/// What is promised. Percent of a month; what is absent is not promised.
#[derive(Debug, Clone, PartialEq)]
pub struct Slo {
    /// Heartbeats that come back in time.
    pub availability: Option<f64>,
    /// Heartbeats that come back within a time.
    pub latency: Option<(f64, Duration)>,
    /// Heartbeats that are acknowledged in time.
    pub produce: Option<f64>,
    /// Sessions with each broker that can be opened.
    pub connectivity: Option<f64>,
    /// Time in which the newest record of a topic is younger.
    pub freshness: Option<(f64, Duration)>,
    /// Time in which the oldest unread record of a group is younger.
    pub lag: Option<(f64, Duration)>,
}

impl Reader {
    pub(super) fn slo(&mut self) -> Slo {
        Slo {
            availability: self.percent("availability"),
            latency: self.limited("latency"),
            produce: self.percent("produce"),
            connectivity: self.percent("connectivity"),
            freshness: self.limited("freshness"),
            lag: self.limited("lag"),
        }
    }

    fn percent(&mut self, key: &str) -> Option<f64> {
        let text = self.text("slo", key);
        if text.is_empty() {
            return None;
        }
        match promise(&text) {
            Ok(percent) => Some(percent),
            Err(words) => {
                self.problem("slo", key, &words);
                None
            }
        }
    }

    fn limited(&mut self, key: &str) -> Option<(f64, Duration)> {
        let percent = self.percent(key)?;
        Some((percent, self.duration("slo", &format!("{key}.limit"))))
    }
}

/// A number of percent that can be promised.
///
/// # Errors
/// Why it cannot.
pub fn promise(text: &str) -> Result<f64, String> {
    let percent: f64 = text.trim_end_matches('%').trim().parse().unwrap_or(f64::NAN);
    match percent {
        100.0 => Err(
            "100 leaves no error budget: every burn rate would be infinite; 99.99 is four minutes a month"
                .to_owned(),
        ),
        percent if percent > 0.0 && percent < 100.0 => Ok(percent),
        _ => Err(format!("expected a number of percent below 100, such as 99.9, found {text:?}")),
    }
}

impl Slo {
    /// As INI.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (key, percent) in [
            ("availability", self.availability),
            ("produce", self.produce),
            ("connectivity", self.connectivity),
        ] {
            lines
                .push(format!("{key} = {}", percent.map_or_else(String::new, |percent| percent.to_string())));
        }
        for (key, limited) in [("latency", self.latency), ("freshness", self.freshness), ("lag", self.lag)] {
            match limited {
                None => lines.push(format!("{key} =")),
                Some((percent, limit)) => {
                    lines.push(format!("{key} = {percent}"));
                    lines.push(format!("{key}.limit = {}", time(limit)));
                }
            }
        }
        lines
    }
}
