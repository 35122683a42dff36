//! The ledger by generated orders of events: the books always balance.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Send,
    Refuse,
    Skip,
    Ack(usize),
    Fail(usize, bool),
    Receive(usize, i64),
    /// Told now of something that happened so many milliseconds ago.
    ReceiveLate(usize, i64, u64),
    AckLate(usize, u64),
    Advance(u64),
    Stall(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Send),
        1 => Just(Step::Refuse),
        1 => Just(Step::Skip),
        5 => (0usize..200).prop_map(Step::Ack),
        2 => (0usize..200, any::<bool>()).prop_map(|(n, definite)| Step::Fail(n, definite)),
        5 => (0usize..200, 0i64..300).prop_map(|(n, offset)| Step::Receive(n, offset)),
        1 => (0usize..200, 0i64..300, 0u64..20_000).prop_map(|(n, offset, ago)| Step::ReceiveLate(n, offset, ago)),
        1 => (0usize..200, 0u64..20_000).prop_map(|(n, ago)| Step::AckLate(n, ago)),
        4 => (0u64..15_000).prop_map(Step::Advance),
        1 => (1u64..20_000).prop_map(Step::Stall),
    ]
}

proptest! {
    /// Whatever happens in whatever order: the books balance after every step, counters never go down,
    /// and when the horizon has passed nothing is open.
    #[test]
    fn the_books_always_balance(steps in prop::collection::vec(step(), 1..300)) {
        let mut story = Story::new();
        let (mut now, mut next) = (0u64, 0u64);
        let mut last = story.snapshot();
        let mut reported = std::collections::BTreeSet::new();
        for step in steps {
            now += 3;
            story = match step {
                Step::Send => { next += 1; story.sent(next - 1, now) }
                Step::Refuse => {
                    next += 1;
                    let sequence = next - 1;
                    reported.insert(sequence);
                    story.sent(sequence, now).apply(|story| Event::Refused {
                        partition: 0, sequence, at: story.at(now + 1), fault: Fault::QueueFull,
                    })
                }
                Step::Skip => story.apply(|story| Event::Skipped { partition: 0, broker: None, at: story.at(now) }),
                // A delivery is reported once.
                Step::Ack(n) if (n as u64) < next && reported.insert(n as u64) => story.acked(n as u64, now),
                Step::Fail(n, definite) if (n as u64) < next && reported.insert(n as u64) => {
                    story.failed(n as u64, now, definite)
                }
                Step::Receive(n, offset) if (n as u64) < next => story.received_at(n as u64, now, offset),
                Step::ReceiveLate(n, offset, ago) if (n as u64) < next => {
                    story.received_at(n as u64, now.saturating_sub(ago), offset)
                }
                Step::AckLate(n, ago) if (n as u64) < next && reported.insert(n as u64) => {
                    story.acked(n as u64, now.saturating_sub(ago))
                }
                Step::Advance(by) => { now += by; story.until(now) }
                Step::Stall(by) => {
                    let from = now;
                    now += by;
                    story.apply(|story| Event::Stalled { from: story.at(from), to: story.at(now) })
                }
                _ => story,
            };
            let snapshot = story.snapshot();
            prop_assert!(snapshot.events >= last.events && snapshot.bad_events >= last.bad_events);
            prop_assert!(snapshot.unacknowledged_events >= last.unacknowledged_events);
            for outcome in Outcome::ALL {
                prop_assert!(snapshot.totals.of(outcome) >= last.totals.of(outcome));
            }
            last = snapshot;
        }
        let story = story.until(now + 120_001);
        let snapshot = story.snapshot();
        prop_assert_eq!(snapshot.totals.in_flight, 0);
        // Nor are those judged that ended before a deadline we slept through.
        let early = [Outcome::Skipped, Outcome::Rejected, Outcome::UnackedReceived];
        let excused = early.iter().map(|outcome| snapshot.totals.of(*outcome)).sum::<u64>();
        prop_assert!(snapshot.events + excused >= snapshot.totals.scheduled, "all others are judged");
        prop_assert_eq!(story.ledger.next_deadline(), None, "nothing is left to wait for");
    }
}
