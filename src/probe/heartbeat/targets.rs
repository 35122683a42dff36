//! The partitions that heartbeats are sent to.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::{ledger::Leader, readiness::Hold};
use crate::kafka::Fault;

/// The partitions of the heartbeat topic, by number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Targets(pub(super) BTreeMap<i32, Target>);

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) leader: Leader,
    /// The reason why nothing can be sent yet, if there is one.
    pub(super) ready: Result<(), Fault>,
    /// The time in which no heartbeats are scheduled yet; `None` if they are scheduled.
    pub(super) hold: Option<Hold>,
}

impl Targets {
    /// The targets before the metadata are known: one partition whose heartbeats are bad. So an outage at the start is
    /// measured like any other, once the grace time is over.
    pub(super) fn unknown(begun: Instant, grace: Duration) -> Self {
        let hold = Some(Hold { since: begun, until: begun + grace });
        Self(BTreeMap::from([(0, Target { leader: Leader::default(), ready: Err(Fault::NotReady), hold })]))
    }

    /// The partitions on which heartbeats are scheduled now, and the holds of the others.
    pub(super) fn due(&self, now: Instant) -> (Vec<i32>, Vec<Hold>) {
        let mut due = Vec::new();
        let mut held = Vec::new();
        for (partition, target) in &self.0 {
            match target.hold.filter(|hold| hold.until > now) {
                Some(hold) => held.push(hold),
                None => due.push(*partition),
            }
        }
        (due, held)
    }
}
