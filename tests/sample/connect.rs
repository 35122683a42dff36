//! The Connect cluster beside the first cluster.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use kafka_heartbeat::{
    probe::connect::{
        Cluster, Connector, Connectors, Direction, Failed, Failures, Part, Request, Snapshot, Status, Worker,
    },
    rest::{Failing, Fault},
};

use super::{HOSTILE, buckets, ms};

const MINUTE: Duration = Duration::from_secs(60);

/// Two workers, one of which is not healthy; a hostile connector with a failed task, and one that is paused.
pub(super) fn connect(wall: SystemTime) -> Snapshot {
    let mut failures = Failures::default();
    let sentence = format!("Task 1 of connector {HOSTILE} of Connect cluster payments failed.");
    failures.add(Failed { at: wall - MINUTE, subject: format!("payments {HOSTILE}"), sentence });
    let workers = BTreeMap::from([("c1:8083".into(), worker(None)), ("c2:8083".into(), worker(Some(wall)))]);
    let connectors = Some(Arc::new(connectors(wall)));
    let cluster = Cluster { workers, connectors, reading: None, max_connectors: 500 };
    Snapshot { clusters: BTreeMap::from([("payments".into(), cluster)]), failures, begun: wall }
}

/// A worker that is healthy, or that has not been for four cycles.
fn worker(unhealthy: Option<SystemTime>) -> Worker {
    let mut worker = Worker::new();
    (worker.version, worker.says_health) = (Some("4.1.0".to_owned()), true);
    for request in [Request::Worker, Request::Health] {
        let measured = &mut worker.measured[request as usize];
        measured.ended = 40;
        measured.durations = buckets(&[ms(3), ms(70)]);
        measured.last = Some(ms(3));
    }
    if let Some(wall) = unhealthy {
        let measured = &mut worker.measured[Request::Health as usize];
        measured.failures = BTreeMap::from([(Fault::Status5xx, 4)]);
        let message = format!("c2:8083: the answer is 500: {HOSTILE}");
        measured.failing = Some(Failing { fault: Fault::Status5xx, message, since: wall - MINUTE, times: 4 });
        measured.last = None;
    }
    worker
}

fn connectors(wall: SystemTime) -> Connectors {
    let part = |status: Status, trace: Option<&str>| Part {
        status,
        worker: "c1:8083".into(),
        trace: trace.map(Into::into),
        since: wall - 2 * MINUTE,
        noted: None,
    };
    let failing = Connector {
        direction: Direction::Sink,
        part: part(Status::Running, None),
        tasks: BTreeMap::from([(0, part(Status::Running, None)), (1, part(Status::Failed, Some(HOSTILE)))]),
        changes: 5,
        failures: 2,
    };
    let paused = Connector {
        direction: Direction::Source,
        part: part(Status::Paused, None),
        tasks: BTreeMap::new(),
        changes: 1,
        failures: 0,
    };
    let mut connectors = [0; Status::ALL.len()];
    (connectors[Status::Running as usize], connectors[Status::Paused as usize]) = (1, 1);
    let mut tasks = [0; Status::ALL.len()];
    (tasks[Status::Running as usize], tasks[Status::Failed as usize]) = (1, 1);
    Connectors {
        by_name: BTreeMap::from([(HOSTILE.into(), failing), ("orders".into(), paused)]),
        left_out: 3,
        connectors,
        tasks,
        workers: BTreeMap::from([("c1:8083".into(), 2)]),
    }
}
