//! Snapshots to series: one pure function for each kind of snapshot.
//!
//! What is not known is not there. A set of labels with known values (outcomes, anomalies, faults) is there
//! from the start with 0, so that the first event is an increase; topics, partitions and brokers are there
//! only while the cluster has them. A snapshot older than three intervals is not rendered.

mod certificates;
mod collect;
mod judge;
mod log_dirs;
mod transactions;

use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

pub use certificates::OwnCertificate;
pub use collect::collected;

use super::{
    Label, Series, Value,
    catalog::{self as c, process as p},
};
use crate::{
    board::Readings,
    clock::unix_seconds,
    kafka::{BrokerId, Fault, Stage},
    latency::Buckets,
    probe::{
        connectivity,
        heartbeat::{self, Anomaly, Outcome, Renewal},
        metadata::{self, Capability},
        topic::{self, Action, Blocked},
    },
    task::{Ending, Polls, Record},
};

/// Faults to expect in each stage: there from the start with 0.
const USUAL_FAILURES: [(Stage, &[Fault]); 5] = [
    (Stage::Dns, &[Fault::Dns, Fault::Timeout]),
    (Stage::Tcp, &[Fault::Refused, Fault::Unreachable, Fault::Timeout]),
    (
        Stage::Tls,
        &[
            Fault::Tls,
            Fault::CertificateExpired,
            Fault::CertificateUnknownCa,
            Fault::CertificateWrongHost,
            Fault::CertificateRefused,
            Fault::Timeout,
        ],
    ),
    (Stage::ApiVersions, &[Fault::Timeout, Fault::Disconnected, Fault::Protocol]),
    (Stage::Sasl, &[Fault::Authentication, Fault::Timeout, Fault::Disconnected]),
];

/// What is known of one cluster, but for its topics and groups. Of the only cluster there is, what older dashboards know
/// carries no `kafka_cluster`.
pub fn cluster<'a>(readings: &'a Readings, alone: bool, series: &mut Vec<Series<'a>>) {
    let name: &'a str = &readings.name;
    if readings.settings.heartbeat.enabled {
        heartbeats(name, &readings.heartbeat, series);
    }
    if readings.metadata.fresh().is_some() {
        leaders(name, &readings.heartbeat, series);
    }
    if let Some(snapshot) = readings.connectivity.fresh() {
        connectivity(name, snapshot, series);
    }
    if let Some(snapshot) = readings.metadata.fresh() {
        metadata(name, snapshot, series);
    }
    collect::liveness(readings, series);
    if let Some(snapshot) = readings.topic.fresh() {
        topic(name, snapshot, series);
    }
    for (request, now) in readings.capabilities() {
        capability(name, request.as_str(), now, series);
    }
    series.push(c::REQUESTS.series([text(name)], Value::Count(readings.requests)));
    series.push(c::VIOLATIONS.series([text(name)], Value::Count(readings.violations)));
    for (api, time) in &readings.throttled {
        series.push(c::REQUEST_THROTTLE.series([text(name), text(api)], Value::Number(time.as_secs_f64())));
    }
    for (of, record) in readings.tasks() {
        task(name, of.as_str(), record, series);
    }
    transactions::transactions(readings, series);
    log_dirs::log_dirs(readings, alone, series);
    let written = Value::Number(unix_seconds(readings.heartbeat.written));
    series.push(c::LEDGER_TICK.series([text(name)], written));
}

fn heartbeats<'a>(name: &'a str, snapshot: &'a heartbeat::Snapshot, series: &mut Vec<Series<'a>>) {
    for (number, partition) in &snapshot.partitions {
        let number: Label<'a> = number.to_string().into();
        let at = || [text(name), number.clone()];
        series.push(c::SCHEDULED.series(at(), Value::Count(partition.scheduled)));
        series.push(c::IN_FLIGHT.series(at(), Value::Count(partition.in_flight)));
        for (anomaly, count) in Anomaly::ALL.iter().zip(partition.anomalies) {
            let labels = [text(name), number.clone(), text(anomaly.as_str())];
            series.push(c::ANOMALIES.series(labels, Value::Count(count)));
        }
        if let Some(at_time) = partition.last_success {
            series.push(c::LAST_SUCCESS.series(at(), Value::Number(unix_seconds(at_time))));
        }
        for (leader, counts) in &partition.by_broker {
            let labels = || [text(name), number.clone(), broker(*leader)];
            for (outcome, count) in Outcome::ALL.iter().zip(counts.outcomes) {
                let [name, number, broker] = labels();
                let labels = [name, number, broker, text(outcome.as_str())];
                series.push(c::OUTCOMES.series(labels, Value::Count(count)));
            }
            series.push(c::PRODUCE.series(labels(), Value::Buckets(&counts.produce)));
            series.push(c::END_TO_END.series(labels(), Value::Buckets(&counts.end_to_end)));
            series.push(c::DELIVERY.series(labels(), Value::Buckets(&counts.delivery)));
        }
    }
    series.push(c::SLO_EVENTS.series([text(name)], Value::Count(snapshot.events)));
    series.push(c::SLO_BAD_EVENTS.series([text(name)], Value::Count(snapshot.bad_events)));
    let unacknowledged = Value::Count(snapshot.unacknowledged_events);
    series.push(c::SLO_UNACKNOWLEDGED_EVENTS.series([text(name)], unacknowledged));
    if let Some(took) = snapshot.startup {
        series.push(c::STARTUP.series([text(name)], Value::Number(took.as_secs_f64())));
    }
    for (renewal, count) in Renewal::ALL.iter().zip(snapshot.renewals) {
        let labels = [text(name), text(renewal.client()), text(renewal.reason())];
        series.push(c::CLIENT_RENEWALS.series(labels, Value::Count(count)));
    }
    series.push(c::SCHEDULE_DELAY.series([text(name)], Value::Buckets(&snapshot.schedule_delay)));
    series.push(c::PROBER_HEALTHY.series([text(name)], flag(snapshot.prober_healthy)));
    for fault in Fault::ALL {
        let count = snapshot.produce_errors.get(&fault).copied().unwrap_or(0);
        series.push(c::PRODUCE_ERRORS.series([text(name), text(fault.as_str())], Value::Count(count)));
        let count = snapshot.fetch_errors.get(&fault).copied().unwrap_or(0);
        series.push(c::FETCH_ERRORS.series([text(name), text(fault.as_str())], Value::Count(count)));
    }
    for (api, buckets) in &snapshot.throttle {
        series.push(c::THROTTLE.series([text(name), text(api)], Value::Buckets(buckets)));
    }
}

/// The ledger has them from the metadata, and keeps the last ones for ever.
fn leaders<'a>(name: &'a str, snapshot: &'a heartbeat::Snapshot, series: &mut Vec<Series<'a>>) {
    for (number, partition) in &snapshot.partitions {
        if let Some(leader) = partition.leader {
            let rack = partition.rack.as_deref().unwrap_or_default();
            let labels = [text(name), number.to_string().into(), broker(Some(leader)), text(rack)];
            series.push(c::PARTITION_LEADER.series(labels, Value::Count(1)));
        }
    }
}

fn connectivity<'a>(name: &'a str, snapshot: &'a connectivity::Snapshot, series: &mut Vec<Series<'a>>) {
    for (id, check) in &snapshot.brokers {
        let labels = || [text(name), broker(Some(*id))];
        series.push(c::BROKER_UP.series(labels(), flag(check.up())));
        series.push(c::BROKER_CHECKS.series(labels(), Value::Count(check.checks)));
        let rack = check.rack.as_deref().unwrap_or_default();
        let [cluster, broker_id] = labels();
        let info = [cluster, broker_id, text(&check.host), check.port.to_string().into(), text(rack)];
        series.push(c::BROKER_INFO.series(info, Value::Count(1)));
        if let Some(expiry) = check.certificate_expiry {
            series.push(c::CERTIFICATE_EXPIRY.series(labels(), Value::Number(unix_seconds(expiry))));
        }
        for ((stage, fault), count) in failures(check) {
            let [name, broker] = labels();
            let labels = [name, broker, text(stage.as_str()), text(fault.as_str())];
            series.push(c::BROKER_CHECK_FAILURES.series(labels, Value::Count(count)));
        }
        let stages = check.durations.iter().map(|(stage, buckets)| (stage.as_str(), buckets));
        for (stage, buckets) in stages.chain([("total", &check.totals)]) {
            let [name, broker] = labels();
            series.push(c::BROKER_CONNECT.series([name, broker, text(stage)], Value::Buckets(buckets)));
        }
    }
}

/// What was seen, and what is usual in the stages that this broker has.
fn failures(check: &connectivity::Check) -> BTreeMap<(Stage, Fault), u64> {
    let has = |stage: Stage| {
        !matches!(stage, Stage::Tls | Stage::Sasl)
            || check.durations.contains_key(&stage)
            || check.failures.keys().any(|(failed, _)| *failed == stage)
    };
    let usual = USUAL_FAILURES.into_iter().filter(|(stage, _)| has(*stage));
    let mut failures: BTreeMap<_, _> =
        usual.flat_map(|(stage, faults)| faults.iter().map(move |fault| ((stage, *fault), 0))).collect();
    failures.extend(&check.failures);
    failures
}

fn metadata<'a>(name: &'a str, snapshot: &'a metadata::Snapshot, series: &mut Vec<Series<'a>>) {
    series.push(c::BROKERS.series([text(name)], Value::Count(snapshot.brokers.len() as u64)));
    series.push(c::TOPICS.series([text(name)], Value::Count(snapshot.topics.len() as u64)));
    series.push(c::PARTITIONS.series([text(name)], Value::Count(snapshot.partitions() as u64)));
    series.push(c::METADATA.series([text(name)], Value::Buckets(&snapshot.durations)));
    if let Some(quorum) = snapshot.quorum {
        series.push(c::QUORUM_LEADER.series([text(name), broker(Some(quorum.leader))], Value::Count(1)));
        series.push(c::QUORUM_EPOCH.series([text(name)], Value::Number(f64::from(quorum.epoch))));
    }
    if let Some(id) = &snapshot.cluster_id {
        series.push(c::CLUSTER_INFO.series([text(name), text(id)], Value::Count(1)));
    }
}

fn capability<'a>(name: &'a str, api: &'static str, now: Capability, series: &mut Vec<Series<'a>>) {
    for state in Capability::ALL {
        let labels = [text(name), text(api), text(state.as_str())];
        series.push(c::CAPABILITY.series(labels, flag(state == now)));
    }
}

fn topic<'a>(name: &'a str, snapshot: &'a topic::Snapshot, series: &mut Vec<Series<'a>>) {
    series.push(c::TOPIC_READY.series([text(name)], flag(snapshot.ready)));
    // Without the settings nobody knows whether one is wrong: a 0 would say that none is.
    let unknown = |kind| kind == "configure" && snapshot.configs != Capability::Ok;
    for kind in Action::KINDS.into_iter().filter(|kind| !unknown(*kind)) {
        let count = snapshot.pending.iter().filter(|action| action.kind() == kind).count();
        series.push(c::TOPIC_PENDING.series([text(name), text(kind)], Value::Count(count as u64)));
    }
    let unknown = |reason| reason == Blocked::Reassigning && snapshot.reassignments != Capability::Ok;
    for reason in Blocked::ALL.into_iter().filter(|reason| !unknown(*reason)) {
        let holds = snapshot.blocked.contains(&reason);
        series.push(c::TOPIC_BLOCKED.series([text(name), text(reason.as_str())], flag(holds)));
    }
    series.push(c::TOPIC_UNCOVERED.series([text(name)], Value::Count(snapshot.uncovered.len() as u64)));
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
        series.push(c::CYCLE_SNAPSHOT.series(at(), Value::Number(unix_seconds(succeeded))));
    }
}

/// What the process knows of itself.
#[derive(Debug, Clone, Default)]
pub struct Process {
    /// Of the program.
    pub version: &'static str,
    /// Of its sources.
    pub revision: &'static str,
    /// Of the library.
    pub librdkafka: String,
    /// When it started.
    pub started: Option<SystemTime>,
    /// Time the async workers were busy, all added up.
    pub busy: Duration,
    /// Async workers.
    pub workers: usize,
    /// User and system time.
    pub cpu: Option<Duration>,
    /// Resident memory in bytes.
    pub memory: Option<u64>,
    /// Open file descriptors.
    pub fds: Option<u64>,
    /// The number of file descriptors that the process may open.
    pub most_fds: Option<u64>,
    /// What became of what was pushed, where something is.
    pub exports: Option<Exports>,
    /// What became of heartbeats that were to be told in traces, where they are.
    pub traces: Option<Traces>,
    /// What became of findings and numbers that were to be published, by cluster.
    pub published: Vec<Published>,
    /// Our own certificates.
    pub certificates: Vec<OwnCertificate>,
    /// How long answers to scrapes took to put together.
    pub scrapes: Option<Buckets>,
}

/// Records of findings and numbers, since the start.
#[derive(Debug, Clone, Default)]
pub struct Published {
    /// Whose topics they go to.
    pub cluster: Arc<str>,
    /// Acknowledged.
    pub sent: u64,
    /// Not.
    pub failed: u64,
}

/// Heartbeats that were to be told in traces, since the start.
#[derive(Debug, Clone, Copy, Default)]
pub struct Traces {
    /// The collector has them.
    pub exported: u64,
    /// It would not take them.
    pub failed: u64,
    /// Too many waited.
    pub dropped: u64,
}

/// Exports since the start.
#[derive(Debug, Clone, Copy, Default)]
pub struct Exports {
    /// By ending, in the order of [`Ending::ALL`].
    pub cycles: [u64; 4],
    /// Of the last one.
    pub duration: Option<Duration>,
    /// Requests that were taken.
    pub requests: u64,
    /// Their bytes, before they were packed.
    pub bytes: u64,
    /// Attempts that were repeated.
    pub retries: u64,
    /// Points that were not taken.
    pub rejected: u64,
}

/// The process's own series.
pub fn process<'a>(process: &'a Process, series: &mut Vec<Series<'a>>) {
    let build = [text(process.version), text(process.revision), text(&process.librdkafka)];
    series.push(p::BUILD_INFO.series(build, Value::Count(1)));
    series.push(p::BUSY.series([], Value::Number(process.busy.as_secs_f64())));
    series.push(p::WORKERS.series([], Value::Count(process.workers as u64)));
    let optional = [
        (&p::PROCESS_CPU, process.cpu.map(|cpu| Value::Number(cpu.as_secs_f64()))),
        (&p::PROCESS_MEMORY, process.memory.map(Value::Count)),
        (&p::PROCESS_FDS, process.fds.map(Value::Count)),
        (&p::PROCESS_MOST_FDS, process.most_fds.map(Value::Count)),
        (&p::PROCESS_START, process.started.map(|started| Value::Number(unix_seconds(started)))),
    ];
    series.extend(optional.into_iter().filter_map(|(family, value)| Some(family.series([], value?))));
    if let Some(exports) = &process.exports {
        for (ending, count) in Ending::ALL.iter().zip(exports.cycles) {
            series.push(p::EXPORTS.series([text(ending.as_str())], Value::Count(count)));
        }
        let last = exports.duration.map(|last| Value::Number(last.as_secs_f64()));
        series.extend(last.map(|last| p::EXPORT_DURATION.series([], last)));
        let counts = [
            (&p::EXPORT_REQUESTS, exports.requests),
            (&p::EXPORT_BYTES, exports.bytes),
            (&p::EXPORT_RETRIES, exports.retries),
            (&p::EXPORT_REJECTED, exports.rejected),
        ];
        series.extend(counts.map(|(family, count)| family.series([], Value::Count(count))));
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
    certificates::certificates(&process.certificates, series);
}

/// How many series are exposed: these, and so many beside them.
pub fn exposed(beside: usize, series: &mut Vec<Series<'_>>) {
    let count = (series.len() + beside) as u64;
    series.push(p::EXPOSED_SERIES.series([], Value::Count(count)));
}

/// A cluster's name under names that older dashboards know: none, if it is the only one.
pub(super) fn shown(readings: &Readings, alone: bool) -> &str {
    if alone { "" } else { &readings.name }
}

pub(super) fn text(text: &str) -> Label<'_> {
    Cow::Borrowed(text)
}

/// `unknown` if there is none.
pub(super) fn broker(id: Option<BrokerId>) -> Label<'static> {
    id.map_or(Cow::Borrowed("unknown"), |id| Cow::Owned(id.to_string()))
}

pub(super) fn flag(holds: bool) -> Value<'static> {
    Value::Count(u64::from(holds))
}
