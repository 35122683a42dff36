//! Where heartbeats go.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::{ledger::Leader, readiness::Hold};
use crate::kafka::Fault;

/// Where heartbeats go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Targets(pub(super) BTreeMap<i32, Target>);

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) leader: Leader,
    /// Or why nothing can be sent yet.
    pub(super) ready: Result<(), Fault>,
    /// Heartbeats are not scheduled yet.
    pub(super) hold: Option<Hold>,
}

impl Targets {
    /// Before anything is known there is one partition, and its heartbeats are bad: an outage at the
    /// start is measured like any other, once the grace time is over.
    pub(super) fn unknown(begun: Instant, grace: Duration) -> Self {
        let hold = Some(Hold { since: begun, until: begun + grace });
        Self(BTreeMap::from([(0, Target { leader: Leader::default(), ready: Err(Fault::NotReady), hold })]))
    }

    /// The partitions on which heartbeats are due now, and what holds the others.
    pub(super) fn due(&self, now: Instant) -> (Vec<i32>, Vec<Hold>) {
        let (mut due, mut held) = (Vec::new(), Vec::new());
        for (partition, target) in &self.0 {
            match target.hold.filter(|hold| hold.until > now) {
                Some(hold) => held.push(hold),
                None => due.push(*partition),
            }
        }
        (due, held)
    }
}
