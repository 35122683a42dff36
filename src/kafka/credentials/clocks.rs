//! Whether the clocks of this machine and of an identity provider agree.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use reqwest::header::{self, HeaderMap};

use crate::text;

/// Clocks that differ by no more than this agree. Brokers accept tokens with a deviation of this size.
pub(super) const TOLERANCE: Duration = Duration::from_secs(60);

/// Where the clock of an identity provider stands, seen from the clock of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClockDifference {
    /// The identity provider's clock is ahead by this time.
    Ahead(Duration),
    /// The identity provider's clock is behind by this time.
    Behind(Duration),
}

impl ClockDifference {
    /// The difference of an instant of the identity provider to our clock at its answer, which came to a request between
    /// the instants `sent` and `received`. An instant between both is no difference.
    pub(super) fn of(instant: SystemTime, sent: SystemTime, received: SystemTime) -> Self {
        match (instant.duration_since(received), sent.duration_since(instant)) {
            (Ok(ahead), _) => Self::Ahead(ahead),
            (Err(_), Ok(behind)) => Self::Behind(behind),
            (Err(_), Err(_)) => Self::Ahead(Duration::ZERO),
        }
    }

    /// The difference by the time of day in an answer, which its server writes in whole seconds (RFC 9110, section 6.6.1).
    /// `None` if the answer does not say it.
    pub(super) fn of_answer(headers: &HeaderMap, sent: SystemTime, received: SystemTime) -> Option<Self> {
        let date = httpdate::parse_http_date(headers.get(header::DATE)?.to_str().ok()?).ok()?;
        Some(Self::of(date, sent, received))
    }

    /// Whether the clocks differ by more than the tolerance of one minute.
    pub(super) fn is_large(self) -> bool {
        self.is_larger_than(TOLERANCE)
    }

    pub(super) fn is_larger_than(self, limit: Duration) -> bool {
        let (Self::Ahead(time) | Self::Behind(time)) = self;
        time > limit
    }

    /// The identity provider's clock minus our clock, in seconds.
    pub(super) fn seconds(self) -> f64 {
        match self {
            Self::Ahead(time) => time.as_secs_f64(),
            Self::Behind(time) => -time.as_secs_f64(),
        }
    }
}

impl fmt::Display for ClockDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (time, side) = match self {
            Self::Ahead(time) => (time, "ahead of"),
            Self::Behind(time) => (time, "behind"),
        };
        let time = text::duration(Duration::from_secs(time.as_secs()));
        write!(f, "the clock of the identity provider is {time} {side} the clock of this machine")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::from_unix_seconds;

    fn at(seconds: i64) -> SystemTime {
        from_unix_seconds(seconds).expect("an instant")
    }

    #[test]
    fn clocks_differ_if_an_instant_lies_outside_of_its_request_by_more_than_a_minute() {
        let of = |seconds| ClockDifference::of(at(seconds), at(1000), at(1010));
        let table = [(1005, 0.0, false), (1070, 60.0, false), (1071, 61.0, true), (940, -60.0, false)];
        for (seconds, expected, is_large) in table {
            let difference = of(seconds);
            assert!((difference.seconds() - expected).abs() < 1e-9, "{seconds}: {difference:?}");
            assert_eq!(difference.is_large(), is_large, "{seconds}");
        }
        assert!(of(400).is_large());
        let words = "the clock of the identity provider is 10 min behind the clock of this machine";
        assert_eq!(of(400).to_string(), words);
    }
}
