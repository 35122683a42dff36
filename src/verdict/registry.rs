//! What is wrong with the Schema Registry, as facts for the diagnosis.

use std::sync::Arc;

use crate::{
    diagnosis::Registry,
    probe::schema_registry::{Node, Operation, Snapshot},
    rest::Fault,
    task::Latest,
};

/// What is wrong with the registry for longer than one cycle; `None` if nothing is. What this service itself is the reason of, such
/// as a wrong login, is left out.
pub(super) fn registry(latest: &Latest<Snapshot>) -> Option<Registry> {
    let snapshot = latest.fresh()?;
    let lasting = |node: &Node, operation| {
        let failing = node.of(operation).failing.as_ref().filter(|failing| failing.lasts());
        failing.map(|failing| failing.fault)
    };
    let nodes = || snapshot.nodes.iter();
    let down =
        |(name, node): (&Arc<str>, &Node)| Some((name.to_string(), lasting(node, Operation::Read)?.as_str()));
    let stale = |(name, node): (&Arc<str>, &Node)| {
        lasting(node, Operation::ReadBack).filter(|fault| *fault == Fault::Stale).map(|_| name.to_string())
    };
    let writes = snapshot.writes.as_ref().filter(|failing| failing.lasts());
    let found = Registry {
        nodes: snapshot.nodes.len(),
        down: nodes().filter_map(down).collect(),
        writes: writes
            .map(|failing| failing.fault.as_str())
            .filter(|_| snapshot.nodes.values().any(Node::is_up)),
        stale: nodes().filter_map(stale).collect(),
        asked: snapshot.begun,
    };
    let is_bad = !found.down.is_empty() || found.writes.is_some() || !found.stale.is_empty();
    is_bad.then_some(found)
}
