//! The moment at which heartbeats on a partition may begin.
//!
//! A heartbeat measures Kafka, not the start of the service's own clients. The first heartbeat on a partition waits
//! until a fetch of the partition was answered and the producer is connected to the partition's leader, but never
//! longer than the grace time. An outage that lasts longer is measured. The same holds when a client is renewed.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

/// A client is ready to carry heartbeats.
#[derive(Debug)]
pub(super) enum ReadySignal {
    /// A fetch of this partition by the consumer with this number was answered.
    Fetched { consumer: u32, partition: i32 },
    /// The producer with this number is connected to the leader of these partitions.
    Connected { producer: u32, partitions: Vec<i32> },
}

/// The time in which no heartbeats are scheduled on a partition yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hold {
    /// The instant at which the clients were started or renewed, or the partition was added.
    pub(super) since: Instant,
    /// The latest instant at which scheduling begins.
    pub(super) until: Instant,
}

/// A connection that the producer should open.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ConnectAttempt {
    /// Partitions with the same leader for which no connection was asked yet.
    pub(super) partitions: Vec<i32>,
    /// The number of the producer.
    pub(super) producer: u32,
    /// The time after which the attempt is given up.
    pub(super) limit: Duration,
}

/// Which clients are ready, by partition.
#[derive(Debug)]
pub(super) struct Readiness {
    begun: Instant,
    /// The longest hold.
    grace: Duration,
    holds: BTreeMap<i32, Hold>,
    /// Partitions of which a fetch by the current consumer was answered.
    fetched: BTreeSet<i32>,
    /// Partitions to whose leader the current producer is connected.
    connected: BTreeSet<i32>,
    /// Partitions to whose leader the current producer was asked to connect.
    connecting: BTreeSet<i32>,
    /// The number of the current consumer. A signal of an earlier consumer does not count.
    consumer: u32,
    /// The number of the current producer. A signal of an earlier producer does not count.
    producer: u32,
}

impl Readiness {
    /// Both clients were just created. No partition is held longer than `grace`.
    pub(super) fn new(begun: Instant, grace: Duration) -> Self {
        Self {
            begun,
            grace,
            holds: BTreeMap::new(),
            fetched: BTreeSet::new(),
            connected: BTreeSet::new(),
            connecting: BTreeSet::new(),
            consumer: 0,
            producer: 0,
        }
    }

    /// The number of the consumer that is to read.
    pub(super) fn consumer(&self) -> u32 {
        self.consumer
    }

    /// Notes the partitions of the topic. A partition that is new is held from now on.
    pub(super) fn add_partitions(&mut self, partitions: impl Iterator<Item = i32>, now: Instant) {
        let is_start = now.saturating_duration_since(self.begun) <= self.grace;
        let since = if is_start { self.begun } else { now };
        let hold = Hold { since, until: now + self.grace };
        for partition in partitions {
            self.holds.entry(partition).or_insert(hold);
        }
    }

    /// Whether no partition was ever known.
    pub(super) fn is_blank(&self) -> bool {
        self.holds.is_empty()
    }

    /// The producer was replaced: all partitions are held again.
    pub(super) fn renew_producer(&mut self, now: Instant) {
        self.producer += 1;
        self.connected.clear();
        self.connecting.clear();
        for hold in self.holds.values_mut() {
            *hold = Hold { since: now, until: now + self.grace };
        }
    }

    /// The producer was replaced by another that is connected to the leaders of these partitions already: nothing is held.
    pub(super) fn hand_over_producer(&mut self, connected: impl IntoIterator<Item = i32>) {
        self.producer += 1;
        self.connected.extend(connected);
    }

    /// Both clients were replaced: all partitions are held again.
    pub(super) fn renew(&mut self, now: Instant) {
        self.consumer += 1;
        self.fetched.clear();
        self.renew_producer(now);
    }

    /// Notes that a client is ready, unless the client was replaced meanwhile.
    pub(super) fn note(&mut self, signal: ReadySignal) {
        match signal {
            ReadySignal::Fetched { consumer, partition } if consumer == self.consumer => {
                self.fetched.insert(partition);
            }
            ReadySignal::Connected { producer, partitions } if producer == self.producer => {
                self.connected.extend(partitions);
            }
            ReadySignal::Fetched { .. } | ReadySignal::Connected { .. } => {}
        }
    }

    /// The time in which heartbeats on a partition wait; `None` when both clients are ready.
    pub(super) fn hold(&self, partition: i32) -> Option<Hold> {
        let ready = self.fetched.contains(&partition) && self.connected.contains(&partition);
        if ready { None } else { self.holds.get(&partition).copied() }
    }

    /// The connection that the producer should open to the leader of these partitions; `None` if it was asked for
    /// before, or if the grace time is over.
    pub(super) fn connect(&mut self, partitions: &[i32], now: Instant) -> Option<ConnectAttempt> {
        let partitions: Vec<i32> =
            partitions.iter().filter(|partition| self.connecting.insert(**partition)).copied().collect();
        let until = partitions.iter().filter_map(|partition| Some(self.holds.get(partition)?.until)).max()?;
        let limit = until.checked_duration_since(now).filter(|left| !left.is_zero())?;
        Some(ConnectAttempt { partitions, producer: self.producer, limit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(4);

    fn fetched(consumer: u32, partition: i32) -> ReadySignal {
        ReadySignal::Fetched { consumer, partition }
    }

    fn connected(producer: u32, partition: i32) -> ReadySignal {
        ReadySignal::Connected { producer, partitions: vec![partition] }
    }

    #[test]
    fn partition_is_held_until_both_clients_are_ready() {
        let begun = Instant::now();
        let mut readiness = Readiness::new(begun, GRACE);
        let seen = begun + Duration::from_secs(1);
        readiness.add_partitions([0, 1].into_iter(), seen);
        let hold = Some(Hold { since: begun, until: seen + GRACE });
        assert_eq!((readiness.hold(0), readiness.hold(1)), (hold, hold));
        readiness.note(fetched(0, 0));
        assert_eq!(readiness.hold(0), hold, "the producer is not connected yet");
        readiness.note(connected(0, 0));
        assert_eq!((readiness.hold(0), readiness.hold(1)), (None, hold));
    }

    #[test]
    fn partition_added_later_is_held_from_then_on() {
        let begun = Instant::now();
        let mut readiness = Readiness::new(begun, GRACE);
        readiness.add_partitions([0].into_iter(), begun);
        let later = begun + Duration::from_secs(60);
        readiness.add_partitions([0, 1].into_iter(), later);
        assert_eq!(
            readiness.hold(0),
            Some(Hold { since: begun, until: begun + GRACE }),
            "the hold of a known partition stays"
        );
        assert_eq!(readiness.hold(1), Some(Hold { since: later, until: later + GRACE }));
    }

    #[test]
    fn partition_is_held_again_until_the_renewed_client_itself_is_ready() {
        let begun = Instant::now();
        let mut readiness = Readiness::new(begun, GRACE);
        readiness.add_partitions([0].into_iter(), begun);
        readiness.note(fetched(0, 0));
        readiness.note(connected(0, 0));
        let later = begun + Duration::from_secs(60);
        let hold = Some(Hold { since: later, until: later + GRACE });
        readiness.renew_producer(later);
        readiness.note(connected(0, 0));
        assert_eq!(readiness.hold(0), hold);
        readiness.note(connected(1, 0));
        assert_eq!(readiness.hold(0), None, "the consumer is the same");
        readiness.renew(later);
        readiness.note(connected(2, 0));
        readiness.note(fetched(0, 0));
        assert_eq!(readiness.hold(0), hold);
        readiness.note(fetched(1, 0));
        assert_eq!(readiness.hold(0), None);
    }

    #[test]
    fn producer_that_is_handed_over_holds_nothing_and_ends_the_hold_of_its_partitions() {
        let begun = Instant::now();
        let mut readiness = Readiness::new(begun, GRACE);
        readiness.add_partitions([0, 1].into_iter(), begun);
        for partition in [0, 1] {
            readiness.note(fetched(0, partition));
        }
        readiness.note(connected(0, 0));
        readiness.hand_over_producer([1]);
        assert_eq!((readiness.hold(0), readiness.hold(1)), (None, None));
    }

    #[test]
    fn producer_connects_to_a_leader_once_and_not_after_the_grace_time() {
        let begun = Instant::now();
        let mut readiness = Readiness::new(begun, GRACE);
        readiness.add_partitions([0, 1, 2].into_iter(), begun);
        let attempt = ConnectAttempt { partitions: vec![0, 1], producer: 0, limit: GRACE };
        assert_eq!(readiness.connect(&[0, 1], begun), Some(attempt));
        assert_eq!(readiness.connect(&[0, 1], begun), None);
        assert_eq!(readiness.connect(&[2], begun + GRACE), None);
    }
}
