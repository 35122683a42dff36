//! Tests of the ledger with generated orders of events: the accounts always balance.

use proptest::prelude::*;

use super::*;
use crate::probe::heartbeat::Period;

#[derive(Debug, Clone)]
enum Step {
    Send,
    Refuse,
    Skip,
    Ack(usize),
    Fail(usize, bool),
    Receive(usize, i64),
    /// An event that reaches the ledger this many milliseconds after it happened.
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

/// The times of all events, in milliseconds, and the heartbeats that may have been measured.
#[derive(Default)]
struct Model {
    intended: BTreeMap<u64, u64>,
    acked: BTreeMap<u64, u64>,
    /// The first record of each heartbeat.
    received: BTreeMap<u64, u64>,
    stalls: Vec<(u64, u64)>,
}

impl Model {
    fn stalled(&self, sequence: u64, end: u64) -> bool {
        self.stalls.iter().any(|(from, to)| *from < end && self.intended[&sequence] < *to)
    }

    /// Heartbeats that were received without a stall meanwhile, and those that were acknowledged as well.
    fn measured(&self) -> (u64, u64) {
        let measured = self.received.iter().filter(|(sequence, at)| !self.stalled(**sequence, **at));
        let acked = |(sequence, at): &(&u64, &u64)| {
            self.acked.get(sequence).is_some_and(|acked| !self.stalled(**sequence, *acked.max(at)))
        };
        (measured.clone().count() as u64, measured.filter(acked).count() as u64)
    }
}

proptest! {
    /// After every step of any order of events the accounts balance and no counter has decreased. When the horizon has
    /// passed no heartbeat is open.
    #[test]
    fn accounts_balance_after_any_order_of_events(steps in prop::collection::vec(step(), 1..300)) {
        let mut story = Story::new();
        let (mut now, mut next) = (0u64, 0u64);
        let mut last = story.snapshot();
        let mut reported = std::collections::BTreeSet::new();
        let mut model = Model::default();
        for step in steps {
            now += 3;
            match step {
                Step::Send | Step::Refuse => _ = model.intended.insert(next, now),
                Step::Ack(n) if (n as u64) < next && !reported.contains(&(n as u64)) => {
                    model.acked.insert(n as u64, now);
                }
                Step::AckLate(n, ago) if (n as u64) < next && !reported.contains(&(n as u64)) => {
                    model.acked.insert(n as u64, now.saturating_sub(ago));
                }
                Step::Receive(n, _) if (n as u64) < next => _ = model.received.entry(n as u64).or_insert(now),
                Step::ReceiveLate(n, _, ago) if (n as u64) < next => {
                    model.received.entry(n as u64).or_insert(now.saturating_sub(ago));
                }
                Step::Stall(by) => model.stalls.push((now, now + by)),
                _ => {}
            }
            story = match step {
                Step::Send => { next += 1; story.sent(next - 1, now) }
                Step::Refuse => {
                    next += 1;
                    let sequence = next - 1;
                    reported.insert(sequence);
                    story.sent(sequence, now).apply(|story| Event::Refused {
                        id: id(sequence), at: story.at(now + 1), fault: Fault::QueueFull,
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
                    story.apply(|story| Event::Stalled(Period { from: story.at(from), to: story.at(now) }))
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
        let skipped = snapshot.totals.of(Outcome::Skipped);
        prop_assert_eq!(snapshot.events + skipped, snapshot.totals.scheduled, "all other heartbeats are judged");
        let (received, complete) = model.measured();
        prop_assert!(snapshot.totals.of(Outcome::Ok) <= complete, "no good latency contains a stall");
        let delivered = snapshot.partitions[&0].by_broker.values().map(|counts| counts.delivery.count());
        prop_assert!(delivered.sum::<u64>() <= received, "no delivery contains a stall");
        prop_assert_eq!(story.ledger.oldest_waiting(), None, "no heartbeat is waited for");
        let kept = story.ledger.books.values().map(|book| book.entries.len());
        prop_assert_eq!(kept.sum::<usize>(), 0, "no heartbeat is kept beyond the horizon");
    }
}
