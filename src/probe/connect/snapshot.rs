//! What the task publishes.

use std::{collections::BTreeMap, sync::Arc, time::SystemTime};

use super::{connectors::Connectors, failures::Failures};
use crate::{
    closed_enum::closed_enum,
    rest::{Failing, Fault, Measured},
};

closed_enum! {
    /// What a worker is asked for.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Request {
        /// The version of the worker and the id of its Kafka cluster.
        Worker = "worker",
        /// Whether the worker is healthy.
        Health = "health",
        /// The states of all connectors and tasks.
        Connectors = "connectors",
    }
}

closed_enum! {
    /// The state of a Connect cluster, whatever its connectors do.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum State {
        /// Every worker answers and is healthy, and the connectors are known.
        Ok = "ok",
        /// A worker does not answer or is not healthy.
        Degraded = "degraded",
        /// The workers answer that they rebalance.
        Rebalancing = "rebalancing",
        /// A worker uses another Kafka cluster than the configuration says.
        WrongCluster = "wrong_cluster",
        /// Workers answer, and none is healthy or none returns the connectors.
        Failing = "failing",
        /// No worker answers.
        Down = "down",
        /// Nothing is known, because this service cannot log in.
        Unknown = "unknown",
    }
}

/// What was measured since the start of the service, and the facts of the last cycle.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The Connect clusters by their names in the configuration.
    pub clusters: BTreeMap<Arc<str>, Cluster>,
    /// The connectors and tasks that have failed.
    pub failures: Failures,
    /// The begin of the last cycle.
    pub begun: SystemTime,
}

/// One Connect cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct Cluster {
    /// The workers of the configuration by their names.
    pub workers: BTreeMap<Arc<str>, Worker>,
    /// The connectors. `None` if no worker returned them in the last cycle.
    pub connectors: Option<Arc<Connectors>>,
    /// The cycles in a row in which no worker that answers returned the connectors. `None` if one did, and if no worker was asked.
    pub reading: Option<Failing>,
    /// The largest number of connectors with series of their own.
    pub max_connectors: usize,
}

/// One worker.
#[derive(Debug, Clone, PartialEq)]
pub struct Worker {
    /// What was measured, in the order of [`Request::ALL`].
    pub measured: [Measured; Request::ALL.len()],
    /// The version that the worker reported last, made harmless. `None` before its first answer.
    pub version: Option<String>,
    /// The id of the Kafka cluster of the worker, made harmless, if it is another cluster than the configuration says.
    pub wrong_cluster: Option<String>,
    /// Whether the worker says whether it is healthy, which workers before Kafka 3.9 do not.
    pub says_health: bool,
    /// Whether this version of the worker has answered that it does not say so.
    pub(super) is_mute: bool,
}

impl Worker {
    /// A worker of which nothing is known yet.
    pub fn new() -> Self {
        Self {
            measured: [(); Request::ALL.len()].map(|()| Measured::none()),
            version: None,
            wrong_cluster: None,
            says_health: false,
            is_mute: false,
        }
    }

    /// What was measured of a request.
    pub fn of(&self, request: Request) -> &Measured {
        &self.measured[request as usize]
    }

    /// Whether the worker answered in the last cycle.
    pub fn is_up(&self) -> bool {
        self.of(Request::Worker).last.is_some()
    }

    /// Whether the worker is healthy. `None` if it does not answer, or does not say so.
    pub fn is_healthy(&self) -> Option<bool> {
        (self.is_up() && self.says_health).then(|| self.of(Request::Health).failing.is_none())
    }
}

impl Default for Worker {
    fn default() -> Self {
        Self::new()
    }
}

impl Cluster {
    /// The state of the Connect cluster.
    pub fn state(&self) -> State {
        let workers = || self.workers.values();
        let up = || workers().filter(|worker| worker.is_up());
        if up().next().is_none() {
            let mut faults = workers().filter_map(|worker| worker.of(Request::Worker).failing.as_ref());
            return if faults.all(|failing| failing.fault.is_ours()) { State::Unknown } else { State::Down };
        }
        match &self.reading {
            Some(failing) if failing.fault.is_ours() => return State::Unknown,
            Some(failing) if failing.fault == Fault::Conflict => return State::Rebalancing,
            Some(_) => return State::Failing,
            None => {}
        }
        if up().all(|worker| worker.is_healthy() == Some(false)) {
            State::Failing
        } else if workers().any(|worker| worker.wrong_cluster.is_some()) {
            State::WrongCluster
        } else if workers().all(|worker| worker.is_up() && worker.is_healthy() != Some(false)) {
            State::Ok
        } else {
            State::Degraded
        }
    }

    /// What is wrong with the Connect cluster, as a fragment that names the worker. `None` if nothing is. The text may be hostile.
    pub fn reason(&self) -> Option<&str> {
        let of_workers = self.workers.values().filter_map(|worker| {
            let health = worker.of(Request::Health).failing.as_ref().filter(|_| worker.says_health);
            worker.of(Request::Worker).failing.as_ref().or(health)
        });
        self.reading.iter().chain(of_workers).next().map(|failing| failing.message.as_str())
    }
}
