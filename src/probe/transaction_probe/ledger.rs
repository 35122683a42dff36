//! The accounting of transactions: each one that was begun has exactly one outcome.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime},
};

use super::{
    outcome::{Outcome, Purpose, Step},
    snapshot::{Counts, Failing, Last},
};
use crate::{
    kafka::{BrokerId, Fault},
    latency::{Bounds, Buckets},
};

/// The transaction that is in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Open {
    /// The number of the transaction, from 1.
    pub(super) number: u64,
    /// The end that it is meant to have.
    pub(super) purpose: Purpose,
    /// The step that runs.
    pub(super) step: Step,
    /// When it was begun.
    pub(super) begun: Instant,
}

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ending {
    pub(super) outcome: Outcome,
    /// The step that failed with its fault. `None` if none failed.
    pub(super) failure: Option<(Step, Fault)>,
}

impl Ending {
    /// An ending without a failure of a step.
    pub(super) fn of(outcome: Outcome) -> Self {
        Self { outcome, failure: None }
    }

    /// The ending of a transaction whose step failed with a fault.
    pub(super) fn failed(step: Step, fault: Fault) -> Self {
        let outcome = match fault {
            Fault::Timeout => Outcome::TimedOut,
            // The credentials of this process, and what it may do, are no fault of the cluster.
            Fault::Authentication | Fault::Authorization | Fault::Unsupported => Outcome::Skipped,
            fault if fault.is_ours() => Outcome::Skipped,
            _ => Outcome::Failed,
        };
        Self { outcome, failure: Some((step, fault)) }
    }

    /// The same ending if this process may be the reason for it. A record that was visible was visible for another reason.
    pub(super) fn excused(self) -> Self {
        let is_kept = !self.outcome.is_bad() || self.outcome == Outcome::AbortedVisible;
        if is_kept { self } else { Self::of(Outcome::Skipped) }
    }
}

/// The brokers that a transaction used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Used {
    /// The coordinator of the transactional id. `None` if it is not known.
    pub(super) coordinator: Option<BrokerId>,
    /// The partition of the record. `None` if it was not chosen.
    pub(super) partition: Option<i32>,
    /// The leader of the partition. `None` if it is not known.
    pub(super) leader: Option<BrokerId>,
}

/// The counts since the start, and the transaction in flight.
#[derive(Debug, Clone)]
pub(super) struct Ledger {
    counts: Counts,
    open: Option<Open>,
    last: Option<Last>,
    failing: Option<Failing>,
}

impl Ledger {
    pub(super) fn new() -> Self {
        let durations = Step::ALL.map(|_| Buckets::new(&Bounds::default()));
        let counts =
            Counts { begun: 0, outcomes: [0; Outcome::ALL.len()], failures: BTreeMap::new(), durations };
        Self { counts, open: None, last: None, failing: None }
    }

    /// Begins a transaction. If a cycle was dropped with a transaction in flight, that one has timed out in its step.
    pub(super) fn begin(&mut self, abort_every: u64, now: Instant, wall: SystemTime) -> Open {
        if let Some(open) = self.open {
            self.end(Ending::failed(open.step, Fault::Timeout), Used::default(), wall);
        }
        self.counts.begun += 1;
        let number = self.counts.begun;
        let purpose = Purpose::of(number, abort_every);
        *self.open.insert(Open { number, purpose, step: Step::Init, begun: now })
    }

    /// The transaction in flight. `None` if there is none.
    pub(super) fn open(&self) -> Option<&Open> {
        self.open.as_ref()
    }

    /// The transaction in flight has come to a step.
    pub(super) fn enter(&mut self, step: Step) {
        if let Some(open) = &mut self.open {
            open.step = step;
        }
    }

    /// A step of the transaction in flight has ended well.
    pub(super) fn done(&mut self, step: Step, took: Duration) {
        if self.open.is_some() {
            self.counts.durations[step as usize].record(took);
        }
    }

    /// The transaction in flight has ended. Without one, nothing is counted.
    pub(super) fn end(&mut self, ending: Ending, used: Used, wall: SystemTime) {
        let Some(open) = self.open.take() else { return };
        let Ending { outcome, failure } = ending;
        self.counts.outcomes[outcome as usize] += 1;
        if let Some(failure) = failure {
            *self.counts.failures.entry(failure).or_default() += 1;
        }
        let last = Last {
            number: open.number,
            outcome,
            failure,
            coordinator: used.coordinator,
            partition: used.partition,
            leader: used.leader,
            at: wall,
        };
        self.learn(&last);
        self.last = Some(last);
    }

    /// Whether transactions fail now. One that was not judged changes nothing.
    fn learn(&mut self, last: &Last) {
        if last.outcome.is_bad() {
            let before = self.failing.take();
            let since = before.as_ref().map_or(last.at, |failing| failing.since);
            let times = before.map_or(0, |failing| failing.times) + 1;
            self.failing = Some(Failing { last: last.clone(), times, since });
        } else if last.outcome.is_good() {
            self.failing = None;
        }
    }

    /// Forgets that transactions failed: none is begun any more.
    pub(super) fn forget_failures(&mut self) {
        self.failing = None;
    }

    pub(super) fn counts(&self) -> &Counts {
        &self.counts
    }

    pub(super) fn last(&self) -> Option<&Last> {
        self.last.as_ref()
    }

    pub(super) fn failing(&self) -> Option<&Failing> {
        self.failing.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WALL: SystemTime = SystemTime::UNIX_EPOCH;

    /// Something that happens to the ledger, in any order.
    #[derive(Debug, Clone, Copy)]
    enum Event {
        Begin,
        Enter(Step),
        Done(Step),
        End(Ending),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop::sample::select(Step::ALL.to_vec())
    }

    fn event() -> impl Strategy<Value = Event> {
        let outcome = prop::sample::select(Outcome::ALL.to_vec()).prop_map(Ending::of);
        let failed = (step(), prop::sample::select(Fault::ALL.to_vec()))
            .prop_map(|(step, fault)| Ending::failed(step, fault));
        prop_oneof![
            Just(Event::Begin),
            step().prop_map(Event::Enter),
            step().prop_map(Event::Done),
            prop_oneof![outcome, failed].prop_map(Event::End),
        ]
    }

    fn outcomes(ledger: &Ledger) -> u64 {
        ledger.counts().outcomes.iter().sum()
    }

    proptest! {
        #[test]
        fn ledger_counts_each_transaction_once_in_any_order_of_events(
            events in prop::collection::vec(event(), 0..200),
            abort_every in 0_u64..4,
        ) {
            let mut ledger = Ledger::new();
            for event in events {
                let (before, was_open) = (ledger.counts().clone(), ledger.open().is_some());
                match event {
                    Event::Begin => {
                        let open = ledger.begin(abort_every, Instant::now(), WALL);
                        prop_assert_eq!(open.purpose, Purpose::of(open.number, abort_every));
                    }
                    Event::Enter(step) => ledger.enter(step),
                    Event::Done(step) => ledger.done(step, Duration::from_millis(1)),
                    Event::End(ending) => ledger.end(ending, Used::default(), WALL),
                }
                let now = ledger.counts();
                let in_flight = u64::from(ledger.open().is_some());
                prop_assert_eq!(now.begun, outcomes(&ledger) + in_flight);
                prop_assert_eq!(now.in_flight(), in_flight);
                let shrunk = now.outcomes.iter().zip(before.outcomes).any(|(now, before)| *now < before);
                prop_assert!(!shrunk, "an outcome is final");
                let ended = outcomes(&ledger) - before.outcomes.iter().sum::<u64>();
                let expected = match event {
                    Event::Begin | Event::End(_) => u64::from(was_open),
                    Event::Enter(_) | Event::Done(_) => 0,
                };
                prop_assert_eq!(ended, expected);
                let failed: u64 = now.failures.values().sum();
                prop_assert!(failed <= outcomes(&ledger));
            }
        }
    }

    #[test]
    fn failure_is_excused_and_a_visible_aborted_record_is_not() {
        let excused = |outcome| Ending::of(outcome).excused().outcome;
        assert_eq!(excused(Outcome::NotVisible), Outcome::Skipped);
        assert_eq!(Ending::failed(Step::Commit, Fault::Timeout).excused(), Ending::of(Outcome::Skipped));
        for kept in [Outcome::AbortedVisible, Outcome::Committed, Outcome::Fenced, Outcome::Unchecked] {
            assert_eq!(excused(kept), kept);
        }
    }

    #[test]
    fn transaction_of_a_dropped_cycle_has_timed_out_in_its_step() {
        let mut ledger = Ledger::new();
        ledger.begin(0, Instant::now(), WALL);
        ledger.enter(Step::Commit);
        assert_eq!(ledger.begin(0, Instant::now(), WALL).number, 2);
        assert_eq!(ledger.counts().outcomes[Outcome::TimedOut as usize], 1);
        assert_eq!(ledger.counts().failures, BTreeMap::from([((Step::Commit, Fault::Timeout), 1)]));
    }

    #[test]
    fn transactions_fail_since_the_first_bad_one_until_the_next_good_one() {
        let mut ledger = Ledger::new();
        let used = Used { coordinator: Some(BrokerId(2)), ..Used::default() };
        let mut run = |ending, seconds| {
            ledger.begin(0, Instant::now(), WALL);
            ledger.end(ending, used, WALL + Duration::from_secs(seconds));
            ledger.failing().map(|failing| (failing.times, failing.since))
        };
        let since = |seconds| WALL + Duration::from_secs(seconds);
        let failed = Ending::failed(Step::Commit, Fault::Timeout);
        assert_eq!(run(Ending::of(Outcome::Committed), 1), None);
        assert_eq!(run(failed, 2), Some((1, since(2))));
        assert_eq!(run(Ending::failed(Step::Init, Fault::Clock), 3), Some((1, since(2))), "our own fault");
        assert_eq!(run(failed, 4), Some((2, since(2))));
        assert_eq!(run(Ending::of(Outcome::Aborted), 5), None);
        assert_eq!(run(failed, 6), Some((1, since(6))));
        assert_eq!(run(Ending::of(Outcome::Fenced), 7), Some((1, since(6))), "no transaction was good since");
    }
}
