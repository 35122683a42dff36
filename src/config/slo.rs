//! `[slo]`: the objectives from which `kafka-heartbeat slo` makes rules.

use std::time::Duration;

use super::reader::Reader;

/// `[slo]`: objectives in percent of thirty days; `None` for an objective that is not promised.
#[derive(Debug, Clone, PartialEq)]
pub struct Slo {
    /// Heartbeats that come back by their deadline.
    pub availability: Option<f64>,
    /// Heartbeats that come back within a time.
    pub latency: Option<LimitedObjective>,
    /// Heartbeats that are acknowledged by their deadline.
    pub produce: Option<f64>,
    /// Sessions that can be opened, with each broker.
    pub connectivity: Option<f64>,
    /// The time in which the newest record of a topic is younger than the limit.
    pub freshness: Option<LimitedObjective>,
    /// The time in which the oldest unread record of a group is younger than the limit.
    pub lag: Option<LimitedObjective>,
}

/// An objective with a limit: the keys `NAME` and `NAME.limit`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LimitedObjective {
    /// The objective in percent.
    pub percent: f64,
    /// What stays within this time is good.
    pub limit: Duration,
}

impl Slo {
    pub(super) fn read(mut slo: Reader<'_>) -> Self {
        Self {
            availability: percent(&mut slo, "availability"),
            latency: limited(&mut slo, "latency"),
            produce: percent(&mut slo, "produce"),
            connectivity: percent(&mut slo, "connectivity"),
            freshness: limited(&mut slo, "freshness"),
            lag: limited(&mut slo, "lag"),
        }
    }
}

fn percent(slo: &mut Reader<'_>, key: &str) -> Option<f64> {
    let percent = promise(slo.optional(key)?);
    percent.map_err(|message| slo.problem(key, &message)).ok()
}

fn limited(slo: &mut Reader<'_>, key: &str) -> Option<LimitedObjective> {
    let percent = percent(slo, key)?;
    Some(LimitedObjective { percent, limit: slo.duration(&format!("{key}.limit")) })
}

/// An objective in percent, such as `99.9` or `99.9%`.
///
/// # Errors
/// A sentence that says why the text is no objective.
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{
        super::test_support::{config, errors},
        *,
    };

    #[test]
    fn objective_is_a_number_of_percent_below_100() {
        assert_eq!(["99.9", "99.9 %", "0.1"].map(promise), [Ok(99.9), Ok(99.9), Ok(0.1)]);
        for wrong in ["100", "101", "0", "-1", "all", "NaN", ""] {
            assert!(promise(wrong).is_err(), "{wrong}");
        }
        let wrong = errors(&[("slo", "produce", "100")]);
        assert!(wrong.starts_with("test: [slo] produce: 100 leaves no error budget"), "{wrong}");
    }

    #[test]
    fn objective_that_is_empty_is_not_promised_and_its_limit_is_not_read() {
        let slo = config(&[("slo", "lag", ""), ("slo", "lag.limit", ""), ("slo", "latency.limit", "2s")]).slo;
        assert_eq!(slo.lag, None);
        assert_eq!(slo.latency, Some(LimitedObjective { percent: 99.0, limit: Duration::from_secs(2) }));
    }
}
