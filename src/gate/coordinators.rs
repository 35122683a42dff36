//! The conditions on the coordinators of consumer groups and of transactions.

use super::{
    condition::{Condition, Finding},
    facts::Facts,
};
use crate::{
    kafka::{Capability, Request, admin::Coordinated},
    probe::coordinators::Snapshot,
    task::Latest,
    text::{list, plain},
};

/// The coordinators of consumer groups that fail.
pub(super) fn coordinators(facts: &Facts) -> Option<Finding> {
    let probe = Probe {
        condition: Condition::Coordinators,
        of: Coordinated::Groups,
        section: "coordinators",
        is_enabled: facts.settings.coordinators.enabled,
        topic: "__consumer_offsets",
        request: Request::OffsetCommit,
    };
    probe.examine(facts.settings.heartbeat.enabled, &facts.coordinators)
}

/// The coordinators of transactions that fail.
pub(super) fn transaction_coordinators(facts: &Facts) -> Option<Finding> {
    let probe = Probe {
        condition: Condition::TransactionCoordinators,
        of: Coordinated::Transactions,
        section: "transaction_coordinators",
        is_enabled: facts.settings.transaction_coordinators.enabled,
        topic: "__transaction_state",
        request: Request::InitProducerId,
    };
    probe.examine(facts.settings.heartbeat.enabled, &facts.transaction_coordinators)
}

/// The check of one kind of coordinators.
struct Probe {
    condition: Condition,
    of: Coordinated,
    /// The section of the configuration that switches the check on.
    section: &'static str,
    is_enabled: bool,
    /// The topic whose leaders are the coordinators.
    topic: &'static str,
    /// The request that needs a permission.
    request: Request,
}

impl Probe {
    fn examine(&self, has_heartbeats: bool, latest: &Latest<Snapshot>) -> Option<Finding> {
        let (condition, section, topic) = (self.condition, self.section, self.topic);
        let coordinators = format!("coordinators of {}", self.of.many());
        if !self.is_enabled || !has_heartbeats {
            let switch = if self.is_enabled { "heartbeat" } else { section };
            let sentence = format!("The {coordinators} are not checked: enabled is false in [{switch}].");
            return Some(Finding::unchecked(condition, sentence));
        }
        let Some(snapshot) = latest.fresh() else {
            let cause = latest.failure.as_ref().map(|failure| format!(": {}", plain(&failure.message)));
            let sentence = format!("The {coordinators} have not been checked{}.", cause.unwrap_or_default());
            return Some(Finding::closes(condition, sentence));
        };
        let refusal = |state| self.request.refusal(state);
        match (snapshot.capability, snapshot.failing()) {
            (Capability::Denied, _) => {
                let refusal = refusal(Capability::Denied);
                Some(Finding::closes(condition, format!("The {coordinators} are not checked: {refusal}.")))
            }
            (Capability::Unsupported, _) => {
                let sentence = format!("The {coordinators} are not checked: there is no topic {topic}.");
                Some(Finding::unchecked(condition, sentence))
            }
            (_, None) => {
                Some(Finding::closes(condition, format!("The {coordinators} have not been checked yet.")))
            }
            (_, Some(failing)) => {
                let (broker, partitions) = failing.iter().next()?;
                let partitions: Vec<i32> = partitions.keys().copied().collect();
                let on = broker.map_or_else(String::new, |broker| format!(" on broker {broker}"));
                let partitions = list("partition", &partitions)?;
                let sentence = format!("The {coordinators}{on} fail for {partitions} of {topic}.");
                Some(Finding::closes(condition, sentence))
            }
        }
    }
}
