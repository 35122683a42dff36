//! The durability audit as series.

use crate::{
    board::Readings,
    catalog::durability as c,
    metrics::{Series, Value, values::text},
    probe::durability::{Loss, Unchecked},
};

/// The records that were read again, and those that were lost.
pub(super) fn durability<'a>(readings: &'a Readings, series: &mut Vec<Series<'a>>) {
    let Some(snapshot) = readings.durability.fresh() else { return };
    let cluster = || text(&readings.name);
    for (age, count) in &snapshot.checked {
        series.push(c::CHECKED.series([cluster(), text(age)], Value::Count(*count)));
    }
    for (loss, count) in Loss::ALL.iter().zip(snapshot.lost_by) {
        series.push(c::LOST.series([cluster(), text(loss.as_str())], Value::Count(count)));
    }
    for (why, count) in Unchecked::ALL.iter().zip(snapshot.unchecked) {
        series.push(c::UNCHECKED.series([cluster(), text(why.as_str())], Value::Count(count)));
    }
    series.push(c::SAMPLES.series([cluster()], Value::Count(snapshot.samples as u64)));
    series.push(c::OVERDUE.series([cluster()], Value::Count(snapshot.overdue as u64)));
}
