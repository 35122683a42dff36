//! The rule about the coordinators of consumer groups and of transactions.

use std::collections::BTreeSet;

use super::{
    access::others,
    finding::{Finding, Weight},
    open::Open,
    suspect::Kind,
};
use crate::kafka::admin::Coordinated;

/// The kind of the suspect for coordinators that fail.
pub(super) fn kind(of: Coordinated) -> Kind {
    match of {
        Coordinated::Groups => Kind::GroupCoordinator,
        Coordinated::Transactions => Kind::TransactionCoordinator,
    }
}

/// Coordinators that fail although nothing else explains it. If the broker itself is blamed, the failure is evidence against the
/// broker.
pub(super) fn coordinators(open: &mut Open<'_>) {
    let scene = open.scene;
    let is_hidden = |found: &Finding| {
        let hides = [Kind::Credentials, Kind::Cluster, Kind::ClientNetwork];
        hides.contains(&found.kind) && found.weight > Weight::Hint
    };
    if open.found.iter().any(is_hidden) {
        return;
    }
    for ((of, broker), failing) in &scene.coordinators {
        let sentence = failing.sentence(*of);
        if broker.is_some_and(|broker| open.add_evidence(broker, &sentence)) {
            continue;
        }
        let missing = broker.filter(|broker| !scene.brokers.contains_key(broker));
        let missing = missing.map(|broker| format!("the metadata do not list broker {broker}"));
        let kind = kind(*of);
        let (subject, headline) = match broker {
            Some(broker) => {
                (broker.to_string(), format!("Coordinators of {} on broker {broker} do not work", of.many()))
            }
            None => (String::new(), format!("Some {} have no coordinator", of.many())),
        };
        let finding = Finding::new(kind, subject, Weight::One, headline);
        let against = others(open).filter(|_| broker.is_some() && missing.is_none());
        let finding = finding.because([sentence]).because(missing).although(against);
        open.explain_partitions(&BTreeSet::new(), finding);
    }
}
