//! What the task publishes.

use std::{collections::BTreeMap, sync::Arc, time::SystemTime};

use super::mode::Mode;
use crate::{
    closed_enum::closed_enum,
    kafka::Capability,
    rest::{Failing, Measured},
};

closed_enum! {
    /// What is measured at a node.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Operation {
        /// The list of subjects is read.
        Read = "read",
        /// The compatibility level of a subject is changed. The node answers when it has read its own record from Kafka.
        Write = "write",
        /// The changed level is read again: the duration is the time from the answer to the write until the node returned the level.
        ReadBack = "read_back",
    }
}

closed_enum! {
    /// The state of a registry as its clients see it.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum State {
        /// Every node answers, and the last write was good if one was tried.
        Ok = "ok",
        /// A node fails or differs from the others.
        Degraded = "degraded",
        /// Nodes answer reads, which they do from their memory, and writes fail: the registry does not reach its Kafka.
        WritesFail = "writes_fail",
        /// No node answers reads.
        Down = "down",
        /// Nothing is known, because this service cannot log in.
        Unknown = "unknown",
    }
}

/// What was measured since the start of the service, and the facts of the last cycle.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// The nodes by their names.
    pub nodes: BTreeMap<Arc<str>, Node>,
    /// Whether the login may write. Unknown if no write was tried.
    pub capability: Capability,
    /// The failures of the last writes, whichever node they were sent to. `None` if the last write was good, or if none was tried.
    pub writes: Option<Failing>,
    /// The begin of the last cycle.
    pub begun: SystemTime,
}

/// One node.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What was measured, in the order of [`Operation::ALL`].
    pub measured: [Measured; Operation::ALL.len()],
    /// The mode that the node reported last. `None` if the last answer held none.
    pub mode: Option<Mode>,
    /// The number of subjects. `None` if the last read failed.
    pub subjects: Option<usize>,
    /// The number of subjects that another node listed in the last two cycles, and that this node did not list.
    pub missing: usize,
}

impl Node {
    /// A node of which nothing is known yet.
    pub(super) fn new() -> Self {
        Self { measured: [(); 3].map(|()| Measured::none()), mode: None, subjects: None, missing: 0 }
    }

    /// What was measured of an operation.
    pub fn of(&self, operation: Operation) -> &Measured {
        &self.measured[operation as usize]
    }

    /// Whether the node answered the last read.
    pub fn is_up(&self) -> bool {
        self.of(Operation::Read).last.is_some()
    }

    fn is_good(&self) -> bool {
        self.missing == 0 && self.measured.iter().all(|measured| measured.failing.is_none())
    }
}

impl Snapshot {
    /// The state of the registry.
    pub fn state(&self) -> State {
        let mut nodes = self.nodes.values();
        if !nodes.any(Node::is_up) {
            let mut faults = self.nodes.values().filter_map(|node| node.of(Operation::Read).failing.as_ref());
            return if faults.all(|failing| failing.fault.is_ours()) { State::Unknown } else { State::Down };
        }
        // With several nodes, one of them may be the reason.
        let enough = Failing::LASTING.min(u32::try_from(self.nodes.len()).unwrap_or(Failing::LASTING));
        if self.writes.as_ref().is_some_and(|failing| failing.times >= enough) {
            State::WritesFail
        } else if self.nodes.values().all(Node::is_good) {
            State::Ok
        } else {
            State::Degraded
        }
    }
}
