//! The rule about the Schema Registry beside the cluster.

use std::collections::BTreeSet;

use super::{
    finding::{Finding, Weight},
    open::Open,
    scene::Registry,
    suspect::Kind,
};
use crate::text;

/// What keeps this service from the registry as well as from Kafka.
const BETWEEN: [Kind; 3] = [Kind::ClientNetwork, Kind::Dns, Kind::Cluster];

/// A registry fails although Kafka works. If Kafka fails, writes that fail are evidence against what is blamed for it, because a registry
/// keeps its schemas in Kafka.
pub(super) fn registry(open: &mut Open<'_>) {
    let Some(registry) = &open.scene.registry else { return };
    if let Some(writes) = writes(registry) {
        let is_failing = open.has_failure();
        match open.failure_of_kafka() {
            Some(found) => found.evidence.push(writes),
            None if is_failing => {}
            None => {
                let headline = "The Schema Registry acknowledges no writes";
                let finding = Finding::new(Kind::SchemaRegistry, "", Weight::One, headline).because([writes]);
                add(open, finding);
            }
        }
    }
    if open.found.iter().any(|found| BETWEEN.contains(&found.kind) && found.weight > Weight::Hint) {
        return;
    }
    if !registry.down.is_empty() && registry.down.len() == registry.nodes {
        let headline = "The Schema Registry does not answer";
        let evidence = registry.down.iter().take(text::NAMED).map(|(node, fault)| read(node, fault));
        let finding = Finding::new(Kind::SchemaRegistry, "", Weight::One, headline).because(evidence);
        return add(open, finding);
    }
    for (node, fault) in &registry.down {
        let headline = format!("Node {node} of the Schema Registry does not answer");
        let finding = Finding::new(Kind::SchemaRegistry, node, Weight::One, headline);
        add(open, finding.because([read(node, fault)]).although(["other nodes answer".to_owned()]));
    }
    if open.has_failure() {
        return;
    }
    for node in &registry.stale {
        let headline = format!("Node {node} of the Schema Registry does not follow the others");
        let evidence =
            format!("node {node} did not return what was written a moment before, several times in a row");
        add(open, Finding::new(Kind::SchemaRegistry, node, Weight::One, headline).because([evidence]));
    }
}

/// A finding about the registry explains no symptom of Kafka.
fn add(open: &mut Open<'_>, finding: Finding) {
    open.explain_partitions(&BTreeSet::new(), finding);
}

/// That writes fail, as evidence.
fn writes(registry: &Registry) -> Option<String> {
    let fault = registry.writes?;
    Some(format!(
        "the Schema Registry answers reads, which it does from its memory, and the last writes to it failed: {fault}"
    ))
}

fn read(node: &str, fault: &str) -> String {
    format!("the last reads at node {node} failed: {fault}")
}
