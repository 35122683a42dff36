//! Tests of the heartbeats that are logged and exported as traces, and of their details.

use super::*;
use crate::probe::heartbeat::trace::TraceIds;

/// Sequence, outcome and whether it is exported as a trace, of each heartbeat that is logged or exported.
fn ended(story: &mut Story) -> Vec<(u64, Outcome, bool)> {
    story.ledger.take_ended().map(|ended| (ended.sequence, ended.outcome, ended.trace.is_some())).collect()
}

#[test]
fn only_bad_heartbeats_are_reported_without_traces() {
    let mut story = Story::new().sent(0, 0).sent(1, 0).acked(0, 5).received(0, 9).failed(1, 7, true);
    assert_eq!(ended(&mut story), [(1, Outcome::Rejected, false)]);
    assert_eq!(ended(&mut story), [], "each heartbeat is reported once");
}

#[test]
fn bad_heartbeats_exemplars_and_a_share_of_the_good_heartbeats_are_exported() {
    for (share, expected) in [(0.0, false), (1.0, true)] {
        let mut story = Story::traced(Some(SampleShare::new(share)));
        for sequence in 0..3 {
            story = story.sent(sequence, 10 * sequence).acked(sequence, 10 * sequence + 5);
            story = story.received(sequence, 10 * sequence + 9);
        }
        let exported = ended(&mut story);
        assert_eq!(exported[0], (0, Outcome::Ok, true), "the first heartbeat of a bucket is its exemplar");
        assert_eq!(exported.len(), if expected { 3 } else { 1 });
        // An exemplar that is older than a minute is replaced.
        let mut story = story.sent(3, 60_100).acked(3, 60_105).received(3, 60_109);
        assert_eq!(ended(&mut story), [(3, Outcome::Ok, true)]);
        let exemplars = story.snapshot().partitions[&0].by_broker[&Some(BrokerId(1))]
            .end_to_end
            .exemplars()
            .map(|exemplar| exemplar.trace.expect("each exemplar leads to a trace").trace)
            .collect::<Vec<_>>();
        let identity = Identity { instance: 1, epoch: 2 };
        assert_eq!(exemplars, [TraceIds::of(identity, id(3)).trace]);
        let mut story = story.sent(4, 70_000).acked(4, 70_005).received(4, 81_000);
        assert_eq!(ended(&mut story), [(4, Outcome::Late, true)]);
    }
}

#[test]
fn heartbeat_judged_bad_is_exported_although_the_service_stopped_before_its_outcome() {
    let story = Story::traced(Some(SampleShare::new(0.0))).sent(0, 0).until(10_500).sent(1, 10_400);
    let mut story = story.apply(|_| Event::Stopped);
    let exported: Vec<_> = story.ledger.take_ended().collect();
    assert_eq!((exported.len(), exported[0].sequence, exported[0].outcome), (1, 0, Outcome::Skipped));
    assert!(exported[0].missed && exported[0].trace.is_some());
}

#[test]
fn skipped_heartbeat_whose_record_is_marked_as_sampled_is_exported() {
    for (share, expected) in [(1.0, vec![(0, Outcome::Skipped, true)]), (0.0, vec![])] {
        let story = Story::traced(Some(SampleShare::new(share))).sent(0, 0);
        let mut story = story.apply(|_| Event::Stopped);
        assert_eq!(ended(&mut story), expected, "the record is marked as sampled with a share of {share}");
    }
}

#[test]
fn ended_heartbeat_has_its_times_the_leader_changes_and_the_read_failure() {
    let lead = |broker| BTreeMap::from([(0, Leader { broker, rack: None }), (1, Leader::default())]);
    let story = Story::new().apply(|story| Event::Partitions { leaders: lead(None), at: story.at(50) });
    let story = story.sent(0, 100);
    let story =
        story.apply(|story| Event::Partitions { leaders: lead(Some(BrokerId(3))), at: story.at(400) });
    let story = story.apply(|story| Event::ReadFailed { at: story.at(450), fault: Fault::Disconnected });
    let mut story = story.failed(0, 800, true);
    let bad = story.ledger.take_ended().next().expect("the heartbeat was rejected");
    assert_eq!((bad.failed, bad.ended, bad.fault), (Some(ms(700)), ms(700), Some(Fault::Timeout)));
    let after = |at: SystemTime| at.duration_since(bad.intended).expect("later");
    let changes: Vec<_> =
        bad.leader_changes.iter().map(|change| (after(change.at), change.from, change.to)).collect();
    assert_eq!(changes, [(ms(300), None, Some(BrokerId(3)))], "the change before it was sent is not listed");
    assert_eq!(
        bad.read_failure.map(|failure| (after(failure.at), failure.fault)),
        Some((ms(350), Fault::Disconnected))
    );
    let story = story.sent(1, 1_000).acked(1, 1_005);
    let mut story = story.until(121_001);
    let lost = story.ledger.take_ended().next().expect("the heartbeat is lost");
    assert_eq!((lost.outcome, lost.ended, lost.produce), (Outcome::Lost, HORIZON, Some(ms(5))));
}
