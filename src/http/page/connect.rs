//! The Kafka Connect clusters.

use std::{fmt::Write, sync::Arc, time::SystemTime};

use super::{
    rows::WORST,
    words::{UNKNOWN, ago, count, three_digits},
};
use crate::{
    board::{Readings, Task},
    probe::connect::{Cluster, Connector, Connectors, Part, Request, State, Status, Worker},
};

/// A Connect cluster in words.
pub(super) struct ConnectCluster {
    pub(super) name: String,
    /// The state of the Connect cluster.
    pub(super) words: String,
    pub(super) bad: bool,
    pub(super) workers: Vec<WorkerRow>,
    /// The connectors with a failure.
    pub(super) failed: Vec<FailedRow>,
}

/// A worker in words.
pub(super) struct WorkerRow {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) health: &'static str,
    /// How long its last answer about itself took.
    pub(super) took: String,
    /// What is wrong with the worker. Empty if nothing is.
    pub(super) problem: String,
}

/// A connector or a task that has failed, in words.
pub(super) struct FailedRow {
    pub(super) connector: String,
    pub(super) direction: &'static str,
    /// The number of the task; a dash for the connector itself.
    pub(super) task: String,
    pub(super) worker: String,
    pub(super) since: String,
    pub(super) failures: u64,
    pub(super) trace: String,
}

/// The Connect clusters; none if none is asked.
pub(super) fn connect(readings: &Readings, wall: SystemTime) -> Vec<ConnectCluster> {
    if !Task::Connect.runs(&readings.settings) {
        return Vec::new();
    }
    let Some(snapshot) = readings.connect.fresh() else {
        let unknown = |name: &String| ConnectCluster {
            name: name.clone(),
            words: UNKNOWN.to_owned(),
            bad: false,
            workers: Vec::new(),
            failed: Vec::new(),
        };
        return readings.settings.connect.clusters.iter().map(|one| unknown(&one.name)).collect();
    };
    snapshot.clusters.iter().map(|(name, found)| cluster(name, found, wall)).collect()
}

fn cluster(name: &str, found: &Cluster, wall: SystemTime) -> ConnectCluster {
    let state = found.state();
    let connectors = found.connectors.as_deref();
    let has_failed =
        connectors.is_some_and(|connectors| connectors.worst(1).any(|(_, one)| one.has_failed()));
    ConnectCluster {
        name: name.to_owned(),
        words: words(found, state, wall),
        bad: !matches!(state, State::Ok | State::Unknown) || has_failed,
        workers: found.workers.iter().map(|(name, worker)| worker_row(name, worker, wall)).collect(),
        failed: connectors.map(|connectors| failed_rows(connectors, wall)).unwrap_or_default(),
    }
}

/// The state of the Connect cluster as a sentence without a full stop.
fn words(found: &Cluster, state: State, wall: SystemTime) -> String {
    let mut words = match state {
        State::Ok => "every worker answers",
        State::Degraded => "a worker does not answer or is not healthy",
        State::Rebalancing => "the workers rebalance",
        State::WrongCluster => "a worker uses another Kafka cluster",
        State::Failing => "workers answer, and none is healthy or none returns the connectors",
        State::Down => "no worker answers",
        State::Unknown => "not known: this service cannot log in",
    }
    .to_owned();
    if let Some(failing) = &found.reading {
        _ = write!(
            words,
            "; the connectors have not been known for {}: {}",
            ago(failing.since, wall),
            failing.message
        );
    }
    if let Some(connectors) = &found.connectors {
        let sums = [(&connectors.connectors, "connector"), (&connectors.tasks, "task")];
        for (by_status, thing) in sums {
            let all: u64 = by_status.iter().sum();
            _ = write!(words, "; {}", count(all, thing));
            let other = Status::ALL.into_iter().filter(|status| *status != Status::Running);
            for status in other.filter(|status| by_status[*status as usize] > 0) {
                _ = write!(words, ", {} {}", by_status[status as usize], status.as_str());
            }
        }
    }
    words
}

fn worker_row(name: &str, worker: &Worker, wall: SystemTime) -> WorkerRow {
    let asked = worker.of(Request::Worker);
    let health = worker.of(Request::Health).failing.as_ref().filter(|_| worker.is_healthy() == Some(false));
    let problem = match (asked.failing.as_ref().or(health), &worker.wrong_cluster) {
        (Some(failing), _) => format!("fails for {}: {}", ago(failing.since, wall), failing.message),
        (None, Some(found)) => {
            format!("uses the Kafka cluster with the id {found}: correct the configuration")
        }
        (None, None) => String::new(),
    };
    WorkerRow {
        name: name.to_owned(),
        version: worker.version.clone().unwrap_or_else(|| "–".to_owned()),
        health: match worker.is_healthy() {
            Some(true) => "healthy",
            Some(false) => "not healthy",
            None => "–",
        },
        took: asked.last.map_or_else(|| "–".to_owned(), three_digits),
        problem,
    }
}

/// The first connectors and tasks that have failed.
fn failed_rows(connectors: &Connectors, wall: SystemTime) -> Vec<FailedRow> {
    let failed = connectors.worst(WORST).filter(|(_, connector)| connector.has_failed());
    let rows = failed.flat_map(|(name, connector)| {
        let tasks = connector.tasks.iter().map(|(number, task)| (Some(*number), task));
        let parts = std::iter::once((None, &connector.part)).chain(tasks);
        let parts = parts.filter(|(_, part)| part.status == Status::Failed);
        parts.map(move |(task, part)| failed_row((name, connector), task, part, wall))
    });
    rows.take(WORST).collect()
}

fn failed_row(
    (name, connector): (&Arc<str>, &Connector),
    task: Option<u32>,
    part: &Part,
    wall: SystemTime,
) -> FailedRow {
    FailedRow {
        connector: name.to_string(),
        direction: connector.direction.as_str(),
        task: task.map_or_else(|| "–".to_owned(), |task| task.to_string()),
        worker: part.worker.to_string(),
        since: ago(part.since, wall),
        failures: connector.failures,
        trace: part.trace.as_deref().unwrap_or_default().to_owned(),
    }
}
