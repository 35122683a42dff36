//! Everything that the page shows, in words and shapes.

use std::{
    sync::Arc,
    time::{Instant, SystemTime},
};

use super::{
    brokers::{Broker, brokers},
    connect::{ConnectCluster, connect},
    durability::{Durability, durability},
    events::{EventRow, events},
    facts::{HeartbeatTopic, facts, heartbeat_topic},
    groups::{GroupRow, groups},
    heartbeats::{BadRow, Bars, bad_row, bars},
    latency::{Latency, windows},
    mirrors::{Mirrors, mirrors},
    negative_checks::{NegativeChecks, negative_checks},
    notices,
    over_time::over_time,
    remote_reads::{RemoteReads, remote_reads},
    rows::{Rows, WORST},
    schema_registry::{Registry, registry},
    suspects::{SuspectRow, suspects, unexplained},
    tasks::{TaskRow, tasks},
    topics::{TopicRow, topics},
    transactions::{Transactions, transactions},
    verdict::{mark, title},
    words::{UNKNOWN, ago, clock, sentence, share},
};
use crate::{board::Readings, config::Slo, http::drawings::Drawings, probe::heartbeat::Outcome, text};

/// The most bad heartbeats that are shown; the API has more.
const BAD_SHOWN: usize = 12;

/// The page.
pub(super) struct View {
    pub(super) clusters: Vec<Cluster>,
    pub(super) version: &'static str,
    pub(super) uptime: String,
    pub(super) now: String,
}

/// One cluster on the page.
pub(super) struct Cluster {
    pub(super) name: String,
    pub(super) state: &'static str,
    pub(super) mark: &'static str,
    pub(super) title: &'static str,
    pub(super) since: String,
    pub(super) suspects: Vec<SuspectRow>,
    pub(super) unexplained: Vec<String>,
    pub(super) reasons: Vec<String>,
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) availability: String,
    pub(super) judged: String,
    pub(super) latencies: Vec<Latency>,
    pub(super) outcomes: Vec<Count>,
    pub(super) partitions: Vec<Bars>,
    /// What was measured over time, as HTML.
    pub(super) over_time: Arc<str>,
    pub(super) brokers: Vec<Broker>,
    pub(super) topic: HeartbeatTopic,
    /// What is wrong with this service itself.
    pub(super) notices: Vec<String>,
    /// Requests that are refused for lack of a permission.
    pub(super) refused: Vec<String>,
    pub(super) bad: Vec<BadRow>,
    /// Acknowledged records that were read again. `None` before the first of them was due, and if none is read.
    pub(super) durability: Option<Durability>,
    /// The transactions of the service. `None` before the first of them, and if none is run.
    pub(super) transactions: Option<Transactions>,
    /// The Schema Registry. `None` if none is checked.
    pub(super) registry: Option<Registry>,
    /// The reads from remote storage. `None` if nothing is read from it.
    pub(super) remote_reads: Option<RemoteReads>,
    /// What the brokers should refuse. `None` if it is not tried.
    pub(super) negative_checks: Option<NegativeChecks>,
    /// The Connect clusters. Empty if none is asked.
    pub(super) connect: Vec<ConnectCluster>,
    /// The mirrors to the cluster. `None` if none is configured.
    pub(super) mirrors: Option<Mirrors>,
    pub(super) deadline: String,
    pub(super) groups: Rows<GroupRow>,
    pub(super) topics: Rows<TopicRow>,
    pub(super) events: Vec<EventRow>,
    pub(super) tasks: Vec<TaskRow>,
}

/// The number of heartbeats with one outcome since the start.
pub(super) struct Count {
    pub(super) name: String,
    pub(super) count: u64,
    pub(super) bad: bool,
}

impl View {
    /// The page of these clusters at one moment, which is given by both clocks.
    pub(super) fn new(
        readings: &[Readings],
        (drawings, slo): (&Drawings, &Slo),
        now: Instant,
        wall: SystemTime,
    ) -> Self {
        drawings.retain(|name| readings.iter().any(|readings| &*readings.name == name));
        let started = readings.first().map(|readings| readings.started);
        Self {
            clusters: readings
                .iter()
                .map(|readings| Cluster::new(readings, over_time(readings, drawings, slo, wall), now, wall))
                .collect(),
            version: env!("CARGO_PKG_VERSION"),
            uptime: started.map_or_else(|| UNKNOWN.to_owned(), |started| ago(started, wall)),
            now: clock(wall),
        }
    }
}

impl Cluster {
    fn new(readings: &Readings, over_time: Arc<str>, now: Instant, wall: SystemTime) -> Self {
        let verdict = &readings.verdict;
        let heartbeat = &readings.heartbeat;
        let judged = heartbeat.events;
        let good = judged - heartbeat.bad_events;
        let deadline = readings.settings.heartbeat.deadline;
        let refused = readings.refused().into_iter();
        let end_to_end = windows("read back", &heartbeat.end_to_end, deadline, now);
        let produce = windows("acknowledged", &heartbeat.produce, deadline, now);
        let outcomes = Outcome::ALL.into_iter().map(|outcome| Count {
            name: outcome.as_str().replace('_', " "),
            count: heartbeat.totals.of(outcome),
            bad: outcome.is_bad(),
        });
        Self {
            name: readings.name.to_string(),
            state: verdict.state.as_str(),
            mark: mark(verdict.state),
            title: title(verdict.state),
            since: ago(verdict.since, wall),
            suspects: suspects(readings, wall),
            unexplained: unexplained(readings),
            reasons: verdict.reasons.iter().map(|reason| sentence(reason)).collect(),
            facts: facts(readings, wall),
            availability: share(good, judged),
            judged: format!(
                "{good} of {judged} heartbeats were good, {} in flight",
                heartbeat.totals.in_flight
            ),
            latencies: end_to_end.into_iter().chain(produce).collect(),
            outcomes: outcomes
                .filter(|count| count.count > 0 || count.name == "ok" || count.name == "lost")
                .collect(),
            partitions: heartbeat
                .partitions
                .iter()
                .map(|(number, partition)| bars(*number, partition, readings, wall))
                .collect(),
            over_time,
            brokers: brokers(readings, wall),
            topic: heartbeat_topic(readings),
            notices: notices::of(readings, wall),
            refused: refused.map(|(request, state)| sentence(&request.refusal(state))).collect(),
            bad: heartbeat.bad.iter().rev().take(BAD_SHOWN).map(|bad| bad_row(bad)).collect(),
            durability: durability(readings),
            transactions: transactions(readings, wall),
            registry: registry(readings, wall),
            remote_reads: remote_reads(readings, wall),
            negative_checks: negative_checks(readings, wall),
            connect: connect(readings, wall),
            mirrors: mirrors(readings, wall),
            deadline: text::duration(deadline),
            groups: groups(readings, "", 0, WORST),
            topics: topics(readings, "", 0, WORST, wall),
            events: events(readings),
            tasks: tasks(readings, wall),
        }
    }
}
