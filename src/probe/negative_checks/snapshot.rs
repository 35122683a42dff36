//! What the task publishes.

use std::{collections::BTreeMap, time::SystemTime};

use super::attempt::{Answer, Attempt, Check};
use crate::{kafka::BrokerId, newest::Newest};

/// How the brokers answered.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// By broker: its last answer to each attempt. A broker that left the metadata is removed.
    pub brokers: BTreeMap<BrokerId, BTreeMap<Attempt, Answer>>,
    /// The attempts that are accepted now, with the time since which they are.
    pub accepted: BTreeMap<(BrokerId, Attempt), SystemTime>,
    /// The number of answers since the start.
    pub counts: BTreeMap<(Check, Answer), u64>,
    /// The attempts that were accepted after they had not been.
    pub acceptances: Acceptances,
}

impl Snapshot {
    /// Whether this is tried.
    pub fn tries(&self, check: Check) -> bool {
        Answer::ALL.into_iter().any(|answer| self.counts.contains_key(&(check, answer)))
    }

    /// The last answer of a broker to the attempts of a check: accepted if one of them was, unknown if none was and one is not
    /// known. `None` if the broker has no answer to it.
    pub fn answer(&self, broker: BrokerId, check: Check) -> Option<Answer> {
        let answers = self.brokers.get(&broker)?.iter().filter(|(attempt, _)| attempt.check == check);
        let answers = || answers.clone().map(|(_, answer)| *answer);
        match answers().find(|answer| *answer == Answer::Accepted) {
            Some(accepted) => Some(accepted),
            None => answers().max(),
        }
    }
}

/// An attempt that a broker accepted after it had not accepted it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acceptance {
    /// The broker that accepted it.
    pub broker: BrokerId,
    /// What it accepted.
    pub attempt: Attempt,
    /// When it was accepted.
    pub at: SystemTime,
}

impl Acceptance {
    /// The incident as a sentence.
    pub fn sentence(&self) -> String {
        format!("Broker {} accepts what it should refuse: {}.", self.broker, self.attempt)
    }
}

/// The newest acceptances, and how many there were since the start.
pub type Acceptances = Newest<Acceptance, 50>;
