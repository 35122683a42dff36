//! The answer of the gate.

use std::time::Duration;

use super::condition::{Condition, Finding};
use crate::text;

/// Whether the gate of one cluster is open, and why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Why the gate is closed, in the order of [`Condition::ALL`]. The gate is open if there is no reason.
    pub reasons: Vec<Reason>,
    /// The conditions that are not looked at, with the cause. They do not close the gate.
    pub not_checked: Vec<Reason>,
    /// How long it takes until the gate opens if every condition holds from now on. `None` while a condition does not hold.
    pub left: Option<Duration>,
    /// How long the service has measured this cluster without a restart.
    pub measured: Duration,
}

/// Why a condition closes the gate, or why it is not looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// The condition.
    pub condition: Condition,
    /// Whole sentences. They may contain text that a broker sent.
    pub sentence: String,
    /// How long ago the condition was last found not to hold. `None` if it does not hold now.
    pub ended: Option<Duration>,
}

impl Answer {
    /// Whether the next broker may be stopped.
    pub fn is_open(&self) -> bool {
        self.reasons.is_empty()
    }
}

impl Reason {
    /// What is found now.
    pub(super) fn now(finding: Finding) -> Self {
        Self { condition: finding.condition, sentence: finding.sentence, ended: None }
    }

    /// What has ended less than `wanted` ago.
    pub(super) fn past(condition: Condition, sentence: &str, ended: Duration, wanted: Duration) -> Self {
        let (ago, wanted) = (ended.as_secs(), text::duration(wanted));
        let sentence =
            format!("{sentence} This was last seen {ago} s ago, and the gate waits for {wanted} without it.");
        Self { condition, sentence, ended: Some(ended) }
    }

    /// The service has not measured for as long as is wanted.
    pub(super) fn too_young(measured: Duration, wanted: Duration) -> Self {
        let (measured, wanted) = (measured.as_secs(), text::duration(wanted));
        let sentence = format!(
            "The service has measured this cluster for only {measured} s since it was started, and the gate waits for {wanted}."
        );
        Self { condition: Condition::Measuring, sentence, ended: None }
    }
}
