//! What is wrong with the Kafka Connect clusters, as facts for the diagnosis.

use std::sync::Arc;

use crate::{
    diagnosis::{self, ConnectCluster},
    probe::connect::{Cluster, Request, Snapshot, State, Worker},
    rest::Failing,
    task::Latest,
};

/// What is wrong with a Connect cluster for longer than one cycle; `None` if nothing is. What this service itself is the reason of, such
/// as a wrong login, is left out, and so are failed tasks and rebalances: Connect works.
pub(super) fn connect(latest: &Latest<Snapshot>) -> Option<diagnosis::Connect> {
    let snapshot = latest.fresh()?;
    let clusters: Vec<_> =
        snapshot.clusters.iter().filter_map(|(name, found)| cluster(name, found)).collect();
    (!clusters.is_empty()).then_some(diagnosis::Connect { clusters, asked: snapshot.begun })
}

fn cluster(name: &str, found: &Cluster) -> Option<ConnectCluster> {
    let state = found.state();
    if matches!(state, State::Ok | State::Rebalancing | State::WrongCluster | State::Unknown) {
        return None;
    }
    let down = |(name, worker): (&Arc<str>, &Worker)| {
        Some((name.to_string(), lasting(worker.of(Request::Worker).failing.as_ref())?.fault.as_str()))
    };
    let down: Vec<_> = found.workers.iter().filter_map(down).collect();
    let failing = failing(found).filter(|_| state == State::Failing);
    let is_bad = !down.is_empty() || failing.is_some();
    let (name, workers) = (name.to_owned(), found.workers.len());
    is_bad.then_some(ConnectCluster { name, workers, down, failing })
}

/// What the workers that answer fail to do.
fn failing(found: &Cluster) -> Option<String> {
    if let Some(failing) = &found.reading {
        let fault = lasting(Some(failing))?.fault;
        return Some(format!("workers answer, and the last requests for the connectors failed: {fault}"));
    }
    let up = || found.workers.values().filter(|worker| worker.is_up());
    let unhealthy = up().map(|worker| lasting(worker.of(Request::Health).failing.as_ref()));
    let faults: Option<Vec<_>> = unhealthy.map(|failing| Some(failing?.fault)).collect();
    let fault = *faults?.first()?;
    Some(format!("no worker has said several times in a row that it is healthy: {fault}"))
}

/// Failures that last, and that this service is not the reason of.
fn lasting(failing: Option<&Failing>) -> Option<&Failing> {
    failing.filter(|failing| failing.lasts())
}
