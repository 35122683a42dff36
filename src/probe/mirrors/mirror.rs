//! One mirror.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    checkpoints::Checkpoints,
    ledger::{Ledger, Settings},
    outcome::State,
    peers::Peers,
    reader::Event,
    snapshot::Status,
    topic::MirroredTopic,
};
use crate::{
    config,
    kafka::{
        Capability, Fault, Permission,
        admin::{self, Topics},
        wire,
    },
    probe::heartbeat::{
        Moment, Period, StallWatch, Subscription,
        record::{NotAHeartbeat, Record},
    },
};

/// A cycle looks so often whether the records before the log end have come, with this pause.
const LOOKS: u32 = 10;
const PAUSE: Duration = Duration::from_millis(20);

/// So many cycles in a row may end before the log end is reached. Then the target counts as not read.
const PATIENT_CYCLES: u32 = 3;

/// A topic that may hold the heartbeats of the source.
type HeartbeatTopic = MirroredTopic<Result<Record, NotAHeartbeat>>;

/// Why the target was not read to its end.
struct NotRead {
    state: State,
    fault: Option<Fault>,
}

impl From<Fault> for NotRead {
    fn from(fault: Fault) -> Self {
        let state = if fault == Fault::Authorization { State::Denied } else { State::Unreadable };
        Self { state, fault: Some(fault) }
    }
}

/// One mirror, and what is known of it.
pub(super) struct Mirror {
    settings: config::Mirror,
    /// The settings of the target.
    cluster: Arc<config::Cluster>,
    peers: Peers,
    subscription: Subscription,
    ledger: Ledger,
    topics: Vec<HeartbeatTopic>,
    /// `None` if the translated offsets are not checked.
    checkpoints: Option<Checkpoints>,
    permission: Permission,
    state: State,
    fault: Option<Fault>,
    /// The last refusal to read that the reader met.
    refused: bool,
    /// When the last cycle looked for stalls.
    awake: Instant,
    /// The number of cycles in a row in which the log end was not reached.
    short_of_end: u32,
}

impl Mirror {
    pub(super) fn new(settings: config::Mirror, cluster: Arc<config::Cluster>, peers: Peers) -> Self {
        let own = &cluster.heartbeat.topic;
        let needs_proof = |name: &String| name == own && !settings.is_chosen && cluster.heartbeat.enabled;
        let topics = settings.topics.iter();
        let topics = topics
            .map(|name| MirroredTopic::new(name, needs_proof(name), |record| Record::decode(record.payload)));
        let ledger = Ledger::new(Settings {
            deadline: settings.deadline,
            lost_after: settings.lost_after,
            patience: 6 * settings.interval,
        });
        Self {
            subscription: peers.feeds.of(&settings.source).subscribe(),
            topics: topics.collect(),
            checkpoints: Checkpoints::new(&settings),
            settings,
            cluster,
            peers,
            ledger,
            permission: Permission::default(),
            state: State::Starting,
            fault: None,
            refused: false,
            awake: Instant::now(),
            short_of_end: 0,
        }
    }

    /// The name of the mirror.
    pub(super) fn name(&self) -> Arc<str> {
        self.settings.name.as_str().into()
    }

    /// Other brokers may allow what the ones before refused.
    pub(super) fn forget_refusal(&mut self) {
        self.permission.forget();
        self.checkpoints.iter_mut().for_each(Checkpoints::forget_refusal);
    }

    /// Accounts for what was read since the last cycle, and asks whether that is everything.
    ///
    /// # Errors
    /// The fault of this process for which the target was not read.
    pub(super) async fn cycle(&mut self, wire: &wire::Cluster) -> Result<(), Fault> {
        let begun = Instant::now();
        self.notice_stalls(begun);
        self.take_expected();
        self.take_read();
        // A refusal that is still believed was learned in an earlier cycle.
        let result = if self.permission.is_refused() { None } else { Some(self.look(wire).await) };
        match result {
            None => self.ledger.failed(begun),
            Some(Ok(())) => (self.state, self.fault) = (State::Reading, None),
            Some(Err(NotRead { state, fault })) => {
                self.ledger.failed(begun);
                if state == State::Denied {
                    self.permission.learn(Capability::Denied);
                    self.topics.iter_mut().for_each(MirroredTopic::stop);
                }
                (self.state, self.fault) = (state, fault);
            }
        }
        self.ledger.advance(Instant::now());
        let mirrored = self.topics.iter().find(|topic| topic.seen).map(|topic| &*topic.name);
        if let Some(checkpoints) = &mut self.checkpoints {
            checkpoints.cycle(wire, &self.cluster, mirrored, &self.ledger).await;
        }
        match self.fault {
            Some(fault) if fault.is_ours() => Err(fault),
            _ => Ok(()),
        }
    }

    /// Tells the ledger when this process did not run.
    fn notice_stalls(&mut self, now: Instant) {
        for stall in StallWatch::of_process().stalls(self.awake, now) {
            self.ledger.stalled(Period { from: stall.from, to: stall.to });
        }
        self.awake = now;
    }

    fn take_expected(&mut self) {
        if let Some(run) = self.subscription.run() {
            self.ledger.follow(run);
        }
        while let Some(confirmed) = self.subscription.take() {
            self.ledger.expect(&confirmed);
        }
    }

    /// Books what the readers have read.
    fn take_read(&mut self) {
        for topic in &mut self.topics {
            while let Some(event) = topic.take() {
                match event {
                    Event::Record { place, at, record } => topic.seen |= self.ledger.read(at, place, record),
                    Event::Failed { at, fault } => {
                        self.refused |= fault == Fault::Authorization;
                        self.ledger.failed(at);
                    }
                }
            }
        }
        self.book_end();
    }

    /// Tells the ledger up to when the target has been read.
    fn book_end(&mut self) {
        let read = self.topics.iter().filter(|topic| topic.exists());
        let ends: Option<Vec<Instant>> = read.map(MirroredTopic::caught_up).collect();
        // A topic without heartbeats of the source shows nothing.
        let is_found = self.topics.iter().any(MirroredTopic::is_found);
        if let Some(at) = ends.filter(|_| is_found).and_then(|ends| ends.into_iter().min()) {
            self.ledger.caught_up(at);
        }
    }

    /// Finds the topics, reads them, and asks whether everything has been read.
    async fn look(&mut self, wire: &wire::Cluster) -> Result<(), NotRead> {
        self.describe(wire).await?;
        for topic in &mut self.topics {
            if let Some(at) = topic.begin(wire, &self.cluster).await? {
                self.ledger.resumed(at);
            }
        }
        if std::mem::take(&mut self.refused) {
            return Err(Fault::Authorization.into());
        }
        for topic in &mut self.topics {
            topic.ask(wire).await?;
        }
        for _ in 0..LOOKS {
            self.take_read();
            if self.topics.iter().filter(|topic| topic.exists()).all(|topic| topic.caught_up().is_some()) {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        let mut is_stuck = false;
        for topic in &mut self.topics {
            topic.skip_control_batches(wire).await;
            is_stuck |= topic.is_stuck();
        }
        let is_short = self.topics.iter().any(|topic| topic.exists() && topic.caught_up().is_none());
        self.short_of_end = if is_short { self.short_of_end + 1 } else { 0 };
        if is_stuck || self.short_of_end >= PATIENT_CYCLES {
            return Err(Fault::Timeout.into());
        }
        self.book_end();
        self.permission.learn(Capability::Ok);
        if self.topics.iter().any(MirroredTopic::is_found) {
            return Ok(());
        }
        Err(NotRead { state: State::TopicMissing, fault: None })
    }

    /// Describes the topics that may hold the heartbeats. Once one of them holds some, the others are not read any more.
    async fn describe(&mut self, wire: &wire::Cluster) -> Result<(), NotRead> {
        let has_seen = self.topics.iter().any(|topic| topic.seen);
        let names = self.topics.iter().map(|topic| topic.name.clone());
        let names: Vec<Arc<str>> = names.chain(self.checkpoints.iter().map(Checkpoints::name)).collect();
        let names: Vec<&str> = names.iter().map(|name| &**name).collect();
        let described = admin::metadata(wire, Topics::Named(&names)).await;
        let mut topics = described.map_err(|error| error.fault())?.topics;
        for topic in &mut self.topics {
            if has_seen && !topic.seen {
                topic.stop();
                topic.described = None;
                continue;
            }
            topic.learn(topics.remove(&*topic.name).unwrap_or(Err(Fault::UnknownTopic)));
        }
        if let Some(checkpoints) = &mut self.checkpoints {
            let described = topics.remove(&*checkpoints.name());
            checkpoints.learn(described.unwrap_or(Err(Fault::UnknownTopic)));
        }
        if self.topics.iter().any(MirroredTopic::exists) {
            return Ok(());
        }
        let faults = self.topics.iter().filter_map(|topic| topic.described.as_ref()?.as_ref().err());
        match faults.copied().find(|fault| *fault != Fault::UnknownTopic) {
            Some(fault) => Err(fault.into()),
            None => Err(NotRead { state: State::TopicMissing, fault: None }),
        }
    }

    /// What is published of the mirror.
    pub(super) fn status(&self) -> Status {
        let now = Moment::now();
        let mut counts = self.ledger.counts().clone();
        counts.dropped += self.subscription.dropped();
        let overdue = self.ledger.overdue();
        let oldest = overdue.and_then(|(_, oldest)| oldest);
        Status {
            source: self.settings.source.as_str().into(),
            state: self.state,
            capability: self.permission.state(),
            names: self.topics.iter().map(|topic| topic.name.clone()).collect(),
            topic: self.topics.iter().find(|topic| topic.seen).map(|topic| topic.name.clone()),
            fault: self.fault,
            counts,
            in_flight: self.ledger.in_flight() as u64,
            overdue: overdue.map(|(count, _)| count as u64),
            oldest_overdue: oldest.map(|oldest| now.instant.saturating_duration_since(oldest)),
            newest: self.ledger.newest().map(|newest| now.wall_at(newest)),
            deadline: self.settings.deadline,
            checkpoints: self.checkpoints.as_ref().and_then(|checkpoints| checkpoints.published(now)),
            checkpoints_capability: self.checkpoints.as_ref().map(Checkpoints::capability),
            source_suspects: self.peers.suspects_of(&self.settings.source),
        }
    }
}
