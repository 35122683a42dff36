//! The transactions that the service runs as series.

use std::collections::BTreeMap;

use crate::{
    board::Readings,
    catalog::transaction_probe as c,
    kafka::Fault,
    metrics::{
        Series, Value,
        values::{flag, text},
    },
    probe::transaction_probe::{Outcome, Step},
};

/// The failures that are common. They are exposed from the start with 0.
const COMMON_FAILURES: [(Step, Fault); 6] = [
    (Step::Init, Fault::Timeout),
    (Step::Init, Fault::NoLeader),
    (Step::Produce, Fault::Timeout),
    (Step::Commit, Fault::Timeout),
    (Step::Abort, Fault::Timeout),
    (Step::Visible, Fault::Timeout),
];

/// The outcomes of transactions, and the durations of their steps.
pub(super) fn transaction_probe<'a>(readings: &'a Readings, series: &mut Vec<Series<'a>>) {
    let Some(snapshot) = readings.transaction_probe.fresh() else { return };
    let cluster = || text(&readings.name);
    let counts = &snapshot.counts;
    series.push(c::BEGUN.series([cluster()], Value::Count(counts.begun)));
    for outcome in Outcome::ALL {
        let labels = [cluster(), text(outcome.as_str())];
        series.push(c::OUTCOMES.series(labels, Value::Count(counts.of(outcome))));
    }
    series.push(c::IN_FLIGHT.series([cluster()], Value::Count(counts.in_flight())));
    let mut failures: BTreeMap<_, _> = COMMON_FAILURES.into_iter().map(|common| (common, 0)).collect();
    failures.extend(&counts.failures);
    for ((step, fault), count) in failures {
        let labels = [cluster(), text(step.as_str()), text(fault.as_str())];
        series.push(c::FAILURES.series(labels, Value::Count(count)));
    }
    let failing = snapshot.failures_in_a_row();
    series.extend(failing.map(|times| c::FAILING.series([cluster()], Value::Count(times.into()))));
    for (step, buckets) in Step::ALL.iter().zip(&counts.durations) {
        series.push(c::DURATION.series([cluster(), text(step.as_str())], Value::Buckets(buckets)));
    }
    series.push(c::EXPOSED.series([cluster()], Value::Count(snapshot.exposed.total())));
    series.push(c::LEFT_OPEN.series([cluster()], Value::Count(snapshot.ended_open)));
    series.push(c::FENCED.series([cluster()], flag(snapshot.is_fenced)));
}
