//! What is kept from one cycle to the next.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{
    mode::Mode,
    snapshot::{Node, Operation, Snapshot},
    subjects::Subjects,
};
use crate::{
    kafka::Capability,
    rest::{Answer, Failing, Failure},
};

/// The answers of one node to the reads of a cycle.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) subjects: Result<Answer<Subjects>, Failure>,
    pub(super) mode: Option<Mode>,
}

/// What was measured, and what is remembered of the last cycle.
#[derive(Debug)]
pub(super) struct State {
    nodes: BTreeMap<Arc<str>, Node>,
    /// The subjects that each node lacked in the last cycle.
    missing: BTreeMap<Arc<str>, BTreeSet<u64>>,
    writes: Option<Failing>,
}

impl State {
    /// Nothing is known of these nodes yet.
    pub(super) fn new(names: impl IntoIterator<Item = Arc<str>>) -> Self {
        let nodes = names.into_iter().map(|name| (name, Node::new())).collect();
        Self { nodes, missing: BTreeMap::new(), writes: None }
    }

    /// Whether a node answered the last read.
    pub(super) fn is_up(&self, name: &str) -> bool {
        self.nodes.get(name).is_some_and(Node::is_up)
    }

    /// The mode that a node reported last.
    pub(super) fn mode(&self, name: &str) -> Option<Mode> {
        self.nodes.get(name).and_then(|node| node.mode)
    }

    /// Takes in the reads of a cycle, by the names of the nodes.
    pub(super) fn add_reads(&mut self, reads: &BTreeMap<Arc<str>, Read>, at: SystemTime) {
        for (name, read) in reads {
            let Some(node) = self.nodes.get_mut(name) else { continue };
            let took = read.subjects.as_ref().map(|answer| answer.took);
            node.measured[Operation::Read as usize].add(took, at);
            node.mode = read.mode;
            node.subjects = read.subjects.as_ref().ok().map(|answer| answer.content.count());
            node.missing = 0;
        }
        let good =
            reads.iter().filter_map(|(name, read)| Some((name, &read.subjects.as_ref().ok()?.content)));
        let (names, lists): (Vec<_>, Vec<_>) = good.unzip();
        let missing = Subjects::missing(lists.iter().copied());
        let before = std::mem::take(&mut self.missing);
        for (name, missing) in names.into_iter().zip(missing) {
            // A subject that was registered or deleted between two answers is missing in one cycle alone.
            let lasting = before.get(name).map_or(0, |before| before.intersection(&missing).count());
            if let Some(node) = self.nodes.get_mut(name) {
                node.missing = lasting;
            }
            self.missing.insert(name.clone(), missing);
        }
    }

    /// Takes in a write through a node.
    pub(super) fn add_write(&mut self, name: &str, written: Result<Duration, &Failure>, at: SystemTime) {
        if let Some(node) = self.nodes.get_mut(name) {
            node.measured[Operation::Write as usize].add(written, at);
        }
        let before = self.writes.take();
        self.writes = written.err().map(|failure| Failing::add(before, failure, at));
    }

    /// No write can be judged now: the registry is read-only, or the login may not write.
    pub(super) fn forget_writes(&mut self) {
        self.writes = None;
        for node in self.nodes.values_mut() {
            node.measured[Operation::Write as usize].failing = None;
            node.measured[Operation::ReadBack as usize].failing = None;
        }
    }

    /// Takes in when a node returned what was written.
    pub(super) fn add_read_back(&mut self, name: &str, read: Result<Duration, &Failure>, at: SystemTime) {
        if let Some(node) = self.nodes.get_mut(name) {
            node.measured[Operation::ReadBack as usize].add(read, at);
        }
    }

    /// What is published after a cycle that began at a moment.
    pub(super) fn snapshot(&self, capability: Capability, begun: SystemTime) -> Snapshot {
        Snapshot { nodes: self.nodes.clone(), capability, writes: self.writes.clone(), begun }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::snapshot, *};
    use crate::rest::Fault;

    const MS: Duration = Duration::from_millis(1);

    fn failure(fault: Fault) -> Failure {
        Failure { fault, code: None, message: format!("a:1: {fault}") }
    }

    fn read(json: &str) -> Read {
        let content = serde_json::from_str(json).expect("names");
        Read { subjects: Ok(Answer { content, took: MS }), mode: Some(Mode::ReadWrite) }
    }

    fn failed(fault: Fault) -> Read {
        Read { subjects: Err(failure(fault)), mode: None }
    }

    /// The states after cycles in which two nodes are read.
    fn states(cycles: impl IntoIterator<Item = [Read; 2]>) -> Vec<(snapshot::State, usize)> {
        let names = ["a", "b"].map(Arc::<str>::from);
        let mut state = State::new(names.clone());
        let cycles = cycles.into_iter().map(|reads| {
            state.add_reads(&names.clone().into_iter().zip(reads).collect(), SystemTime::now());
            let snapshot = state.snapshot(Capability::Unknown, SystemTime::now());
            (snapshot.state(), snapshot.nodes["b"].missing)
        });
        cycles.collect()
    }

    #[test]
    fn subject_is_missing_at_a_node_if_the_node_lacks_it_in_two_cycles() {
        use snapshot::State::{Degraded, Ok};
        let cycles = [
            ([r#"["x","y"]"#, r#"["x"]"#], (Ok, 0)),
            ([r#"["x","y"]"#, r#"["x","y"]"#], (Ok, 0)),
            ([r#"["x","y"]"#, r#"["x"]"#], (Ok, 0)),
            ([r#"["x","y","z"]"#, r#"["x"]"#], (Degraded, 1)),
        ];
        let expected: Vec<_> = cycles.iter().map(|(_, expected)| *expected).collect();
        assert_eq!(states(cycles.map(|(lists, _)| lists.map(read))), expected);
    }

    #[test]
    fn state_says_how_many_nodes_answer_reads() {
        use snapshot::State::{Degraded, Down, Ok, Unknown};
        let cycles = [
            [read("[]"), read("[]")],
            [read("[]"), failed(Fault::Timeout)],
            [failed(Fault::Refused), failed(Fault::Unauthorized)],
            [failed(Fault::Token), failed(Fault::Unauthorized)],
        ];
        let states = states(cycles).into_iter().map(|(state, _)| state);
        assert_eq!(states.collect::<Vec<_>>(), [Ok, Degraded, Down, Unknown]);
    }

    #[test]
    fn writes_fail_if_two_in_a_row_failed_although_reads_are_answered() {
        let names = ["a", "b"].map(Arc::<str>::from);
        let mut state = State::new(names.clone());
        let reads = names.into_iter().map(|name| (name, read("[]"))).collect();
        state.add_reads(&reads, SystemTime::now());
        let now = |state: &State| state.snapshot(Capability::Ok, SystemTime::now()).state();
        let timeout = failure(Fault::Timeout);
        state.add_write("a", Err(&timeout), SystemTime::now());
        assert_eq!(now(&state), snapshot::State::Degraded, "the node may be the reason");
        state.add_write("b", Err(&timeout), SystemTime::now());
        assert_eq!(now(&state), snapshot::State::WritesFail);
        state.forget_writes();
        assert_eq!(now(&state), snapshot::State::Ok);
        state.add_write("a", Ok(MS), SystemTime::now());
        state.add_read_back("b", Err(&failure(Fault::Stale)), SystemTime::now());
        assert_eq!(now(&state), snapshot::State::Degraded);
        let snapshot = state.snapshot(Capability::Ok, SystemTime::now());
        assert!(!snapshot.nodes["b"].of(Operation::ReadBack).failing.as_ref().expect("a failure").lasts());
        assert_eq!(snapshot.nodes["a"].of(Operation::Write).ended, 2);
    }

    #[test]
    fn one_node_whose_write_fails_is_enough_if_there_is_one_node() {
        let mut state = State::new(["a".into()]);
        state.add_reads(&BTreeMap::from([("a".into(), read("[]"))]), SystemTime::now());
        state.add_write("a", Err(&failure(Fault::Status5xx)), SystemTime::now());
        let snapshot = state.snapshot(Capability::Ok, SystemTime::now());
        assert_eq!(snapshot.state(), snapshot::State::WritesFail);
        assert!(!snapshot.writes.expect("a failure").lasts(), "a suspect needs one more");
    }
}
