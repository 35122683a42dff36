//! The rule about the transactions that the service runs.

use std::collections::BTreeSet;

use super::{
    finding::{Finding, Weight},
    open::Open,
    suspect::Kind,
};

/// One transaction may fail while a coordinator or a leader moves.
const TWICE: u32 = 2;

/// Transactions that fail. If a broker that they need is to blame, they are evidence against that broker. If something else has
/// failed, that explains them. Otherwise their coordinator is suspected.
pub(super) fn transactions(open: &mut Open<'_>) {
    let Some(failing) = &open.scene.transactions else { return };
    let sentence = failing.sentence();
    for broker in &failing.brokers {
        if open.add_evidence(*broker, &sentence) {
            return;
        }
    }
    let coordinator = failing.brokers.first();
    let subject = coordinator.map_or_else(String::new, |broker| broker.to_string());
    let is_same =
        |found: &&mut Finding| found.kind == Kind::TransactionCoordinator && found.subject == subject;
    if let Some(found) = open.found.iter_mut().find(is_same) {
        return found.evidence.push(sentence);
    }
    if open.has_failure() || failing.times < TWICE {
        return;
    }
    let headline = match coordinator {
        Some(broker) => format!("Transactions that broker {broker} coordinates fail"),
        None => "Transactions fail, and no broker is named as their coordinator".to_owned(),
    };
    let finding = Finding::new(Kind::TransactionCoordinator, subject, Weight::One, headline);
    open.explain_partitions(&BTreeSet::new(), finding.because([sentence]));
}
