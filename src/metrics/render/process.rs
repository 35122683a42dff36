//! The process as series.

use crate::{
    catalog::process as p,
    certificates::OwnCertificate,
    metrics::{
        Series, Value,
        values::{text, unix},
    },
    process::{ConfigFacts, Exports, Process, Published, Traces},
    task::Ending,
};

/// The runtime and the operating system, the exports and the certificates of the process.
pub(super) fn process<'a>(process: &'a Process, series: &mut Vec<Series<'a>>) {
    let build = [text(process.version), text(process.revision), text(&process.librdkafka)];
    series.push(p::BUILD_INFO.series(build, Value::Count(1)));
    series.push(p::BUSY.series([], Value::Number(process.busy.as_secs_f64())));
    series.push(p::WORKERS.series([], Value::Count(process.workers as u64)));
    let optional = [
        (&p::PROCESS_CPU, process.cpu.map(|cpu| Value::Number(cpu.as_secs_f64()))),
        (&p::PROCESS_MEMORY, process.memory.map(Value::Count)),
        (&p::PROCESS_FDS, process.fds.map(Value::Count)),
        (&p::PROCESS_MOST_FDS, process.most_fds.map(Value::Count)),
        (&p::PROCESS_START, process.started.map(unix)),
    ];
    series.extend(optional.into_iter().filter_map(|(family, value)| Some(family.series([], value?))));
    if let Some(ConfigFacts { last_was_successful, read, hash }) = process.config {
        series.push(p::CONFIG_SUCCESSFUL.series([], Value::Count(last_was_successful.into())));
        series.push(p::CONFIG_READ.series([], unix(read)));
        series.push(p::CONFIG_HASH.series([], Value::Count(hash.into())));
    }
    if let Some(counts) = &process.exports {
        exports(counts, series);
    }
    if let Some(scrapes) = &process.scrapes {
        series.push(p::SCRAPE.series([], Value::Buckets(scrapes)));
    }
    if let Some(Traces { exported, failed, dropped }) = process.traces {
        let endings = [("exported", exported), ("failed", failed), ("dropped", dropped)];
        series.extend(endings.map(|(ending, count)| p::TRACES.series([text(ending)], Value::Count(count))));
    }
    for Published { cluster, sent, failed } in &process.published {
        for (ending, count) in [("ok", sent), ("failed", failed)] {
            series.push(p::ALERTS.series([text(cluster), text(ending)], Value::Count(*count)));
        }
    }
    for OwnCertificate { cluster, purpose, expires } in &process.certificates {
        series.push(p::OWN_CERTIFICATE.series([text(cluster), text(purpose.as_str())], unix(*expires)));
    }
}

fn exports(exports: &Exports, series: &mut Vec<Series<'_>>) {
    for (ending, count) in Ending::ALL.iter().zip(exports.cycles) {
        series.push(p::EXPORTS.series([text(ending.as_str())], Value::Count(count)));
    }
    if let Some(last) = exports.duration {
        series.push(p::EXPORT_DURATION.series([], Value::Number(last.as_secs_f64())));
    }
    let counts = [
        (&p::EXPORT_REQUESTS, exports.requests),
        (&p::EXPORT_BYTES, exports.bytes),
        (&p::EXPORT_RETRIES, exports.retries),
        (&p::EXPORT_REJECTED, exports.rejected),
    ];
    series.extend(counts.map(|(family, count)| family.series([], Value::Count(count))));
}
