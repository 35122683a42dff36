//! The Kafka Connect clusters as series.

use std::sync::Arc;

use crate::{
    board::Readings,
    catalog::connect as c,
    metrics::{
        Label, Series, Value,
        values::{flag, text},
    },
    probe::connect::{Cluster, Connectors, Request, State, Status, Worker},
};

/// So many workers have a series with the number of their tasks.
const MOST_WORKERS: usize = 100;

/// The state of each Connect cluster, its workers and its connectors.
pub(super) fn connect<'a>(readings: &'a Readings, series: &mut Vec<Series<'a>>) {
    let Some(snapshot) = readings.connect.fresh() else { return };
    for (name, cluster) in &snapshot.clusters {
        let of = || [text(&readings.name), text(name)];
        let state = cluster.state();
        for known in State::ALL {
            series.push(c::STATE.series(with(of(), text(known.as_str())), flag(known == state)));
        }
        for (worker, found) in &cluster.workers {
            workers(&|| with(of(), text(worker)), found, series);
        }
        if let Some(connectors) = &cluster.connectors {
            sums(&of, connectors, series);
            each(&of, cluster, connectors, series);
        }
    }
}

/// Labels with one more.
fn with<'a>([cluster, connect]: [Label<'a>; 2], label: Label<'a>) -> [Label<'a>; 3] {
    [cluster, connect, label]
}

fn workers<'a>(of: &impl Fn() -> [Label<'a>; 3], worker: &'a Worker, series: &mut Vec<Series<'a>>) {
    series.push(c::WORKER_UP.series(of(), flag(worker.is_up())));
    if let Some(healthy) = worker.is_healthy() {
        series.push(c::WORKER_HEALTHY.series(of(), flag(healthy)));
    }
    if let Some(version) = &worker.version {
        let [cluster, connect, name] = of();
        series.push(c::WORKER_INFO.series([cluster, connect, name, text(version)], Value::Count(1)));
    }
    for request in Request::ALL {
        let measured = worker.of(request);
        let labels = || {
            let [cluster, connect, name] = of();
            [cluster, connect, name, text(request.as_str())]
        };
        series.push(c::REQUESTS.series(labels(), Value::Count(measured.ended)));
        for (fault, count) in &measured.failures {
            let [cluster, connect, name, request] = labels();
            let labels = [cluster, connect, name, request, text(fault.as_str())];
            series.push(c::REQUEST_FAILURES.series(labels, Value::Count(*count)));
        }
        series.push(c::DURATION.series(labels(), Value::Buckets(&measured.durations)));
    }
}

/// The numbers of connectors and tasks.
fn sums<'a>(of: &impl Fn() -> [Label<'a>; 2], connectors: &'a Connectors, series: &mut Vec<Series<'a>>) {
    for status in Status::ALL {
        let labels = || with(of(), text(status.as_str()));
        series.push(c::CONNECTORS.series(labels(), Value::Count(connectors.connectors[status as usize])));
        series.push(c::TASKS.series(labels(), Value::Count(connectors.tasks[status as usize])));
    }
    let named = connectors.workers.iter().filter(|(worker, _)| !worker.is_empty());
    for (worker, tasks) in named.take(MOST_WORKERS) {
        series.push(c::WORKER_TASKS.series(with(of(), text(worker)), Value::Count(*tasks)));
    }
}

/// The connectors that have series of their own.
fn each<'a>(
    of: &impl Fn() -> [Label<'a>; 2],
    cluster: &'a Cluster,
    connectors: &'a Arc<Connectors>,
    series: &mut Vec<Series<'a>>,
) {
    let most = cluster.max_connectors;
    series.push(c::WITHOUT_SERIES.series(of(), Value::Count(connectors.beyond(most) as u64)));
    for (name, connector) in connectors.worst(most) {
        let labels = || with(of(), text(name));
        let tasks = connector.by_status();
        for status in Status::ALL {
            let labels = || {
                let [cluster, connect, name] = labels();
                [cluster, connect, name, text(status.as_str())]
            };
            series.push(c::CONNECTOR_STATE.series(labels(), flag(connector.part.status == status)));
            series.push(c::CONNECTOR_TASKS.series(labels(), Value::Count(tasks[status as usize])));
        }
        series.push(c::CHANGES.series(labels(), Value::Count(connector.changes)));
        series.push(c::FAILURES.series(labels(), Value::Count(connector.failures)));
    }
}
