//! Rules about brokers whose metadata differ from those of the others.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    finding::{Finding, Weight},
    open::Open,
    scene::Difference,
    suspect::Kind,
};
use crate::kafka::BrokerId;

/// Another broker answers at the address of a broker.
pub(super) fn other_brokers(open: &mut Open<'_>) {
    for (broker, difference) in differing(open, true) {
        let known = open.scene.brokers.get(&broker);
        let Some(known) = known else { continue };
        let headline = format!("The address {} does not lead to broker {broker}", known.address());
        let finding = Finding::new(Kind::Listener, broker, Weight::Two, headline);
        explain(open, &BTreeSet::from([broker]), finding.because([difference.sentence.clone()]));
    }
}

/// A broker answers with old metadata, as one does that has lost the controller.
pub(super) fn old_metadata(open: &mut Open<'_>) {
    let old = differing(open, false);
    let all: BTreeSet<BrokerId> = old.keys().copied().collect();
    // Of two brokers, the one with the older epoch is known. But if most brokers differ, a single one may be wrong as well.
    if old.len() > 1 && 2 * old.len() > open.scene.compared {
        let sentences = old.values().map(|difference| difference.sentence.clone());
        let headline = "The brokers disagree in their metadata";
        let finding = Finding::new(Kind::Metadata, "", Weight::One, headline).because(sentences);
        return explain(open, &all, finding);
    }
    for (broker, difference) in old {
        let headline = format!("Broker {broker} answers with other metadata than the other brokers");
        let finding = Finding::new(Kind::Metadata, broker, Weight::Two, headline);
        explain(open, &BTreeSet::from([broker]), finding.because([difference.sentence.clone()]));
    }
}

fn differing<'a>(open: &Open<'a>, is_other: bool) -> BTreeMap<BrokerId, &'a Difference> {
    let differing = open.scene.differing.iter().filter(|(_, differs)| differs.is_other_broker == is_other);
    differing.map(|(broker, differs)| (*broker, differs)).collect()
}

/// Adds a finding that explains the trouble of the partitions that these brokers lead.
fn explain(open: &mut Open<'_>, brokers: &BTreeSet<BrokerId>, mut finding: Finding) {
    let led =
        open.partitions.iter().filter(|(_, trouble)| trouble.leader.is_some_and(|id| brokers.contains(&id)));
    let led = led.map(|(number, _)| *number).collect();
    finding.brokers.clone_from(brokers);
    open.explain_partitions(&led, finding);
}
