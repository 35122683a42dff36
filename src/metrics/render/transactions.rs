//! Open transactions that hold back consumers as series.

use crate::{
    board::Readings,
    catalog::{collect::COLLECT_ERRORS, transactions as c},
    collect::transactions::HeldBackBy,
    kafka::TopicPartition,
    metrics::{
        Label, Series, Sink, Value,
        values::{flag, text},
    },
};

/// The partitions whose last stable offset an open transaction holds back.
pub(super) fn transactions<'a>(readings: &'a Readings, series: &mut Vec<Series<'a>>) {
    let Some(snapshot) = readings.transactions.fresh() else { return };
    let name: &'a str = &readings.name;
    for (TopicPartition { topic, partition }, held) in &snapshot.held {
        let at = || -> [Label<'a>; 3] { [text(name), text(topic), partition.to_string().into()] };
        series.push(c::HELD.series(at(), Value::Number(held.time.as_secs_f64())));
        series.push(c::RECORDS.series(at(), Value::Number(held.records as f64)));
        let Some(HeldBackBy { producer, id, hanging }) = &held.by else { continue };
        let [name, topic, partition] = at();
        let id = text(id.as_deref().unwrap_or_default());
        let labels = [name, topic, partition, producer.to_string().into(), id];
        series.push(c::HOLDER.series(labels, Value::Count(1)));
        series.take(hanging.map(|hanging| c::HANGING.series(at(), flag(hanging))));
    }
    for ((api, fault), count) in &snapshot.faults {
        let labels = [text(name), text(api.as_str()), text(fault.as_str())];
        series.push(COLLECT_ERRORS.series(labels, Value::Count(*count)));
    }
}
