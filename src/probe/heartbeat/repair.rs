//! How a heartbeat client is replaced.
//!
//! librdkafka gives a producer up for good after a fatal error, which only happens with `enable.idempotence = true`:
//! every record is refused from then on. Another producer takes its place, so that heartbeats go on measuring Kafka.

use std::time::{Duration, Instant};

use super::renewal::Renewal;

/// Between two producers that fail one soon after the other: this long at first, twice as long each time, …
const SHORTEST: Duration = Duration::from_secs(1);
/// … and this long at most. A producer that worked for longer than this time is replaced at once.
const LONGEST: Duration = Duration::from_secs(60);

/// When the producer is replaced: after a fatal error, or because its replacement could not be made.
#[derive(Debug, Default)]
pub(super) struct Repair {
    pause: Duration,
    /// How many replacements followed each other within [`LONGEST`].
    times: u32,
    /// The last time a producer was to be replaced.
    replaced: Option<Instant>,
    due: Option<(Instant, Renewal)>,
}

impl Repair {
    /// The instant of the next replacement; `None` while none is planned.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due.map(|(due, _)| due)
    }

    /// The reason of the next replacement; `None` while none is planned.
    pub(super) fn reason(&self) -> Option<Renewal> {
        self.due.map(|(_, why)| why)
    }

    /// Plans a replacement: returns how long the producer stays in its place.
    pub(super) fn plan(&mut self, now: Instant, why: Renewal) -> Duration {
        let lived = self.replaced.map(|replaced| now.saturating_duration_since(replaced));
        let soon = lived.is_some_and(|lived| lived <= LONGEST);
        (self.pause, self.times) = match soon {
            true => ((self.pause * 2).clamp(SHORTEST, LONGEST), self.times.saturating_add(1)),
            false => (Duration::ZERO, 1),
        };
        self.due = Some((now + self.pause, why));
        self.pause
    }

    /// The producer is to be replaced now, for whatever reason: what was planned is not due any more.
    pub(super) fn begin(&mut self, now: Instant) {
        (self.due, self.replaced) = (None, Some(now));
    }

    /// Whether the log names this replacement: those of a series that come once a minute are named once an hour.
    pub(super) fn is_named(&self) -> bool {
        self.pause < LONGEST || self.times.is_multiple_of(60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn producer_that_fails_again_and_again_is_replaced_once_a_minute() {
        let mut repair = Repair::default();
        let mut now = Instant::now();
        let (mut pauses, mut named) = (Vec::new(), Vec::new());
        for _ in 0..9 {
            let pause = repair.plan(now, Renewal::FailedProducer);
            assert_eq!(repair.due(), Some(now + pause));
            now += pause;
            named.push(repair.is_named());
            repair.begin(now);
            assert_eq!(repair.due(), None);
            pauses.push(pause.as_secs());
        }
        assert_eq!(pauses, [0, 1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(named.iter().filter(|named| **named).count(), 7, "the log leaves out those once a minute");
    }

    #[test]
    fn replacement_for_another_reason_ends_the_one_that_was_planned() {
        let mut repair = Repair::default();
        let begun = Instant::now();
        repair.begin(begun);
        let pause = repair.plan(begun, Renewal::ProducerForNewTopic);
        assert_eq!(repair.due, Some((begun + pause, Renewal::ProducerForNewTopic)), "the reason is kept");
        repair.begin(begun);
        assert_eq!(repair.due(), None);
    }

    #[test]
    fn producer_that_worked_for_longer_than_a_minute_is_replaced_at_once() {
        let mut repair = Repair::default();
        let begun = Instant::now();
        repair.plan(begun, Renewal::FailedProducer);
        repair.begin(begun);
        let soon = begun + Duration::from_secs(5);
        assert_eq!(repair.plan(soon, Renewal::FailedProducer), SHORTEST);
        repair.begin(soon + SHORTEST);
        let late = soon + SHORTEST + LONGEST + Duration::from_secs(1);
        assert_eq!(repair.plan(late, Renewal::FailedProducer), Duration::ZERO);
        assert!(repair.is_named());
    }
}
