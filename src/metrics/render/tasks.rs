//! Periodic tasks as series.

use crate::{
    board::Readings,
    catalog::tasks as c,
    ha::Role,
    kafka::Fault,
    metrics::{
        Series, Value,
        values::{flag, text, unix},
    },
    task::{Ending, Polls, Record},
};

/// The cycles of every task that runs, whether this instance collects, and the last publication of the ledger.
pub(super) fn tasks<'a>(readings: &'a Readings, series: &mut Vec<Series<'a>>) {
    let name: &'a str = &readings.name;
    for (of, record) in readings.tasks() {
        task(name, of.as_str(), record, series);
    }
    series.push(c::LEADER.series([text(name)], flag(readings.collects)));
    series.push(c::LEADERLESS.series([text(name)], flag(readings.role == Role::Leaderless)));
    series.push(c::LEDGER_TICK.series([text(name)], unix(readings.heartbeat.written)));
}

fn task<'a>(name: &'a str, task: &'static str, record: Record<'_>, series: &mut Vec<Series<'a>>) {
    for (ending, count) in Ending::ALL.iter().zip(record.cycles) {
        series.push(c::CYCLES.series([text(name), text(task), text(ending.as_str())], Value::Count(count)));
    }
    for fault in Fault::ALL {
        let count = record.faults.get(&fault).copied().unwrap_or(0);
        series.push(
            c::CYCLE_FAULTS.series([text(name), text(task), text(fault.as_str())], Value::Count(count)),
        );
    }
    let Polls { count, slow, busy } = record.polls;
    let at = || [text(name), text(task)];
    series.push(c::TASK_POLLS.series(at(), Value::Count(count)));
    series.push(c::TASK_SLOW_POLLS.series(at(), Value::Count(slow)));
    series.push(c::TASK_BUSY.series(at(), Value::Number(busy.as_secs_f64())));
    if let Some(took) = record.last_duration {
        series.push(c::CYCLE_DURATION.series(at(), Value::Number(took.as_secs_f64())));
        series.push(c::CYCLE_INTERVAL.series(at(), Value::Number(record.interval.as_secs_f64())));
    }
    if let Some(succeeded) = record.succeeded {
        series.push(c::CYCLE_SNAPSHOT.series(at(), unix(succeeded)));
    }
}
