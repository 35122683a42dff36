//! What is remembered from one cycle to the next.

use std::{collections::BTreeSet, time::SystemTime};

use super::{
    attempt::{Answer, Attempt},
    snapshot::{Acceptance, Snapshot},
};
use crate::kafka::BrokerId;

/// What a cycle has changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// What was accepted and was not before.
    pub(super) opened: Vec<Acceptance>,
    /// What is refused and was accepted before.
    pub(super) closed: Vec<(BrokerId, Attempt)>,
}

/// The answers so far.
#[derive(Debug, Default)]
pub(super) struct State {
    snapshot: Snapshot,
}

impl State {
    /// Adds the answers of a cycle. `listed` are the brokers of the metadata. An answer that is not known ends nothing.
    pub(super) fn add(
        &mut self,
        listed: &BTreeSet<BrokerId>,
        answers: Vec<(BrokerId, Attempt, Answer)>,
        at: SystemTime,
    ) -> Changes {
        let Snapshot { brokers, accepted, counts, acceptances } = &mut self.snapshot;
        let mut changes = Changes::default();
        brokers.retain(|broker, _| listed.contains(broker));
        accepted.retain(|(broker, _), _| listed.contains(broker));
        for (broker, attempt, answer) in answers {
            *counts.entry((attempt.check, answer)).or_default() += 1;
            brokers.entry(broker).or_default().insert(attempt.clone(), answer);
            let at_broker = (broker, attempt.clone());
            match answer {
                Answer::Accepted if !accepted.contains_key(&at_broker) => {
                    accepted.insert(at_broker, at);
                    let acceptance = Acceptance { broker, attempt, at };
                    acceptances.add(acceptance.clone());
                    changes.opened.push(acceptance);
                }
                Answer::Refused if accepted.remove(&at_broker).is_some() => changes.closed.push(at_broker),
                Answer::Accepted | Answer::Refused | Answer::Unknown => {}
            }
        }
        changes
    }

    /// The state as it is published.
    pub(super) fn snapshot(&self) -> Snapshot {
        self.snapshot.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::attempt::Check, *};
    use crate::kafka::Stranger;

    #[test]
    fn attempt_that_is_accepted_is_an_incident_once_until_it_is_refused() {
        let mut state = State::default();
        let listed = BTreeSet::from([BrokerId(1), BrokerId(2)]);
        let anonymous = || Attempt::session(Stranger::Anonymous);
        let mut add =
            |answer| state.add(&listed, vec![(BrokerId(1), anonymous(), answer)], SystemTime::UNIX_EPOCH);
        assert_eq!(add(Answer::Refused), Changes::default());
        assert_eq!(add(Answer::Accepted).opened.len(), 1);
        assert_eq!(add(Answer::Accepted), Changes::default());
        assert_eq!(add(Answer::Unknown), Changes::default());
        assert_eq!(add(Answer::Accepted), Changes::default(), "it was never refused in between");
        assert_eq!(add(Answer::Refused).closed, [(BrokerId(1), anonymous())]);
        let opened = add(Answer::Accepted).opened;
        let words = "Broker 1 accepts what it should refuse: a session without a login and without a client certificate.";
        assert_eq!(opened[0].sentence(), words);
        let snapshot = state.snapshot();
        assert_eq!((snapshot.acceptances.total(), snapshot.accepted.len()), (2, 1));
        assert_eq!(snapshot.counts[&(Check::Session(Stranger::Anonymous), Answer::Accepted)], 4);
        state.add(&BTreeSet::from([BrokerId(2)]), Vec::new(), SystemTime::UNIX_EPOCH);
        assert!(state.snapshot().accepted.is_empty() && state.snapshot().brokers.is_empty());
    }

    #[test]
    fn one_topic_that_is_accepted_decides_and_one_that_is_not_known_leaves_the_answer_open() {
        let mut state = State::default();
        let listed = BTreeSet::from([BrokerId(1)]);
        let mut add = |topics: [(&str, Answer); 2]| {
            let answers = topics.map(|(topic, answer)| (BrokerId(1), Attempt::topic(topic), answer));
            state.add(&listed, answers.into(), SystemTime::UNIX_EPOCH);
            state.snapshot().answer(BrokerId(1), Check::ForbiddenTopic)
        };
        assert_eq!(add([("a", Answer::Refused), ("b", Answer::Refused)]), Some(Answer::Refused));
        assert_eq!(add([("a", Answer::Refused), ("b", Answer::Unknown)]), Some(Answer::Unknown));
        assert_eq!(add([("a", Answer::Accepted), ("b", Answer::Unknown)]), Some(Answer::Accepted));
        assert_eq!(state.snapshot().answer(BrokerId(1), Check::Session(Stranger::Plaintext)), None);
    }
}
