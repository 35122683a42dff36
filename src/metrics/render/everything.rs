//! The one list of everything that is exposed.

use std::time::Instant;

use super::{
    connect, connectivity, coordinators, credentials, diagnosis, durability, heartbeats, liveness, log_dirs,
    metadata, mirrors, negative_checks, process, remote_reads, replicas, requests, schema_registry, tasks,
    topic, topics_and_groups::topics_and_groups, transaction_probe, transactions,
};
use crate::{
    board::Readings,
    catalog::process::EXPOSED_SERIES,
    config::Compat,
    metrics::{ClusterLabel, Series, Sink, Value, compat},
    process::Process,
};

/// Everything to expose, of one moment, and how.
pub struct Exposed<'a> {
    clusters: &'a [Readings],
    /// Absent where only a cluster is to be exposed.
    process: Option<&'a Process>,
    /// The names of older programs that are wanted.
    compat: Compat,
    label: ClusterLabel,
    /// Sums over brokers, which the series of kminion's names refer to. Absent where these names are not wanted.
    kminion: Option<compat::Kminion<'a>>,
    count: Count,
}

/// Whether the number of exposed series is a series, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Count {
    Exposed,
    LeftOut,
}

impl<'a> Exposed<'a> {
    /// For a scrape: with the names of older programs that are wanted, and with the number of exposed series.
    pub fn to_scrape(clusters: &'a [Readings], process: &'a Process, compat: Compat) -> Self {
        let label = ClusterLabel::of(clusters.len());
        let kminion = compat.kminion.then(|| compat::Kminion::of(clusters, label));
        Self { clusters, process: Some(process), compat, label, kminion, count: Count::Exposed }
    }

    /// For a push over OTLP: without the names of older programs, because a push can be renamed on its way.
    pub fn to_push(clusters: &'a [Readings], process: &'a Process) -> Self {
        let label = ClusterLabel::of(clusters.len());
        let compat = Compat::default();
        Self { clusters, process: Some(process), compat, label, kminion: None, count: Count::LeftOut }
    }

    /// For records in a topic of this cluster: without the process, and with the name of the cluster in every record,
    /// because records of several clusters may be copied to one topic.
    pub fn to_publish(cluster: &'a Readings) -> Self {
        let clusters = std::slice::from_ref(cluster);
        let (compat, label) = (Compat::default(), ClusterLabel::EachCluster);
        Self { clusters, process: None, compat, label, kminion: None, count: Count::LeftOut }
    }

    /// The number of exposed series as a series, where it is exposed.
    fn count(&self, count: usize) -> Option<Series<'a>> {
        match self.count {
            Count::Exposed => Some(EXPOSED_SERIES.series([], Value::Count(count as u64))),
            Count::LeftOut => None,
        }
    }
}

/// Everything that is exposed.
pub fn everything<'a>(exposed: &'a Exposed<'a>, sink: &mut impl Sink<'a>) {
    let mut counting = Counting { sink, count: 0 };
    counting.take(but_topics_and_groups(exposed));
    for readings in exposed.clusters {
        topics_and_groups(readings, exposed.label, exposed.compat, &mut counting);
    }
    let count = counting.count;
    sink.take(exposed.count(count));
}

/// A part of everything: all but topics and groups. `others` series of topics and groups are exposed in addition.
///
/// Topics and groups may be a hundred thousand series, and change only with a collection cycle. `/metrics` renders them
/// once for each cycle, with [`topics_and_groups`].
pub fn changing<'a>(exposed: &'a Exposed<'a>, others: usize) -> Vec<Series<'a>> {
    let mut series = but_topics_and_groups(exposed);
    series.extend(exposed.count(series.len() + others));
    series
}

fn but_topics_and_groups<'a>(exposed: &'a Exposed<'a>) -> Vec<Series<'a>> {
    let mut series = Vec::with_capacity(1024);
    for readings in exposed.clusters {
        cluster(readings, exposed.label, &mut series);
    }
    if exposed.compat.cc_heartbeat {
        compat::cc_heartbeat(exposed.clusters, Instant::now(), &mut series);
    }
    if exposed.compat.kafka_exporter {
        compat::brokers(exposed.clusters, exposed.label, &mut series);
    }
    if let Some(kminion) = &exposed.kminion {
        kminion.series(&mut series);
    }
    if let Some(of) = exposed.process {
        process::process(of, &mut series);
    }
    series
}

/// One cluster, but for its topics and groups.
fn cluster<'a>(readings: &'a Readings, label: ClusterLabel, series: &mut Vec<Series<'a>>) {
    let name: &'a str = &readings.name;
    if readings.settings.heartbeat.enabled {
        heartbeats::heartbeats(name, &readings.heartbeat, series);
    }
    diagnosis::diagnosis(readings, series);
    if readings.metadata.fresh().is_some() {
        heartbeats::leaders(name, &readings.heartbeat, series);
    }
    if let Some(snapshot) = readings.connectivity.fresh() {
        connectivity::connectivity(name, snapshot, series);
    }
    if let Some(snapshot) = readings.metadata.fresh() {
        metadata::metadata(name, snapshot, series);
    }
    liveness::liveness(readings, series);
    if let Some(snapshot) = readings.topic.fresh() {
        topic::topic(name, snapshot, series);
    }
    coordinators::coordinators(readings, series);
    transaction_probe::transaction_probe(readings, series);
    replicas::replicas(readings, series);
    remote_reads::remote_reads(readings, series);
    durability::durability(readings, series);
    requests::requests(readings, series);
    credentials::credentials(readings, series);
    tasks::tasks(readings, series);
    transactions::transactions(readings, series);
    log_dirs::log_dirs(readings, label, series);
    schema_registry::schema_registry(readings, series);
    negative_checks::negative_checks(readings, series);
    connect::connect(readings, series);
    mirrors::mirrors(readings, series);
}

/// Counts the series that it passes on.
struct Counting<'s, S> {
    sink: &'s mut S,
    count: usize,
}

impl<'a, S: Sink<'a>> Sink<'a> for Counting<'_, S> {
    fn push(&mut self, series: Series<'a>) {
        self.count += 1;
        self.sink.push(series);
    }
}
