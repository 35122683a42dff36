//! Everything that the page shows, in words and shapes.

use std::time::{Instant, SystemTime};

use super::{
    brokers::{Broker, brokers},
    events::{EventRow, events},
    facts::{HeartbeatTopic, facts, heartbeat_topic},
    groups::{GroupRow, groups},
    heartbeats::{BadRow, Bars, bad_row, bars},
    latency::{Latency, windows},
    notices,
    rows::{Rows, WORST},
    suspects::{SuspectRow, suspects, unexplained},
    tasks::{TaskRow, tasks},
    topics::{TopicRow, topics},
    verdict::{mark, title},
    words::{UNKNOWN, ago, clock, sentence},
};
use crate::{board::Readings, probe::heartbeat::Outcome, text};

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
    pub(super) brokers: Vec<Broker>,
    pub(super) topic: HeartbeatTopic,
    /// What is wrong with this service itself.
    pub(super) notices: Vec<String>,
    /// Requests that are refused for lack of a permission.
    pub(super) refused: Vec<String>,
    pub(super) bad: Vec<BadRow>,
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
    pub(super) fn new(readings: &[Readings], now: Instant, wall: SystemTime) -> Self {
        let started = readings.first().map(|readings| readings.started);
        Self {
            clusters: readings.iter().map(|readings| Cluster::new(readings, now, wall)).collect(),
            version: env!("CARGO_PKG_VERSION"),
            uptime: started.map_or_else(|| UNKNOWN.to_owned(), |started| ago(started, wall)),
            now: clock(wall),
        }
    }
}

impl Cluster {
    fn new(readings: &Readings, now: Instant, wall: SystemTime) -> Self {
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
            brokers: brokers(readings, wall),
            topic: heartbeat_topic(readings),
            notices: notices::of(readings, wall),
            refused: refused.map(|(request, state)| sentence(&request.refusal(state))).collect(),
            bad: heartbeat.bad.iter().rev().take(BAD_SHOWN).map(|bad| bad_row(bad)).collect(),
            deadline: text::duration(deadline),
            groups: groups(readings, "", 0, WORST),
            topics: topics(readings, "", 0, WORST, wall),
            events: events(readings),
            tasks: tasks(readings, wall),
        }
    }
}

/// The share of good heartbeats. It is rounded down, so that it is 100 % only if no heartbeat was bad.
fn share(good: u64, events: u64) -> String {
    match (u128::from(good) * 100_000).checked_div(u128::from(events)) {
        Some(thousandths) => format!("{}.{:03} %", thousandths / 1000, thousandths % 1000),
        None => "no heartbeat yet".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn share_of_good_heartbeats_is_100_percent_only_if_none_was_bad() {
        let table = [
            ((7, 7), "100.000 %"),
            ((999_999, 1_000_000), "99.999 %"),
            ((1999, 2000), "99.950 %"),
            ((1, 3), "33.333 %"),
            ((0, 9), "0.000 %"),
            ((u64::MAX - 1, u64::MAX), "99.999 %"),
            ((0, 0), "no heartbeat yet"),
        ];
        for ((good, events), words) in table {
            assert_eq!(share(good, events), words, "{good} of {events}");
        }
    }
}
