//! How a heartbeat client is replaced.
//!
//! librdkafka gives a producer up for good after a fatal error, which only happens with `enable.idempotence = true`:
//! every record is refused from then on. Another producer takes its place, so that heartbeats go on measuring Kafka.

use std::time::{Duration, Instant};

use super::targets::Follower;
use crate::kafka::fault::Chain;

/// Between two producers that fail one soon after the other: this long at first, twice as long each time, …
const SHORTEST: Duration = Duration::from_secs(1);
/// … and this long at most. A producer that worked for longer than this time is replaced at once.
const LONGEST: Duration = Duration::from_secs(60);

/// A heartbeat client was replaced by another one of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Renewal {
    /// The consumer, because the topic was deleted and created again.
    ConsumerForNewTopic,
    /// The producer, for the same reason.
    ProducerForNewTopic,
    /// The producer, because librdkafka gave it up after a fatal error.
    FailedProducer,
}

impl Renewal {
    /// Every kind of renewal.
    pub const ALL: [Renewal; 3] =
        [Renewal::ConsumerForNewTopic, Renewal::ProducerForNewTopic, Renewal::FailedProducer];

    /// The client that was replaced, as a label value.
    pub fn client(self) -> &'static str {
        match self {
            Renewal::ConsumerForNewTopic => "consumer",
            Renewal::ProducerForNewTopic | Renewal::FailedProducer => "producer",
        }
    }

    /// The reason as a label value.
    pub fn reason(self) -> &'static str {
        match self {
            Renewal::ConsumerForNewTopic | Renewal::ProducerForNewTopic => "topic_recreated",
            Renewal::FailedProducer => "fatal_error",
        }
    }
}

/// When a producer that failed for good is replaced.
#[derive(Debug, Default)]
pub(super) struct Repair {
    pause: Duration,
    /// The last time a failed producer was replaced.
    replaced: Option<Instant>,
    due: Option<Instant>,
}

impl Repair {
    /// The instant of the next replacement; `None` while no producer has failed.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// The producer has failed: returns how long it stays in its place.
    fn plan(&mut self, now: Instant) -> Duration {
        let lived = self.replaced.map(|replaced| now.saturating_duration_since(replaced));
        let soon = lived.is_some_and(|lived| lived <= LONGEST);
        self.pause = if soon { (self.pause * 2).clamp(SHORTEST, LONGEST) } else { Duration::ZERO };
        self.due = Some(now + self.pause);
        self.pause
    }

    /// The producer is replaced now.
    fn begin(&mut self, now: Instant) {
        (self.due, self.replaced) = (None, Some(now));
    }
}

impl Follower {
    /// A producer failed for good. If it is the current one, plans its replacement.
    pub(super) fn plan_repair(&mut self) {
        let failure = self.producer.borrow().failure();
        let Some(failure) = failure.filter(|_| self.repair.due().is_none()) else { return };
        let pause = self.repair.plan(Instant::now());
        let when = if pause.is_zero() { "now".to_owned() } else { format!("in {} s", pause.as_secs()) };
        let cluster = &self.cluster;
        tracing::warn!(
            cluster,
            "another producer of heartbeats replaces the one that failed {when}: {failure}"
        );
    }

    /// Replaces the producer that failed. Heartbeats are held until its successor is connected.
    pub(super) fn repair(&mut self) {
        let now = Instant::now();
        self.repair.begin(now);
        match (self.renew)() {
            Ok(fresh) => {
                self.start.renew_producer(now);
                self.publish_holds();
                self.replace_producer(fresh, Renewal::FailedProducer);
            }
            Err(error) => {
                let (cluster, seconds) = (&self.cluster, self.repair.plan(now).as_secs());
                tracing::error!(
                    cluster,
                    "another producer of heartbeats cannot be made, the next attempt is in {seconds} s: {}",
                    Chain(&error)
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn producer_that_fails_again_and_again_is_replaced_once_a_minute() {
        let mut repair = Repair::default();
        let mut now = Instant::now();
        let mut pauses = Vec::new();
        for _ in 0..9 {
            let pause = repair.plan(now);
            assert_eq!(repair.due(), Some(now + pause));
            now += pause;
            repair.begin(now);
            assert_eq!(repair.due(), None);
            pauses.push(pause.as_secs());
        }
        assert_eq!(pauses, [0, 1, 2, 4, 8, 16, 32, 60, 60]);
    }

    #[test]
    fn producer_that_worked_for_longer_than_a_minute_is_replaced_at_once() {
        let mut repair = Repair::default();
        let begun = Instant::now();
        repair.plan(begun);
        repair.begin(begun);
        let soon = begun + Duration::from_secs(5);
        assert_eq!(repair.plan(soon), SHORTEST);
        repair.begin(soon + SHORTEST);
        assert_eq!(repair.plan(soon + SHORTEST + LONGEST + Duration::from_secs(1)), Duration::ZERO);
    }
}
