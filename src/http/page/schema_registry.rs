//! The nodes of the Schema Registry.

use std::time::SystemTime;

use super::words::{UNKNOWN, ago, count, three_digits};
use crate::{
    board::{Readings, Task},
    probe::schema_registry::{Mode, Node, Operation, Snapshot, State},
};

/// The Schema Registry in words.
pub(super) struct Registry {
    /// The state of the registry.
    pub(super) words: String,
    pub(super) bad: bool,
    /// Whether levels are written and read again.
    pub(super) writes: bool,
    pub(super) nodes: Vec<NodeRow>,
}

/// A node in words.
pub(super) struct NodeRow {
    pub(super) name: String,
    pub(super) mode: &'static str,
    pub(super) subjects: String,
    /// How long the last operations took, in the order of [`Operation::ALL`].
    pub(super) took: [String; Operation::ALL.len()],
    /// What is wrong with the node. Empty if nothing is.
    pub(super) problem: String,
}

/// The Schema Registry; `None` if none is checked.
pub(super) fn registry(readings: &Readings, wall: SystemTime) -> Option<Registry> {
    if !Task::SchemaRegistry.runs(&readings.settings) {
        return None;
    }
    let writes = readings.settings.schema_registry.write;
    let Some(snapshot) = readings.schema_registry.fresh() else {
        return Some(Registry { words: UNKNOWN.to_owned(), bad: false, writes, nodes: Vec::new() });
    };
    let nodes = snapshot.nodes.iter().map(|(name, node)| row(name, node, wall)).collect();
    let bad = !matches!(snapshot.state(), State::Ok | State::Unknown);
    Some(Registry { words: words(snapshot, writes, wall), bad, writes, nodes })
}

/// The state of the registry as a sentence without a full stop.
fn words(snapshot: &Snapshot, writes: bool, wall: SystemTime) -> String {
    let state = match snapshot.state() {
        State::Ok if writes => "every node answers, and the last write was good or not allowed",
        State::Ok => {
            "every node answers reads; whether it reaches Kafka is not known, because [schema_registry] write is off"
        }
        State::Degraded => "a node fails or differs from the others",
        State::WritesFail => "nodes answer reads from their memory, but writes fail",
        State::Down => "no node answers reads",
        State::Unknown => "not known: this service cannot log in",
    };
    match &snapshot.writes {
        Some(failing) => {
            format!("{state}; writes have failed for {}: {}", ago(failing.since, wall), failing.message)
        }
        None => state.to_owned(),
    }
}

fn row(name: &str, node: &Node, wall: SystemTime) -> NodeRow {
    let took = |operation| match node.of(operation).last {
        Some(took) => three_digits(took),
        None => "–".to_owned(),
    };
    let failing = Operation::ALL.into_iter().find_map(|one| Some((one, node.of(one).failing.as_ref()?)));
    let problem = match failing {
        Some((operation, failing)) => {
            let operation = operation.as_str().replace('_', " ");
            format!("{operation} fails for {}: {}", ago(failing.since, wall), failing.message)
        }
        None if node.missing > 0 => {
            let missing = i128::try_from(node.missing).unwrap_or_default();
            format!("lacks {} that other nodes have", count(missing, "subject"))
        }
        None => String::new(),
    };
    NodeRow {
        name: name.to_owned(),
        mode: node.mode.map_or("–", Mode::as_str),
        subjects: node.subjects.map_or_else(|| "–".to_owned(), |subjects| subjects.to_string()),
        took: Operation::ALL.map(took),
        problem,
    }
}
