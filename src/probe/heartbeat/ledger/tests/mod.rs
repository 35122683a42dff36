//! Tests of the ledger by stories: sequences of events with a clock of their own.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime},
};

use super::{Event, Leader, Ledger, Settings, arrivals::OVERLAP};
use crate::{
    kafka::{BrokerId, Fault},
    latency::{Bounds, Buckets},
    probe::heartbeat::{
        Anomaly, HeartbeatId, Moment, Outcome, Snapshot,
        record::{Identity, NotAHeartbeat, Record},
        trace::SampleShare,
    },
};

mod descriptors;
mod ended;
mod orders;
mod stalls;

const DEADLINE: Duration = Duration::from_secs(10);
const HORIZON: Duration = Duration::from_secs(120);
const TOLERANCE: Duration = Duration::from_millis(500);
const DEFINITE: bool = true;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A ledger and a clock. Every step gives the millisecond at which it happens.
struct Story {
    ledger: Ledger,
    begin: Instant,
}

impl Story {
    fn new() -> Self {
        Self::traced(None)
    }

    fn traced(traces: Option<SampleShare>) -> Self {
        let begin = Instant::now();
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let identity = Identity { instance: 1, epoch: 2 };
        let bounds = Bounds::with([DEADLINE]);
        let (deadline, horizon, tolerance) = (DEADLINE, HORIZON, TOLERANCE);
        let settings = Settings { identity, deadline, horizon, tolerance, bounds, traces };
        let mut ledger = Ledger::new(settings, Moment { instant: begin, wall });
        let leader = |id| Leader { broker: Some(BrokerId(id)), rack: Some(format!("rack-{id}")) };
        let leaders = BTreeMap::from([(0, leader(1)), (1, leader(2))]);
        ledger.apply(Event::Partitions { leaders, at: begin });
        Self { ledger, begin }
    }

    fn at(&self, at: u64) -> Instant {
        self.begin + ms(at)
    }

    fn sent(mut self, sequence: u64, intended: u64) -> Self {
        let (intended, at) = (self.at(intended), self.at(intended + 1));
        let broker = Some(BrokerId(1));
        self.ledger.apply(Event::Sent { id: id(sequence), intended, at, broker });
        self.checked()
    }

    fn acked(mut self, sequence: u64, at: u64) -> Self {
        let at = self.at(at);
        self.ledger.apply(Event::Acked { id: id(sequence), at, stored: None });
        self.checked()
    }

    fn failed(mut self, sequence: u64, at: u64, definite: bool) -> Self {
        let at = self.at(at);
        self.ledger.apply(Event::Failed { id: id(sequence), at, fault: Fault::Timeout, definite });
        self.checked()
    }

    fn received(self, sequence: u64, at: u64) -> Self {
        self.received_at(sequence, at, 100 + sequence as i64)
    }

    fn received_at(mut self, sequence: u64, at: u64, offset: i64) -> Self {
        let record = record(sequence);
        let at = self.at(at);
        self.ledger.apply(Event::Received { partition: 0, offset, at, record: Ok(record) });
        self.checked()
    }

    fn apply(mut self, event: impl FnOnce(&Self) -> Event) -> Self {
        let event = event(&self);
        self.ledger.apply(event);
        self.checked()
    }

    fn until(mut self, at: u64) -> Self {
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000) + ms(at);
        self.ledger.advance(Moment { instant: self.at(at), wall });
        self.checked()
    }

    fn snapshot(&self) -> Snapshot {
        self.ledger.snapshot(self.begin)
    }

    /// Checks the invariants, as after every step.
    fn checked(self) -> Self {
        check(&self.snapshot());
        self
    }

    fn outcomes(&self) -> Vec<(&'static str, u64)> {
        let totals = self.snapshot().totals;
        Outcome::ALL.into_iter().filter(|o| totals.of(*o) > 0).map(|o| (o.as_str(), totals.of(o))).collect()
    }

    fn anomalies(&self) -> Vec<(&'static str, u64)> {
        let counts = self.snapshot().partitions.get(&0).map(|p| p.anomalies).unwrap_or_default();
        Anomaly::ALL.into_iter().zip(counts).filter(|(_, n)| *n > 0).map(|(a, n)| (a.as_str(), n)).collect()
    }

    fn sli(&self) -> (u64, u64) {
        let snapshot = self.snapshot();
        (snapshot.events, snapshot.bad_events)
    }

    /// The only end-to-end latency booked so far.
    fn end_to_end(&self) -> f64 {
        let snapshot = self.snapshot();
        snapshot.partitions[&0].by_broker[&Some(BrokerId(1))].end_to_end.sum_seconds()
    }
}

/// A heartbeat of the only partition that most stories use.
fn id(sequence: u64) -> HeartbeatId {
    HeartbeatId { partition: 0, sequence }
}

fn record(sequence: u64) -> Record {
    let identity = Identity { instance: 1, epoch: 2 };
    Record { identity, id: id(sequence), intended: 0, sent: 0 }
}

fn check(snapshot: &Snapshot) {
    let totals = snapshot.totals;
    assert_eq!(totals.scheduled, totals.outcomes.iter().sum::<u64>() + totals.in_flight, "{totals:?}");
    let (mut judged, mut scheduled, mut unacknowledged) = (0, 0, 0);
    for partition in snapshot.partitions.values() {
        let counts = || partition.by_broker.values();
        let outcomes: u64 = counts().flat_map(|c| c.outcomes).sum();
        assert_eq!(partition.scheduled, outcomes + partition.in_flight);
        scheduled += partition.scheduled;
        judged += counts().map(|c| c.end_to_end.count()).sum::<u64>();
        for count in counts() {
            let good = count.outcomes[Outcome::Ok as usize];
            let by_deadline = count.end_to_end.cumulative().find(|(le, _)| *le == 10.0).map_or(0, |(_, n)| n);
            assert!(by_deadline >= good, "every good heartbeat lies within the deadline");
            assert!(count.produce.count() <= count.end_to_end.count());
            let acknowledged = count.produce.cumulative().find(|(le, _)| *le == 10.0).map_or(0, |(_, n)| n);
            unacknowledged += count.end_to_end.count() - acknowledged;
            assert_eq!(count.unacknowledged, count.end_to_end.count() - acknowledged);
            assert!(count.unacknowledged <= count.bad && count.bad <= count.end_to_end.count());
        }
    }
    if scheduled == totals.scheduled {
        assert_eq!(judged, snapshot.events, "one end-to-end latency for each judgement");
        assert_eq!(
            unacknowledged, snapshot.unacknowledged_events,
            "heartbeats that the client refused are among them"
        );
    }
    assert!(snapshot.unacknowledged_events <= snapshot.bad_events, "{snapshot:?}");
    assert_eq!(
        snapshot.events - snapshot.bad_events,
        totals.of(Outcome::Ok),
        "every good heartbeat has the outcome ok"
    );
}

#[test]
fn heartbeat_acknowledged_and_received_by_the_deadline_is_ok_in_either_order() {
    let story = Story::new().sent(0, 0).acked(0, 5).received(0, 8);
    assert_eq!((story.outcomes(), story.sli()), (vec![("ok", 1)], (1, 0)));
    assert!((story.end_to_end() - 0.008).abs() < 1e-9, "end to end counts from the intended instant");
    let story = Story::new().sent(0, 0).received(0, 5);
    assert_eq!((story.outcomes(), story.sli()), (vec![], (0, 0)), "no judgement before the acknowledgement");
    let story = story.acked(0, 10_000);
    assert_eq!((story.outcomes(), story.sli()), (vec![("ok", 1)], (1, 0)), "the deadline itself is in time");
    assert!((story.end_to_end() - 0.005).abs() < 1e-9);
}

#[test]
fn heartbeat_received_after_the_deadline_is_late_and_bad_from_the_deadline_on() {
    let story = Story::new().sent(0, 0).acked(0, 5).until(10_001);
    assert_eq!((story.outcomes(), story.sli()), (vec![], (1, 1)), "bad at the deadline, outcome still open");
    assert!((story.end_to_end() - 10.000_001).abs() < 1e-9, "booked just above the deadline");
    let story = story.received(0, 12_000);
    assert_eq!((story.outcomes(), story.sli()), (vec![("late", 1)], (1, 1)));
    assert!((story.end_to_end() - 10.000_001).abs() < 1e-9, "the latency is booked once");
    let story = Story::new().sent(0, 0).received(0, 6).acked(0, 10_001);
    assert_eq!((story.outcomes(), story.sli()), (vec![("late", 1)], (1, 1)));
    assert!((story.end_to_end() - 0.006).abs() < 1e-9, "received in time: the measured latency");
}

#[test]
fn heartbeat_acknowledged_but_never_received_is_lost_at_the_horizon_and_not_before() {
    let story = Story::new().sent(0, 0).acked(0, 5).until(120_000);
    assert_eq!(story.outcomes(), vec![]);
    let story = story.until(120_001);
    assert_eq!((story.outcomes(), story.sli()), (vec![("lost", 1)], (1, 1)));
    let story = story.received(0, 121_000);
    assert_eq!((story.outcomes(), story.anomalies()), (vec![("lost", 1)], vec![("after_horizon", 1)]));
}

#[test]
fn heartbeat_that_failed_for_certain_is_rejected_at_once_and_judged_at_the_deadline() {
    let story = Story::new().sent(0, 0).failed(0, 7, DEFINITE);
    assert_eq!((story.outcomes(), story.sli()), (vec![("rejected", 1)], (0, 0)));
    assert_eq!(story.snapshot().totals.in_flight, 0);
    let story = story.until(10_001);
    assert_eq!((story.outcomes(), story.sli()), (vec![("rejected", 1)], (1, 1)));
    let story = story.received(0, 11_000);
    assert_eq!((story.outcomes(), story.anomalies()), (vec![("rejected", 1)], vec![("after_horizon", 1)]));
    assert_eq!(story.snapshot().produce_errors, BTreeMap::from([(Fault::Timeout, 1)]));
}

#[test]
fn heartbeat_that_failed_but_may_have_been_written_waits_for_its_record() {
    let story = Story::new().sent(0, 0).failed(0, 9_000, !DEFINITE);
    assert_eq!(story.outcomes(), vec![]);
    let seen = story.received(0, 9_500);
    assert_eq!(seen.outcomes(), vec![("unacked_received", 1)]);
    assert_eq!(seen.until(10_001).sli(), (1, 1));
    let before = Story::new().sent(0, 0).received(0, 50).failed(0, 9_000, !DEFINITE);
    assert_eq!(before.outcomes(), vec![("unacked_received", 1)]);
    let never = Story::new().sent(0, 0).failed(0, 9_000, !DEFINITE).until(120_001);
    assert_eq!((never.outcomes(), never.sli()), (vec![("unacked_missing", 1)], (1, 1)));
    let silent = Story::new().sent(0, 0).until(120_001);
    assert_eq!(silent.outcomes(), vec![("unacked_missing", 1)], "no delivery report at all");
    let half = Story::new().sent(0, 0).received(0, 5).until(120_001);
    assert_eq!(half.outcomes(), vec![("unacked_received", 1)]);
}

#[test]
fn heartbeat_refused_by_the_client_is_unsent_and_bad_at_once() {
    let refused = |story: &Story| Event::Refused { id: id(0), at: story.at(2), fault: Fault::QueueFull };
    let story = Story::new().sent(0, 0).apply(refused);
    assert_eq!((story.outcomes(), story.sli()), (vec![("unsent", 1)], (1, 1)));
    assert!((story.end_to_end() - 10.000_001).abs() < 1e-9);
    let snapshot = story.snapshot();
    assert_eq!(snapshot.partitions[&0].by_broker[&Some(BrokerId(1))].produce.count(), 0, "not handed over");
    assert_eq!(snapshot.bad[0].fault, Some(Fault::QueueFull));
    assert_eq!(snapshot.bad[0].schedule_delay, None);
}

#[test]
fn skipped_slot_is_counted_and_not_judged() {
    let skipped = |story: &Story| Event::Skipped { partition: 1, broker: Some(BrokerId(2)), at: story.at(5) };
    let story = Story::new().apply(skipped).sent(0, 10).acked(0, 20).received(0, 21);
    assert_eq!((story.outcomes(), story.sli()), (vec![("ok", 1), ("skipped", 1)], (1, 0)));
    assert!(!story.snapshot().prober_healthy);
    assert!(story.ledger.snapshot(story.at(30_006)).prober_healthy);
}

#[test]
fn stop_ends_open_heartbeats_as_skipped_and_judges_none() {
    let mut story =
        Story::new().sent(0, 0).sent(1, 1_000).acked(1, 1_005).failed(0, 1_006, DEFINITE).sent(2, 2_000);
    story.ledger.apply(Event::Stopped);
    assert_eq!((story.outcomes(), story.sli()), (vec![("rejected", 1), ("skipped", 2)], (0, 0)));
    assert_eq!(story.snapshot().totals.in_flight, 0);
    let story = story.checked().received(1, 2_001).failed(2, 2_002, DEFINITE).until(200_000);
    assert_eq!(
        (story.outcomes(), story.sli()),
        (vec![("rejected", 1), ("skipped", 2)], (0, 0)),
        "events after the stop are ignored"
    );
    assert_eq!(story.anomalies(), vec![]);
}

#[test]
fn judgement_stands_if_the_event_of_a_timely_record_comes_after_it() {
    let story = Story::new().sent(0, 0).acked(0, 5).until(10_050).received(0, 9_990);
    assert_eq!((story.outcomes(), story.sli()), (vec![("late", 1)], (1, 1)));
}

#[test]
fn lost_heartbeat_has_the_fault_of_the_consumer() {
    let read_failed = |story: &Story| Event::ReadFailed { at: story.at(500), fault: Fault::Authorization };
    let story =
        Story::new().sent(0, 0).acked(0, 5).apply(read_failed).sent(1, 1_000).acked(1, 1_005).until(130_000);
    assert_eq!(story.outcomes(), vec![("lost", 2)]);
    let faults: Vec<_> = story.snapshot().bad.iter().map(|bad| bad.fault).collect();
    assert_eq!(faults, [Some(Fault::Authorization), None], "the error came before the second was sent");
    assert_eq!(story.snapshot().fetch_errors, BTreeMap::from([(Fault::Authorization, 1)]));
}

#[test]
fn means_are_of_heartbeats_that_arrived() {
    let story =
        Story::new().sent(0, 0).acked(0, 4).received(0, 6).sent(1, 1_000).sent(2, 2_000).acked(2, 2_008);
    let snapshot = story.until(30_000).snapshot();
    let now = snapshot.at + ms(30_000);
    assert_eq!((snapshot.acked_mean.mean(now), snapshot.received_mean.mean(now)), (Some(ms(6)), Some(ms(6))));
    assert_eq!(snapshot.acked_mean.mean(now + ms(60_000)), None, "nothing in the last minute");
}

#[test]
fn second_copy_is_a_duplicate_and_the_same_record_read_again_is_not() {
    let story = Story::new().sent(0, 0).acked(0, 5).received_at(0, 8, 41).received_at(0, 9, 41);
    assert_eq!(story.anomalies(), vec![]);
    let story = story.received_at(0, 10, 42);
    assert_eq!((story.anomalies(), story.outcomes()), (vec![("duplicate", 1)], vec![("ok", 1)]));
    assert_eq!(story.snapshot().received, 1);
}

#[test]
fn record_read_after_a_later_one_of_its_partition_is_out_of_order() {
    let story = Story::new().sent(0, 0).sent(1, 1_000).sent(2, 2_000);
    let story = story.received(1, 2_010).received(0, 2_011).received(2, 2_012);
    assert_eq!(story.anomalies(), vec![("out_of_order", 1)]);
}

#[test]
fn foreign_stale_and_corrupt_records_are_counted_and_never_judged() {
    let received = |record: Result<Record, NotAHeartbeat>| {
        move |story: &Story| Event::Received { partition: 0, offset: 7, at: story.at(1), record }
    };
    let other = Record { identity: Identity { instance: 9, epoch: 2 }, ..record(0) };
    let earlier = Record { identity: Identity { instance: 1, epoch: 1 }, ..record(0) };
    let copied = Record { id: HeartbeatId { partition: 1, sequence: 0 }, ..record(0) };
    let story = Story::new().sent(0, 0);
    let story =
        story.apply(received(Err(NotAHeartbeat::Corrupt))).apply(received(Err(NotAHeartbeat::Foreign)));
    let story = story.apply(received(Ok(other))).apply(received(Ok(earlier))).apply(received(Ok(copied)));
    assert_eq!(story.anomalies(), vec![("corrupt", 1), ("foreign", 3), ("stale_epoch", 1)]);
    assert_eq!((story.outcomes(), story.snapshot().totals.in_flight), (vec![], 1));
}

#[test]
fn record_of_the_same_name_is_same_name_if_its_run_continues_beside_this_run() {
    let other = |epoch, sent: Duration| {
        let identity = Identity { instance: 1, epoch };
        Record { identity, sent: sent.as_nanos() as u64, ..record(0) }
    };
    let received = |record: Record| {
        move |story: &Story| Event::Received { partition: 0, offset: 7, at: story.at(1), record: Ok(record) }
    };
    let story = Story::new().sent(0, 0).apply(received(other(1, Duration::ZERO)));
    let story = story.apply(received(other(1, OVERLAP)));
    assert_eq!(story.ledger.same_name(), None, "an earlier run may end after this run began");
    let story = story.apply(received(other(1, OVERLAP + ms(1)))).apply(received(other(3, Duration::ZERO)));
    assert_eq!(story.ledger.same_name(), Some(story.at(1)));
    assert_eq!(story.anomalies(), vec![("stale_epoch", 2), ("same_name", 2)]);
    assert_eq!((story.outcomes(), story.snapshot().totals.in_flight), (vec![], 1), "never judged");
}

#[test]
fn partition_that_left_the_topic_stays_until_none_of_its_heartbeats_is_in_flight() {
    let story = Story::new().sent(0, 0);
    let leaders = BTreeMap::from([(1, Leader::default())]);
    let story = story.apply(|story| Event::Partitions { leaders, at: story.at(1) });
    assert!(story.snapshot().partitions.contains_key(&0));
    let story = story.until(120_001);
    let snapshot = story.snapshot();
    assert_eq!(snapshot.partitions.keys().collect::<Vec<_>>(), [&1]);
    assert_eq!(snapshot.totals.of(Outcome::UnackedMissing), 1, "the sum over all partitions keeps it");
}

#[test]
fn partition_that_left_the_topic_keeps_heartbeats_that_are_not_judged() {
    let story =
        Story::new().sent(0, 0).sent(1, 0).failed(0, 5, DEFINITE).received(1, 6).failed(1, 7, !DEFINITE);
    let leaders = BTreeMap::from([(1, Leader::default())]);
    let story = story.apply(|story| Event::Partitions { leaders, at: story.at(8) }).until(9_000);
    assert_eq!((story.snapshot().totals.in_flight, story.sli()), (0, (0, 0)));
    let story = story.until(10_001);
    assert_eq!(story.sli(), (2, 2), "both were bad");
    assert_eq!(story.snapshot().partitions.keys().collect::<Vec<_>>(), [&1], "then the partition is dropped");
}

#[test]
fn beats_are_the_last_sixty_heartbeats_with_wall_clock_times() {
    let mut story = Story::new();
    for sequence in 0..70 {
        story = story.sent(sequence, sequence * 1_000).acked(sequence, sequence * 1_000 + 4);
    }
    let story = story.until(69_500);
    let beats = &story.snapshot().partitions[&0].beats;
    assert_eq!((beats.len(), beats[0].sequence, beats[59].sequence), (60, 10, 69));
    let since = beats[59].intended.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    assert_eq!(since, Duration::from_secs(1_000_069));
    assert!(beats[0].bad && beats[49].bad && !beats[50].bad, "bad once the deadline has passed");
}
