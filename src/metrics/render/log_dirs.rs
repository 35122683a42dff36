//! Log directories as series.

use crate::{
    board::Readings,
    catalog::log_dirs as c,
    metrics::{
        ClusterLabel, Series, Sink, Value,
        values::{broker, flag, text},
    },
};

/// The state and size of the log directories of each broker, and the size of each topic.
pub(super) fn log_dirs<'a>(readings: &'a Readings, label: ClusterLabel, series: &mut Vec<Series<'a>>) {
    let Some(snapshot) = readings.log_dirs.fresh() else { return };
    let name: &'a str = &readings.name;
    for (id, dirs) in &snapshot.brokers {
        for dir in dirs.iter().flatten() {
            let at = || [text(name), broker(Some(*id)), text(&dir.path)];
            series.push(c::UP.series(at(), flag(dir.fault.is_none())));
            if dir.fault.is_some() {
                continue;
            }
            series.push(c::SIZE.series(at(), Value::Count(dir.topics.values().sum())));
            series.take(dir.usable.map(|bytes| c::USABLE.series(at(), Value::Count(bytes))));
            series.take(dir.total.map(|bytes| c::TOTAL.series(at(), Value::Count(bytes))));
            series.push(c::MOVING.series(at(), Value::Count(dir.moving as u64)));
        }
    }
    let name = label.value(readings);
    for (topic, bytes) in snapshot.topics() {
        series.push(c::TOPIC.series([text(name), text(topic)], Value::Count(bytes)));
    }
}
