//! When heartbeats on a partition may begin.
//!
//! A heartbeat measures Kafka, not the start of our own clients. The first heartbeat on a partition waits until the
//! consumer's fetch of that partition was answered and the producer is connected to the partition's leader, but
//! never longer than the grace time: from then on nothing is hidden. The same holds when a client is renewed.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

/// A client is ready to carry heartbeats.
#[derive(Debug)]
pub(super) enum ReadySignal {
    /// A fetch of the partition was answered, by the consumer of this number.
    Fetched { consumer: u32, partition: i32 },
    /// The producer of this number is connected to the leader of these partitions.
    Connected { producer: u32, partitions: Vec<i32> },
}

/// Heartbeats on a partition are not scheduled yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hold {
    /// When the clients were started or renewed, or the partition was added.
    pub(super) since: Instant,
    /// The latest instant at which scheduling begins.
    pub(super) until: Instant,
}

/// What is known of the clients' readiness, by partition.
#[derive(Debug)]
pub(super) struct Readiness {
    begun: Instant,
    grace: Duration,
    holds: BTreeMap<i32, Hold>,
    fetched: BTreeSet<i32>,
    connected: BTreeSet<i32>,
    /// Partitions whose leader the producer has been told to connect to.
    connecting: BTreeSet<i32>,
    /// How often each client was renewed: what an earlier client proves says nothing of its successor.
    consumer: u32,
    producer: u32,
}

impl Readiness {
    /// Both clients were just made; none of them waits longer than `grace`.
    pub(super) fn new(begun: Instant, grace: Duration) -> Self {
        let sets = BTreeSet::new;
        let (consumer, producer) = (0, 0);
        let (fetched, connected, connecting) = (sets(), sets(), sets());
        Self { begun, grace, holds: BTreeMap::new(), fetched, connected, connecting, consumer, producer }
    }

    /// The number of the consumer that is to read.
    pub(super) fn consumer(&self) -> u32 {
        self.consumer
    }

    /// Partitions that exist now. One that is new is held from now on.
    pub(super) fn see(&mut self, partitions: impl Iterator<Item = i32>, now: Instant) {
        let fresh = now.saturating_duration_since(self.begun) <= self.grace;
        let hold = Hold { since: if fresh { self.begun } else { now }, until: now + self.grace };
        for partition in partitions {
            self.holds.entry(partition).or_insert(hold);
        }
    }

    /// No partition was ever seen.
    pub(super) fn is_blank(&self) -> bool {
        self.holds.is_empty()
    }

    /// The producer is another one: all partitions are held again.
    pub(super) fn renew_producer(&mut self, now: Instant) {
        self.producer += 1;
        self.connected.clear();
        self.connecting.clear();
        for hold in self.holds.values_mut() {
            *hold = Hold { since: now, until: now + self.grace };
        }
    }

    /// Both clients are others.
    pub(super) fn renew(&mut self, now: Instant) {
        self.consumer += 1;
        self.fetched.clear();
        self.renew_producer(now);
    }

    /// Notes a proof, if it is of a client that still runs.
    pub(super) fn note(&mut self, proof: ReadySignal) {
        match proof {
            ReadySignal::Fetched { consumer, partition } if consumer == self.consumer => {
                self.fetched.insert(partition);
            }
            ReadySignal::Connected { producer, partitions } if producer == self.producer => {
                self.connected.extend(partitions);
            }
            _ => {}
        }
    }

    /// Why and how long heartbeats on a partition still wait; `None` when both clients are ready.
    pub(super) fn hold(&self, partition: i32) -> Option<Hold> {
        let ready = self.fetched.contains(&partition) && self.connected.contains(&partition);
        if ready { None } else { self.holds.get(&partition).copied() }
    }

    /// The producer should connect to the leader of these partitions: returns those that nobody asked for yet,
    /// the producer's number, and how long the attempt is worth while.
    pub(super) fn connect(&mut self, partitions: &[i32], now: Instant) -> Option<(Vec<i32>, u32, Duration)> {
        let asked: Vec<i32> =
            partitions.iter().filter(|partition| self.connecting.insert(**partition)).copied().collect();
        let until = asked.iter().filter_map(|partition| Some(self.holds.get(partition)?.until)).max()?;
        let left = until.checked_duration_since(now).filter(|left| !left.is_zero())?;
        Some((asked, self.producer, left))
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
        let mut start = Readiness::new(begun, GRACE);
        let seen = begun + Duration::from_secs(1);
        start.see([0, 1].into_iter(), seen);
        let hold = Some(Hold { since: begun, until: seen + GRACE });
        assert_eq!((start.hold(0), start.hold(1)), (hold, hold));
        start.note(fetched(0, 0));
        assert_eq!(start.hold(0), hold, "the producer is not connected yet");
        start.note(connected(0, 0));
        assert_eq!((start.hold(0), start.hold(1)), (None, hold));
    }

    #[test]
    fn partition_added_later_is_held_from_then_on() {
        let begun = Instant::now();
        let mut start = Readiness::new(begun, GRACE);
        start.see([0].into_iter(), begun);
        let later = begun + Duration::from_secs(60);
        start.see([0, 1].into_iter(), later);
        assert_eq!(start.hold(0), Some(Hold { since: begun, until: begun + GRACE }), "as before");
        assert_eq!(start.hold(1), Some(Hold { since: later, until: later + GRACE }));
    }

    #[test]
    fn renewed_client_is_not_vouched_for_by_its_predecessor() {
        let begun = Instant::now();
        let mut start = Readiness::new(begun, GRACE);
        start.see([0].into_iter(), begun);
        start.note(fetched(0, 0));
        start.note(connected(0, 0));
        let later = begun + Duration::from_secs(60);
        let hold = Some(Hold { since: later, until: later + GRACE });
        start.renew_producer(later);
        start.note(connected(0, 0));
        assert_eq!(start.hold(0), hold);
        start.note(connected(1, 0));
        assert_eq!(start.hold(0), None, "the consumer is the same");
        start.renew(later);
        start.note(connected(2, 0));
        start.note(fetched(0, 0));
        assert_eq!(start.hold(0), hold);
        start.note(fetched(1, 0));
        assert_eq!(start.hold(0), None);
    }

    #[test]
    fn leader_is_asked_for_a_connection_once_and_not_after_the_grace_time() {
        let begun = Instant::now();
        let mut start = Readiness::new(begun, GRACE);
        start.see([0, 1, 2].into_iter(), begun);
        assert_eq!(start.connect(&[0, 1], begun), Some((vec![0, 1], 0, GRACE)));
        assert_eq!(start.connect(&[0, 1], begun), None);
        assert_eq!(start.connect(&[2], begun + GRACE), None);
    }
}
