//! The schedule of the attempts to replace a heartbeat client.
//!
//! After a fatal error, which only happens with `enable.idempotence = true`, librdkafka gives a producer up for good and
//! refuses every record. Another producer takes its place, so that heartbeats continue to measure Kafka. A client with
//! older certificates is replaced when the certificates are renewed.

use std::time::{Duration, Instant};

use super::renewal::Renewal;
use crate::backoff;

/// The pause before the second attempt in a row. Each further pause is twice as long.
const SHORTEST: Duration = Duration::from_secs(1);
/// The longest pause. A client that was replaced longer ago than this time is replaced without a pause.
const LONGEST: Duration = Duration::from_secs(60);

/// Plans the attempts to replace one client: the first, and those after an attempt that failed.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    /// The number of attempts that followed each other within [`LONGEST`]; 0 before the first is planned.
    times: u32,
    /// The instant of the last attempt; `None` before the first.
    replaced: Option<Instant>,
    /// The next attempt; `None` while none is planned.
    planned: Option<Replacement>,
}

/// A planned attempt to replace the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Replacement {
    /// The instant at which it is due.
    at: Instant,
    /// The reason.
    renewal: Renewal,
}

impl Attempts {
    /// The instant of the next attempt; `None` while none is planned.
    pub(super) fn due(&self) -> Option<Instant> {
        self.planned.map(|planned| planned.at)
    }

    /// The reason of the next attempt; `None` while none is planned.
    pub(super) fn reason(&self) -> Option<Renewal> {
        self.planned.map(|planned| planned.renewal)
    }

    /// Plans an attempt, and returns the pause until then.
    pub(super) fn plan(&mut self, now: Instant, renewal: Renewal) -> Duration {
        let lived = self.replaced.map(|replaced| now.saturating_duration_since(replaced));
        self.times = if lived.is_some_and(|lived| lived <= LONGEST) {
            // A client that was replaced without a plan counts as the first of the series.
            self.times.max(1).saturating_add(1)
        } else {
            1
        };
        let pause = self.pause();
        self.planned = Some(Replacement { at: now + pause, renewal });
        pause
    }

    /// Notes that an attempt begins now. A planned attempt is cancelled, whatever its reason.
    pub(super) fn begin(&mut self, now: Instant) {
        self.planned = None;
        self.replaced = Some(now);
    }

    /// Whether the planned attempt is logged. Of attempts that come once a minute, one an hour is logged.
    pub(super) fn is_logged(&self) -> bool {
        self.pause() < LONGEST || self.times.is_multiple_of(60)
    }

    /// The pause before the last attempt that was planned: 0, 1, 2, 4 … 60 s.
    fn pause(&self) -> Duration {
        match self.times.checked_sub(2) {
            Some(doublings) => backoff::pause(SHORTEST, LONGEST, doublings.saturating_add(1)),
            None => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn producer_that_fails_again_and_again_is_replaced_once_a_minute() {
        let mut attempts = Attempts::default();
        let mut now = Instant::now();
        let (mut pauses, mut logged) = (Vec::new(), Vec::new());
        for _ in 0..9 {
            let pause = attempts.plan(now, Renewal::FailedProducer);
            assert_eq!(attempts.due(), Some(now + pause));
            now += pause;
            logged.push(attempts.is_logged());
            attempts.begin(now);
            assert_eq!(attempts.due(), None);
            pauses.push(pause.as_secs());
        }
        assert_eq!(pauses, [0, 1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(
            logged.iter().filter(|logged| **logged).count(),
            7,
            "replacements once a minute are not logged"
        );
    }

    #[test]
    fn replacement_for_another_reason_cancels_the_planned_replacement() {
        let mut attempts = Attempts::default();
        let begun = Instant::now();
        attempts.begin(begun);
        let pause = attempts.plan(begun, Renewal::ProducerForNewTopic);
        let planned = Replacement { at: begun + pause, renewal: Renewal::ProducerForNewTopic };
        assert_eq!(attempts.planned, Some(planned), "the reason is kept");
        attempts.begin(begun);
        assert_eq!(attempts.due(), None);
    }

    #[test]
    fn producer_that_worked_for_longer_than_a_minute_is_replaced_at_once() {
        let mut attempts = Attempts::default();
        let begun = Instant::now();
        attempts.plan(begun, Renewal::FailedProducer);
        attempts.begin(begun);
        let soon = begun + Duration::from_secs(5);
        assert_eq!(attempts.plan(soon, Renewal::FailedProducer), SHORTEST);
        attempts.begin(soon + SHORTEST);
        let late = soon + SHORTEST + LONGEST + Duration::from_secs(1);
        assert_eq!(attempts.plan(late, Renewal::FailedProducer), Duration::ZERO);
        assert!(attempts.is_logged());
    }
}
