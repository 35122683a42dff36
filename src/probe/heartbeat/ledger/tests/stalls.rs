//! Tests of the ledger and the stalls of its process.

use super::*;
use crate::probe::heartbeat::Period;

impl Story {
    fn stalled(self, from: u64, to: u64) -> Self {
        self.apply(|story| Event::Stalled(Period { from: story.at(from), to: story.at(to) }))
    }

    /// How many values the latency histograms hold: end to end, produce, delivery.
    fn latencies(&self) -> [u64; 3] {
        let snapshot = self.snapshot();
        let counts = &snapshot.partitions[&0].by_broker[&Some(BrokerId(1))];
        [&counts.end_to_end, &counts.produce, &counts.delivery].map(Buckets::count)
    }
}

#[test]
fn heartbeat_in_flight_during_stall_is_skipped_and_in_no_histogram() {
    for (from, to) in [(2, 3_002), (2, 202)] {
        // Acknowledged before, in flight, due while the process did not run, and sent after the stall.
        let story = Story::new().sent(0, 0).acked(0, 1).sent(1, 1).sent(2, to - 100).stalled(from, to);
        let story = story.sent(3, to + 10).received(0, to + 1).acked(1, to + 2).received(1, to + 3);
        let story = story.acked(2, to + 3).received(2, to + 3).received(3, to + 14).acked(3, to + 15);
        let story = story.until(130_000);
        assert_eq!((story.outcomes(), story.sli()), (vec![("ok", 1), ("skipped", 3)], (1, 0)), "{from} {to}");
        assert_eq!((story.latencies(), story.anomalies()), ([1; 3], vec![]), "{from} {to}");
        let snapshot = story.snapshot();
        let now = snapshot.at + ms(to);
        assert_eq!(
            (snapshot.acked_mean.mean(now), snapshot.received_mean.mean(now)),
            (Some(ms(3)), Some(ms(4)))
        );
    }
}

#[test]
fn heartbeat_complete_before_stall_is_judged_whatever_the_order_of_the_events() {
    let story = Story::new().sent(0, 0).sent(1, 5).stalled(10, 3_010);
    let story = story.received(0, 8).acked(0, 7).received(1, 3_020).acked(1, 9);
    assert_eq!((story.outcomes(), story.sli()), (vec![("ok", 1), ("skipped", 1)], (1, 0)));
    assert_eq!(story.end_to_end(), 0.008);
}

#[test]
fn heartbeat_judged_bad_before_stall_stays_bad_and_its_record_is_in_no_histogram() {
    let story = Story::new().sent(0, 0).acked(0, 5).until(10_500).stalled(10_600, 13_600).received(0, 13_601);
    assert_eq!((story.outcomes(), story.sli()), (vec![("late", 1)], (1, 1)));
    assert_eq!(story.latencies(), [1, 1, 0], "the judgement came first");
}

#[test]
fn heartbeat_missing_at_deadline_is_excused_by_long_stall_only_while_in_flight() {
    let story = Story::new().sent(0, 0).sent(1, 5_000).stalled(4_000, 14_000).sent(2, 14_000).until(25_000);
    assert_eq!(
        (story.outcomes(), story.sli()),
        (vec![("skipped", 2)], (1, 1)),
        "the last heartbeat was sent after the stall"
    );
}

#[test]
fn heartbeat_missing_long_after_short_stall_is_bad() {
    let story = Story::new().sent(0, 0).stalled(1_000, 1_200).until(10_101);
    assert_eq!(story.sli(), (1, 1), "a stall of 0.2 s does not explain nine seconds");
    assert!(story.snapshot().prober_healthy);
    let story = Story::new().sent(0, 0).stalled(9_700, 9_900).until(10_101);
    assert_eq!((story.outcomes(), story.sli()), (vec![("skipped", 1)], (0, 0)), "just before the deadline");
    let story = story.received(0, 10_200).acked(0, 10_201);
    assert_eq!(story.anomalies(), vec![], "an event after the process's own stall is no anomaly");
}

#[test]
fn failure_reported_after_stall_is_skipped_and_failure_before_stall_is_judged() {
    let story = Story::new().sent(0, 0).sent(1, 0).received(0, 5).failed(0, 10, !DEFINITE);
    let story = story.stalled(1_000, 12_000).failed(1, 12_001, DEFINITE).until(12_200);
    let outcomes = vec![("unacked_received", 1), ("skipped", 1)];
    assert_eq!((story.outcomes(), story.sli()), (outcomes, (1, 1)));
}

#[test]
fn failure_reported_long_after_short_stall_is_judged() {
    let story = Story::new().sent(0, 0).stalled(1_000, 1_110).failed(0, 5_000, DEFINITE).until(12_000);
    assert_eq!(
        (story.outcomes(), story.sli()),
        (vec![("rejected", 1)], (1, 1)),
        "a stall of 0.1 s is not the reason"
    );
    let story = Story::new().sent(0, 0).stalled(1_000, 1_110).failed(0, 1_200, DEFINITE).until(12_000);
    assert_eq!(
        (story.outcomes(), story.sli()),
        (vec![("skipped", 1)], (0, 0)),
        "the stall may have been the reason"
    );
}

#[test]
fn long_stall_makes_prober_unhealthy_for_half_a_minute_and_short_stall_does_not() {
    let healthy = |story: &Story, at| story.ledger.snapshot(story.at(at)).prober_healthy;
    let story = Story::new().stalled(100, 500);
    assert!(healthy(&story, 501));
    let story = story.stalled(1_000, 1_600);
    assert!(!healthy(&story, 1_700) && healthy(&story, 31_601));
}
