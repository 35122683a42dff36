//! What is told of heartbeats that have ended: which of them, and what is known of each.

use super::*;
use crate::probe::heartbeat::trace::TraceIds;

/// (sequence, outcome, told in a trace) of what has ended and is talked about.
fn ended(story: &mut Story) -> Vec<(u64, Outcome, bool)> {
    story.ledger.take_ended().map(|ended| (ended.sequence, ended.outcome, ended.trace.is_some())).collect()
}

#[test]
fn without_traces_only_what_is_bad_is_talked_about() {
    let mut story = Story::new().sent(0, 0).sent(1, 0).acked(0, 5).received(0, 9).failed(1, 7, true);
    assert_eq!(ended(&mut story), [(1, Outcome::Rejected, false)]);
    assert_eq!(ended(&mut story), [], "once");
}

#[test]
fn told_is_what_is_bad_what_an_exemplar_leads_to_and_a_share_of_the_rest() {
    for (share, expected) in [(0.0, false), (1.0, true)] {
        let mut story = Story::traced(Some(SampleShare::new(share)));
        for sequence in 0..3 {
            story = story.sent(sequence, 10 * sequence).acked(sequence, 10 * sequence + 5);
            story = story.received(sequence, 10 * sequence + 9);
        }
        let told = ended(&mut story);
        assert_eq!(told[0], (0, Outcome::Ok, true), "the first of its bucket");
        assert_eq!(told.len(), if expected { 3 } else { 1 });
        // A minute later another one may be shown.
        let mut story = story.sent(3, 60_100).acked(3, 60_105).received(3, 60_109);
        assert_eq!(ended(&mut story), [(3, Outcome::Ok, true)]);
        let exemplars = story.snapshot().partitions[&0].by_broker[&Some(BrokerId(1))]
            .end_to_end
            .exemplars()
            .map(|exemplar| exemplar.trace.expect("each exemplar leads to a trace").trace)
            .collect::<Vec<_>>();
        let identity = Identity { instance: 1, epoch: 2 };
        assert_eq!(exemplars, [TraceIds::of(identity, 0, 3).trace]);
        let mut story = story.sent(4, 70_000).acked(4, 70_005).received(4, 81_000);
        assert_eq!(ended(&mut story), [(4, Outcome::Late, true)]);
    }
}

#[test]
fn a_bad_verdict_is_told_although_we_stopped_before_its_outcome() {
    let story = Story::traced(Some(SampleShare::new(0.0))).sent(0, 0).until(10_500).sent(1, 10_400);
    let mut story = story.apply(|_| Event::Stopped);
    let told: Vec<_> = story.ledger.take_ended().collect();
    assert_eq!((told.len(), told[0].sequence, told[0].outcome), (1, 0, Outcome::Skipped));
    assert!(told[0].missed && told[0].trace.is_some());
}

#[test]
fn skipped_heartbeat_whose_record_is_marked_as_sampled_is_told() {
    for (share, expected) in [(1.0, vec![(0, Outcome::Skipped, true)]), (0.0, vec![])] {
        let story = Story::traced(Some(SampleShare::new(share))).sent(0, 0);
        let mut story = story.apply(|_| Event::Stopped);
        assert_eq!(
            ended(&mut story),
            expected,
            "the header of each record says that {share} of them are sampled"
        );
    }
}

#[test]
fn what_ended_knows_when_and_what_happened_meanwhile() {
    let lead = |broker| BTreeMap::from([(0, Leader { broker, rack: None }), (1, Leader::default())]);
    let story = Story::new().apply(|story| Event::Partitions { leaders: lead(None), at: story.at(50) });
    let story = story.sent(0, 100);
    let story =
        story.apply(|story| Event::Partitions { leaders: lead(Some(BrokerId(3))), at: story.at(400) });
    let story = story.apply(|story| Event::Unread { at: story.at(450), fault: Fault::Disconnected });
    let mut story = story.failed(0, 800, true);
    let bad = story.ledger.take_ended().next().expect("it was refused");
    assert_eq!((bad.failed, bad.ended, bad.fault), (Some(ms(700)), ms(700), Some(Fault::Timeout)));
    let after = |at: SystemTime| at.duration_since(bad.intended).expect("later");
    let moves: Vec<_> = bad.moves.iter().map(|moved| (after(moved.at), moved.from, moved.to)).collect();
    assert_eq!(moves, [(ms(300), None, Some(BrokerId(3)))], "not the one before it was sent");
    assert_eq!(bad.unread.map(|(at, fault)| (after(at), fault)), Some((ms(350), Fault::Disconnected)));
    let story = story.sent(1, 1_000).acked(1, 1_005);
    let mut story = story.until(121_001);
    let lost = story.ledger.take_ended().next().expect("it is lost");
    assert_eq!((lost.outcome, lost.ended, lost.produce), (Outcome::Lost, HORIZON, Some(ms(5))));
}
