//! All readings of a cluster in one word, with the reason and since when.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    probe::{
        connectivity,
        heartbeat::{self, Outcome},
        metadata, topic,
    },
    task::Latest,
};

/// Looked at this often.
const EVERY: Duration = Duration::from_secs(1);

/// The state follows the verdicts of this window.
const WINDOW: Duration = Duration::from_secs(30);

/// The state of a cluster as its clients see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Every recent heartbeat was good.
    Ok,
    /// Some heartbeats, brokers or duties fail.
    Degraded,
    /// No heartbeat gets through.
    Down,
    /// We stall ourselves; nothing is said of Kafka.
    ProberFault,
    /// Nothing judged yet.
    Unknown,
}

impl State {
    /// The state as a word.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Degraded => "degraded",
            State::Down => "down",
            State::ProberFault => "prober_fault",
            State::Unknown => "unknown",
        }
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
    let mut window = Window::default();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        let heartbeat = inputs.heartbeat.borrow().clone();
        window.add(&heartbeat);
        let metadata = inputs.metadata.borrow().clone();
        let connectivity = inputs.connectivity.borrow().clone();
        let topic = inputs.topic.borrow().clone();
        let (state, reasons) = judge(&heartbeat, window.change(), &metadata, &connectivity, &topic);
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

/// Verdict counters over the last half minute.
#[derive(Default)]
struct Window(VecDeque<(Instant, u64, u64)>);

impl Window {
    fn add(&mut self, heartbeat: &heartbeat::Snapshot) {
        self.0.push_back((heartbeat.at, heartbeat.events, heartbeat.bad_events));
        while self.0.len() > 2
            && self.0.get(1).is_some_and(|(at, ..)| heartbeat.at.saturating_duration_since(*at) >= WINDOW)
        {
            self.0.pop_front();
        }
    }

    /// (verdicts, bad ones) within the window.
    fn change(&self) -> (u64, u64) {
        match (self.0.front(), self.0.back()) {
            (Some((_, events, bad)), Some((_, events_now, bad_now))) => (events_now - events, bad_now - bad),
            _ => (0, 0),
        }
    }
}

fn judge(
    heartbeat: &heartbeat::Snapshot,
    (events, bad): (u64, u64),
    metadata: &Latest<metadata::Snapshot>,
    connectivity: &Latest<connectivity::Snapshot>,
    topic: &Latest<topic::Snapshot>,
) -> (State, Vec<String>) {
    let mut reasons = Vec::new();
    if !heartbeat.prober_healthy {
        reasons.push(
            "this process was stalled within the last half minute: its numbers say little of Kafka"
                .to_owned(),
        );
        return (State::ProberFault, reasons);
    }
    if bad > 0 {
        reasons.push(format!("{bad} of {events} heartbeats in the last half minute were bad"));
        let open = heartbeat.bad.iter().rev().take(10).map(|bad| bad.outcome);
        if open.into_iter().any(|outcome| outcome == Outcome::Lost) {
            reasons.push("acknowledged heartbeats were lost".to_owned());
        }
    }
    if let Some(failure) = &metadata.failure {
        reasons.push(format!("metadata: {}", failure.message));
    }
    if let Some(connectivity) = connectivity.fresh() {
        for (id, check) in &connectivity.brokers {
            if let Some(failure) = &check.failure {
                reasons.push(format!(
                    "broker {id} cannot be reached: {} in stage {}",
                    failure.fault, failure.stage
                ));
            }
        }
    }
    if let Some(topic) = topic.fresh().filter(|topic| !topic.ready) {
        reasons.push(format!("the heartbeat topic {} is not ready", topic.topic));
    }
    let state = match (events, bad) {
        (0, _) if reasons.is_empty() => State::Unknown,
        (0, _) if metadata.failure.is_some() => State::Down,
        (0, _) => State::Unknown,
        (events, bad) if bad == events => State::Down,
        _ if reasons.is_empty() => State::Ok,
        _ => State::Degraded,
    };
    if state == State::Unknown && reasons.is_empty() {
        reasons.push("no heartbeat was judged within the last half minute".to_owned());
    }
    (state, reasons)
}
