//! Findings and numbers, published to topics of the cluster that they are about.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use futures_util::future::join_all;
use serde_json::json;
use tokio::sync::Mutex;

use crate::{
    board::Board,
    catalog::{Description, cluster::BROKER_UP, collect as c, judge::RATE},
    config::Alerts,
    export::alerts::Findings,
    kafka::{Error, Fault, native::Publisher},
    metrics::{
        Series, Sink, Value,
        render::{self, Exposed},
    },
    task::{Cycle, Schedule},
};

/// The time before the first publication at most. By then a collection cycle has finished.
const FIRST: Duration = Duration::from_secs(15);

/// So many records are in flight at once.
const AT_ONCE: usize = 500;

/// Records since the start: acknowledged, and not acknowledged.
#[derive(Debug, Default)]
pub(super) struct RecordCounts {
    sent: AtomicU64,
    failed: AtomicU64,
}

impl RecordCounts {
    /// The number of acknowledged records, and of records that were not acknowledged.
    pub(super) fn read(&self) -> (u64, u64) {
        (self.sent.load(Relaxed), self.failed.load(Relaxed))
    }
}

/// The task that publishes the findings and numbers of one cluster.
pub(super) struct AlertTask {
    settings: Alerts,
    board: Board,
    publisher: Publisher,
    findings: OpenFindings,
    counts: Arc<RecordCounts>,
}

/// The open findings of a cluster. When the cluster is started again, the next task of the cluster goes on with them.
pub(super) type OpenFindings = Arc<Mutex<Findings>>;

impl AlertTask {
    /// Prepares the task.
    ///
    /// # Errors
    /// Why librdkafka refuses the settings.
    pub(super) fn new(
        settings: &Alerts,
        board: Board,
        findings: OpenFindings,
        counts: Arc<RecordCounts>,
    ) -> Result<Self, String> {
        let limit = (settings.interval / 2).clamp(Duration::from_secs(1), Duration::from_secs(30));
        let publisher =
            Publisher::new(&board.settings, board.wire.access(), limit).map_err(|error| error.to_string())?;
        Ok(Self { settings: settings.clone(), board, publisher, findings, counts })
    }

    pub(super) fn schedule(settings: &Alerts, cluster: &str) -> Schedule {
        let every = settings.interval;
        Schedule { delay: every.min(FIRST), ..Schedule::every(format!("{cluster}/alerts"), every, every) }
    }

    /// Publishes records; returns the result of each.
    async fn publish(&self, topic: &str, records: &[(&str, &str)]) -> Vec<Result<(), Fault>> {
        let mut done = Vec::with_capacity(records.len());
        for records in records.chunks(AT_ONCE) {
            done.extend(
                join_all(records.iter().map(|(key, value)| self.publisher.publish(topic, key, value))).await,
            );
        }
        let sent = done.iter().filter(|done| done.is_ok()).count() as u64;
        self.counts.sent.fetch_add(sent, Relaxed);
        self.counts.failed.fetch_add(done.len() as u64 - sent, Relaxed);
        done
    }

    async fn findings(&self) -> Result<(), Error> {
        let Some(topic) = self.settings.topic.clone() else { return Ok(()) };
        let mut findings = self.findings.lock().await;
        let news = findings.news(&self.board.read(), &self.settings, SystemTime::now());
        let records: Vec<_> = news.iter().map(|message| (message.key, message.value.as_str())).collect();
        let done = self.publish(&topic, &records).await;
        let mut failed = None;
        for (message, done) in news.into_iter().zip(done) {
            match done {
                Ok(()) => findings.published(message),
                Err(fault) => failed = Some(fault),
            }
        }
        failed.map_or(Ok(()), |fault| Err(Error::new(fault, format!("findings to topic {topic}"))))
    }

    async fn numbers(&self) -> Result<(), Error> {
        let Some(topic) = &self.settings.metrics_topic else { return Ok(()) };
        let readings = self.board.read();
        let exposed = Exposed::to_publish(&readings);
        let mut chosen = Chosen::default();
        render::everything(&exposed, &mut chosen);
        let now = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
        let records: Vec<_> = chosen.0.iter().filter_map(|series| number(series, &now)).collect();
        let records: Vec<_> = records.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let done = self.publish(topic, &records).await;
        let failed = done.into_iter().find_map(Result::err);
        failed.map_or(Ok(()), |fault| Err(Error::new(fault, format!("numbers to topic {topic}"))))
    }
}

/// Keeps the series that are published: those of topics, groups and brokers, none of single partitions.
#[derive(Default)]
struct Chosen<'a>(Vec<Series<'a>>);

const PUBLISHED: [&Description; 9] = [
    &BROKER_UP.description,
    &c::GROUP_SUM.description,
    &c::GROUP_MAX_SECONDS.description,
    &c::TOPIC_APPENDED.description,
    &c::PARTITION_COUNT.description,
    &c::OFFLINE.description,
    &c::UNDER_REPLICATED.description,
    &c::UNDER_MIN_ISR.description,
    &RATE.description,
];

impl<'a> Sink<'a> for Chosen<'a> {
    fn push(&mut self, series: Series<'a>) {
        if PUBLISHED.iter().any(|published| published.name == series.family.name) {
            self.0.push(series);
        }
    }
}

/// A series as a record: its key and its value.
fn number(series: &Series<'_>, now: &str) -> Option<(&'static str, String)> {
    let name = series.family.name;
    let value = match series.value {
        Value::Count(count) => json!(count),
        Value::Number(number) => json!(number),
        Value::Buckets(_) => return None,
    };
    let tags: serde_json::Map<_, _> =
        series.named().map(|(label, value)| (label.to_owned(), value.into())).collect();
    Some((name, json!({ "name": name, "value": value, "timestamp": now, "tags": tags }).to_string()))
}

impl Cycle for AlertTask {
    type Snapshot = ();

    async fn cycle(&mut self) -> Result<(), Error> {
        self.publisher.renew_credentials();
        let findings = self.findings().await;
        self.numbers().await.and(findings)
    }
}
