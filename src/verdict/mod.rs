//! All readings of a cluster in one word, with the reason and since when.

mod missing;

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use missing::Brokers;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    closed_enum::closed_enum,
    cluster::metadata,
    config,
    kafka::Fault,
    probe::{
        connectivity,
        heartbeat::{self, Outcome},
        topic,
    },
    task::Latest,
};

/// Looked at this often.
const EVERY: Duration = Duration::from_secs(1);

/// The state follows the verdicts of this window, or of a longer one where heartbeats are rare.
const LEAST_WINDOW: Duration = Duration::from_secs(30);

closed_enum! {
    /// The state of a cluster as its clients see it.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum State {
        /// Every recent heartbeat was good.
        Ok = "ok",
        /// Some heartbeats, brokers or duties fail.
        Degraded = "degraded",
        /// No heartbeat gets through.
        Down = "down",
        /// This process stalls or has no descriptor left; nothing is said of Kafka.
        ProberFault = "prober_fault",
        /// Nothing judged yet.
        Unknown = "unknown",
    }
}

/// A state, why, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The state.
    pub state: State,
    /// One sentence fragment a reason, the gravest first; empty when ok. Hostile text may be inside.
    pub reasons: Vec<String>,
    /// Since when the state has held.
    pub since: SystemTime,
}

/// What the verdict goes by.
pub struct Inputs {
    /// The cluster's heartbeat settings.
    pub settings: config::Heartbeat,
    /// How many brokers the operator expects; absent where the service goes by what it has seen.
    pub expected_brokers: Option<usize>,
    /// The ledger's word.
    pub heartbeat: watch::Receiver<Arc<heartbeat::Snapshot>>,
    /// Sessions to each broker.
    pub connectivity: watch::Receiver<Latest<connectivity::Snapshot>>,
    /// The cluster's metadata.
    pub metadata: watch::Receiver<Latest<metadata::Snapshot>>,
    /// The heartbeat topic.
    pub topic: watch::Receiver<Latest<topic::Snapshot>>,
}

/// Judges once a second until `stop`. No cycle of a task: it asks nobody anything and cannot fail.
pub async fn run(inputs: Inputs, publisher: watch::Sender<Arc<Verdict>>, stop: CancellationToken) {
    let mut window = Window::new(&inputs.settings);
    let mut brokers = Brokers::new(inputs.expected_brokers);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        let heartbeat = inputs.heartbeat.borrow().clone();
        window.add(&heartbeat);
        let metadata = inputs.metadata.borrow().clone();
        let seen = Seen {
            enabled: inputs.settings.enabled,
            prober_healthy: heartbeat.prober_healthy,
            short_of_descriptors: heartbeat.short_of_descriptors,
            change: window.change(),
            missing: missing(&mut brokers, &inputs.settings, &metadata),
            metadata: &metadata,
            connectivity: &inputs.connectivity.borrow().clone(),
            topic: &inputs.topic.borrow().clone(),
        };
        let (state, reasons) = seen.judge();
        publisher.send_if_modified(|verdict| {
            if verdict.state == state && verdict.reasons == reasons {
                return false;
            }
            let since = if verdict.state == state { verdict.since } else { SystemTime::now() };
            *verdict = Arc::new(Verdict { state, reasons, since });
            true
        });
    }
}

/// What the metadata lack, as reasons.
fn missing(
    brokers: &mut Brokers,
    settings: &config::Heartbeat,
    metadata: &Latest<metadata::Snapshot>,
) -> Vec<String> {
    let taken = metadata.snapshot.as_ref().map(|(_, taken)| taken.into_std());
    let (Some(metadata), Some(taken)) = (metadata.fresh(), taken) else { return Vec::new() };
    let mut reasons = Vec::from_iter(brokers.see(&metadata.brokers.keys().copied().collect(), taken));
    if settings.enabled {
        reasons.extend(missing::replicas(metadata, &settings.topic));
    }
    reasons
}

impl Verdict {
    /// Before anything was judged.
    pub fn unknown() -> Self {
        Self {
            state: State::Unknown,
            reasons: vec!["nothing judged yet".to_owned()],
            since: SystemTime::now(),
        }
    }
}

/// Counters of the last half minute, or of three heartbeats where they are rare.
struct Window {
    length: Duration,
    marks: VecDeque<(Instant, Change)>,
}

/// How far counters moved within the window.
#[derive(Debug, Clone, Copy, Default)]
struct Change {
    length: Duration,
    events: u64,
    bad: u64,
    lost: u64,
}

impl Window {
    fn new(settings: &config::Heartbeat) -> Self {
        Self { length: LEAST_WINDOW.max(3 * settings.interval), marks: VecDeque::new() }
    }

    fn add(&mut self, heartbeat: &heartbeat::Snapshot) {
        let heartbeat::Snapshot { at, events, bad_events: bad, totals, .. } = *heartbeat;
        let lost = totals.of(Outcome::Lost);
        self.marks.push_back((at, Change { length: self.length, events, bad, lost }));
        let old = |(begin, _): &(Instant, Change)| at.saturating_duration_since(*begin) >= self.length;
        while self.marks.len() > 2 && self.marks.get(1).is_some_and(old) {
            self.marks.pop_front();
        }
    }

    fn change(&self) -> Change {
        let (Some((_, before)), Some((_, now))) = (self.marks.front(), self.marks.back()) else {
            return Change::default();
        };
        let (events, bad, lost) = (now.events - before.events, now.bad - before.bad, now.lost - before.lost);
        Change { length: self.length, events, bad, lost }
    }
}

/// One look at everything.
struct Seen<'a> {
    enabled: bool,
    prober_healthy: bool,
    short_of_descriptors: bool,
    change: Change,
    /// What the metadata lack.
    missing: Vec<String>,
    metadata: &'a Latest<metadata::Snapshot>,
    connectivity: &'a Latest<connectivity::Snapshot>,
    topic: &'a Latest<topic::Snapshot>,
}

impl Seen<'_> {
    fn judge(&self) -> (State, Vec<String>) {
        if self.short_of_descriptors {
            let remedy = Fault::Descriptors.hint().unwrap_or_default();
            let reason = format!(
                "this process has run out of descriptors within the last half minute and could open no connection: {remedy}"
            );
            return (State::ProberFault, vec![reason]);
        }
        if !self.prober_healthy {
            let reason =
                "this process was stalled within the last half minute: its numbers say little of Kafka";
            return (State::ProberFault, vec![reason.to_owned()]);
        }
        let mut failures = [&self.metadata.failure, &self.connectivity.failure].into_iter().flatten();
        if let Some(failure) = failures.find(|failure| failure.fault.is_ours()) {
            let reason = format!("this process has run out of descriptors: {}", failure.message);
            return (State::ProberFault, vec![reason]);
        }
        let mut reasons = self.reasons();
        let Change { events, bad, length, .. } = self.change;
        let silent = events == 0;
        let state = match (self.enabled, silent) {
            (true, true) | (false, _) if self.metadata.failure.is_some() => State::Down,
            (true, true) => State::Unknown,
            _ if bad > 0 && bad == events => State::Down,
            (false, _) if self.metadata.fresh().is_none() => State::Unknown,
            _ if reasons.is_empty() => State::Ok,
            _ => State::Degraded,
        };
        if state == State::Unknown {
            reasons
                .push(format!("nothing was judged within the last {}", humantime::format_duration(length)));
        }
        (state, reasons)
    }

    fn reasons(&self) -> Vec<String> {
        let Change { events, bad, lost, length } = self.change;
        let length = humantime::format_duration(length);
        let mut reasons = Vec::new();
        if lost > 0 {
            reasons.push(format!("{lost} acknowledged heartbeats were lost within the last {length}"));
        }
        if bad > 0 {
            reasons.push(format!("{bad} of {events} heartbeats within the last {length} were bad"));
        }
        if let Some(failure) = &self.metadata.failure {
            reasons.push(format!("metadata: {}", failure.message));
        }
        for (id, check) in self.connectivity.fresh().iter().flat_map(|snapshot| &snapshot.brokers) {
            if let Some(failure) = &check.failure {
                let connectivity::Failure { stage, fault, .. } = failure;
                reasons.push(format!("broker {id} cannot be reached: {}", stage.failed(*fault)));
            }
        }
        reasons.extend(self.missing.iter().cloned());
        if let Some(topic) = self.topic.fresh().filter(|topic| self.enabled && !topic.ready) {
            reasons.push(match topic.blocked.contains(&topic::Blocked::Denied) {
                true => format!(
                    "authorization: the principal may not describe or not create the heartbeat topic {}",
                    topic.topic
                ),
                false => format!("the heartbeat topic {} is not ready", topic.topic),
            });
        }
        reasons
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::Stage;

    const LENGTH: Duration = Duration::from_secs(30);

    fn judged(
        enabled: bool,
        healthy: bool,
        (events, bad, lost): (u64, u64, u64),
        fails: bool,
    ) -> (State, String) {
        let (interval, unknown) = (Duration::from_secs(5), Latest::new(Duration::from_secs(5)));
        let mut metadata = Latest::new(interval);
        metadata.failure = fails.then(|| crate::task::Failure {
            fault: Fault::Refused,
            stage: Some(Stage::Tcp),
            message: "b1:9092: refused".to_owned(),
            since: SystemTime::now(),
        });
        let change = Change { length: LENGTH, events, bad, lost };
        let connectivity = &Latest::new(interval);
        let seen = Seen {
            enabled,
            prober_healthy: healthy,
            short_of_descriptors: false,
            change,
            missing: Vec::new(),
            metadata: &metadata,
            connectivity,
            topic: &unknown,
        };
        let (state, reasons) = seen.judge();
        (state, reasons.join("; "))
    }

    #[test]
    fn the_state_follows_the_heartbeats() {
        let table = [
            ((true, true, (90, 0, 0), false), State::Ok, ""),
            (
                (true, true, (90, 1, 0), false),
                State::Degraded,
                "1 of 90 heartbeats within the last 30s were bad",
            ),
            (
                (true, true, (90, 90, 0), false),
                State::Down,
                "90 of 90 heartbeats within the last 30s were bad",
            ),
            (
                (true, true, (90, 0, 2), false),
                State::Degraded,
                "2 acknowledged heartbeats were lost within the last 30s",
            ),
            ((true, true, (90, 0, 0), true), State::Degraded, "metadata: b1:9092: refused"),
            ((true, true, (0, 0, 0), true), State::Down, "metadata: b1:9092: refused"),
            ((true, true, (0, 0, 0), false), State::Unknown, "nothing was judged within the last 30s"),
            ((false, true, (0, 0, 0), true), State::Down, "metadata: b1:9092: refused"),
            ((false, true, (0, 0, 0), false), State::Unknown, "nothing was judged within the last 30s"),
        ];
        for ((enabled, healthy, change, fails), state, reason) in table {
            assert_eq!(judged(enabled, healthy, change, fails), (state, reason.to_owned()));
        }
        assert_eq!(judged(true, false, (90, 90, 0), true).0, State::ProberFault, "it says nothing of Kafka");
    }

    #[test]
    fn shortage_of_descriptors_is_named_with_its_remedy_and_says_nothing_of_kafka() {
        let (unknown, connectivity) = (Latest::new(LENGTH), Latest::new(LENGTH));
        let seen = Seen {
            enabled: true,
            prober_healthy: false,
            short_of_descriptors: true,
            change: Change { length: LENGTH, events: 90, bad: 90, lost: 0 },
            missing: vec!["missing: broker 3".to_owned()],
            metadata: &Latest::new(LENGTH),
            connectivity: &connectivity,
            topic: &unknown,
        };
        let reason = "this process has run out of descriptors within the last half minute and could open no connection: \
                      raise the limit of open files of kafka-heartbeat: LimitNOFILE in a systemd unit, ulimit -n in a shell";
        assert_eq!(seen.judge(), (State::ProberFault, vec![reason.to_owned()]));
    }

    #[test]
    fn what_the_metadata_lack_degrades_although_every_heartbeat_is_good() {
        let (unknown, connectivity) = (Latest::new(LENGTH), Latest::new(LENGTH));
        let seen = Seen {
            enabled: true,
            prober_healthy: true,
            short_of_descriptors: false,
            change: Change { length: LENGTH, events: 90, bad: 0, lost: 0 },
            missing: vec!["missing: broker 3".to_owned()],
            metadata: &Latest::new(LENGTH),
            connectivity: &connectivity,
            topic: &unknown,
        };
        assert_eq!(seen.judge(), (State::Degraded, vec!["missing: broker 3".to_owned()]));
    }

    #[test]
    fn rare_heartbeats_are_judged_over_three_of_them() {
        let config = crate::config::load(&crate::config::Sources {
            bootstrap: Some("b:1".to_owned()),
            settings: vec![("heartbeat", "interval".to_owned(), "1m".to_owned(), "test")],
            ..Default::default()
        });
        let settings = config.expect("valid").clusters.remove(0).heartbeat;
        assert_eq!(Window::new(&settings).length, Duration::from_secs(180));
    }
}
