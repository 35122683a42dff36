//! How a heartbeat client is replaced.
//!
//! librdkafka gives a producer up for good after a fatal error, which only happens with `enable.idempotence = true`:
//! every record is refused from then on. Another producer takes its place, so that heartbeats go on measuring Kafka.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    ledger::Event,
    targets::{FINISH, Follower},
};
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

    /// Plans a replacement: returns how long the producer stays in its place.
    fn plan(&mut self, now: Instant, why: Renewal) -> Duration {
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
    fn begin(&mut self, now: Instant) {
        (self.due, self.replaced) = (None, Some(now));
    }

    /// Whether the log names this replacement: those of a series that come once a minute are named once an hour.
    fn is_named(&self) -> bool {
        self.pause < LONGEST || self.times.is_multiple_of(60)
    }
}

impl Follower {
    /// A producer failed for good. If it is the current one, plans its replacement.
    pub(super) fn plan_repair(&mut self) {
        let failure = self.producer.borrow().failure();
        let Some(failure) = failure.filter(|_| self.repair.due().is_none()) else { return };
        let pause = self.repair.plan(Instant::now(), Renewal::FailedProducer);
        if self.repair.is_named() {
            let when = if pause.is_zero() { "now".to_owned() } else { format!("in {} s", pause.as_secs()) };
            let cluster = &self.cluster;
            tracing::warn!(
                cluster,
                "another producer of heartbeats replaces the one that failed {when}: {failure}"
            );
        }
    }

    /// Makes the replacement that is due.
    pub(super) fn repair(&mut self) {
        if let Some((_, why)) = self.repair.due {
            self.replace_producer(why);
        }
    }

    /// Replaces the producer; heartbeats are held until its successor is connected. If the successor cannot be made, the
    /// producer stays, and another attempt is planned.
    pub(super) fn replace_producer(&mut self, why: Renewal) {
        let now = Instant::now();
        self.repair.begin(now);
        match (self.renew)() {
            Ok(fresh) => {
                self.start.renew_producer(now);
                self.publish_holds();
                let old = self.producer.send_replace(Arc::new(fresh));
                tokio::task::spawn_blocking(move || old.finish(FINISH));
                if self.events.send(Event::Renewed(why)).is_err() {
                    tracing::debug!("the ledger has stopped");
                }
            }
            Err(error) => {
                let (cluster, seconds) = (&self.cluster, self.repair.plan(now, why).as_secs());
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
