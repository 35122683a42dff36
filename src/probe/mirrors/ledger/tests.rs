//! Scripted mirrors: in time, late, duplicating, losing, and targets that are not read.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{
    super::outcome::{Anomaly, Outcome},
    Ledger, Settings,
};
use crate::probe::heartbeat::{
    Confirmed, HeartbeatId, Period,
    record::{Identity, NotAHeartbeat, Record},
};

const SETTINGS: Settings = Settings {
    deadline: Duration::from_secs(30),
    lost_after: Duration::from_secs(300),
    patience: Duration::from_secs(30),
};
/// The run of the source.
const SOURCE: Identity = Identity { instance: 7, epoch: 100 };
/// The run of the target, which the same process sends.
const TARGET: Identity = Identity { instance: 7, epoch: 101 };

fn record(identity: Identity, sequence: u64) -> Result<Record, NotAHeartbeat> {
    Ok(Record { identity, id: HeartbeatId { partition: 0, sequence }, intended: 0, sent: 0 })
}

/// A mirror from second 0 on. Heartbeats are produced in the second of their sequence.
struct World {
    begin: Instant,
    ledger: Ledger,
}

impl World {
    fn new() -> Self {
        let mut ledger = Ledger::new(SETTINGS);
        ledger.follow(SOURCE);
        Self { begin: Instant::now(), ledger }
    }

    fn at(&self, second: u64) -> Instant {
        self.begin + Duration::from_secs(second)
    }

    fn expect(&mut self, sequences: impl IntoIterator<Item = u64>) {
        for sequence in sequences {
            let id = HeartbeatId { partition: 0, sequence };
            let produced = self.at(sequence);
            self.ledger.expect(&Confirmed { identity: SOURCE, id, offset: None, produced });
        }
    }

    fn read(&mut self, second: u64, sequence: u64, offset: i64) {
        let at = self.at(second);
        assert!(self.ledger.read(at, (0, offset), record(SOURCE, sequence)));
    }

    /// Everything is read at each of these seconds, and the time goes on.
    fn look(&mut self, seconds: impl IntoIterator<Item = u64>) {
        for second in seconds {
            let at = self.at(second);
            self.ledger.caught_up(at);
            self.ledger.advance(at);
        }
    }

    /// The target is not read at each of these seconds, and the time goes on.
    fn fail(&mut self, seconds: impl IntoIterator<Item = u64>) {
        for second in seconds {
            let at = self.at(second);
            self.ledger.failed(at);
            self.ledger.advance(at);
        }
    }

    /// The number of heartbeats that were mirrored, late, lost and unknown.
    fn outcomes(&self) -> [u64; 4] {
        self.ledger.counts().outcomes
    }

    fn anomaly(&self, anomaly: Anomaly) -> u64 {
        self.ledger.counts().anomalies[anomaly as usize]
    }
}

#[test]
fn heartbeat_read_by_the_deadline_is_mirrored_with_its_latency() {
    let mut world = World::new();
    world.expect(0..3);
    for sequence in 0..3 {
        world.read(sequence + 2, sequence, 10);
    }
    // Its record comes before its acknowledgement.
    world.read(7, 5, 13);
    world.expect([5]);
    assert_eq!((world.outcomes(), world.ledger.in_flight()), ([4, 0, 0, 0], 0));
    let latency = &world.ledger.counts().latency;
    assert_eq!((latency.count(), latency.sum_seconds()), (4, 8.0));
    assert_eq!(world.ledger.newest(), Some(world.at(5)));
}

#[test]
fn paused_mirror_makes_heartbeats_overdue_and_then_late() {
    let mut world = World::new();
    world.expect(0..100);
    world.look((0..=100).step_by(5));
    assert_eq!(world.ledger.overdue(), Some((70, Some(world.at(0)))));
    assert_eq!(world.outcomes(), [0; 4]);
    for sequence in 0..100 {
        world.read(101, sequence, 0);
    }
    assert_eq!(world.outcomes(), [29, 71, 0, 0]);
    world.look([105]);
    assert_eq!(world.ledger.overdue(), Some((0, None)));
    assert_eq!(world.ledger.counts().latency.count(), 100);
}

#[test]
fn heartbeat_that_is_not_in_the_target_when_its_time_ran_out_is_lost_once() {
    let mut world = World::new();
    world.expect(0..10);
    world.look((0..300).step_by(5));
    // The time of the first one has run out, but the log end was not read since.
    let at = world.at(304);
    world.ledger.advance(at);
    assert_eq!(world.outcomes(), [0; 4]);
    world.look([305, 310]);
    assert_eq!((world.outcomes(), world.ledger.in_flight()), ([0, 0, 10, 0], 0));
    world.read(320, 3, 50);
    assert_eq!((world.outcomes(), world.anomaly(Anomaly::AfterOutcome)), ([0, 0, 10, 0], 1));
    assert_eq!(world.ledger.counts().latency.count(), 0, "a lost heartbeat has no latency");
}

#[test]
fn copies_are_counted_beside_the_outcomes() {
    let mut world = World::new();
    world.expect(0..2);
    world.read(1, 0, 10);
    world.read(2, 0, 11);
    world.read(3, 1, 12);
    world.read(4, 0, 10);
    assert_eq!((world.outcomes(), world.anomaly(Anomaly::Duplicate)), ([2, 0, 0, 0], 1));
}

#[test]
fn heartbeat_whose_time_runs_out_while_the_target_is_not_read_is_unknown() {
    let mut world = World::new();
    world.expect(0..20);
    world.look([0, 5]);
    world.fail((10..400).step_by(5));
    assert_eq!((world.outcomes(), world.ledger.overdue()), ([0, 0, 0, 20], None));
    // It is not late if its deadline passed meanwhile, and lost only after the target is read again.
    world.expect(390..420);
    world.look([425]);
    world.read(426, 390, 7);
    world.read(426, 419, 8);
    assert_eq!(world.outcomes(), [1, 0, 0, 21]);
    world.look((430..760).step_by(5));
    assert_eq!(world.outcomes(), [1, 0, 28, 21]);
    assert_eq!(world.ledger.counts().latency.count(), 0, "the target was not read in the time of either");
}

#[test]
fn heartbeat_whose_deadline_passed_in_a_stall_of_this_process_is_unknown() {
    let mut world = World::new();
    world.expect([0]);
    let stall = Period { from: world.at(29), to: world.at(40) };
    world.ledger.stalled(stall);
    world.read(41, 0, 1);
    assert_eq!(world.outcomes(), [0, 0, 0, 1]);
}

#[test]
fn heartbeat_whose_fate_is_never_known_is_unknown_after_a_while() {
    let mut world = World::new();
    world.expect([0]);
    world.look([0]);
    for second in [301, 331] {
        let at = world.at(second);
        world.ledger.advance(at);
    }
    assert_eq!(world.outcomes(), [0, 0, 0, 1]);
}

#[test]
fn heartbeats_of_the_target_in_the_same_topic_are_foreign() {
    let mut world = World::new();
    world.expect(0..2);
    for sequence in 0..2 {
        let at = world.at(sequence + 1);
        assert!(!world.ledger.read(at, (0, 2 * sequence.cast_signed()), record(TARGET, sequence)));
        world.read(sequence + 1, sequence, 2 * sequence.cast_signed() + 1);
    }
    let at = world.at(3);
    assert!(!world.ledger.read(at, (0, 9), Err(NotAHeartbeat::Corrupt)));
    assert!(!world.ledger.read(at, (0, 10), Err(NotAHeartbeat::Foreign)));
    assert_eq!(world.outcomes(), [2, 0, 0, 0]);
    assert_eq!((world.anomaly(Anomaly::Foreign), world.anomaly(Anomaly::Corrupt)), (3, 1));
}

#[test]
fn heartbeat_that_the_source_never_acknowledged_is_not_expected() {
    let mut world = World::new();
    world.read(1, 0, 10);
    world.look((5..100).step_by(5));
    assert_eq!((world.outcomes(), world.ledger.counts().expected), ([0; 4], 0));
    assert_eq!(world.anomaly(Anomaly::Unexpected), 1);
}

#[test]
fn heartbeats_from_before_the_first_read_are_not_expected_and_those_in_flight_are_unknown() {
    let mut world = World::new();
    world.expect(0..3);
    let at = world.at(2);
    world.ledger.resumed(at);
    world.expect([1]);
    assert_eq!((world.outcomes(), world.ledger.in_flight()), ([0, 0, 0, 2], 1));
}

/// Something that happens to the ledger, in any order.
#[derive(Debug, Clone, Copy)]
enum Event {
    Expect(u64),
    Read(u64, i64),
    Foreign,
    Failed,
    CaughtUp,
    Stalled(u64),
    Resumed,
    Advance,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => (0_u64..40).prop_map(Event::Expect),
        8 => (0_u64..40, 0_i64..3).prop_map(|(sequence, offset)| Event::Read(sequence, offset)),
        1 => Just(Event::Foreign),
        1 => Just(Event::Failed),
        3 => Just(Event::CaughtUp),
        1 => (0_u64..10).prop_map(Event::Stalled),
        1 => Just(Event::Resumed),
        4 => Just(Event::Advance),
    ]
}

proptest! {
    #[test]
    fn ledger_ends_each_expected_heartbeat_once_in_any_order_of_events(
        events in prop::collection::vec((event(), 0_u64..60), 0..300),
    ) {
        let mut world = World::new();
        let mut second = 0;
        for (event, passed) in events {
            second += passed;
            let (now, before) = (world.at(second), world.outcomes());
            let expected = world.ledger.counts().expected;
            match event {
                Event::Expect(sequence) => {
                    let id = HeartbeatId { partition: 0, sequence };
                    let produced = world.at(second.saturating_sub(sequence % 7));
                    world.ledger.expect(&Confirmed { identity: SOURCE, id, offset: None, produced });
                }
                Event::Read(sequence, offset) => {
                    world.ledger.read(now, (0, offset), record(SOURCE, sequence));
                }
                Event::Foreign => {
                    world.ledger.read(now, (0, 1), record(TARGET, 1));
                }
                Event::Failed => world.ledger.failed(now),
                Event::CaughtUp => world.ledger.caught_up(now),
                Event::Stalled(length) => {
                    let from = world.at(second.saturating_sub(length));
                    world.ledger.stalled(Period { from, to: now });
                }
                Event::Resumed => world.ledger.resumed(now),
                Event::Advance => world.ledger.advance(now),
            }
            let counts = world.ledger.counts();
            let ended: u64 = counts.outcomes.iter().sum();
            prop_assert_eq!(counts.expected, ended + world.ledger.in_flight() as u64);
            prop_assert!(counts.expected - expected <= 1);
            let shrunk = counts.outcomes.iter().zip(before).any(|(now, before)| *now < before);
            prop_assert!(!shrunk, "an outcome is final");
            prop_assert!(counts.latency.count() <= counts.of(Outcome::Mirrored) + counts.of(Outcome::Late));
        }
    }
}
