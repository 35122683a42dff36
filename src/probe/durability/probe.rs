//! The task.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use tokio::sync::watch;

use super::{
    ages::ages,
    doubts::Doubts,
    judge::{Judgement, Loss, Rules, judge},
    keep::Keep,
    lost::LostRecord,
    read::{next_round, read},
    saving::Saving,
    snapshot::Snapshot,
    state::{Due, State},
};
use crate::{
    cluster::metadata,
    config,
    kafka::{
        Error, Fault,
        admin::{ReadLog, Topic},
        wire,
    },
    probe::{heartbeat, topic},
    task::{Cycle, Latest},
};

/// The bytes that are read beside the value of a heartbeat: headers of the batch and of the record.
const OVERHEAD: usize = 512;

/// The most requests for records that a cycle sends to one leader. A backlog, as after an outage, is read in several cycles.
const MOST_REQUESTS: usize = 8;

/// What the task needs from other modules.
pub struct Inputs {
    /// The settings of the cluster.
    pub cluster: Arc<config::Cluster>,
    /// The wire client that knows the brokers.
    pub known: Arc<wire::Cluster>,
    /// The partitions of the heartbeat topic and their leaders.
    pub metadata: watch::Receiver<Latest<metadata::Snapshot>>,
    /// The settings of the heartbeat topic.
    pub topic: watch::Receiver<Latest<topic::Snapshot>>,
    /// The acknowledged heartbeats.
    pub heartbeat: watch::Receiver<Arc<heartbeat::Snapshot>>,
}

/// What a cycle has read.
#[derive(Debug, Default)]
struct Checked {
    /// The number of samples that were due and could not be read or judged.
    open: usize,
    /// Whether a record was lost.
    some_lost: bool,
}

/// The task that reads acknowledged heartbeats again.
pub struct Probe {
    inputs: Inputs,
    /// Connections of its own, so that a broker that hangs delays no other task.
    wire: wire::Cluster,
    /// The heartbeat topic.
    name: Arc<str>,
    state: State,
    doubts: Doubts,
    /// Saves the samples; `None` without a history file.
    saving: Option<Saving>,
    /// The topic as the last cycle knew it, and when. `None` if it was not known.
    before: Option<(Topic, Instant)>,
    /// The time at which the topic was last not known to delete its oldest records only.
    compacted: Option<SystemTime>,
    /// When the topic task last looked at the settings of the topic. `None` before its first look.
    looked: Option<Instant>,
}

impl Probe {
    /// A task that has sampled nothing yet.
    pub fn new(inputs: Inputs) -> Self {
        let settings = &inputs.cluster.durability;
        let wire = inputs.known.with_own_connections(settings.timeout / 3).with_circuit_breakers();
        let state = State::new(settings.sample, &settings.after);
        let name = inputs.cluster.heartbeat.topic.as_str().into();
        Self {
            inputs,
            wire,
            name,
            state,
            doubts: Doubts::default(),
            saving: None,
            before: None,
            compacted: None,
            looked: None,
        }
    }

    /// Continues with the samples that were kept, and keeps them from now on.
    pub fn with(mut self, keeper: Arc<dyn Keep>) -> Self {
        if let Some((saving, samples)) = Saving::open(keeper, &self.inputs.cluster.name, &self.name) {
            self.state.remember(samples);
            self.saving = Some(saving);
        }
        self
    }

    /// Takes samples of the newest acknowledged heartbeats. Each was acknowledged after the metadata of the cycle before were read, so
    /// its topic is the one in these metadata, or one that replaced it.
    fn take(&mut self) {
        let Some((before, read)) = &self.before else { return };
        let heartbeat = self.inputs.heartbeat.borrow().clone();
        let acknowledged = heartbeat.partitions.values().filter_map(|partition| partition.acknowledged);
        for acknowledged in acknowledged.filter(|acknowledged| acknowledged.at > *read) {
            self.state.take(&acknowledged, before);
        }
    }

    /// The retention of the topic, if it has a limit that is known. `None` until the topic task has looked at the topic.
    fn retention(&mut self, now: SystemTime) -> Option<Option<Duration>> {
        let latest = self.inputs.topic.borrow();
        let (topic, at) = latest.snapshot.as_ref()?;
        self.looked = Some(at.into_std());
        if topic.only_deletes != Some(true) {
            self.compacted = Some(now);
        }
        Some(topic.retention)
    }

    /// Reads the samples that are due. The metadata of the topic were read at an instant.
    async fn check(&mut self, topic: &Topic, metadata: Instant, begun: Instant) -> Result<Checked, Error> {
        let (settings, now) = (&self.inputs.cluster.durability, SystemTime::now());
        let (after, deadline) = (settings.after.clone(), begun + settings.timeout * 3 / 4);
        let Some(retention) = self.retention(now) else { return Ok(Checked::default()) };
        self.state.give_up(topic, retention, now);
        let ages = ages(&after, retention);
        let mut due = self.state.due(&ages, now);
        self.doubts.retain(due.values().flatten().map(|due| &due.sample));
        let mut checked = Checked { open: due.values().map(VecDeque::len).sum(), some_lost: false };
        let bytes = (self.inputs.cluster.heartbeat.payload_bytes + OVERHEAD).max(4096);
        let (mut failure, mut some_read) = (None, false);
        for _ in 0..MOST_REQUESTS {
            if due.is_empty() || Instant::now() >= deadline {
                break;
            }
            let round = next_round(topic, &mut due);
            for (due, read) in read(&self.wire, &self.name, topic, round, bytes, deadline).await {
                let read = match read {
                    Ok(read) => read,
                    Err(fault) => {
                        failure = Some(fault);
                        continue;
                    }
                };
                some_read = true;
                let judgement = self.judge(&due, &read, retention, metadata, now);
                checked.open -= usize::from(judgement != Judgement::Open);
                if let Some(lost) = self.state.settle(&due, judgement, &ages, &self.name, now) {
                    checked.some_lost = true;
                    self.log(&lost);
                }
            }
        }
        match failure {
            Some(fault) if !some_read => Err(Error::new(fault, "the reads of acknowledged heartbeats")),
            _ => Ok(checked),
        }
    }

    /// The judgement of a sample. A loss stays open until a read after newer metadata confirms it. A gap in the log stays open until
    /// the settings of the topic were looked at again as well: it may be compacted since a moment ago.
    fn judge(
        &mut self,
        due: &Due,
        read: &ReadLog,
        retention: Option<Duration>,
        metadata: Instant,
        now: SystemTime,
    ) -> Judgement {
        let sample = &due.sample;
        let may_compact = self.compacted.is_some_and(|at| at >= sample.acknowledged);
        let judgement = judge(sample, sample.age(now), read, Rules { retention, may_compact });
        let known = match judgement {
            Judgement::Lost(Loss::Missing, _) => self.looked.map_or(metadata, |looked| looked.min(metadata)),
            _ => metadata,
        };
        let is_lost = matches!(judgement, Judgement::Lost(..));
        if is_lost && !self.doubts.is_confirmed(sample, known) { Judgement::Open } else { judgement }
    }

    /// Logs one line about a lost record.
    fn log(&self, lost: &LostRecord) {
        let cluster = &self.inputs.cluster.name;
        let (topic, partition, offset) = (&*lost.topic, lost.sample.partition, lost.sample.offset);
        let reason = lost.loss.as_str();
        tracing::error!(cluster, topic, partition, offset, reason, "{}", lost.sentence());
    }
}

impl Cycle for Probe {
    type Snapshot = Snapshot;

    async fn cycle(&mut self) -> Result<Snapshot, Error> {
        let metadata =
            metadata::fresh(&mut self.inputs.metadata, self.inputs.cluster.metadata.timeout).await?;
        let read = self.inputs.metadata.borrow().snapshot.as_ref().map(|(_, read)| read.into_std());
        let begun = Instant::now();
        let read = read.unwrap_or(begun);
        self.wire.begin_cycle(&self.inputs.known);
        self.take();
        self.before = metadata.heartbeat_topic.as_ref().ok().map(|topic| (topic.clone(), begun));
        let checked = match &metadata.heartbeat_topic {
            Ok(topic) => self.check(topic, read, begun).await,
            // A topic that is missing may return, or be created again with another id.
            Err(Fault::UnknownTopic) => Ok(Checked::default()),
            Err(fault) => Err(Error::new(*fault, "the heartbeat topic")),
        };
        if let Some(saving) = &mut self.saving {
            let some_lost = checked.as_ref().is_ok_and(|checked| checked.some_lost);
            saving.save(&mut self.state, some_lost).await;
        }
        checked.map(|checked| self.state.snapshot(checked.open))
    }

    async fn end(&mut self) {
        if let Some(saving) = &mut self.saving {
            saving.save_all(&mut self.state).await;
        }
    }
}
