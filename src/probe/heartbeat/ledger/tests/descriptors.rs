//! Tests of the ledger while its process has no file descriptor left, or no credential.

use super::*;
use crate::probe::heartbeat::Period;

impl Story {
    /// The process has no descriptor between two moments; the parts of the shortage come one by one.
    fn short(mut self, from: u64, to: u64) -> Self {
        for begin in (from..to).step_by(100) {
            let (from, to) = (self.at(begin), self.at(to.min(begin + 100)));
            self.ledger.apply(Event::NoDescriptors(Period { from, to }));
        }
        self.checked()
    }
}

#[test]
fn heartbeat_that_waits_for_a_descriptor_is_skipped_however_it_ends() {
    let story = Story::new().sent(0, 1_000).sent(1, 1_000).sent(2, 1_000).sent(3, 8_000).sent(4, 8_000);
    // Missing at its deadline, given up by the client, received without an acknowledgement, and late.
    let story = story.short(900, 12_000).failed(1, 11_000, DEFINITE).failed(2, 11_500, !DEFINITE);
    let story = story.received(2, 12_500).until(11_100).acked(3, 18_500).received(3, 18_600).until(130_000);
    assert_eq!((story.outcomes(), story.sli()), (vec![("skipped", 5)], (0, 0)));
    assert_eq!(story.anomalies(), vec![]);
    let counts = &story.snapshot().partitions[&0].by_broker[&Some(BrokerId(1))];
    assert_eq!([&counts.end_to_end, &counts.produce, &counts.delivery].map(Buckets::count), [0; 3]);
}

#[test]
fn heartbeat_that_needs_no_new_connection_is_judged_as_usual() {
    let story =
        Story::new().short(900, 1_000).sent(0, 1_000).short(1_000, 1_100).acked(0, 1_003).received(0, 1_004);
    let story = story.sent(1, 2_000).short(1_100, 2_300).acked(1, 2_250).received(1, 2_260);
    assert_eq!((story.outcomes(), story.sli()), (vec![("ok", 2)], (2, 0)));
    let story = story.sent(2, 3_000).short(2_300, 4_900).acked(2, 4_850).received(2, 4_940);
    assert_eq!(
        (story.outcomes(), story.sli()),
        (vec![("ok", 3)], (3, 0)),
        "slow, but not because of the missing descriptor"
    );
    // The next heartbeat waited until there was a descriptor again and the client had connected.
    let story = story.sent(3, 5_000).short(4_900, 5_100).acked(3, 6_500).received(3, 6_501);
    assert_eq!((story.outcomes(), story.sli()), (vec![("ok", 3), ("skipped", 1)], (3, 0)));
    let story = story.sent(4, 7_100).acked(4, 9_100).received(4, 9_101);
    assert_eq!(story.sli(), (4, 0), "two seconds after the shortage a slow heartbeat is Kafka's");
}

#[test]
fn heartbeat_that_is_missing_long_after_a_short_shortage_is_bad() {
    let story = Story::new().sent(0, 0).short(900, 1_000).until(10_101);
    assert_eq!(story.sli(), (1, 1), "a tenth of a second without a descriptor does not explain nine seconds");
    let story = Story::new().short(0, 5_000).sent(0, 5_100).until(15_201);
    assert_eq!(story.sli(), (1, 1), "a descriptor was there when the heartbeat was sent");
}

#[test]
fn heartbeat_refused_because_no_descriptor_is_left_is_skipped() {
    let refused = |story: &Story| Event::Refused { id: id(0), at: story.at(2), fault: Fault::Descriptors };
    let story = Story::new().sent(0, 0).apply(refused);
    assert_eq!((story.outcomes(), story.sli()), (vec![("skipped", 1)], (0, 0)));
}

#[test]
fn heartbeat_without_a_session_is_skipped_while_there_is_no_credential_and_the_prober_is_healthy() {
    let lockout = |story: &Story| Event::NoCredential(Period { from: story.at(900), to: story.at(12_000) });
    let story =
        Story::new().sent(0, 500).sent(1, 1_000).sent(2, 5_000).apply(lockout).failed(1, 6_000, DEFINITE);
    // The session of heartbeat 2 was still open.
    let story = story.acked(2, 5_003).received(2, 5_004).until(130_000);
    assert_eq!((story.outcomes(), story.sli()), (vec![("ok", 1), ("skipped", 2)], (1, 0)));
    let snapshot = story.ledger.snapshot(story.at(12_000));
    assert_eq!((snapshot.prober_healthy, snapshot.short_of_descriptors), (true, false));
}

#[test]
fn shortage_of_descriptors_makes_prober_unhealthy_until_half_a_minute_after_its_end() {
    let seen = |story: &Story, at| {
        let snapshot = story.ledger.snapshot(story.at(at));
        (snapshot.prober_healthy, snapshot.short_of_descriptors)
    };
    let story = Story::new();
    assert_eq!(seen(&story, 100), (true, false));
    let story = story.short(1_000, 2_000);
    assert_eq!((seen(&story, 2_000), seen(&story, 32_000)), ((false, true), (false, true)));
    assert_eq!(seen(&story, 32_001), (true, false));
    let story = story.apply(|story| Event::Stalled(Period { from: story.at(33_000), to: story.at(34_000) }));
    assert_eq!(seen(&story, 34_000), (false, false), "a stall is another reason");
}
