//! The Schema Registry as series.

use crate::{
    board::Readings,
    catalog::schema_registry as c,
    metrics::{
        Series, Value,
        values::{flag, text},
    },
    probe::schema_registry::{Operation, State},
};

/// The state of the registry, and what was measured at each node.
pub(super) fn schema_registry<'a>(readings: &'a Readings, series: &mut Vec<Series<'a>>) {
    let Some(snapshot) = readings.schema_registry.fresh() else { return };
    let cluster = || text(&readings.name);
    let state = snapshot.state();
    for known in State::ALL {
        series.push(c::STATE.series([cluster(), text(known.as_str())], flag(known == state)));
    }
    for (name, node) in &snapshot.nodes {
        let labels = || [cluster(), text(name)];
        series.push(c::UP.series(labels(), flag(node.is_up())));
        if let Some(mode) = node.mode {
            series.push(c::MODE.series([cluster(), text(name), text(mode.as_str())], Value::Count(1)));
        }
        if let Some(subjects) = node.subjects {
            series.push(c::SUBJECTS.series(labels(), Value::Count(subjects as u64)));
            series.push(c::MISSING.series(labels(), Value::Count(node.missing as u64)));
        }
        let writes = readings.settings.schema_registry.write;
        for operation in Operation::ALL.into_iter().filter(|one| writes || *one == Operation::Read) {
            let measured = node.of(operation);
            let labels = || [cluster(), text(name), text(operation.as_str())];
            series.push(c::OPERATIONS.series(labels(), Value::Count(measured.ended)));
            for (fault, count) in &measured.failures {
                let [cluster, name, operation] = labels();
                let labels = [cluster, name, operation, text(fault.as_str())];
                series.push(c::FAILURES.series(labels, Value::Count(*count)));
            }
            series.push(c::DURATION.series(labels(), Value::Buckets(&measured.durations)));
        }
    }
}
