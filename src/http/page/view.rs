//! Readings to words and shapes. Pure; what is not known is a dash.

use std::time::{Duration, Instant, SystemTime};

use super::{
    notices,
    tables::{self, EventRow, GroupRow, Rows, TopicRow},
    words::{ago, before, clock, expires, millis, short},
};
use crate::{
    board::Readings,
    latency::{Recent, Summary},
    probe::{
        connectivity::Check,
        heartbeat::{Beat, Ended, Outcome, Partition},
    },
    verdict::State,
};

/// What is not known.
const UNKNOWN: &str = "–";
/// Height of a partition's bar, and the width of one beat in it.
const BAR_HEIGHT: f64 = 30.0;
const BEAT_WIDTH: usize = 8;
/// Width of a broker's stages, for the slowest broker.
const STAGES_WIDTH: f64 = 220.0;
/// Bad heartbeats that are shown; the API has more.
const BAD_SHOWN: usize = 12;

pub(super) struct View {
    pub(super) clusters: Vec<Cluster>,
    pub(super) version: &'static str,
    pub(super) uptime: String,
    pub(super) now: String,
}

pub(super) struct Cluster {
    pub(super) name: String,
    pub(super) state: &'static str,
    pub(super) mark: &'static str,
    pub(super) title: &'static str,
    pub(super) since: String,
    pub(super) reasons: Vec<String>,
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) availability: String,
    pub(super) judged: String,
    pub(super) latencies: Vec<Latency>,
    pub(super) outcomes: Vec<Count>,
    pub(super) partitions: Vec<Bar>,
    pub(super) brokers: Vec<Broker>,
    pub(super) topic: Topic,
    /// What is wrong with this service itself.
    pub(super) notices: Vec<String>,
    /// Requests that are refused for lack of a permission.
    pub(super) refused: Vec<String>,
    pub(super) bad: Vec<BadRow>,
    pub(super) deadline: String,
    pub(super) groups: Rows<GroupRow>,
    pub(super) topics: Rows<TopicRow>,
    pub(super) events: Vec<EventRow>,
}

pub(super) struct Latency {
    pub(super) name: &'static str,
    pub(super) window: &'static str,
    pub(super) p50: String,
    pub(super) p90: String,
    pub(super) p99: String,
    pub(super) max: String,
    pub(super) count: String,
}

pub(super) struct Count {
    pub(super) name: &'static str,
    pub(super) count: u64,
    pub(super) bad: bool,
}

pub(super) struct Bar {
    pub(super) number: i32,
    pub(super) leader: String,
    pub(super) last: String,
    pub(super) words: String,
    pub(super) beats: Vec<Tick>,
}

pub(super) struct Tick {
    pub(super) class: &'static str,
    pub(super) x: usize,
    pub(super) y: f64,
    pub(super) height: f64,
    pub(super) title: String,
}

pub(super) struct Broker {
    pub(super) id: i32,
    pub(super) place: String,
    pub(super) rack: String,
    pub(super) up: bool,
    pub(super) since: String,
    pub(super) total: String,
    pub(super) stages: Vec<StageBar>,
    pub(super) words: String,
    pub(super) failure: String,
    pub(super) hint: &'static str,
    pub(super) certificate: String,
    pub(super) leads: String,
}

pub(super) struct StageBar {
    pub(super) class: &'static str,
    pub(super) x: f64,
    pub(super) width: f64,
    pub(super) title: String,
}

pub(super) struct Topic {
    pub(super) name: String,
    pub(super) words: &'static str,
    pub(super) good: bool,
    pub(super) pending: Vec<String>,
    pub(super) blocked: Vec<String>,
}

pub(super) struct BadRow {
    pub(super) when: String,
    pub(super) partition: i32,
    pub(super) broker: String,
    pub(super) outcome: &'static str,
    pub(super) fault: &'static str,
    pub(super) produce: String,
    pub(super) end_to_end: String,
    pub(super) id: String,
}

/// The graver, the higher.
pub(super) fn gravity(state: State) -> u8 {
    match state {
        State::Ok => 0,
        State::Unknown => 1,
        State::Degraded => 2,
        State::ProberFault => 3,
        State::Down => 4,
    }
}

/// A state in words, for the head of the page and of the browser's tab.
pub(super) fn title(state: State) -> &'static str {
    match state {
        State::Ok => "Kafka works",
        State::Degraded => "Kafka is degraded",
        State::Down => "Kafka is down",
        State::ProberFault => "This prober cannot measure",
        State::Unknown => "Not known yet",
    }
}

/// Another shape for each state: colour alone does not tell everybody.
fn mark(state: State) -> &'static str {
    match state {
        State::Ok => "●",
        State::Degraded => "▲",
        State::Down => "■",
        State::ProberFault => "◆",
        State::Unknown => "○",
    }
}

impl View {
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
        let (verdict, heartbeat) = (&readings.verdict, &readings.heartbeat);
        let (events, bad) = (heartbeat.events, heartbeat.bad_events);
        let (deadline, refused) = (readings.settings.heartbeat.deadline, readings.refused().into_iter());
        let mut latencies = windows("end to end", &heartbeat.end_to_end, deadline, now);
        latencies.extend(windows("acknowledged", &heartbeat.produce, deadline, now));
        let outcomes = Outcome::ALL.into_iter().map(|outcome| Count {
            name: outcome.as_str(),
            count: heartbeat.totals.of(outcome),
            bad: outcome.is_bad(),
        });
        Self {
            name: readings.name.to_string(),
            state: verdict.state.as_str(),
            mark: mark(verdict.state),
            title: title(verdict.state),
            since: ago(verdict.since, wall),
            reasons: verdict.reasons.clone(),
            facts: facts(readings),
            availability: share(events - bad, events),
            judged: format!(
                "{} good of {events} judged, {} in flight",
                events - bad,
                heartbeat.totals.in_flight
            ),
            latencies,
            outcomes: outcomes
                .filter(|count| count.count > 0 || count.name == "ok" || count.name == "lost")
                .collect(),
            partitions: heartbeat.partitions.iter().map(|(n, p)| bar(*n, p, readings, wall)).collect(),
            brokers: brokers(readings, wall),
            topic: topic(readings),
            notices: notices::of(readings, wall),
            refused: refused.map(|(request, state)| request.refusal(state)).collect(),
            bad: heartbeat.bad.iter().rev().take(BAD_SHOWN).map(|bad| bad_row(bad)).collect(),
            deadline: humantime::format_duration(deadline).to_string(),
            groups: tables::groups(readings, "", 0, tables::WORST),
            topics: tables::topics(readings, "", 0, tables::WORST, wall),
            events: tables::events(readings),
        }
    }
}

/// Rounded down: it is 100 % only if nothing was bad.
fn share(good: u64, events: u64) -> String {
    match (u128::from(good) * 100_000).checked_div(u128::from(events)) {
        Some(thousandths) => format!("{}.{:03} %", thousandths / 1000, thousandths % 1000),
        None => UNKNOWN.to_owned(),
    }
}

fn facts(readings: &Readings) -> Vec<(&'static str, String)> {
    let metadata = readings.metadata.fresh();
    let known = |value: Option<String>| value.unwrap_or_else(|| UNKNOWN.to_owned());
    let quorum = metadata.and_then(|metadata| metadata.quorum).map(|quorum| quorum.leader.to_string());
    vec![
        ("cluster id", known(metadata.and_then(|metadata| metadata.cluster_id.clone()))),
        ("brokers", known(metadata.map(|metadata| metadata.brokers.len().to_string()))),
        ("quorum leader", known(quorum)),
        ("topics", known(metadata.map(|metadata| metadata.topics.len().to_string()))),
        ("partitions", known(metadata.map(|metadata| metadata.partitions().to_string()))),
        (
            "partitions not well",
            known(readings.collect.fresh().map(|collect| tables::sick(&collect.topology))),
        ),
        ("metadata took", known(metadata.map(|metadata| millis(metadata.duration)))),
    ]
}

fn windows(name: &'static str, recent: &Recent, deadline: Duration, now: Instant) -> Vec<Latency> {
    // What was not there by the deadline has no latency but this.
    let words = |time: Duration| match time > deadline {
        true => format!("> {}", humantime::format_duration(deadline)),
        false => millis(time),
    };
    let row = |window: &'static str, seconds: u64| {
        let summary = recent.summary(now, Duration::from_secs(seconds));
        let show = |time: fn(&Summary) -> Duration| {
            summary.as_ref().map_or_else(|| UNKNOWN.to_owned(), |summary| words(time(summary)))
        };
        Latency {
            name,
            window,
            p50: show(|summary| summary.p50),
            p90: show(|summary| summary.p90),
            p99: show(|summary| summary.p99),
            max: show(|summary| summary.max),
            count: summary.as_ref().map_or_else(|| UNKNOWN.to_owned(), |summary| summary.count.to_string()),
        }
    };
    vec![row("1 min", 60), row("5 min", 300)]
}

fn bar(number: i32, partition: &Partition, readings: &Readings, wall: SystemTime) -> Bar {
    let deadline = readings.settings.heartbeat.deadline;
    let ok = partition.beats.iter().filter(|beat| beat.outcome == Some(Outcome::Ok)).count();
    let bad = partition.beats.iter().filter(|beat| beat.bad).count();
    let leader = match (partition.leader, &partition.rack) {
        _ if readings.metadata.fresh().is_none() => UNKNOWN.to_owned(),
        (None, _) => "no leader".to_owned(),
        (Some(leader), None) => format!("broker {leader}"),
        (Some(leader), Some(rack)) => format!("broker {leader} · {rack}"),
    };
    let latest = partition.beats.iter().rev().find_map(|beat| beat.end_to_end);
    let last = match (latest, partition.last_success) {
        (Some(latest), Some(success)) => format!("{} · last ok {}", millis(latest), before(success, wall)),
        _ => UNKNOWN.to_owned(),
    };
    Bar {
        number,
        leader,
        last,
        words: format!("the last {} heartbeats: {ok} ok, {bad} bad", partition.beats.len()),
        beats: partition.beats.iter().enumerate().map(|(index, beat)| tick(index, beat, deadline)).collect(),
    }
}

/// The height is the latency on a logarithmic scale from 1 ms to the deadline; bad ones are as tall as it goes.
fn tick(index: usize, beat: &Beat, deadline: Duration) -> Tick {
    let class = match (beat.bad, beat.outcome) {
        (true, _) => "bad",
        (false, Some(Outcome::Skipped)) => "skipped",
        (false, Some(_)) => "ok",
        (false, None) => "open",
    };
    let scale = |time: Duration| (time.as_secs_f64() * 1e3).max(1.0).ln();
    let share = match (class, beat.end_to_end) {
        ("ok", Some(time)) => (scale(time) / scale(deadline).max(1.0)).clamp(0.0, 1.0),
        ("bad", _) => 1.0,
        _ => 0.0,
    };
    let height = (BAR_HEIGHT * (0.2 + 0.8 * share)).round();
    let state = beat.outcome.map_or(if beat.bad { "bad, still open" } else { "in flight" }, Outcome::as_str);
    let time = beat.end_to_end.map(|time| format!(", {}", millis(time))).unwrap_or_default();
    let title = format!("{} #{}: {state}{time}", clock(beat.intended), beat.sequence);
    Tick { class, x: index * BEAT_WIDTH, y: BAR_HEIGHT - height, height, title }
}

fn brokers(readings: &Readings, wall: SystemTime) -> Vec<Broker> {
    let Some(snapshot) = readings.connectivity.fresh() else { return Vec::new() };
    let sum = |check: &Check| check.stages.iter().map(|(_, took)| took.as_secs_f64()).sum::<f64>();
    let slowest = snapshot.brokers.values().map(sum).fold(0.0, f64::max).max(1e-6);
    let leads = |id| {
        if readings.metadata.fresh().is_none() {
            return UNKNOWN.to_owned();
        }
        let leaders = readings.heartbeat.partitions.values().filter(|partition| partition.leader == Some(id));
        leaders.count().to_string()
    };
    let brokers = snapshot.brokers.iter().map(|(id, check)| {
        let mut x = 0.0;
        let stages = check.stages.iter().map(|(stage, took)| {
            let width = STAGES_WIDTH * took.as_secs_f64() / slowest;
            x += width;
            StageBar {
                class: stage.as_str(),
                x: x - width,
                width,
                title: format!("{stage} {}", millis(*took)),
            }
        });
        let words = check.stages.iter().map(|(stage, took)| format!("{} {}", short(*stage), millis(*took)));
        Broker {
            id: id.0,
            place: format!("{}:{}", check.host, check.port),
            rack: check.rack.clone().unwrap_or_else(|| UNKNOWN.to_owned()),
            up: check.up(),
            since: ago(check.since, wall),
            total: check.total.map_or_else(|| UNKNOWN.to_owned(), millis),
            stages: stages.collect(),
            words: words.collect::<Vec<_>>().join(" · "),
            failure: check.failure.as_ref().map(|failure| failure.message.clone()).unwrap_or_default(),
            hint: check.failure.as_ref().and_then(|failure| failure.fault.hint()).unwrap_or_default(),
            certificate: check.certificate_expiry.map_or_else(|| UNKNOWN.to_owned(), |at| expires(at, wall)),
            leads: leads(*id),
        }
    });
    brokers.collect()
}

fn topic(readings: &Readings) -> Topic {
    let name = readings.settings.heartbeat.topic.clone();
    let Some(topic) = readings.topic.fresh() else {
        return Topic { name, words: "not known", good: false, pending: Vec::new(), blocked: Vec::new() };
    };
    let words = match (topic.ready, topic.pending.is_empty()) {
        (false, _) => "not ready",
        (true, true) => "as it should be",
        (true, false) => "works, but could be better",
    };
    Topic {
        name,
        words,
        good: topic.ready,
        pending: topic.pending.iter().map(ToString::to_string).collect(),
        blocked: topic.blocked.iter().map(|reason| reason.as_str().replace('_', " ")).collect(),
    }
}

fn bad_row(bad: &Ended) -> BadRow {
    let time = |time: Option<Duration>| time.map_or_else(|| UNKNOWN.to_owned(), millis);
    BadRow {
        when: clock(bad.intended),
        partition: bad.partition,
        broker: bad.broker.map_or_else(|| UNKNOWN.to_owned(), |broker| broker.to_string()),
        outcome: bad.outcome.as_str(),
        fault: bad.fault.map_or(UNKNOWN, |fault| fault.as_str()),
        produce: time(bad.produce),
        end_to_end: time(bad.end_to_end),
        id: bad.id.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_well_only_if_nothing_was_bad() {
        let table = [
            ((7, 7), "100.000 %"),
            ((999_999, 1_000_000), "99.999 %"),
            ((1999, 2000), "99.950 %"),
            ((1, 3), "33.333 %"),
            ((0, 9), "0.000 %"),
            ((u64::MAX - 1, u64::MAX), "99.999 %"),
            ((0, 0), UNKNOWN),
        ];
        for ((good, events), words) in table {
            assert_eq!(share(good, events), words, "{good} of {events}");
        }
    }

    #[test]
    fn every_state_has_a_shape_of_its_own() {
        let states = [State::Ok, State::Degraded, State::Down, State::ProberFault, State::Unknown];
        let marks: std::collections::BTreeSet<_> = states.into_iter().map(mark).collect();
        assert_eq!(marks.len(), states.len());
    }
}
