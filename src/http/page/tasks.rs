//! The tasks of a cluster as rows: how often each task runs, and how its cycles end.

use std::time::SystemTime;

use super::words::{UNKNOWN, ago, before, sentence, three_digits};
use crate::{
    board::{Readings, Task},
    task::{Ending, Failure, Record},
    text,
};

/// One task on the page.
pub(super) struct TaskRow {
    pub(super) name: String,
    /// The time from one cycle to the next.
    pub(super) interval: String,
    /// How long ago a cycle last succeeded.
    pub(super) succeeded: String,
    /// The duration of the last cycle.
    pub(super) took: String,
    /// The number of cycles since the start.
    pub(super) cycles: u64,
    /// The number of cycles since the start that did not succeed.
    pub(super) failed: u64,
    /// Since when cycles fail, and why; empty if the last cycle succeeded.
    pub(super) failure: String,
}

/// Every task that runs for the cluster.
pub(super) fn tasks(readings: &Readings, wall: SystemTime) -> Vec<TaskRow> {
    readings.tasks().map(|(task, record)| row(task, record, wall)).collect()
}

fn row(task: Task, record: Record<'_>, wall: SystemTime) -> TaskRow {
    let cycles = record.cycles.iter().sum();
    let unknown = || UNKNOWN.to_owned();
    TaskRow {
        name: task.as_str().replace('_', " "),
        interval: text::duration(record.interval),
        succeeded: record.succeeded.map_or_else(unknown, |succeeded| before(succeeded, wall)),
        took: record.last_duration.map_or_else(unknown, three_digits),
        cycles,
        failed: cycles - record.cycles[Ending::Ok as usize],
        failure: record.failure.map(|failure| words(failure, wall)).unwrap_or_default(),
    }
}

fn words(failure: &Failure, wall: SystemTime) -> String {
    format!("For {}: {}", ago(failure.since, wall), sentence(&failure.message))
}
